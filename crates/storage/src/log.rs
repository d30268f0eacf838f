//! The log of one data directory: what `hub` calls, and what the log's threads share.

mod append;
mod bring;
mod catch_up;
mod checkpoint;
mod cold_cache;
mod foresee;
mod gate;
mod gather;
mod known;
mod lend;
mod read;
mod recover;
mod retain;
mod room;
mod scan;
mod search;
mod spares;
mod staging;
mod sync;
mod threads;
mod upkeep;
mod write;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use model::{LogId, Offset, Timestamp, batch::StampedBatch};

use self::{
    append::Queue, catch_up::CatchUp, cold_cache::ColdCache, foresee::Streams, gate::Gate,
    lend::Loans, spares::Spares, staging::Staging, sync::Unsynced, threads::Threads,
    upkeep::Wanted, write::TailCache,
};
pub use self::{append::batch_bytes_max, foresee::LookAhead};
pub(crate) use self::{
    known::Known,
    room::EntryBytes,
    scan::{ExtentScan, Found},
};
use crate::{
    AppendError, CheckpointError, CloseError, Completion, EntryTime, Lending, OpenError, Options,
    Position, ReadError, ReadOutcome, Recovery, Snapshot, State, Stats, TimestampMatch, Watermarks,
    disk::{Disk, RealDisk},
    extent::{ExtentSet, Opened},
    locked::lock,
    mark::Mark,
    partition::{Partition, PartitionState, PartitionTable},
};

/// One data directory's log. All methods take `&self` and may be called from any thread.
pub struct Log {
    core: Arc<Core>,
    threads: Threads,
}

/// What the log's threads and callers share.
///
/// Locks are taken in this order: a partition, `queue`, `spares`, the set of extents; `writer`,
/// then `unsynced`; `syncer` alone; `upkeeping` before all of these. The table of partitions is
/// locked for a moment, inside any of them. Completions run under `writer` or `syncer`. Who brings in
/// old entries takes a turn of `cold`, then waits at `gate`, and holds none of the others.
pub(crate) struct Core {
    disk: Arc<dyn Disk>,
    options: Options,
    salt: u32,
    partitions: PartitionTable,
    extents: ExtentSet,
    opened: Opened,
    loans: Arc<Loans>,
    queue: Mutex<Queue>,
    /// Signalled when `queue` gets its first item, and at the end.
    queue_filled: Condvar,
    spares: Mutex<Spares>,
    /// Held by whoever writes.
    writer: Mutex<Staging>,
    tail: Mutex<TailCache>,
    /// Taken alone.
    streams: Mutex<Streams>,
    gate: Gate,
    cold: ColdCache,
    catch_up: CatchUp,
    unsynced: Mutex<Unsynced>,
    /// Signalled when `unsynced` gets its first item, and at the end.
    unsynced_filled: Condvar,
    /// Held by whoever syncs and by nobody else.
    syncer: Mutex<()>,
    upkeep: Arc<Wanted>,
    /// Held by whoever does upkeep: extents are sealed in their order.
    upkeeping: Mutex<()>,
    /// Held by whoever builds a lost index again; taken alone, or under `upkeeping`.
    rebuilding: Mutex<()>,
    checkpointing: Mutex<()>,
    durable: AtomicU64,
    /// Says the same in a file of its own.
    mark: Mark,
    closed: OnceLock<Arc<str>>,
    /// Tells the threads to end once nothing is left to do.
    ending: AtomicBool,
    no_space: AtomicBool,
    reported_damages: Mutex<BTreeSet<Position>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    /// Appended and not yet durable.
    waiting_bytes: AtomicU64,
    syncs: AtomicU64,
    synced_bytes: AtomicU64,
    synced_entries: AtomicU64,
    /// Written through the page cache for readers that catch up.
    cached_write_bytes: AtomicU64,
    /// Slabs of entries some of which are held, by the log or by readers, as the last append saw it.
    held_slab_bytes: AtomicU64,
}

