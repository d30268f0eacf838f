//! OffsetDelete (47): forget what a group committed for some partitions.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 |
//! | Behaviour | Refused for topics that a member of the group is subscribed to (KIP-496); needs Manage |
//! | Differs | A group that never had members ends with its last offset, where Kafka keeps its name until it cleans up |
//! | Skipped | Nothing |

use hub::{
    access::TopicRef,
    groups::{Command, DeleteOffsets, Reply},
};
use kafka_protocol::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
};
use model::PartitionIndex;
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    groups::{self, JudgedTopic},
    size,
};

pub(crate) struct OffsetDelete;

impl Handler for OffsetDelete {
    type Request = OffsetDeleteRequest;

    fn reply_bytes(_call: &Call<'_>, request: &OffsetDeleteRequest, enough: usize) -> usize {
        let each = size::entry::<OffsetDeleteResponsePartition>(500);
        let topic = |topic: &OffsetDeleteRequestTopic| {
            512 + size::text(topic.name.len()) + topic.partitions.len() * each
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> Answer<OffsetDeleteResponse> {
        let judged: Vec<JudgedTopic> = request
            .topics
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                let indexes = partitions.map(|partition| partition.partition_index);
                JudgedTopic::new(call, TopicRef::Name(topic.name.0.as_str()), indexes)
            })
            .collect();
        let topics = request.topics.iter().zip(&judged);
        let index =
            |partition: &OffsetDeleteRequestPartition| PartitionIndex(partition.partition_index);
        let command = Command::DeleteOffsets(DeleteOffsets {
            group: groups::group_id(&request.group_id),
            topics: topics
                .filter_map(|(topic, judged)| judged.to_ask(topic.partitions.iter().map(index)))
                .collect(),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            let mut results = match reply.await {
                Ok(Reply::DeleteOffsets(Ok(results))) => results.into_iter(),
                Ok(Reply::DeleteOffsets(Err(error))) => {
                    return refused(groups::group_code(&error));
                }
                Ok(_) => return refused(ErrorCode::UnknownServerError),
                Err(error) => return refused(groups::call_code(&error)),
            };
            let topics = request.topics.into_iter().zip(judged);
            let topics =
                topics.map(|(topic, judged)| answer(topic, &judged.codes(Ok(&mut results))));
            OffsetDeleteResponse::default().with_topics(topics.collect())
        })
    }
}

fn answer(topic: OffsetDeleteRequestTopic, codes: &[ErrorCode]) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.iter().zip(codes).map(|(partition, code)| {
        OffsetDeleteResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(code.code())
    });
    OffsetDeleteResponseTopic::default()
        .with_partitions(partitions.collect())
        .with_name(topic.name)
}

fn refused(code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(code.code())
}
