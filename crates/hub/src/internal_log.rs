//! An internal log: key and value records in batches of our own, in a partition like any other.
//!
//! Metadata and groups live in one each. Their owner appends under its own lock, applies at once,
//! and answers when the log is durable up to what it has seen. A snapshot written at the end makes
//! everything before it superfluous.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use model::{
    LogId, Offset,
    batch::{self, Batch, BatchBuilder, NewRecord},
};
use storage::{Completion, ReadError};
use thiserror::Error;
use tracing::warn;

use crate::{
    Clock,
    append::AppendError,
    engine::Engine,
    partition::{Partition, StageTimes, Timing},
    sync::lock,
    watch::Broken,
};

/// Bytes of records in one batch; a record larger than this gets a batch of its own.
const BATCH_BYTES: usize = 512 * 1024;
/// Bytes after which a snapshot is worth writing, however small it is.
const SNAPSHOT_BYTES_MIN: u64 = 4 << 20;
/// A snapshot is written when the log is so many times as large as the last one.
const SNAPSHOT_FACTOR: u64 = 4;

/// A key with a value, or with the value's end.
pub(crate) type Entry = (Bytes, Option<Bytes>);

/// The log and how far its last snapshot lies back.
pub(crate) struct InternalLog {
    pub(crate) partition: Arc<Partition>,
    clock: Arc<dyn Clock>,
    times: Arc<StageTimes>,
    growth: Mutex<Growth>,
}

#[derive(Debug, Default)]
struct Growth {
    since_snapshot: u64,
    snapshot_bytes: u64,
    /// Where the last snapshot ends and begins, until the log before it is cut.
    trim_when_durable: Option<(Offset, Offset)>,
}

/// Why a record could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum KeepError {
    #[error("the disk is full")]
    DiskFull,
    #[error("the log is closed after a disk error")]
    LogClosed,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl InternalLog {
    pub(crate) fn new(partition: Arc<Partition>, clock: Arc<dyn Clock>) -> Self {
        let since_snapshot = partition.engine.size(partition.log);
        Self {
            partition,
            clock,
            times: Arc::default(),
            growth: Mutex::new(Growth {
                since_snapshot,
                ..Growth::default()
            }),
        }
    }

    /// Appends the entries in order; gives the position whose durability is theirs.
    pub(crate) fn append(&self, entries: &[Entry]) -> Result<Offset, KeepError> {
        self.trim_if_durable();
        let batches = batches_of(entries, &*self.clock);
        if batches.is_empty() {
            return Ok(self.position());
        }
        let bytes: usize = batches.iter().map(|batch| batch.bytes().len()).sum();
        let timing = Timing {
            clock: Arc::clone(&self.clock),
            times: Arc::clone(&self.times),
        };
        let position = self.partition.append_internal(&batches, timing)?;
        lock(&self.growth).since_snapshot += bytes as u64;
        Ok(position)
    }

    /// The position after all that was appended: what a reader of the live state depends on.
    pub(crate) fn position(&self) -> Offset {
        self.partition.watermarks().next
    }

    /// Completes when all before `position` is durable.
    pub(crate) async fn durable(&self, position: Offset) -> Result<(), KeepError> {
        Ok(self.partition.durable(position).await?)
    }

    /// Whether the log has grown enough for a snapshot.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let growth = lock(&self.growth);
        let due = growth.snapshot_bytes.saturating_mul(SNAPSHOT_FACTOR);
        growth.since_snapshot > due.max(SNAPSHOT_BYTES_MIN)
    }

    /// Writes the whole state at the end; the log before it goes once it is durable. The caller
    /// holds the lock under which it appends.
    pub(crate) fn append_snapshot(&self, entries: &[Entry]) -> Result<Offset, KeepError> {
        let before = lock(&self.growth).since_snapshot;
        let start = self.position();
        let end = self.append(entries)?;
        let mut growth = lock(&self.growth);
        growth.snapshot_bytes = growth.since_snapshot.saturating_sub(before);
        growth.since_snapshot = 0;
        growth.trim_when_durable = Some((end, start));
        Ok(end)
    }

    /// Cuts what a durable snapshot has made superfluous. Asked at each append, so that nobody has
    /// to wait for it.
    fn trim_if_durable(&self) {
        let mut growth = lock(&self.growth);
        let Some((end, start)) = growth.trim_when_durable else {
            return;
        };
        let Partition { engine, log, .. } = &*self.partition;
        if self.partition.watermarks().durable_end >= end {
            growth.trim_when_durable = None;
            engine.trim(*log, start, Box::new(LogFailure("trim internal log")));
        }
    }
}

/// A completion for acts whose failure is only worth a line.
pub(crate) struct LogFailure(pub(crate) &'static str);

impl Completion for LogFailure {
    fn durable(self: Box<Self>, result: Result<(), storage::AppendError>) {
        if let Err(error) = result {
            warn!(act = self.0, %error, "the log did not carry out an act");
        }
    }
}

/// Sees a record's key and value.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// Gives every record of a log from `from` on, in order, to `visit`. Blocks: for the start.
pub(crate) fn replay(
    engine: &dyn Engine,
    log: LogId,
    from: Offset,
    visit: &mut Visit<'_>,
) -> Result<(), ReadError> {
    engine.replay(log, from, &mut |piece| {
        for (_, bytes) in batch::split(piece) {
            // The log's own checksum has vouched for the bytes, and we wrote them.
            let Ok(batch) = Batch::check(bytes) else {
                warn!(%log, "internal log holds a malformed batch");
                continue;
            };
            for record in batch.records() {
                visit(record.key.unwrap_or_default(), record.value);
            }
        }
    })
}

fn batches_of(entries: &[Entry], clock: &dyn Clock) -> Vec<Batch> {
    let timestamp = clock.now().wall;
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::default();
    let mut finish = |builder: BatchBuilder| {
        let batch = Batch::check(builder.build());
        assert!(batch.is_ok(), "a batch of ours is not sound: {batch:?}");
        batches.extend(batch);
    };
    for (key, value) in entries {
        if !builder.is_empty() && builder.total_bytes() >= BATCH_BYTES {
            finish(std::mem::take(&mut builder));
        }
        builder.push(NewRecord {
            timestamp,
            key: Some(key),
            value: value.as_deref(),
            headers: &[],
        });
    }
    if !builder.is_empty() {
        finish(builder);
    }
    batches
}

impl From<Broken> for KeepError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::DiskFull => Self::DiskFull,
            Broken::LogClosed => Self::LogClosed,
            // An internal log is deleted with its namespace only, which does not happen.
            Broken::Deleted | Broken::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl From<AppendError> for KeepError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::DiskFull | AppendError::Busy | AppendError::TooLarge { .. } => {
                Self::DiskFull
            }
            AppendError::ShuttingDown => Self::ShuttingDown,
            AppendError::LogClosed | AppendError::TopicDeleted => Self::LogClosed,
            AppendError::BatchCount
            | AppendError::ExceedsSegment { .. }
            | AppendError::Control
            | AppendError::Transactional
            | AppendError::Records(_)
            | AppendError::Unsound(_)
            | AppendError::TimestampType
            | AppendError::OutOfOrderSequence
            | AppendError::ProducerFenced => {
                unreachable!("an internal batch is not a client's: {error}")
            }
        }
    }
}