impl Log {
    /// Opens the directory (made if absent) on the real disk, recovers, starts the threads.
    ///
    /// # Errors
    /// The directory is in use, not usable, or written by a newer program.
    pub fn open(dir: &Path, options: Options) -> Result<(Arc<Self>, Recovery), OpenError> {
        let disk = RealDisk::new(dir, options.direct_writes).map_err(|source| OpenError::Io {
            action: "make",
            file: dir.display().to_string(),
            source,
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// As [`Log::open`], on any disk.
    ///
    /// # Errors
    /// The directory is in use, not usable, or written by a newer program.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        options: Options,
    ) -> Result<(Arc<Self>, Recovery), OpenError> {
        let (core, recovery) = Core::open(disk, options)?;
        let core = Arc::new(core);
        let threads = Threads::start(&core)?;
        Ok((Arc::new(Self { core, threads }), recovery))
    }

    /// Makes an empty partition known. Nothing is written: `hub`'s metadata is the truth.
    pub fn create(&self, id: LogId) {
        self.core.create(id);
    }

    /// Whether the log knows the partition.
    #[must_use]
    pub fn contains(&self, id: LogId) -> bool {
        self.core.partitions.find(id).is_some()
    }

    /// Queues batches of one partition, stamped from [`Log::next_offset`] on without gaps.
    ///
    /// On `Ok`, `done` hears of both stages; on `Err` it is dropped unheard.
    ///
    /// # Errors
    /// Nothing was queued: no space, a full or closed log, or the caller's offsets are wrong.
    pub fn append(
        &self,
        id: LogId,
        batches: Vec<StampedBatch>,
        done: Box<dyn Completion>,
    ) -> Result<(), AppendError> {
        self.core.append(id, batches, done)
    }

    /// Where the next batch goes.
    #[must_use]
    pub fn next_offset(&self, id: LogId) -> Option<Offset> {
        let partition = self.core.partitions.find(id)?;
        let next = partition.lock().next;
        Some(next)
    }

    /// Where the partition begins and ends, in step with each other.
    #[must_use]
    pub fn watermarks(&self, id: LogId) -> Option<Watermarks> {
        let partition = self.core.partitions.find(id)?;
        let state = partition.lock();
        Some(Watermarks {
            start: state.start,
            durable_end: partition.durable_end(),
            next: state.next,
        })
    }

    /// Bytes of the partition's live entries.
    #[must_use]
    pub fn size(&self, id: LogId) -> Option<u64> {
        let partition = self.core.partitions.find(id)?;
        let bytes = partition.lock().size_bytes();
        Some(bytes)
    }

    /// Whole batches from the one that contains `from`, below `limit` and the durable end; at
    /// least one if there is one, else no more than `bytes_max`. May block on the disk.
    ///
    /// # Errors
    /// The offset is outside the partition or damaged, or the disk failed.
    pub fn read(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
    ) -> Result<ReadOutcome, ReadError> {
        self.core.read(id, from, limit, bytes_max)
    }

    /// As [`Log::read`], but what was read may stay in the system's memory.
    ///
    /// # Errors
    /// As for [`Log::read`].
    pub fn read_or_lend(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<ReadOutcome, ReadError> {
        self.core.read_or_lend(id, from, limit, bytes_max, lending)
    }

    /// As [`Log::read_or_lend`], answered from memory, ours or the system's; `None` when the disk would be
    /// needed for any of it.
    ///
    /// # Errors
    /// The offset is outside the partition or damaged.
    pub fn read_at_once(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        self.core.read_at_once(id, from, limit, bytes_max, lending)
    }

    /// Reads in what a reader will need. Blocks on the disk.
    pub fn look_ahead(&self, errand: &LookAhead) {
        self.core.look_ahead(errand);
    }

    /// The first record below `limit` at or after `timestamp`. May block on the disk.
    ///
    /// # Errors
    /// The partition is unknown or damaged there, or the disk failed.
    pub fn offset_for_timestamp(
        &self,
        id: LogId,
        timestamp: Timestamp,
        limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        self.core.offset_for_timestamp(id, timestamp, limit)
    }

    /// The first record below `limit` with the largest timestamp. May block on the disk.
    ///
    /// # Errors
    /// The partition is unknown or damaged there, or the disk failed.
    pub fn max_timestamp(
        &self,
        id: LogId,
        limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        self.core.max_timestamp(id, limit)
    }

    /// The largest time of the entry that holds `offset`, as far as memory knows it; `None` where
    /// the partition holds nothing.
    #[must_use]
    pub fn time_in_memory(&self, id: LogId, offset: Offset) -> Option<EntryTime> {
        self.core.time_in_memory(id, offset)
    }

    /// The largest time of the entry that holds `offset`, else of the first after it. Looks into
    /// indexes, not at records. May block on the disk.
    ///
    /// # Errors
    /// The partition is unknown, or an index could not be read.
    pub fn time_of(&self, id: LogId, offset: Offset) -> Result<Option<Timestamp>, ReadError> {
        self.core.time_of(id, offset)
    }

    /// The first offset that time retention keeps when all older than `timestamp` may go.
    ///
    /// # Errors
    /// The partition is unknown, or an index could not be read.
    pub fn expired_before(&self, id: LogId, timestamp: Timestamp) -> Result<Offset, ReadError> {
        self.core.expired_before(id, timestamp)
    }

    /// The first offset that size retention keeps when at most `bytes` should stay.
    ///
    /// # Errors
    /// The partition is unknown, or an index could not be read.
    pub fn oversized_until(&self, id: LogId, bytes: u64) -> Result<Offset, ReadError> {
        self.core.oversized_until(id, bytes)
    }

    /// Raises the partition's start to `start`, at most to its durable end.
    pub fn trim(&self, id: LogId, start: Offset, done: Box<dyn Completion>) {
        self.core.trim(id, start, done);
    }

    /// Forgets the partition and frees its disk.
    pub fn remove(&self, id: LogId, done: Box<dyn Completion>) {
        self.core.remove(id, done);
    }

    /// Writes a checkpoint, so that the next start scans less and dead extents can go. Blocks.
    ///
    /// `snapshot_of` is asked once per partition while no lock of the log is held.
    ///
    /// # Errors
    /// The previous checkpoint stays in force.
    pub fn checkpoint(
        &self,
        snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CheckpointError> {
        self.core.checkpoint(snapshot_of)
    }

    /// Whether enough has changed for a checkpoint to be worth its cost.
    #[must_use]
    pub fn checkpoint_due(&self) -> bool {
        self.core.checkpoint_due()
    }

    /// Makes what is noted of the syncs outlive the machine. Blocks on the disk; to be called now
    /// and then, off the way of appends.
    pub fn keep_mark(&self) {
        self.core.mark.sync(self.core.durable_position());
    }

    /// Gives memory back that has not been used since the last call. To be called now and then:
    /// what it gives back too early is asked for anew.
    pub fn give_back(&self) {
        let mut queue = lock(&self.core.queue);
        queue.rooms.give_back();
        self.core.note_held_slabs(&queue);
        drop(queue);
        self.core.cold.give_back();
    }

    /// All before this is on stable storage.
    #[must_use]
    pub fn durable_position(&self) -> Position {
        self.core.durable_position()
    }

    /// Numbers for metrics; asks the file system for its free space.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Makes everything durable, writes a checkpoint that says "clean", stops the threads.
    ///
    /// # Errors
    /// The log was closed by an error before, or the checkpoint failed: the next start recovers.
    pub fn close(&self, snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>) -> Result<(), CloseError> {
        self.core.refuse_appends();
        self.core.checkpoint(snapshot_of)?;
        self.threads.end(&self.core);
        self.core.mark_clean()?;
        Ok(())
    }
}

impl Drop for Log {
    /// Without [`Log::close`] the next start recovers, but what was appended is still written.
    fn drop(&mut self) {
        self.threads.end(&self.core);
    }
}

impl Core {
    fn create(&self, id: LogId) {
        self.partitions
            .insert_absent(id, || Partition::new(id, PartitionState::default()));
    }

    fn partition(&self, id: LogId) -> Result<Arc<Partition>, ReadError> {
        self.partitions.find(id).ok_or(ReadError::UnknownPartition)
    }

    pub(crate) fn durable_position(&self) -> Position {
        Position::unpack(self.durable.load(Ordering::Acquire))
    }

    fn stats(&self) -> Stats {
        let free_space_bytes = self.disk.free_bytes().unwrap_or(0);
        let for_another = self.options.extent_bytes + self.options.free_space_floor_bytes;
        let is_short = free_space_bytes < for_another;
        let state = match self.closed.get() {
            Some(reason) => State::Closed(Arc::clone(reason)),
            None if is_short && self.no_space.load(Ordering::Relaxed) => State::NoSpace,
            None => State::Open,
        };
        let active_live_bytes = lock(&self.queue).active_live_bytes();
        let cold = self.cold.passed();
        Stats {
            state,
            syncs: self.counters.syncs.load(Ordering::Relaxed),
            synced_bytes: self.counters.synced_bytes.load(Ordering::Relaxed),
            synced_entries: self.counters.synced_entries.load(Ordering::Relaxed),
            cached_write_bytes: self.counters.cached_write_bytes.load(Ordering::Relaxed),
            cold_read_bytes: cold.read,
            cold_unused_bytes: cold.unused,
            queue_bytes: self.counters.waiting_bytes.load(Ordering::Relaxed),
            extents: u64::try_from(self.extents.len()).unwrap_or(u64::MAX),
            partitions: u64::try_from(self.partitions.len()).unwrap_or(u64::MAX),
            live_bytes: self
                .extents
                .total_live_bytes()
                .saturating_add(active_live_bytes),
            free_space_bytes,
        }
    }

    /// Tells the upkeep thread that there is something to do.
    fn want_upkeep(&self) {
        self.upkeep.call();
    }
}

#[cfg(test)]
mod tests;
