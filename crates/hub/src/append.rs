//! Appending: stage one takes the place in order, stage two waits for the promised durability.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use model::{Offset, Timestamp, batch::Batch};
use thiserror::Error;

use crate::SendPartition;

/// When the append is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody waits for the answer (acks=0).
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
    #[error("no batch, or more than one from an idempotent producer")]
    BatchCount,
    #[error("clients may not send control batches")]
    Control,
    #[error("transactional batches are not supported")]
    Transactional,
    #[error("timestamp {timestamp} is outside what the topic accepts")]
    TimestampOutOfRange { timestamp: Timestamp },
    #[error("records without a key do not fit a compacted topic")]
    KeyMissing,
    #[error("sequence does not continue the producer's last one")]
    OutOfOrderSequence,
    #[error("the batch repeats one that is no longer remembered")]
    DuplicateSequence,
    #[error("a newer instance of the producer has fenced this one")]
    ProducerFenced,
    #[error("the producer is unknown here, or forgotten")]
    UnknownProducer,
    #[error("the topic was deleted")]
    TopicDeleted,
    /// Lack of space; heals by itself.
    #[error("the disk is full")]
    DiskFull,
    /// A failed write or sync; until restart.
    #[error("the log is closed after a disk error")]
    LogClosed,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// An append that has its place; as a future it waits for the durability asked for.
#[must_use = "an append that nobody awaits still happens, but its failure goes unseen"]
pub struct Appending {
    _private: (),
}

impl Appending {
    /// How long the connection should not be read to hold the throughput units (zero: go on).
    #[must_use]
    pub fn throttle(&self) -> Duration {
        unimplemented!()
    }
}

impl Future for Appending {
    type Output = Result<Appended, AppendError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!()
    }
}

impl SendPartition {
    /// Stage one: checks the batches against the topic and the producer's state, gives them their
    /// offsets and hands them to the log, all before it returns, so that calls made in order are
    /// stored in order. Charges the units and counts bytes and events. Never blocks on the disk.
    ///
    /// # Errors
    /// What can be known at once; the rest comes from the future.
    pub fn append(&self, _batches: Vec<Batch>, _acks: Acks) -> Result<Appending, AppendError> {
        unimplemented!()
    }

    /// The first offset that is there: for error replies that carry it.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        unimplemented!()
    }
}
