//! What a partition remembers of its idempotent producers: Kafka's rules for sequences, as a pure
//! machine above the log. `hub` asks [`Producers::check`] before an append and tells
//! [`Producers::update`] after it; recovery replays headers through `update`.

use bytes::Bytes;
use model::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, batch::BatchHeader};
use thiserror::Error;

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it. Also the answer for batches without a producer id.
    Accept,
    /// It was appended before: answer as then, once the original is durable.
    Duplicate(Appended),
}

/// A batch as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub timestamp: Timestamp,
}

/// Why a batch may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProducerError {
    #[error("sequence {sequence} of producer {producer} does not follow {last}")]
    OutOfOrderSequence {
        producer: ProducerId,
        sequence: Sequence,
        last: Sequence,
    },
    #[error("epoch {epoch} of producer {producer} is older than {current}")]
    InvalidEpoch {
        producer: ProducerId,
        epoch: ProducerEpoch,
        current: ProducerEpoch,
    },
}

/// Why a snapshot could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    #[error("snapshot format {0} is not known")]
    Version(u8),
    #[error("snapshot is cut or malformed")]
    Malformed,
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers;

impl Producers {
    /// # Errors
    /// The sender's fault, by Kafka's rules.
    pub fn check(&self, _header: &BatchHeader) -> Result<Verdict, ProducerError> {
        unimplemented!()
    }

    /// Takes note of a batch that was appended (or replayed); `now` dates the producer's activity.
    pub fn update(&mut self, _header: &BatchHeader, _now: Timestamp) {
        unimplemented!()
    }

    /// Forgets producers not active since `before`.
    pub fn expire(&mut self, _before: Timestamp) {
        unimplemented!()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        unimplemented!()
    }

    #[must_use]
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }

    /// # Errors
    /// The bytes are no snapshot that this program can read.
    pub fn decode(_bytes: &[u8]) -> Result<Self, SnapshotError> {
        unimplemented!()
    }
}
