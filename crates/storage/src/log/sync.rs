//! The sync step: what was written becomes durable, visible, and is answered, in order.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Core,
    append::{Action, Item},
};
use crate::{
    Completion, Position, Synced,
    extent::{FilledExtent, OpenExtent},
    locked::lock,
    partition::{Partition, Run},
};

/// Entries that are written and wait for a sync.
#[derive(Default)]
pub(super) struct Unsynced {
    pub(super) items: Vec<UnsyncedItem>,
    /// The sync thread waits: it may write as well, which saves waking a second thread.
    pub(super) is_idle: bool,
    /// The sync thread was woken to write.
    pub(super) has_queued: bool,
}

/// An [`Item`] without its bytes, which are with the operating system now.
pub(super) struct UnsyncedItem {
    extent: Arc<OpenExtent>,
    end: Position,
    bytes: u64,
    effect: Effect,
    pub(super) done: Option<Box<dyn Completion>>,
}

enum Effect {
    Extend(Arc<Partition>, model::Offset),
    /// With the start that this trim sets; a later one may be queued already.
    Trim(Arc<Partition>, model::Offset),
    Remove(Arc<Partition>),
    Fill(FilledExtent),
}

impl UnsyncedItem {
    pub(super) fn of(item: Item) -> Self {
        let end = item.end();
        let (base, next) = (item.header.base, item.header.next);
        Self {
            extent: item.extent,
            end,
            bytes: u64::from(item.header.total_bytes()),
            effect: match item.action {
                Action::Batches(partition) => Effect::Extend(partition, next),
                Action::Trim(partition) => Effect::Trim(partition, base),
                Action::Remove(partition) => Effect::Remove(partition),
                Action::End(filled) => Effect::Fill(filled),
            },
            done: item.done,
        }
    }
}

impl Core {
    /// Syncs what is written; false when there was nothing.
    pub(super) fn step_sync(&self) -> bool {
        let _syncer = lock(&self.syncer);
        let items = std::mem::take(&mut lock(&self.unsynced).items);
        let Some(last) = items.last() else {
            return false;
        };
        let end = last.end;
        let synced = Synced {
            bytes: items.iter().map(|item| item.bytes).sum(),
            entries: u64::try_from(items.len()).unwrap_or(u64::MAX),
        };
        if let Err(error) = self.sync_extents(&items, synced) {
            // What is in doubt must not be answered before the log says that it is closed.
            self.shut(&format!("sync failed: {error}"));
            let error = self.closed_error();
            for done in items.into_iter().filter_map(|item| item.done) {
                done.durable(Err(error.clone()));
            }
            return true;
        }
        self.durable.store(end.pack(), Ordering::Release);
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        self.counters
            .synced_bytes
            .fetch_add(synced.bytes, Ordering::Relaxed);
        self.counters
            .synced_entries
            .fetch_add(synced.entries, Ordering::Relaxed);
        self.counters
            .waiting_bytes
            .fetch_sub(synced.bytes, Ordering::Relaxed);
        // All of it is visible before anybody hears of any: a reader who is woken finds it whole.
        let take_effect = |item: UnsyncedItem| {
            self.take_effect(item.effect);
            item.done
        };
        let told: Vec<_> = items.into_iter().filter_map(take_effect).collect();
        for done in told {
            done.durable(Ok(()));
        }
        // After the replies: nobody waits for a second witness.
        self.mark.note(end);
        true
    }

    /// One sync per extent that the entries are in: one, or two around the end of an extent.
    fn sync_extents(&self, items: &[UnsyncedItem], synced: Synced) -> std::io::Result<()> {
        if let Some(observer) = &self.options.observer {
            observer.sync_started();
        }
        let mut last = None;
        for item in items {
            if last != Some(item.extent.sequence) {
                last = Some(item.extent.sequence);
                item.extent.file.sync_data()?;
            }
        }
        if let Some(observer) = &self.options.observer {
            observer.sync_ended(synced);
        }
        Ok(())
    }

    fn take_effect(&self, effect: Effect) {
        match effect {
            Effect::Extend(partition, end) => partition.set_durable_end(end),
            Effect::Trim(partition, start) => {
                let released = partition.lock().release(start);
                self.release(&released);
            }
            Effect::Remove(partition) => {
                let released = {
                    let mut state = partition.lock();
                    state.recent = std::collections::VecDeque::new();
                    std::mem::take(&mut state.runs)
                };
                self.partitions.forget(partition.id);
                self.release(&released);
            }
            Effect::Fill(filled) => {
                self.extents.push_filled(filled);
                self.want_upkeep();
            }
        }
    }

    fn release(&self, runs: &[Run]) {
        for run in runs {
            self.extents.release(run.extent, u64::from(run.bytes));
        }
        if !runs.is_empty() {
            self.want_upkeep();
        }
    }
}
