//! What a client may ask of a group, in domain words. The handlers fill these from every version of
//! the wire messages; a field that an old version lacks has the value that version means.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    GenerationId, GroupId, InstanceId, LeaderEpoch, MemberId, Offset, PartitionIndex, TopicName,
};

use crate::{GroupState, GroupType};

/// Names one request of the shell until its reply comes out; opaque here, unique among those alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One request. Every command gets exactly one [`crate::Reply`] of the same name, at once or, for
/// JoinGroup and SyncGroup, in a later outcome.
#[derive(Clone, Debug)]
pub enum Command {
    JoinGroup(JoinGroup),
    SyncGroup(SyncGroup),
    Heartbeat(Heartbeat),
    LeaveGroup(LeaveGroup),
    CommitOffsets(CommitOffsets),
    FetchOffsets(FetchOffsets),
    DeleteOffsets(DeleteOffsets),
    DescribeGroups(Vec<GroupId>),
    ListGroups(ListGroups),
    DeleteGroups(Vec<GroupId>),
    /// The topic is gone: forget every group's offsets in it.
    TopicDeleted(TopicName),
}

/// Partitions of one topic, each with what the request or reply says of it. Order is the request's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerTopic<T> {
    pub topic: TopicName,
    pub partitions: Vec<T>,
}

/// JoinGroup: become or stay a member, and take part in the next generation.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    pub group: GroupId,
    /// Empty in a member's first request.
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub client_id: Arc<str>,
    /// The peer's address as Kafka shows it, with a leading slash: `/127.0.0.1`.
    pub client_host: Arc<str>,
    pub session_timeout: Duration,
    /// The session timeout in version 0, which has none of its own.
    pub rebalance_timeout: Duration,
    pub protocol_type: Arc<str>,
    /// In the member's order of preference.
    pub protocols: Vec<Protocol>,
    /// Whether a new dynamic member must first learn its id (version 4 on, KIP-394).
    pub requires_known_member: bool,
    /// Whether a returning static leader may be told to skip the assignment (version 9 on,
    /// KIP-814).
    pub can_skip_assignment: bool,
    /// Why the client joins, in its words (KIP-800); empty if it does not say.
    pub reason: Arc<str>,
}

/// One way of assigning partitions that a member supports, with its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    pub name: Arc<str>,
    /// Opaque to the broker, except where OffsetDelete must know a consumer's topics.
    pub metadata: Bytes,
}

/// SyncGroup: the leader brings the assignments, everyone gets their own.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    pub group: GroupId,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub generation: GenerationId,
    /// Checked against the group's if present (version 5 on, KIP-559).
    pub protocol_type: Option<Arc<str>>,
    pub protocol: Option<Arc<str>>,
    /// Empty for all but the leader.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// Heartbeat: the member lives, and asks whether it must rejoin.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub group: GroupId,
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    pub generation: GenerationId,
}

/// LeaveGroup: one member of its own will, or several by an administrator.
#[derive(Clone, Debug)]
pub struct LeaveGroup {
    pub group: GroupId,
    pub members: Vec<LeavingMember>,
}

/// A member named by its id, or by its instance id alone (then `member` is empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    pub member: MemberId,
    pub instance: Option<InstanceId>,
}

/// OffsetCommit. The retention time of versions 2 to 4 and the timestamp of version 1 are dropped
/// by the handler: offsets stay.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    pub group: GroupId,
    /// Empty for a consumer outside group management.
    pub member: MemberId,
    pub instance: Option<InstanceId>,
    /// -1 for a consumer outside group management.
    pub generation: GenerationId,
    pub topics: Vec<PerTopic<OffsetToCommit>>,
}

/// One partition's next offset to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    pub partition: PartitionIndex,
    pub offset: Offset,
    pub leader_epoch: LeaderEpoch,
    /// The client's note; a null on the wire is empty here.
    pub metadata: Arc<str>,
}

/// OffsetFetch, for several groups. Member ids and epochs (version 9 on) bind only groups of the
/// newer protocol, and without transactions no offset is unstable: both are dropped by the handler.
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    pub groups: Vec<FetchOffsetsGroup>,
}

/// What to read of one group.
#[derive(Clone, Debug)]
pub struct FetchOffsetsGroup {
    pub group: GroupId,
    /// `None` for all that is committed.
    pub topics: Option<Vec<PerTopic<PartitionIndex>>>,
}

/// OffsetDelete: forget what a group committed for these partitions.
#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    pub group: GroupId,
    pub topics: Vec<PerTopic<PartitionIndex>>,
}

/// ListGroups. `None` filters nothing; a name on the wire that is no state (or type) matches no
/// group, so a filter of such names alone is `Some` of an empty list.
#[derive(Clone, Debug, Default)]
pub struct ListGroups {
    pub states: Option<Vec<GroupState>>,
    pub types: Option<Vec<GroupType>>,
}
