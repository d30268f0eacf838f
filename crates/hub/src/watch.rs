//! Waiting for a partition's watermark: by bytes (fetches) and by offset (replies).
//!
//! Whoever waits is entered here before it looks a last time, so nothing that arrives in between
//! is missed; whoever advances the watermark wakes only those for whom it could be enough.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use model::Offset;
use tokio::sync::{Notify, oneshot};

use crate::{
    partition::Partition,
    sync::{lock, tell},
};

/// What wakes a wait before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Deleted,
    /// Appends alone, and for a while: see [`crate::resume`].
    DiskFull,
    LogClosed,
    ShuttingDown,
}

/// The waits of one partition. Empty it allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    fetches: BTreeMap<u64, Arc<FetchWait>>,
    offsets: BTreeMap<(Offset, u64), oneshot::Sender<Result<(), Broken>>>,
    broken: Option<Broken>,
}

/// Numbers the waits of the process.
static NEXT_WAIT: AtomicU64 = AtomicU64::new(0);

impl Watch {
    /// The watermark has risen to `end`, by `bytes`.
    pub(crate) fn advanced(&self, end: Offset, bytes: u64) {
        let reached = {
            let mut waits = lock(&self.waits);
            for fetch in waits.fetches.values() {
                fetch.arrived(bytes);
            }
            if waits.offsets.is_empty() {
                return;
            }
            let later = waits.offsets.split_off(&(end.plus(1), 0));
            std::mem::replace(&mut waits.offsets, later)
        };
        for reply in reached.into_values() {
            tell(reply, Ok(()));
        }
    }

    /// Nothing will arrive any more: wakes everyone, now and from now on.
    pub(crate) fn break_off(&self, reason: Broken) {
        let offsets = {
            let mut waits = lock(&self.waits);
            waits.broken.get_or_insert(reason);
            for fetch in waits.fetches.values() {
                fetch.notify.notify_one();
            }
            std::mem::take(&mut waits.offsets)
        };
        for reply in offsets.into_values() {
            tell(reply, Err(reason));
        }
    }

    /// Why nothing will arrive any more, if so.
    pub(crate) fn broken(&self) -> Option<Broken> {
        lock(&self.waits).broken
    }

    /// Enters a wait until the watermark is at least `offset`. The caller looks at the watermark
    /// once more after this.
    pub(crate) fn until(&self, offset: Offset) -> oneshot::Receiver<Result<(), Broken>> {
        let (reply, wait) = oneshot::channel();
        let mut waits = lock(&self.waits);
        if let Some(reason) = waits.broken {
            tell(reply, Err(reason));
        } else {
            let id = NEXT_WAIT.fetch_add(1, Ordering::Relaxed);
            waits.offsets.insert((offset, id), reply);
        }
        wait
    }

    fn enter(&self, id: u64, wait: &Arc<FetchWait>) {
        lock(&self.waits).fetches.insert(id, Arc::clone(wait));
    }

    fn leave(&self, id: u64) {
        lock(&self.waits).fetches.remove(&id);
    }
}

/// One parked fetch, entered at each of its partitions.
#[derive(Debug)]
pub(crate) struct FetchWait {
    arrived: AtomicI64,
    wanted: AtomicI64,
    notify: Notify,
}

impl FetchWait {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            arrived: AtomicI64::new(0),
            wanted: AtomicI64::new(i64::MAX),
            notify: Notify::new(),
        })
    }

    /// Starts counting anew: call before looking at the partitions.
    pub(crate) fn reset(&self) {
        self.wanted.store(i64::MAX, Ordering::SeqCst);
        self.arrived.store(0, Ordering::SeqCst);
    }

    /// Completes when so many bytes have arrived since `reset`, or a partition broke off.
    pub(crate) async fn until(&self, bytes: usize) {
        let wanted = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.wanted.store(wanted, Ordering::SeqCst);
        if self.arrived.load(Ordering::SeqCst) < wanted {
            self.notify.notified().await;
        }
    }

    fn arrived(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.arrived.fetch_add(bytes, Ordering::SeqCst);
        if before.saturating_add(bytes) >= self.wanted.load(Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }
}

/// A fetch's entries at its partitions; dropped, they are gone.
pub(crate) struct Entered {
    id: u64,
    places: Vec<Arc<Partition>>,
}

impl Entered {
    pub(crate) fn new(wait: &Arc<FetchWait>, places: Vec<Arc<Partition>>) -> Self {
        let id = NEXT_WAIT.fetch_add(1, Ordering::Relaxed);
        for place in &places {
            place.watch.enter(id, wait);
        }
        Self { id, places }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        for place in &self.places {
            place.watch.leave(self.id);
        }
    }
}
