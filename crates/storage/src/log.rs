//! The log of one data directory: what `hub` calls.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use model::{
    LeaderEpoch, LogId, Offset, Timestamp,
    batch::{BatchHeader, StampedBatch},
};

use crate::{
    AppendError, CheckpointError, CloseError, OpenError, Options, Position, ReadError,
    position::ExtentSequence,
};

/// Told how far an append, trim or removal has come; each stage at most once, on a log thread.
///
/// Implementations return quickly and call nothing of the log that blocks.
pub trait Completion: Send {
    /// The bytes are with the operating system: they survive the process, not the machine.
    fn written(&mut self) {}
    /// The bytes are on stable storage and visible, or never will be. The last call.
    fn durable(self: Box<Self>, result: Result<(), AppendError>);
}

/// What `open` found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// The last user closed the log properly. If not, leader epochs must be raised.
    pub clean: bool,
    pub partitions: Vec<RecoveredPartition>,
    pub damages: Vec<Damage>,
}

/// One partition as the log has it.
#[derive(Clone, Debug)]
pub struct RecoveredPartition {
    pub id: LogId,
    pub start: Offset,
    pub next: Offset,
    pub snapshot: Option<Snapshot>,
    /// Headers of batches at or after `snapshot.next` (or all that are scanned), in order. Batches
    /// that neither carry a producer nor begin a leader epoch are left out.
    pub tail: Vec<BatchHeader>,
}

/// What the machine above a partition wants back at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The first offset that `bytes` do not reflect. Everything appended before
    /// [`Log::checkpoint`] was called must be reflected; more may be.
    pub next: Offset,
    pub bytes: Bytes,
}

/// Something that was not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes after the last sound entry, never known to be synced: an interrupted write. Cut.
    TornTail { at: Position, bytes: u64 },
    /// Bytes known to have been synced are not sound any more. Kept in `quarantine/`.
    Quarantined { at: Position, bytes: u64 },
    /// These offsets of a partition are lost; reading them is an error.
    LostOffsets {
        id: LogId,
        from: Offset,
        until: Offset,
    },
    /// An extent that holds live batches is gone.
    MissingExtent { extent: ExtentSequence },
    /// The manifest could not be read: all extents were scanned, snapshots are lost.
    Manifest,
}

/// Batches for a reader, verbatim.
#[derive(Clone, Debug, Default)]
pub struct ReadOutcome {
    /// Whole batches when put one after another; a piece may hold a part of one or several.
    pub pieces: Vec<Bytes>,
    pub bytes: usize,
    pub batches: usize,
    /// Sum of the batches' record counts.
    pub records: u64,
    /// The offset to read from next: `from` itself when nothing was there.
    pub next: Offset,
}

/// What a search by time found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampMatch {
    Record {
        offset: Offset,
        timestamp: Timestamp,
        leader_epoch: LeaderEpoch,
    },
    /// The record is inside this compressed batch; whoever can decompress looks inside.
    Batch { header: BatchHeader, bytes: Bytes },
}

/// Whether the log takes appends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Open,
    /// The last append that needed room was refused; the next one tries again.
    NoSpace,
    Closed(Arc<str>),
}

/// Numbers for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub state: State,
    pub syncs: u64,
    pub synced_bytes: u64,
    pub synced_entries: u64,
    /// Appended and not yet durable.
    pub queue_bytes: u64,
    pub extents: u64,
    pub partitions: u64,
    pub live_bytes: u64,
    pub free_space_bytes: u64,
}

/// One data directory's log. All methods take `&self` and may be called from any thread.
pub struct Log;

impl Log {
    /// Opens the directory (made if absent) on the real disk, recovers, starts the threads.
    ///
    /// # Errors
    /// The directory is in use, not usable, or written by a newer program.
    pub fn open(_dir: &Path, _options: Options) -> Result<(Arc<Self>, Recovery), OpenError> {
        unimplemented!()
    }

    /// Makes an empty partition known. Nothing is written: `hub`'s metadata is the truth.
    pub fn create(&self, _id: LogId) {
        unimplemented!()
    }

    /// Whether the log knows the partition.
    pub fn contains(&self, _id: LogId) -> bool {
        unimplemented!()
    }

