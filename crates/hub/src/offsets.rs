//! Positions of a partition: first, last, by time, by epoch.

use model::{LeaderEpoch, Offset, Timestamp};
use thiserror::Error;

use crate::ListenPartition;

/// Which offset is asked for (ListOffsets' timestamps and its negative specials).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetQuery {
    /// -2, and -4: all that is here is local.
    Earliest,
    /// -1: the high watermark.
    Latest,
    /// -3: the record with the largest timestamp.
    MaxTimestamp,
    /// -5: nothing is tiered, so there is none.
    LatestTiered,
    /// -6: nothing waits for upload, so there is none.
    EarliestPendingUpload,
    /// The first record with this timestamp or a later one.
    At(Timestamp),
}

/// An offset with what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetAt {
    pub offset: Offset,
    /// `Timestamp::NONE` for [`OffsetQuery::Earliest`] and [`OffsetQuery::Latest`], as Kafka does.
    pub timestamp: Timestamp,
    pub leader_epoch: LeaderEpoch,
}

/// The end of an epoch: OffsetForLeaderEpoch's answer, with Kafka's undefined (-1, -1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: LeaderEpoch,
    pub end_offset: Offset,
}

/// The client's idea of the epoch in force is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EpochError {
    #[error("the client knows an older leader epoch")]
    Fenced,
    #[error("the client knows a newer leader epoch")]
    Unknown,
}

/// Why no offset could be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OffsetError {
    #[error("the topic was deleted")]
    TopicDeleted,
    #[error("the disk failed to give the index")]
    Storage,
}

/// One partition's positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    pub log_start_offset: Offset,
    /// The durable end: no reader sees more.
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// Bytes in the log.
    pub size_bytes: u64,
}

impl ListenPartition {
    #[must_use]
    pub fn positions(&self) -> Positions {
        unimplemented!()
    }

    /// Compares the client's idea of the epoch (`NONE`: no idea) with the one in force.
    ///
    /// # Errors
    /// Which of the two is behind.
    pub fn check_epoch(&self, _current: LeaderEpoch) -> Result<(), EpochError> {
        unimplemented!()
    }

    /// The end offset of the largest epoch not above `epoch`.
    #[must_use]
    pub fn epoch_end(&self, _epoch: LeaderEpoch) -> EpochEnd {
        unimplemented!()
    }

    /// Looks an offset up; `None` where nothing fits (Kafka: offset -1, timestamp -1).
    ///
    /// # Errors
    /// The topic is gone, or the disk failed.
    pub async fn offset(&self, _query: OffsetQuery) -> Result<Option<OffsetAt>, OffsetError> {
        unimplemented!()
    }
}
