//! What the coordinator answers.

use std::sync::Arc;

use bytes::Bytes;
use model::{GenerationId, GroupId, InstanceId, MemberId, PartitionIndex};

use crate::{CommittedOffset, GroupError, GroupState, GroupType, Notice, PerTopic, Record, Ticket};

/// What to do after a call: append and replay the records, in order; then, once they are durable,
/// send the replies.
#[derive(Debug, Default)]
#[must_use]
pub struct Outcome {
    pub records: Vec<Record>,
    /// May hold replies to earlier tickets, and none to the present one while it is parked.
    pub replies: Vec<(Ticket, Reply)>,
    /// For the operator's log.
    pub notices: Vec<Notice>,
}

/// The answer to a [`crate::Command`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    JoinGroup(Result<Joined, GroupError>),
    SyncGroup(Result<Synced, GroupError>),
    Heartbeat(Result<(), GroupError>),
    /// The outer error is the request's, the inner ones are each member's, in the request's order.
    LeaveGroup(Result<Vec<LeftMember>, GroupError>),
    /// An outer error holds for every partition of the request.
    CommitOffsets(Result<Vec<PerTopic<PartitionResult>>, GroupError>),
    FetchOffsets(Vec<FetchedGroup>),
    /// An outer error is the request's.
    DeleteOffsets(Result<Vec<PerTopic<PartitionResult>>, GroupError>),
    DescribeGroups(Vec<DescribedGroup>),
    ListGroups(Vec<ListedGroup>),
    DeleteGroups(Vec<DeletedGroup>),
    TopicDeleted,
}

/// A member's place in the new (or unchanged) generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub generation: GenerationId,
    pub protocol_type: Arc<str>,
    pub protocol: Arc<str>,
    pub leader: MemberId,
    pub member: MemberId,
    /// The leader need not assign: the last assignment holds (KIP-814).
    pub skip_assignment: bool,
    /// All members with their metadata, for the leader; empty for the others.
    pub members: Vec<JoinedMember>,
}

/// What the leader learns of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// That of the selected protocol.
    pub metadata: Bytes,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Arc<str>,
    pub protocol: Arc<str>,
    /// Empty if the leader left this member out.
    pub assignment: Bytes,
}

/// How one member's leaving went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub result: Result<(), GroupError>,
}

/// How the request went for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionResult {
    pub partition: PartitionIndex,
    pub result: Result<(), GroupError>,
}

/// One group's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedGroup {
    pub group: GroupId,
    /// What the group's log lost is its owner's to say; the machine knows of no refusal.
    pub result: Result<(), GroupError>,
    pub topics: Vec<PerTopic<FetchedOffset>>,
}

/// One partition's offset; `None` (on the wire: offset -1, epoch -1, empty metadata) if nothing is
/// committed, also where the group does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    pub partition: PartitionIndex,
    pub committed: Option<CommittedOffset>,
}

/// One group's description, or [`GroupError::GroupIdNotFound`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    pub group: GroupId,
    pub result: Result<GroupDescription, GroupError>,
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub state: GroupState,
    /// Empty for a group that never had members.
    pub protocol_type: Arc<str>,
    /// The selected assignor; empty unless the group is stable.
    pub protocol: Arc<str>,
    pub members: Vec<DescribedMember>,
}

/// A member as it stands; metadata is empty unless the group is stable, the assignment is the last
/// one it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// One line of ListGroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    pub group: GroupId,
    pub protocol_type: Arc<str>,
    pub state: GroupState,
    pub group_type: GroupType,
}

/// How one group's deletion went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedGroup {
    pub group: GroupId,
    pub result: Result<(), GroupError>,
}
