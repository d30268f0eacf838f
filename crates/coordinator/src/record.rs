//! The facts that outlive a restart. Each is one entry of the internal log: the key names what it is
//! about, so that compaction may keep the newest of each key; the value is the fact or, absent, its
//! end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    GenerationId, GroupId, InstanceId, LeaderEpoch, MemberId, Offset, PartitionIndex, Timestamp,
    TopicName,
};
use thiserror::Error;

/// One fact about a namespace's groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The group as its last rebalance settled it; `None` ends the group.
    Group {
        group: GroupId,
        metadata: Option<Arc<GroupMetadata>>,
    },
    /// A committed offset; `None` ends it.
    Offset {
        group: GroupId,
        topic: TopicName,
        partition: PartitionIndex,
        committed: Option<CommittedOffset>,
    },
}

/// A settled generation: empty, or stable with every member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMetadata {
    pub generation: GenerationId,
    /// Empty if the group never had members.
    pub protocol_type: Arc<str>,
    /// The selected protocol and the leader; absent without members.
    pub protocol: Option<Arc<str>>,
    pub leader: Option<MemberId>,
    /// When the group came into this state.
    pub settled_at: Timestamp,
    pub members: Vec<StoredMember>,
}

/// A member of a settled generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    /// That of the selected protocol, as Kafka keeps it: after a restart a member that supports
    /// more is taken at its word when it next joins.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// Where a group will go on reading one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
    pub metadata: Arc<str>,
    pub committed_at: Timestamp,
}

/// Why bytes of the internal log are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("the record ends early")]
    Truncated,
    #[error("the record goes on after its end")]
    TrailingBytes,
    #[error("record kind {0} is unknown")]
    UnknownKind(u8),
    #[error("record version {0} is unknown")]
    UnknownVersion(u8),
    #[error("a text is not valid UTF-8, or no valid name")]
    InvalidText,
    #[error("a number is out of its range")]
    InvalidNumber,
}

impl Record {
    /// The key and the value (`None`: tombstone) as bytes for the log.
    #[must_use]
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        (Bytes::new(), None)
    }

    /// The record of these bytes.
    ///
    /// # Errors
    /// Says what is wrong with bytes that `encode` did not make. Never allocates more than a small
    /// multiple of what is really there.
    pub fn decode(key: &[u8], _value: Option<&[u8]>) -> Result<Self, DecodeError> {
        Err(DecodeError::UnknownKind(
            key.first().copied().unwrap_or_default(),
        ))
    }
}
