//! What the group handlers share: domain words out of wire words, codes out of refusals.

use std::{collections::HashSet, sync::Arc};

use hub::access::TopicRef;
use hub::groups::{Command, GroupCallError, GroupError, PartitionResult, PerTopic, Reply};
use kafka_protocol::{
    messages::{GroupId as WireGroupId, TopicName as WireTopicName},
    protocol::StrBytes,
};
use model::{GroupId, InstanceId, MemberId, PartitionIndex, TopicName};
use wire::error_code::ErrorCode;

use super::{Call, codes, words};

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

/// The groups that a request names, each at its first mention.
pub(super) fn each_once(named: &[WireGroupId]) -> Vec<GroupId> {
    let mut seen = HashSet::new();
    let first = named.iter().filter(|group| seen.insert(*group));
    first.map(group_id).collect()
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
        GroupError::NotAuthorized => ErrorCode::GroupAuthorizationFailed,
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
        GroupError::OffsetsLost => ErrorCode::OffsetOutOfRange,
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

/// A topic of a request about committed offsets, as the caller may see it: what is refused at once,
/// and what the coordinator is asked about.
pub(super) struct JudgedTopic {
    /// Where any partition is left to ask about.
    name: Option<TopicName>,
    /// Of each partition, in the order asked; `None` is the coordinator's to decide.
    codes: Vec<ErrorCode>,
}

impl JudgedTopic {
    /// Looks at the caller's rights (Listen) and at what exists.
    pub(super) fn new(
        call: &Call<'_>,
        named: TopicRef<'_>,
        partitions: impl Iterator<Item = i32>,
    ) -> Self {
        let topic = call.access.topic_to_listen(named);
        let code = |index| match &topic {
            Ok(topic) if topic.partition(PartitionIndex(index)).is_some() => ErrorCode::None,
            Ok(_) => ErrorCode::UnknownTopicOrPartition,
            Err(error) => codes::access(*error, named),
        };
        let codes: Vec<ErrorCode> = partitions.map(code).collect();
        let name = topic.ok().map(|topic| topic.name().clone());
        Self {
            name: name.filter(|_| codes.contains(&ErrorCode::None)),
            codes,
        }
    }

    /// The part that the coordinator is asked about, if there is one.
    pub(super) fn to_ask<T>(&self, partitions: impl Iterator<Item = T>) -> Option<PerTopic<T>> {
        let left = partitions.zip(&self.codes);
        let left = left.filter(|(_, code)| **code == ErrorCode::None);
        Some(PerTopic {
            topic: self.name.clone()?,
            partitions: left.map(|(partition, _)| partition).collect(),
        })
    }

    /// The code of each partition, in the order asked, with the coordinator's next answer in it, or
    /// with its refusal of all.
    pub(super) fn codes(
        self,
        answers: Result<&mut impl Iterator<Item = PerTopic<PartitionResult>>, ErrorCode>,
    ) -> Vec<ErrorCode> {
        let (answer, refusal) = match answers {
            Ok(answers) => (self.name.and_then(|_| answers.next()), None),
            Err(code) => (None, Some(code)),
        };
        let mut decided = answer.into_iter().flat_map(|topic| topic.partitions);
        let mut decide = || {
            let result = decided.next().map(|partition| partition.result);
            result.map_or(ErrorCode::UnknownServerError, |result| {
                result
                    .as_ref()
                    .map_or_else(group_code, |()| ErrorCode::None)
            })
        };
        let codes = self.codes.into_iter().map(|code| match (code, refusal) {
            (ErrorCode::None, Some(refusal)) => refusal,
            (ErrorCode::None, None) => decide(),
            (code, _) => code,
        });
        codes.collect()
    }
}
