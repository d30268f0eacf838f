//! Why a group or offset request was refused.

use model::MemberId;
use thiserror::Error;

/// A refusal, as a fact. Each maps to one Kafka error code (in brackets); the mapping itself is the
/// handlers', because two codes depend on the request's version.
///
/// One enum for all operations: nearly every operation answers with nearly every membership fact,
/// and the handlers then hold one exhaustive mapping instead of nine alike.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// INVALID_GROUP_ID (24): empty where members are managed, or too long.
    #[error("the group id is empty or too long")]
    InvalidGroupId,
    /// INVALID_SESSION_TIMEOUT (26).
    #[error("the session timeout is outside the allowed range")]
    InvalidSessionTimeout,
    /// INCONSISTENT_GROUP_PROTOCOL (23): no protocol, or none that all members share.
    #[error("the member's protocols do not fit the group's")]
    InconsistentProtocol,
    /// UNKNOWN_MEMBER_ID (25).
    #[error("the coordinator does not know this member")]
    UnknownMember,
    /// ILLEGAL_GENERATION (22).
    #[error("the generation is not the group's present one")]
    IllegalGeneration,
    /// REBALANCE_IN_PROGRESS (27).
    #[error("the group is rebalancing, so the member must join again")]
    RebalanceInProgress,
    /// MEMBER_ID_REQUIRED (79, KIP-394): join again with this id; it goes into the reply.
    #[error("join again with member id {0}")]
    MemberIdRequired(MemberId),
    /// FENCED_INSTANCE_ID (82): another member holds this instance id by now.
    #[error("another member took over this group instance id")]
    FencedInstance,
    /// GROUP_AUTHORIZATION_FAILED (30): the group reads what the caller may not listen to.
    #[error("the group reads what the caller may not listen to")]
    NotAuthorized,
    /// GROUP_MAX_SIZE_REACHED (81): in members, or in bytes of them, its own or the namespace's.
    /// Final for clients, unlike 14 and 15, on which they would ask again for ever.
    #[error("the group, or all groups together, are as large as they may be")]
    GroupFull,
    /// GROUP_MAX_SIZE_REACHED (81): the namespace's limit of groups; not retriable, unlike 15.
    #[error("the namespace has as many groups as it may")]
    TooManyGroups,
    /// NON_EMPTY_GROUP (68).
    #[error("the group has members")]
    NonEmptyGroup,
    /// GROUP_ID_NOT_FOUND (69). In OffsetCommit before v9 it is ILLEGAL_GENERATION (22), and in
    /// DescribeGroups before v6 it is no error but the state `Dead`.
    #[error("there is no such group")]
    GroupIdNotFound,
    /// OFFSET_METADATA_TOO_LARGE (12).
    #[error("the committed metadata is too large")]
    OffsetMetadataTooLarge,
    /// INVALID_COMMIT_OFFSET_SIZE (28): the group's limit of committed partitions, or the
    /// namespace's of bytes. Final for the commit; what is committed already may go on.
    #[error("there are as many committed offsets as there may be")]
    TooManyOffsets,
    /// OFFSET_OUT_OF_RANGE (1): clients report it to the application. UNSTABLE_OFFSET_COMMIT and
    /// KAFKA_STORAGE_ERROR they would retry in silence.
    #[error("committed offsets were lost to damage on the disk")]
    OffsetsLost,
    /// GROUP_SUBSCRIBED_TO_TOPIC (86).
    #[error("a member of the group is subscribed to the topic")]
    GroupSubscribedToTopic,
}
