//! OffsetCommit (8): a group's next offsets to read.
//!
//! | Card | |
//! |---|---|
//! | Versions | 2 to 10 |
//! | Behaviour | Durable before the reply. Topics by id from version 10 |
//! | Differs | Offsets never expire: the retention time of versions 2 to 4 is dropped. GROUP_AUTHORIZATION_FAILED also to who may listen to one event hub, where the group reads anything else. INVALID_COMMIT_OFFSET_SIZE where the namespace's offsets take too much memory; what does not grow is always taken |
//! | Skipped | Member epochs of the newer group protocol: there are no such groups |

use hub::{
    access::TopicRef,
    groups::{Command, CommitOffsets, GroupCallError, GroupError, OffsetToCommit, Reply},
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
};
use model::{GenerationId, LeaderEpoch, Offset, PartitionIndex};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    groups::{self, JudgedTopic},
    size, words,
};

/// From this version topics are named by id.
const IDS_FROM: i16 = 10;
/// From this version an unknown group is called so; before, its generation is what is wrong.
const GROUP_NOT_FOUND_FROM: i16 = 9;

/// What committing one partition takes beside its entry: what the coordinator is told, its record,
/// that record's bytes; its text, which is copied for each, apart.
const PARTITION_BYTES: usize = 700;
/// The same of a topic.
const TOPIC_BYTES: usize = 512;

pub(crate) struct OffsetCommit;

impl Handler for OffsetCommit {
    type Request = OffsetCommitRequest;

    fn reply_bytes(_call: &Call<'_>, request: &OffsetCommitRequest, enough: usize) -> usize {
        let each = size::entry::<OffsetCommitResponsePartition>(PARTITION_BYTES);
        let partition = |partition: &OffsetCommitRequestPartition| {
            let text = partition.committed_metadata.as_ref();
            each + 4 * text.map_or(0, |text| text.len())
        };
        let topic = |topic: &OffsetCommitRequestTopic| {
            let partitions: usize = topic.partitions.iter().map(partition).sum();
            partitions + TOPIC_BYTES + size::text(topic.name.len())
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(call: &Call<'_>, request: OffsetCommitRequest) -> Answer<OffsetCommitResponse> {
        let version = call.version;
        let judged: Vec<JudgedTopic> = request
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                let indexes = partitions.map(|partition| partition.partition_index);
                JudgedTopic::new(call, reference(topic, version), indexes)
            })
            .collect();
        let topics = request.topics.iter().zip(&judged);
        let command = Command::CommitOffsets(CommitOffsets {
            group: groups::group_id(&request.group_id),
            member: groups::member_id(&request.member_id),
            instance: groups::instance_id(request.group_instance_id.as_ref()),
            generation: GenerationId(request.generation_id_or_member_epoch),
            topics: topics
                .filter_map(|(topic, judged)| judged.to_ask(topic.partitions.iter().map(to_commit)))
                .collect(),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            let mut results = match reply.await {
                Ok(Reply::CommitOffsets(Ok(results))) => Ok(results.into_iter()),
                Ok(Reply::CommitOffsets(Err(error @ GroupError::NotAuthorized))) => {
                    return all_refused(request.topics, groups::group_code(&error));
                }
                Ok(Reply::CommitOffsets(Err(error))) => Err(request_code(&error, version)),
                Ok(_) => Err(ErrorCode::UnknownServerError),
                Err(error @ GroupCallError::Denied) => {
                    return all_refused(request.topics, groups::call_code(&error));
                }
                Err(error) => Err(groups::call_code(&error)),
            };
            let topics = request.topics.into_iter().zip(judged);
            let topics = topics.map(|(topic, judged)| {
                let codes = judged.codes(results.as_mut().map_err(|code| *code));
                answer(topic, &codes)
            });
            OffsetCommitResponse::default().with_topics(topics.collect())
        })
    }
}

fn reference(topic: &OffsetCommitRequestTopic, version: i16) -> TopicRef<'_> {
    if version >= IDS_FROM {
        TopicRef::Id(words::topic_id(topic.topic_id))
    } else {
        TopicRef::Name(topic.name.0.as_str())
    }
}

fn to_commit(partition: &OffsetCommitRequestPartition) -> OffsetToCommit {
    let metadata = partition.committed_metadata.as_deref();
    OffsetToCommit {
        partition: PartitionIndex(partition.partition_index),
        offset: Offset(partition.committed_offset),
        leader_epoch: LeaderEpoch(partition.committed_leader_epoch),
        metadata: metadata.unwrap_or_default().into(),
    }
}

const fn request_code(error: &GroupError, version: i16) -> ErrorCode {
    match error {
        GroupError::GroupIdNotFound if version < GROUP_NOT_FOUND_FROM => {
            ErrorCode::IllegalGeneration
        }
        _ => groups::group_code(error),
    }
}

/// Whoever may not use the group learns nothing about topics.
fn all_refused(topics: Vec<OffsetCommitRequestTopic>, code: ErrorCode) -> OffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let codes = vec![code; topic.partitions.len()];
        answer(topic, &codes)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn answer(topic: OffsetCommitRequestTopic, codes: &[ErrorCode]) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code.code())
    });
    OffsetCommitResponseTopic::default()
        .with_partitions(partitions.collect())
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
}
