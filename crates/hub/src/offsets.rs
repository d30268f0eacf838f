//! Positions of a partition: first, last, by time, by epoch.

use std::cmp::Ordering;

use model::{LeaderEpoch, Offset, Timestamp};
use storage::TimestampMatch;
use thiserror::Error;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::{ListenPartition, partition::Partition, records, watch::Broken};

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

impl EpochEnd {
    /// Kafka's answer where no end is known.
    pub const UNDEFINED: Self = Self {
        epoch: LeaderEpoch::NONE,
        end_offset: Offset(-1),
    };
}

impl ListenPartition {
    #[must_use]
    pub fn positions(&self) -> Positions {
        let positions = self.partition.watermarks();
        Positions {
            log_start_offset: positions.start,
            high_watermark: positions.durable_end,
            // Without transactions every durable record is stable.
            last_stable_offset: positions.durable_end,
            leader_epoch: self.partition.epoch,
            size_bytes: self.partition.engine.size(self.partition.log),
        }
    }

    /// Compares the client's idea of the epoch (`NONE`: no idea) with the one in force.
    ///
    /// # Errors
    /// Which of the two is behind.
    pub fn check_epoch(&self, current: LeaderEpoch) -> Result<(), EpochError> {
        if current == LeaderEpoch::NONE {
            return Ok(());
        }
        match current.cmp(&self.partition.epoch) {
            Ordering::Less => Err(EpochError::Fenced),
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(EpochError::Unknown),
        }
    }

    /// The end offset of the largest epoch not above `epoch`.
    #[must_use]
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> EpochEnd {
        self.partition.epoch_end(epoch)
    }

    /// Looks an offset up; `None` where nothing fits (Kafka: offset -1, timestamp -1).
    ///
    /// # Errors
    /// The topic is gone, or the disk failed.
    pub async fn offset(&self, query: OffsetQuery) -> Result<Option<OffsetAt>, OffsetError> {
        if self.partition.watch.broken() == Some(Broken::Deleted) {
            return Err(OffsetError::TopicDeleted);
        }
        let Partition { engine, log, .. } = &*self.partition;
        let positions = self.partition.watermarks();
        let at = |offset| OffsetAt {
            offset,
            timestamp: Timestamp::NONE,
            leader_epoch: self.partition.epoch_at(offset),
        };
        let found = match query {
            OffsetQuery::Earliest => return Ok(Some(at(positions.start))),
            OffsetQuery::Latest => return Ok(Some(at(positions.durable_end))),
            OffsetQuery::LatestTiered | OffsetQuery::EarliestPendingUpload => return Ok(None),
            OffsetQuery::MaxTimestamp => engine.max_timestamp(*log, positions.durable_end).await,
            OffsetQuery::At(timestamp) => {
                let end = positions.durable_end;
                engine.offset_for_timestamp(*log, timestamp, end).await
            }
        };
        let found = found.map_err(|error| {
            warn!(topic = %self.topic.name, partition = %self.partition.index, %error, "look up offset");
            OffsetError::Storage
        })?;
        match found {
            None => Ok(None),
            Some(found) => located(found, query).await.map(Some),
        }
    }
}

/// The record that a search by time is after.
async fn located(found: TimestampMatch, query: OffsetQuery) -> Result<OffsetAt, OffsetError> {
    match found {
        TimestampMatch::Record {
            offset,
            timestamp,
            leader_epoch,
        } => Ok(OffsetAt {
            offset,
            timestamp,
            leader_epoch,
        }),
        TimestampMatch::Batch { header, bytes } => {
            // Unpacking takes as long as its sender wished: not on a worker.
            let opened = spawn_blocking(move || records::locate(&header, &bytes, query)).await;
            opened.map_err(|_| OffsetError::Storage)
        }
    }
}
