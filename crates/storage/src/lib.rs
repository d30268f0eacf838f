//! One data directory's log: every partition's batches in one interleaved sequence of extents.
//!
//! ```text
//! data/
//!   lock                       held by the process that uses the directory
//!   unclean                    present while the log is open: its presence at start says "crashed"
//!   manifest                   the last checkpoint: partitions, extents, snapshots
//!   synced                     how far the log is synced: a second witness beside its entries
//!   log/<sequence>.log         extents: the data's first home, written once, in order
//!   log/<sequence>.free          files of freed extents, to be used again
//!   log/<sequence>.index       entries of a sealed extent by partition and offset; rebuildable
//!   quarantine/                bytes that were damaged below a position known to be synced
//! ```
//!
//! An append is placed at once (offset and position are settled under two short locks), written by
//! the write thread, made durable by the sync thread: one sync covers whatever arrived during the
//! one before it, for any number of partitions.
//!
//! This crate uses `model` and, in one module, the file system. It knows no clock, no async, no
//! Kafka message.

#![deny(clippy::indexing_slicing)]

pub mod disk;
mod entry;
mod error;
mod extent;
mod index;
mod locked;
mod log;
mod manifest;
mod mark;
mod options;
mod outcome;
mod partition;
mod position;
pub mod producer;
mod verify;

pub use error::{AppendError, CheckpointError, CloseError, OpenError, ReadError};
pub use log::{Log, LookAhead, batch_bytes_max};
pub use options::{Options, SyncObserver, Synced};
pub use outcome::{
    Completion, Damage, EntryTime, Lending, ReadOutcome, RecoveredPartition, Recovery, Snapshot,
    State, Stats, TimestampMatch, Watermarks,
};
pub use position::{ExtentSequence, Position};
pub use verify::{
    EntryFacts, EntryFactsKind, VerifyError, VerifyEvent, VerifySummary, read_batches,
    read_snapshot, verify, verify_on,
};

#[cfg(test)]
mod fixtures;
