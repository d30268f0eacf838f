//! One error enum per operation; the variants are facts a caller acts on differently.

use std::{io, sync::Arc};

use model::Offset;
use thiserror::Error;

/// Why a data directory could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("another process uses this data directory")]
    Locked,
    #[error("extent size of {bytes} bytes is outside {min} to {max}")]
    ExtentBytes { bytes: u64, min: u64, max: u64 },
    #[error("{file} has format version {version}, newer than this program knows")]
    Version { file: String, version: u32 },
    /// Neither the manifest nor the mark nor an extent's header is sound.
    #[error("the files of the log hold entries that nothing proves any more")]
    Unproved,
    #[error("{action} {file}")]
    Io {
        action: &'static str,
        file: String,
        #[source]
        source: io::Error,
    },
}

/// Why an append did not happen, or did not become durable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Temporary: nothing was queued, and service resumes when space is back.
    #[error("the disk has no room above its floor")]
    NoSpace,
    /// Temporary: more is waiting to become durable than the queue's limit allows.
    #[error("the queue of the log is full")]
    QueueFull,
    /// Until restart: a write or sync failed.
    #[error("the log is closed: {0}")]
    Closed(Arc<str>),
    #[error("the partition is not known to the log")]
    UnknownPartition,
    /// The caller's view of the partition is stale: stamp again from `expected`.
    #[error("batch does not continue the partition at offset {expected}")]
    OutOfOrder { expected: Offset },
    #[error("batch of {bytes} bytes does not fit into an extent ({bytes_max})")]
    TooLarge { bytes: u64, bytes_max: u64 },
}

/// Why a read gave no batches.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("the partition is not known to the log")]
    UnknownPartition,
    #[error("offset is outside {start} to {end}")]
    OutOfRange { start: Offset, end: Offset },
    /// These offsets were lost to damage; the next sound one is `until`.
    #[error("offsets {from} to {until} are damaged on disk")]
    Damaged { from: Offset, until: Offset },
    #[error("read extent")]
    Io(#[from] io::Error),
}

/// Why a checkpoint was not written; the previous one stays in force.
#[derive(Debug, Error)]
pub enum CheckpointError {
    #[error("the log is closed: {0}")]
    Closed(Arc<str>),
    #[error("write manifest")]
    Io(#[from] io::Error),
}

/// Why a log did not close cleanly.
#[derive(Debug, Error)]
pub enum CloseError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
