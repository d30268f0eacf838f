//! OffsetDelete (47): forget what a group committed for some partitions.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 |
//! | Behaviour | Refused for topics that a member of the group is subscribed to (KIP-496); needs Manage |
//! | Differs | Nothing |
//! | Skipped | Nothing |

use hub::{
    access::TopicRef,
    groups::{Command, DeleteOffsets, PartitionResult, PerTopic, Reply},
};
use kafka_protocol::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse,
    offset_delete_request::OffsetDeleteRequestTopic,
    offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
};
use model::{PartitionIndex, TopicName};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups};

pub(crate) struct OffsetDelete;

impl Handler for OffsetDelete {
    type Request = OffsetDeleteRequest;

    fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> Answer<OffsetDeleteResponse> {
        let judged: Vec<Result<TopicName, ErrorCode>> = request
            .topics
            .iter()
            .map(|topic| judge(call, topic))
            .collect();
        let topics = request
            .topics
            .iter()
            .zip(&judged)
            .filter_map(|(topic, judged)| {
                let partitions = topic
                    .partitions
                    .iter()
                    .map(|asked| PartitionIndex(asked.partition_index));
                judged.as_ref().ok().map(|name| PerTopic {
                    topic: name.clone(),
                    partitions: partitions.collect(),
                })
            });
        let command = Command::DeleteOffsets(DeleteOffsets {
            group: groups::group_id(&request.group_id),
            topics: topics.collect(),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            let results = match reply.await {
                Ok(Reply::DeleteOffsets(Ok(results))) => results,
                Ok(Reply::DeleteOffsets(Err(error))) => {
                    return refused(groups::group_code(&error));
                }
                Ok(_) => return refused(ErrorCode::UnknownServerError),
                Err(error) => return refused(groups::call_code(&error)),
            };
            let mut results = results.into_iter();
            let topics = request
                .topics
                .into_iter()
                .zip(judged)
                .map(|(topic, judged)| {
                    let partitions = match judged {
                        Err(code) => topic
                            .partitions
                            .iter()
                            .map(|asked| partition(asked.partition_index, code))
                            .collect(),
                        Ok(_) => results.next().map_or_else(Vec::new, |topic| {
                            topic.partitions.iter().map(deleted).collect()
                        }),
                    };
                    OffsetDeleteResponseTopic::default()
                        .with_name(topic.name)
                        .with_partitions(partitions)
                });
            OffsetDeleteResponse::default().with_topics(topics.collect())
        })
    }
}

fn judge(call: &Call<'_>, topic: &OffsetDeleteRequestTopic) -> Result<TopicName, ErrorCode> {
    let named = TopicRef::Name(topic.name.0.as_str());
    let found = call.access.topic_to_listen(named);
    found
        .map(|topic| topic.name().clone())
        .map_err(|error| groups::topic_code(error, ErrorCode::UnknownTopicOrPartition))
}

fn deleted(result: &PartitionResult) -> OffsetDeleteResponsePartition {
    let code = result
        .result
        .as_ref()
        .map_or_else(groups::group_code, |()| ErrorCode::None);
    partition(result.partition.0, code)
}

fn partition(index: i32, code: ErrorCode) -> OffsetDeleteResponsePartition {
    OffsetDeleteResponsePartition::default()
        .with_partition_index(index)
        .with_error_code(code.code())
}

fn refused(code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(code.code())
}
