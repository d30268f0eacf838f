//! The facts that outlive a restart. Each is one entry of the internal log: the key names what it
//! is about, so that compaction may keep the newest of each key; the value is the fact or, absent,
//! its end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    GenerationId, GroupId, InstanceId, LeaderEpoch, MemberId, Offset, PartitionIndex, Timestamp,
    TopicName,
};

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

impl Record {
    /// The group that the fact is about.
    #[must_use]
    pub fn group(&self) -> &GroupId {
        match self {
            Self::Group { group, .. } | Self::Offset { group, .. } => group,
        }
    }
}
