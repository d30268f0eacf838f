//! What the group handlers share: domain words out of wire words, codes out of refusals.

use std::sync::Arc;

use hub::AccessError;
use hub::groups::{Command, GroupCallError, GroupError, Reply};
use kafka_protocol::{
    messages::{GroupId as WireGroupId, TopicName as WireTopicName},
    protocol::StrBytes,
};
use model::{GroupId, InstanceId, MemberId, TopicName};
use wire::error_code::ErrorCode;

use super::{Call, words};

/// Gives a command to the coordinator, now; the future waits for the durable reply.
pub(super) fn ask(
    call: &Call<'_>,
    command: Command,
) -> impl Future<Output = Result<Reply, GroupCallError>> + Send + use<> {
    let taken = call.access.group(command);
    async move { taken?.await }
}

pub(super) fn group_id(wire: &WireGroupId) -> GroupId {
    GroupId::from(wire.0.as_str())
}

pub(super) fn wire_group(group: &GroupId) -> WireGroupId {
    WireGroupId(words::text(group.as_str()))
}

pub(super) fn member_id(wire: &StrBytes) -> MemberId {
    MemberId::from(wire.as_str())
}

pub(super) fn instance_id(wire: Option<&StrBytes>) -> Option<InstanceId> {
    wire.map(|name| InstanceId::from(name.as_str()))
}

pub(super) fn wire_instance(instance: Option<&InstanceId>) -> Option<StrBytes> {
    instance.map(|name| words::text(name.as_str()))
}

pub(super) fn wire_topic(topic: &TopicName) -> WireTopicName {
    WireTopicName(words::text(topic.as_str()))
}

pub(super) fn shared(words: &StrBytes) -> Arc<str> {
    Arc::from(words.as_str())
}

/// The code of a refusal; where a version calls it otherwise, its handler says so first.
pub(super) const fn group_code(error: &GroupError) -> ErrorCode {
    match error {
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::UnknownMember => ErrorCode::UnknownMemberId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::MemberIdRequired(_) => ErrorCode::MemberIdRequired,
        GroupError::FencedInstance => ErrorCode::FencedInstanceId,
        GroupError::GroupFull | GroupError::TooManyGroups => ErrorCode::GroupMaxSizeReached,
        GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
        GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
        GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        GroupError::TooManyOffsets => ErrorCode::InvalidCommitOffsetSize,
        GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
    }
}

/// The code of a call that did not reach the coordinator, or whose decision did not become durable.
pub(super) const fn call_code(error: &GroupCallError) -> ErrorCode {
    match error {
        GroupCallError::Denied => ErrorCode::GroupAuthorizationFailed,
        GroupCallError::TopicDenied => ErrorCode::TopicAuthorizationFailed,
        GroupCallError::DiskFull | GroupCallError::LogClosed | GroupCallError::ShuttingDown => {
            ErrorCode::CoordinatorNotAvailable
        }
    }
}

/// The code of a topic that a group request names and the caller may not read.
pub(super) const fn topic_code(error: AccessError, unknown: ErrorCode) -> ErrorCode {
    match error {
        AccessError::Denied => ErrorCode::TopicAuthorizationFailed,
        AccessError::Unknown => unknown,
    }
}
