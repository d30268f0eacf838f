//! The log's three threads: thin loops around the steps, so that tests can take the steps alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
};

use super::Core;
use crate::{OpenError, locked::lock};

/// Less is not worth a thread of its own while another is synced: with 64 KiB at a time from two connections
/// waking it for everything cost a fifth to a third of the throughput.
pub(super) const OVERLAP_BYTES_MIN: u64 = 512 << 10;
const NAMES: [&str; 3] = ["log-write", "log-sync", "log-upkeep"];

/// The running threads; ended and joined once.
pub(super) struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    pub(super) fn start(core: &Arc<Core>) -> Result<Self, OpenError> {
        let loops: [fn(&Core); 3] = [Core::write_loop, Core::sync_loop, Core::upkeep_loop];
        let threads = Self(Mutex::new(Vec::new()));
        for (name, run) in NAMES.into_iter().zip(loops) {
            let own = Arc::clone(core);
            let body = move || {
                // A panic here is a broken invariant of ours: nothing may be acknowledged after.
                if catch_unwind(AssertUnwindSafe(|| run(&own))).is_err() {
                    own.shut(&format!("thread {name} panicked"));
                }
            };
            let builder = thread::Builder::new().name(name.to_owned());
            match builder.spawn(body) {
                Ok(handle) => lock(&threads.0).push(handle),
                Err(source) => {
                    threads.end(core);
                    return Err(OpenError::Io {
                        action: "start thread",
                        file: name.to_owned(),
                        source,
                    });
                }
            }
        }
        Ok(threads)
    }

    /// Lets the threads finish what is queued, and waits for them unless this is one of them: the
    /// last owner of the log may let go inside a completion, which runs under a lock that the
    /// others may be waiting for.
    pub(super) fn end(&self, core: &Core) {
        {
            // Each loop looks at the flag under the lock that it waits with.
            let _queue = lock(&core.queue);
            let _unsynced = lock(&core.unsynced);
            let _upkeep = lock(&core.upkeep.is_wanted);
            core.ending.store(true, Ordering::Release);
        }
        core.queue_filled.notify_all();
        core.unsynced_filled.notify_all();
        core.upkeep.changed.notify_all();
        let handles = std::mem::take(&mut *lock(&self.0));
        let own = thread::current().id();
        if handles.iter().any(|handle| handle.thread().id() == own) {
            return;
        }
        for handle in handles {
            if handle.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
        while core.step_write() || core.step_sync() {}
    }
}

impl Core {
    fn write_loop(&self) {
        loop {
            if self.step_write() {
                continue;
            }
            let queue = lock(&self.queue);
            if self.ending.load(Ordering::Acquire) && queue.items.is_empty() {
                return;
            }
            let wait = |queue: &mut super::Queue| {
                let is_over = self.ending.load(Ordering::Acquire) && queue.items.is_empty();
                !queue.is_ready() && !is_over
            };
            let waited = self.queue_filled.wait_while(queue, wait);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Syncs what is written; when nothing is, it writes itself. During a sync the write thread
    /// writes what is worth it, so that the two overlap.
    fn sync_loop(&self) {
        loop {
            if self.step_sync() || self.step_write() {
                continue;
            }
            let mut unsynced = lock(&self.unsynced);
            if self.ending.load(Ordering::Acquire) && unsynced.items.is_empty() {
                drop(unsynced);
                // The write thread may be about to hand over what it took; the first step waits
                // for it.
                while self.step_write() || self.step_sync() {}
                return;
            }
            unsynced.is_idle = true;
            drop(unsynced);
            // Whoever queued something before this thread said that it is idle left it to this thread.
            let is_ready = lock(&self.queue).is_ready();
            let mut unsynced = lock(&self.unsynced);
            unsynced.has_queued |= is_ready;
            let wait = |unsynced: &mut super::Unsynced| {
                unsynced.items.is_empty()
                    && !unsynced.has_queued
                    && !self.ending.load(Ordering::Acquire)
            };
            let waited = self.unsynced_filled.wait_while(unsynced, wait);
            let mut unsynced = waited.unwrap_or_else(PoisonError::into_inner);
            unsynced.is_idle = false;
            unsynced.has_queued = false;
        }
    }

    /// Wakes whoever should write what was queued just now: the sync thread if it has nothing to do. While it
    /// is busy it finds little to write by itself afterwards, together with what comes until then; the write
    /// thread is woken if the writing should overlap with the sync.
    pub(super) fn wake_writer(&self, overlaps: bool) {
        let mut unsynced = lock(&self.unsynced);
        if unsynced.is_idle {
            unsynced.has_queued = true;
            drop(unsynced);
            self.unsynced_filled.notify_one();
        } else if overlaps {
            drop(unsynced);
            self.queue_filled.notify_one();
        }
    }

    fn upkeep_loop(&self) {
        loop {
            self.step_upkeep();
            let wanted = lock(&self.upkeep.is_wanted);
            let wait = |wanted: &mut bool| !*wanted && !self.ending.load(Ordering::Acquire);
            let waited = self.upkeep.changed.wait_while(wanted, wait);
            let mut wanted = waited.unwrap_or_else(PoisonError::into_inner);
            if self.ending.load(Ordering::Acquire) {
                return;
            }
            *wanted = false;
        }
    }
}
