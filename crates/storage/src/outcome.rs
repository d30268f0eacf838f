//! What the log tells its callers: completions, recovery, reads, numbers.

use std::sync::Arc;

use bytes::Bytes;
use model::{LeaderEpoch, LogId, Offset, Piece, Timestamp, batch::BatchHeader};

use crate::{AppendError, ExtentSequence, LookAhead, Position};

/// Told how far an append, trim or removal has come; each stage at most once.
///
/// Called on a thread of the log, or on one that is inside [`crate::Log::checkpoint`] or
/// [`crate::Log::close`]. Implementations return quickly and call neither of these.
pub trait Completion: Send {
    /// Whether somebody waits for [`Completion::written`]. What nobody waits for may be written later, just
    /// before it is synced.
    fn awaits_writing(&self) -> bool {
        false
    }

    /// The bytes are with the operating system: they survive the process, not the machine.
    fn written(&mut self) {}
    /// The bytes are on stable storage and visible, or never will be. The last call.
    fn durable(self: Box<Self>, result: Result<(), AppendError>);
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The first offset that is still there.
    pub start: Offset,
    /// The end of what is on stable storage: the high watermark.
    pub durable_end: Offset,
    /// Where the next batch goes.
    pub next: Offset,
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
    /// [`crate::Log::checkpoint`] was called must be reflected; more may be.
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
    /// The log ends at `found` and is known to have been synced to `synced`: what was between is
    /// gone, so many bytes at least.
    LostEnd {
        found: Position,
        synced: Position,
        bytes: u64,
    },
    /// The manifest could not be read: all extents were scanned, snapshots are lost.
    Manifest,
}

/// Batches for a reader, verbatim.
#[derive(Clone, Debug, Default)]
pub struct ReadOutcome {
    /// Whole batches when put one after another; a piece may hold a part of one or several.
    pub pieces: Vec<Piece>,
    pub bytes: usize,
    pub batches: usize,
    /// Sum of the batches' record counts.
    pub records: u64,
    /// The offset to read from next: `from` itself when nothing was there.
    pub next: Offset,
    /// What should be read in beside the reader, who will need it next.
    pub look_ahead: Option<LookAhead>,
}

/// Whether a reader can take records that stay in their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lending {
    /// It needs the bytes themselves, to look into them.
    Never,
    /// It hands them to a connection.
    Allowed,
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

/// What memory knows of the time of an entry, which is the largest of its records' times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryTime {
    Exact(Timestamp),
    /// It is in a sealed extent, whose part of the partition holds no later record.
    NoLaterThan(Timestamp),
}

/// Whether the log takes appends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Open,
    /// The last append that needed room was refused, or the first one would be, and there is no
    /// more room by now; the next one tries again.
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
    /// Written through the system's page cache for readers that catch up.
    pub cached_write_bytes: u64,
    /// Old entries read past the system's page cache, and what lay between them.
    pub cold_read_bytes: u64,
    /// Of these, what was let go of before a reader came for it.
    pub cold_unused_bytes: u64,
    /// Appended and not yet durable.
    pub queue_bytes: u64,
    pub extents: u64,
    pub partitions: u64,
    pub live_bytes: u64,
    pub free_space_bytes: u64,
}
