//! Reading, and waiting for something to read: woken by the watermark, never polling.

use std::time::Duration;

use bytes::Bytes;
use model::{LeaderEpoch, Offset};
use thiserror::Error;

use crate::{Access, ListenPartition, offsets::EpochEnd};

/// One fetch over any number of partitions.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// In the order in which they may use up the byte limit.
    pub partitions: Vec<FetchPartition>,
    /// Answer at once when this many bytes are there (0: in any case).
    pub min_bytes: usize,
    /// Bytes of all partitions together; the first batch found is given even if it is larger.
    pub max_bytes: usize,
    pub max_wait: Duration,
}

/// What is wanted of one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition {
    pub partition: ListenPartition,
    pub offset: Offset,
    pub max_bytes: usize,
    /// The epoch the client believes in force; `LeaderEpoch::NONE` for no check.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the client has; `LeaderEpoch::NONE` for no check.
    pub last_fetched_epoch: LeaderEpoch,
}

/// The answer, partitions in the order of the request.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub partitions: Vec<Result<FetchedPartition, FetchFailure>>,
    /// How long the connection should not be read to hold the throughput units (zero: go on).
    pub throttle: Duration,
}

/// What one partition had.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// Whole batches, as they were sent; several pieces, so that nothing is copied.
    pub records: Vec<Bytes>,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// Where the client's log parts from ours; then there are no records.
    pub diverging: Option<EpochEnd>,
}

/// A failed partition, with the positions that an error reply still carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    pub error: FetchError,
    /// `Offset(-1)` where unknown.
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
}

/// Why a partition could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    #[error("offset is below the first or above the last record")]
    OffsetOutOfRange,
    #[error("the client knows an older leader epoch")]
    FencedEpoch,
    #[error("the client knows a newer leader epoch")]
    UnknownEpoch,
    #[error("the topic was deleted")]
    TopicDeleted,
    #[error("the disk failed to give the records")]
    Storage,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl Access {
    /// Reads, waiting up to `max_wait` until `min_bytes` are there, a partition fails, a topic is
    /// deleted or the broker shuts down. Dropping the future ends the wait.
    pub async fn fetch(&self, _request: FetchRequest) -> Fetched {
        unimplemented!()
    }
}
