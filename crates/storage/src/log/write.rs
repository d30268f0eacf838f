//! The write step: queued entries reach the operating system, in the order of their positions.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
};

use model::Offset;

use super::{
    Core,
    append::{Action, Item},
    room::join,
    staging::Staging,
    sync::UnsyncedItem,
};
use crate::{
    AppendError, entry::EntryKind, extent::OpenExtent, locked::lock, partition::Partition,
};

/// Bytes of one call, at most, unless one entry is larger: 1 MiB of batches and their headers.
pub(super) const STEP_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// Never less than this for want of more that waits.
const STEP_BYTES_MIN: u64 = 512 << 10;
/// While one share of what waits is written, one is synced and one comes in: with longer calls the
/// disk has nothing to do during a sync. A third of 2.5 MiB instead of all of it gave 1.2 times the
/// throughput; a tenth of it cost a third more of the processor.
const SHARES: u64 = 3;

/// Entries whose batches are kept in memory, oldest first.
#[derive(Default)]
pub(super) struct TailCache {
    entries: VecDeque<(Arc<Partition>, Offset, u64)>,
    bytes: u64,
}

impl Core {
    /// Writes what is queued, up to a limit; false when there was nothing.
    pub(super) fn step_write(&self) -> bool {
        let mut writer = lock(&self.writer);
        let items = self.take_queued();
        if items.is_empty() {
            return false;
        }
        let mut rest = items.as_slice();
        while let Some(first) = rest.first() {
            let extent = Arc::clone(&first.extent);
            let of_extent = |item: &&Item| item.extent.sequence == extent.sequence;
            let count = rest.iter().take_while(of_extent).count();
            let (here, after) = rest.split_at(count);
            rest = after;
            if let Err(error) = self.write_items(&mut writer, &extent, here) {
                self.shut(&format!("write failed: {error}"));
                self.fail(items);
                return true;
            }
        }
        self.hand_over(items);
        true
    }

    /// The first entries, as far as they are put together.
    fn take_queued(&self) -> Vec<Item> {
        let mut queue = lock(&self.queue);
        let waiting = self.counters.waiting_bytes.load(Ordering::Relaxed);
        let step = (waiting / SHARES).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX as u64);
        let mut bytes = 0;
        let fits = |item: &&Item| {
            bytes += u64::from(item.header.total_bytes());
            item.bytes.is_filled() && bytes <= step
        };
        let count = queue.items.iter().take_while(fits).count();
        let count = count.max(usize::from(queue.is_ready()));
        let taken: Vec<Item> = queue.items.drain(..count).collect();
        let bytes = taken.iter().map(|item| item.header.total_bytes());
        queue.bytes -= bytes.map(u64::from).sum::<u64>();
        if queue.is_ready() {
            // The sync thread may be the one that writes here, and is about to sync.
            self.queue_filled.notify_one();
        }
        taken
    }

    /// Writes neighbouring entries of one extent.
    fn write_items(
        &self,
        staging: &mut Staging,
        extent: &OpenExtent,
        items: &[Item],
    ) -> io::Result<()> {
        let file = &*extent.file;
        staging.begin(extent, self.goes_through_cache(extent, items));
        let start = items.first().map(|item| item.header.position);
        assert!(
            start.is_some_and(|start| u64::from(start.byte) == staging.position()),
            "entries follow what was written before"
        );
        for run in join(items.iter().map(|item| &item.bytes)) {
            staging.push(file, &run)?;
        }
        let end = items.last().map(Item::end);
        assert!(
            end.is_some_and(|end| u64::from(end.byte) == staging.position()),
            "entries follow each other"
        );
        staging.write(file)
    }

    /// Whether readers that catch up should find the entries in the system's page cache.
    fn goes_through_cache(&self, extent: &OpenExtent, items: &[Item]) -> bool {
        // Without batches a write tells nothing of the load; and the end of an extent, which is one, comes
        // just before the next file is made, when it is asked for.
        let holds_batches = |item: &Item| item.header.kind == EntryKind::Batches;
        if !items.iter().any(holds_batches) {
            return false;
        }
        let bytes = items.iter().map(|item| item.header.total_bytes());
        let bytes = bytes.map(u64::from).sum();
        // What is still being sent from a file's former pages must not be written over.
        let does = self.catch_up.settle(bytes) && !extent.is_reused;
        if does {
            let counter = &self.counters.cached_write_bytes;
            counter.fetch_add(bytes, Ordering::Relaxed);
        }
        does
    }

    /// Tells the callers and gives the entries to the sync step.
    fn hand_over(&self, mut items: Vec<Item>) {
        for item in &mut items {
            if let Some(done) = &mut item.done {
                done.written();
            }
        }
        self.remember(&items);
        let mut unsynced = lock(&self.unsynced);
        if self.closed.get().is_some() {
            drop(unsynced);
            self.fail(items);
            return;
        }
        let was_empty = unsynced.items.is_empty();
        unsynced
            .items
            .extend(items.into_iter().map(UnsyncedItem::of));
        drop(unsynced);
        if was_empty {
            self.unsynced_filled.notify_one();
        }
    }

    /// Counts the entries into the tail cache and puts the oldest out of memory.
    fn remember(&self, items: &[Item]) {
        let mut evicted = Vec::new();
        {
            let mut tail = lock(&self.tail);
            for item in items {
                let Action::Batches(partition) = &item.action else {
                    continue;
                };
                let bytes = u64::from(item.header.total_bytes());
                tail.bytes += bytes;
                tail.entries
                    .push_back((Arc::clone(partition), item.header.base, bytes));
            }
            while tail.bytes > self.options.tail_cache_bytes {
                let Some(entry) = tail.entries.pop_front() else {
                    break;
                };
                tail.bytes -= entry.2;
                evicted.push(entry);
            }
        }
        let sealed_through = self.extents.sealed_through();
        for (partition, base, _) in evicted {
            partition.lock().evict(base, sealed_through);
        }
    }

    /// Closes the log until restart: everything not yet durable hears of it.
    pub(super) fn shut(&self, reason: &str) {
        self.mark_closed(reason);
        let unsynced = std::mem::take(&mut lock(&self.unsynced).items);
        let queued = {
            let mut queue = lock(&self.queue);
            queue.bytes = 0;
            std::mem::take(&mut queue.items)
        };
        let error = self.closed_error();
        for done in unsynced.into_iter().filter_map(|item| item.done) {
            done.durable(Err(error.clone()));
        }
        self.fail(queued.into());
    }

    /// From here on nothing is taken, and nothing that is not synced yet is acknowledged.
    pub(super) fn mark_closed(&self, reason: &str) {
        if self.closed.set(reason.into()).is_ok() {
            tracing::error!(reason, "the log is closed until restart");
        }
    }

    pub(super) fn closed_error(&self) -> AppendError {
        let reason = self.closed.get().cloned();
        AppendError::Closed(reason.unwrap_or_else(|| "closed".into()))
    }

    fn fail(&self, items: Vec<Item>) {
        let error = self.closed_error();
        for done in items.into_iter().filter_map(|item| item.done) {
            done.durable(Err(error.clone()));
        }
    }
}
