//! What is kept in memory per partition: some hundred bytes when it is idle.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use model::{LogId, Offset, Timestamp};

use crate::{ExtentSequence, Position, locked::lock, log::EntryBytes};

/// Where one entry of a partition is and what it spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryRef {
    pub(crate) base: Offset,
    pub(crate) next: Offset,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) position: Position,
    /// Header, batches and padding.
    pub(crate) bytes: u32,
}

/// An entry that is not in a sealed extent's index yet, or still in memory.
#[derive(Clone)]
pub(crate) struct Recent {
    pub(crate) at: EntryRef,
    pub(crate) cached: Option<EntryBytes>,
}

impl Recent {
    /// The entry's bytes, if they are in memory.
    pub(crate) fn in_memory(&self) -> Option<Bytes> {
        self.cached.as_ref().and_then(EntryBytes::written)
    }
}

/// The entries of one partition in one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) first: Offset,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) extent: ExtentSequence,
    pub(crate) bytes: u32,
}

/// One partition. Its lock is taken before any other; the table's is never held while it is taken.
pub(crate) struct Partition {
    pub(crate) id: LogId,
    durable: AtomicI64,
    state: Mutex<PartitionState>,
}

#[derive(Default)]
pub(crate) struct PartitionState {
    /// Raised when a trim is queued: readers see nothing before it.
    pub(crate) start: Offset,
    /// Follows when the trim is durable: a crash can't bring back what is before it, so that only
    /// those bytes may go.
    pub(crate) durable_start: Offset,
    pub(crate) next: Offset,
    pub(crate) removed: bool,
    /// In order; the first may begin before `start`.
    pub(crate) runs: Vec<Run>,
    /// The newest entries, without gaps to the last one.
    pub(crate) recent: VecDeque<Recent>,
    /// Offsets lost to damage, in order.
    pub(crate) lost: Vec<(Offset, Offset)>,
}

// Idle partitions are many: 100,000 of them take some twenty megabytes.
const _: () = assert!(size_of::<Partition>() <= 176);

impl Partition {
    pub(crate) fn new(id: LogId, state: PartitionState) -> Self {
        Self {
            id,
            durable: AtomicI64::new(state.next.0),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PartitionState> {
        lock(&self.state)
    }

    pub(crate) fn durable_end(&self) -> Offset {
        Offset(self.durable.load(Ordering::Acquire))
    }

    /// Called by the sync step alone, with ever larger offsets.
    pub(crate) fn set_durable_end(&self, end: Offset) {
        self.durable.store(end.0, Ordering::Release);
    }
}

impl PartitionState {
    /// Takes note of an entry at the end.
    pub(crate) fn push(&mut self, at: EntryRef, cached: Option<EntryBytes>) {
        self.next = self.next.max(at.next);
        self.recent.push_back(Recent { at, cached });
        match self.runs.last_mut() {
            Some(run) if run.extent == at.position.extent => {
                run.bytes = run.bytes.saturating_add(at.bytes);
                run.max_timestamp = run.max_timestamp.max(at.max_timestamp);
            }
            _ => self.runs.push(Run {
                first: at.base,
                max_timestamp: at.max_timestamp,
                extent: at.position.extent,
                bytes: at.bytes,
            }),
        }
    }

    /// Makes `start` durable and drops what lies wholly below it; gives the runs that nothing
    /// refers to any more.
    pub(crate) fn release(&mut self, start: Offset) -> Vec<Run> {
        let start = self.durable_start.max(start);
        self.durable_start = start;
        while self
            .recent
            .front()
            .is_some_and(|recent| recent.at.next <= start)
        {
            self.recent.pop_front();
        }
        self.lost.retain(|&(_, until)| until > start);
        let ends = self.runs.iter().skip(1).map(|run| run.first);
        let ends = ends.chain([self.next]);
        let dead = self
            .runs
            .iter()
            .zip(ends)
            .take_while(|&(_, end)| end <= start)
            .count();
        self.runs.drain(..dead).collect()
    }

    /// Drops entries from the front that a sealed index has and the cache has not.
    pub(crate) fn prune(&mut self, sealed_through: ExtentSequence) {
        while self.recent.front().is_some_and(|recent| {
            recent.at.position.extent <= sealed_through && recent.cached.is_none()
        }) {
            self.recent.pop_front();
        }
        if self.recent.is_empty() {
            self.recent = VecDeque::new();
        }
    }

    /// Takes the batches of the entry at `base` out of memory.
    pub(crate) fn evict(&mut self, base: Offset, sealed_through: ExtentSequence) {
        let at = self.recent.partition_point(|recent| recent.at.base < base);
        if let Some(recent) = self.recent.get_mut(at) {
            recent.cached = None;
        }
        self.prune(sealed_through);
    }

    /// The lost range that `offset` is in.
    pub(crate) fn lost_at(&self, offset: Offset) -> Option<(Offset, Offset)> {
        let after = self.lost.partition_point(|&(from, _)| from <= offset);
        let range = self.lost.get(after.checked_sub(1)?)?;
        (offset < range.1).then_some(*range)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.bytes)).sum()
    }
}

/// All partitions of the log.
#[derive(Default)]
pub(crate) struct PartitionTable(RwLock<Partitions>);

#[derive(Default)]
struct Partitions {
    known: HashMap<LogId, Arc<Partition>>,
    /// Their removal is queued and not durable yet: a crash could bring them back.
    leaving: HashMap<LogId, Arc<Partition>>,
}

impl PartitionTable {
    fn read(&self) -> RwLockReadGuard<'_, Partitions> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Partitions> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, id: LogId) -> Option<Arc<Partition>> {
        self.read().known.get(&id).cloned()
    }

    /// As [`PartitionTable::find`], also of one whose removal is not durable.
    pub(crate) fn find_or_leaving(&self, id: LogId) -> Option<Arc<Partition>> {
        let table = self.read();
        let found = table.known.get(&id).or_else(|| table.leaving.get(&id));
        found.cloned()
    }

    pub(crate) fn insert_absent(&self, id: LogId, make: impl FnOnce() -> Partition) {
        let mut table = self.write();
        table.known.entry(id).or_insert_with(|| Arc::new(make()));
    }

    /// Hides a partition whose removal was queued.
    pub(crate) fn hide(&self, id: LogId) {
        let table = &mut *self.write();
        if let Some(partition) = table.known.remove(&id) {
            table.leaving.insert(id, partition);
        }
    }

    /// Forgets a hidden partition: its removal is durable.
    pub(crate) fn forget(&self, id: LogId) {
        self.write().leaving.remove(&id);
    }

    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        self.read().known.values().cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().known.len()
    }
}
