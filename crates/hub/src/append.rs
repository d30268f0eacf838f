//! Appending: stage one takes the place in order, stage two waits for the promised durability.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use model::{
    Offset, Timestamp,
    batch::{Batch, BatchError, Breaches, TimestampType},
};
use quota::Direction;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::{SendPartition, records, watch::Broken};

/// When the append is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody waits for the answer.
    None,
    /// Once written: survives the process, not the machine (acks=1).
    Written,
    /// Once on stable storage (acks=all).
    Durable,
}

/// Where the batches went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    /// The broker's time for every record where the topic asks for it, else `Timestamp::NONE`.
    pub log_append_time: Timestamp,
    pub log_start_offset: Offset,
}

/// Why batches were not appended. All or none of one call's batches are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    #[error("a batch of {bytes} bytes exceeds the limit of {max}")]
    TooLarge { bytes: usize, max: usize },
    /// Together, whatever each takes (Kafka: RECORD_LIST_TOO_LARGE).
    #[error("batches of {bytes} bytes exceed a segment of {max}")]
    ExceedsSegment { bytes: usize, max: usize },
    #[error("no batch, or more than one from an idempotent producer")]
    BatchCount,
    #[error("clients may not send control batches")]
    Control,
    #[error("transactional batches are not supported")]
    Transactional,
    /// Records break rules of the topic.
    #[error("{0}")]
    Records(Breaches),
    /// What stands after the header is not what it promises.
    #[error(transparent)]
    Unsound(#[from] BatchError),
    #[error("the batch claims the broker's own timestamp type")]
    TimestampType,
    #[error("sequence does not continue the producer's last one")]
    OutOfOrderSequence,
    /// Kafka: INVALID_PRODUCER_EPOCH.
    #[error("a newer instance of the producer has fenced this one")]
    ProducerFenced,
    #[error("the topic was deleted")]
    TopicDeleted,
    /// Lack of space; heals by itself.
    #[error("the disk is full")]
    DiskFull,
    /// More waits for the disk than may; heals by itself.
    #[error("too much is waiting for the disk")]
    Busy,
    /// A failed write or sync; until restart.
    #[error("the log is closed after a disk error")]
    LogClosed,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// An append that has its place; as a future it waits for the durability asked for.
#[must_use = "an append that nobody awaits still happens, but its failure goes unseen"]
pub struct Appending {
    appended: Appended,
    throttle: Duration,
    waits: Waits,
}

/// What the answer waits for.
enum Waits {
    Nothing,
    Stage(oneshot::Receiver<Result<(), AppendError>>),
    /// The original of a repeated batch.
    Original(Pin<Box<dyn Future<Output = Result<(), Broken>> + Send>>),
}

impl Appending {
    /// How long the connection should not be read to hold the throughput units (zero: go on).
    #[must_use]
    pub fn throttle(&self) -> Duration {
        self.throttle
    }
}

impl Future for Appending {
    type Output = Result<Appended, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.waits {
            Waits::Nothing => Ok(()),
            Waits::Stage(done) => match ready!(Pin::new(done).poll(context)) {
                Ok(outcome) => outcome,
                // The log went away without a word.
                Err(_) => Err(AppendError::LogClosed),
            },
            Waits::Original(durable) => {
                ready!(durable.as_mut().poll(context)).map_err(AppendError::from)
            }
        };
        Poll::Ready(outcome.map(|()| self.appended))
    }
}

impl SendPartition {
    /// Stage one: checks the batches against the topic and the producer's state, gives them their
    /// offsets and hands them to the log, all before it returns, so that calls made in order are
    /// stored in order. Charges the units and counts bytes and events. Never blocks on the disk.
    ///
    /// # Errors
    /// What can be known at once; the rest comes from the future.
    pub fn append(&self, batches: Vec<Batch>, acks: Acks) -> Result<Appending, AppendError> {
        let settings = self.topic.settings.load();
        let timing = self.access.core().timing();
        let rules = &settings.rules;
        let batches = if rules.looks_inside() {
            records::opened(batches)?
        } else {
            batches
        };
        let batches = match settings.packing {
            Some(packing) => records::repack(&batches, packing)?,
            None => batches,
        };
        let batches = match settings.rules.timestamp_type {
            TimestampType::CreateTime => records::with_times(batches, timing.clock.now().wall),
            TimestampType::LogAppendTime => batches,
        };
        let placed = self
            .partition
            .append(&batches, &settings.rules, acks, timing)?;
        self.topic.traffic.came_in(placed.bytes, placed.records);
        let (bytes, records) = (placed.bytes, placed.records);
        let throttle = self.access.charge(Direction::Ingress, bytes, records);
        let waits = match (placed.done, placed.duplicate_until) {
            (Some(done), _) => Waits::Stage(done),
            (None, Some(end)) if acks != Acks::None => {
                let partition = Arc::clone(&self.partition);
                Waits::Original(Box::pin(async move { partition.durable(end).await }))
            }
            (None, _) => Waits::Nothing,
        };
        Ok(Appending {
            appended: Appended {
                base_offset: placed.base_offset,
                log_append_time: placed.log_append_time,
                log_start_offset: self.log_start_offset(),
            },
            throttle,
            waits,
        })
    }

    /// The first offset that is there: for error replies that carry it.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.partition.watermarks().start
    }
}
