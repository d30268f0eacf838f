//! OffsetCommit (8): a group's next offsets to read.
//!
//! | Card | |
//! |---|---|
//! | Versions | 2 to 10 |
//! | Behaviour | Durable before the reply. Topics by id from version 10 |
//! | Differs | Offsets never expire: the retention time of versions 2 to 4 is dropped |
//! | Skipped | Member epochs of the newer group protocol: there are no such groups |

use hub::{
    access::TopicRef,
    groups::{Command, CommitOffsets, GroupError, OffsetToCommit, PerTopic, Reply},
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, TopicName as WireTopicName,
    offset_commit_request::OffsetCommitRequestTopic,
    offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
};
use model::{GenerationId, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicName};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups};

/// From this version topics are named by id.
const IDS_FROM: i16 = 10;
/// From this version an unknown group is called so; before, its generation is what is wrong.
const GROUP_NOT_FOUND_FROM: i16 = 9;

pub(crate) struct OffsetCommit;

impl Handler for OffsetCommit {
    type Request = OffsetCommitRequest;

    fn handle(call: &Call<'_>, request: OffsetCommitRequest) -> Answer<OffsetCommitResponse> {
        let version = call.version;
        let judged: Vec<Judged> = request
            .topics
            .iter()
            .map(|topic| judge(call, topic))
            .collect();
        let command = Command::CommitOffsets(CommitOffsets {
            group: groups::group_id(&request.group_id),
            member: groups::member_id(&request.member_id),
            instance: groups::instance_id(request.group_instance_id.as_ref()),
            generation: GenerationId(request.generation_id_or_member_epoch),
            topics: request
                .topics
                .iter()
                .zip(&judged)
                .filter_map(|(topic, judged)| to_commit(topic, judged))
                .collect(),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            let results = match reply.await {
                Ok(Reply::CommitOffsets(Ok(results))) => Ok(results),
                Ok(Reply::CommitOffsets(Err(error))) => Err(request_code(&error, version)),
                Ok(_) => Err(ErrorCode::UnknownServerError),
                Err(error) => Err(groups::call_code(&error)),
            };
            let mut accepted = results.as_ref().map_or(&[][..], Vec::as_slice).iter();
            let topics = request
                .topics
                .into_iter()
                .zip(judged)
                .map(|(topic, judged)| {
                    let codes: Vec<ErrorCode> = match (&judged.result, &results) {
                        (Err(code), _) | (Ok(_), Err(code)) => vec![*code; topic.partitions.len()],
                        (Ok(_), Ok(_)) => accepted.next().map_or_else(Vec::new, partition_codes),
                    };
                    answer(topic, judged.name, &codes)
                });
            OffsetCommitResponse::default().with_topics(topics.collect())
        })
    }
}

/// A topic of the request as the caller may see it.
struct Judged {
    result: Result<TopicName, ErrorCode>,
    /// What the reply calls it.
    name: WireTopicName,
}

fn judge(call: &Call<'_>, topic: &OffsetCommitRequestTopic) -> Judged {
    let (named, unknown) = if call.version >= IDS_FROM {
        let id = TopicId(topic.topic_id.as_u128());
        (TopicRef::Id(id), ErrorCode::UnknownTopicId)
    } else {
        (
            TopicRef::Name(topic.name.0.as_str()),
            ErrorCode::UnknownTopicOrPartition,
        )
    };
    let result = call
        .access
        .topic_to_listen(named)
        .map(|topic| topic.name().clone())
        .map_err(|error| groups::topic_code(error, unknown));
    Judged {
        result,
        name: topic.name.clone(),
    }
}

fn to_commit(
    topic: &OffsetCommitRequestTopic,
    judged: &Judged,
) -> Option<PerTopic<OffsetToCommit>> {
    let name = judged.result.as_ref().ok()?;
    let partitions = topic.partitions.iter().map(|partition| OffsetToCommit {
        partition: PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: partition
            .committed_metadata
            .as_deref()
            .unwrap_or_default()
            .into(),
    });
    Some(PerTopic {
        topic: name.clone(),
        partitions: partitions.collect(),
    })
}

const fn request_code(error: &GroupError, version: i16) -> ErrorCode {
    match error {
        GroupError::GroupIdNotFound if version < GROUP_NOT_FOUND_FROM => {
            ErrorCode::IllegalGeneration
        }
        _ => groups::group_code(error),
    }
}

fn partition_codes(topic: &PerTopic<hub::groups::PartitionResult>) -> Vec<ErrorCode> {
    let code = |result: &Result<(), GroupError>| {
        result
            .as_ref()
            .map_or_else(groups::group_code, |()| ErrorCode::None)
    };
    topic
        .partitions
        .iter()
        .map(|partition| code(&partition.result))
        .collect()
}

fn answer(
    topic: OffsetCommitRequestTopic,
    name: WireTopicName,
    codes: &[ErrorCode],
) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code.code())
    });
    OffsetCommitResponseTopic::default()
        .with_name(name)
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}