    /// Queues batches of one partition, stamped from [`Log::next_offset`] on without gaps.
    ///
    /// On `Ok`, `done` hears of both stages; on `Err` it is dropped unheard.
    ///
    /// # Errors
    /// Nothing was queued: no space, a full or closed log, or the caller's offsets are wrong.
    pub fn append(
        &self,
        _id: LogId,
        _batches: Vec<StampedBatch>,
        _done: Box<dyn Completion>,
    ) -> Result<(), AppendError> {
        unimplemented!()
    }

    /// Where the next batch goes.
    pub fn next_offset(&self, _id: LogId) -> Option<Offset> {
        unimplemented!()
    }

    /// The end of what is synced: the high watermark.
    pub fn durable_end(&self, _id: LogId) -> Option<Offset> {
        unimplemented!()
    }

    pub fn start_offset(&self, _id: LogId) -> Option<Offset> {
        unimplemented!()
    }

    /// Bytes of the partition's live entries.
    pub fn size(&self, _id: LogId) -> Option<u64> {
        unimplemented!()
    }

    /// Whole batches from the one that contains `from`, below `limit` and the durable end; at
    /// least one if there is one, else no more than `bytes_max`. May block on the disk.
    ///
    /// # Errors
    /// The offset is outside the partition or damaged, or the disk failed.
    pub fn read(
        &self,
        _id: LogId,
        _from: Offset,
        _limit: Offset,
        _bytes_max: usize,
    ) -> Result<ReadOutcome, ReadError> {
        unimplemented!()
    }

    /// As [`Log::read`], answered from memory alone; `None` when the disk would be needed.
    ///
    /// # Errors
    /// The offset is outside the partition or damaged.
    pub fn read_cached(
        &self,
        _id: LogId,
        _from: Offset,
        _limit: Offset,
        _bytes_max: usize,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        unimplemented!()
    }

    /// The first record below `limit` at or after `timestamp`. May block on the disk.
    ///
    /// # Errors
    /// The partition is unknown or damaged there, or the disk failed.
    pub fn offset_for_timestamp(
        &self,
        _id: LogId,
        _timestamp: Timestamp,
        _limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        unimplemented!()
    }

    /// The first record below `limit` with the largest timestamp. May block on the disk.
    ///
    /// # Errors
    /// The partition is unknown or damaged there, or the disk failed.
    pub fn max_timestamp(
        &self,
        _id: LogId,
        _limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        unimplemented!()
    }

    /// The first offset that time retention keeps when all older than `timestamp` may go.
    ///
    /// # Errors
    /// The partition is unknown, or an index could not be read.
    pub fn expired_before(&self, _id: LogId, _timestamp: Timestamp) -> Result<Offset, ReadError> {
        unimplemented!()
    }

    /// The first offset that size retention keeps when at most `bytes` should stay.
    ///
    /// # Errors
    /// The partition is unknown, or an index could not be read.
    pub fn oversized_until(&self, _id: LogId, _bytes: u64) -> Result<Offset, ReadError> {
        unimplemented!()
    }

    /// Raises the partition's start to `start`, at most to its durable end.
    pub fn trim(&self, _id: LogId, _start: Offset, _done: Box<dyn Completion>) {
        unimplemented!()
    }

    /// Forgets the partition and frees its disk.
    pub fn remove(&self, _id: LogId, _done: Box<dyn Completion>) {
        unimplemented!()
    }

    /// Writes a checkpoint, so that the next start scans less and dead extents can go. Blocks.
    ///
    /// `snapshot_of` is asked once per partition while no lock of the log is held.
    ///
    /// # Errors
    /// The previous checkpoint stays in force.
    pub fn checkpoint(
        &self,
        _snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CheckpointError> {
        unimplemented!()
    }

    /// Whether enough has changed for a checkpoint to be worth its cost.
    pub fn checkpoint_due(&self) -> bool {
        unimplemented!()
    }

    /// All before this is on stable storage.
    pub fn durable_position(&self) -> Position {
        unimplemented!()
    }

    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Makes everything durable, writes a checkpoint that says "clean", stops the threads.
    ///
    /// # Errors
    /// The log was closed by an error before, or the checkpoint failed: the next start recovers.
    pub fn close(
        &self,
        _snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CloseError> {
        unimplemented!()
    }
}
