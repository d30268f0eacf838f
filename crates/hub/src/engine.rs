//! What a partition asks of its storage. Nothing above this line knows which engine it stands on.
//!
//! | Asked | Blocks | By whom |
//! |---|---|---|
//! | append, trim, remove with a completion | no | anyone |
//! | watermarks, size, read and time from memory | no | anyone |
//! | read, offset by time | no: the future moves off the worker | anyone |
//! | retention, time of an offset, checkpoint, replay, close | yes | housekeeping, start and end |
//!
//! Epochs, producer state and watermark waits are computed above it, from batch headers; the
//! engine keeps them as opaque snapshots. The plain data types are `storage`'s: an engine over
//! another store fills the same ones.

#[cfg(test)]
pub(crate) mod memory;

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use model::{LogId, Offset, Timestamp, batch::StampedBatch};
use storage::{
    AppendError, CheckpointError, CloseError, Completion, EntryTime, Lending, ReadError,
    ReadOutcome, Snapshot, Stats, TimestampMatch, Watermarks,
};

/// A read that may need the disk or the network.
pub(crate) type Reading<T> = Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send>>;

/// The storage under every partition of the process.
pub(crate) trait Engine: Send + Sync + 'static {
    /// Makes an empty partition known.
    fn create(&self, id: LogId);

    /// Queues batches, stamped without a gap from the partition's next offset on.
    fn append(
        &self,
        id: LogId,
        batches: Vec<StampedBatch>,
        done: Box<dyn Completion>,
    ) -> Result<(), AppendError>;

    fn watermarks(&self, id: LogId) -> Option<Watermarks>;

    /// Bytes that the partition holds.
    fn size(&self, id: LogId) -> u64;

    /// As [`Engine::read`] without waiting; `None` when the store itself must be asked.
    fn read_at_once(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<Option<ReadOutcome>, ReadError>;

    /// Whole durable batches from the one that holds `from`; at least one if there is one. Records
    /// may stay in a file where `lending` allows it.
    fn read(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Reading<ReadOutcome>;

    fn offset_for_timestamp(
        &self,
        id: LogId,
        timestamp: Timestamp,
        limit: Offset,
    ) -> Reading<Option<TimestampMatch>>;

    fn max_timestamp(&self, id: LogId, limit: Offset) -> Reading<Option<TimestampMatch>>;

    /// The first offset to keep when what is older than `timestamp` may go. May block.
    fn expired_before(&self, id: LogId, timestamp: Timestamp) -> Result<Offset, ReadError>;

    /// The first offset to keep when at most `bytes` should stay. May block.
    fn oversized_until(&self, id: LogId, bytes: u64) -> Result<Offset, ReadError>;

    /// The largest time of the piece that holds `offset`, as far as memory knows it.
    fn time_in_memory(&self, id: LogId, offset: Offset) -> Option<EntryTime>;

    /// The largest time of the piece that holds `offset`. May block.
    fn time_of(&self, id: LogId, offset: Offset) -> Result<Option<Timestamp>, ReadError>;

    fn trim(&self, id: LogId, start: Offset, done: Box<dyn Completion>);

    fn remove(&self, id: LogId, done: Box<dyn Completion>);

    /// Whether this process still owns the partitions. An engine whose store is shared also fails
    /// the appends of a process that does not, whether it asks or not.
    fn owns(&self) -> bool;

    /// Gives every durable piece of a partition from `from` (or its start) on, in order. Blocks:
    /// for replay at start.
    fn replay(
        &self,
        id: LogId,
        from: Offset,
        visit: &mut dyn FnMut(Bytes),
    ) -> Result<(), ReadError>;

    /// Makes what the engine noted of its syncs beside them outlive the machine. May block.
    fn keep_mark(&self) {}

    /// Gives memory back that appends have not used since the last call.
    fn give_back(&self);

    fn checkpoint_due(&self) -> bool;

    /// Keeps the snapshots, so that the next start replays less. Blocks.
    fn checkpoint(
        &self,
        snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CheckpointError>;

    fn stats(&self) -> Stats;

    /// Makes everything durable and lets go of the store. Blocks.
    fn close(&self, snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>) -> Result<(), CloseError>;
}
