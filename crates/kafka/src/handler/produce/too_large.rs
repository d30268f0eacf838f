//! The answer to a request whose bytes were not kept: an error for each partition that it names, so
//! that its client learns what is wrong and goes on, on the same connection.

use hub::observe::RequestResult;
use kafka_protocol::messages::{
    ProduceResponse, TopicName as WireName, produce_response::TopicProduceResponse,
};
use model::PartitionIndex;
use uuid::Uuid;
use wire::{
    error_code::ErrorCode,
    skim::{SkimmedProduce, SkimmedTopic},
};

use super::{Refusal, TOPIC_IDS_FROM, answer, hang_up};
use crate::handler::{Answered, Call, Content, codes, words};

/// Answers a request of so many bytes.
pub(crate) fn refuse(
    call: &Call<'_>,
    request: SkimmedProduce,
    bytes: usize,
) -> Answered<ProduceResponse> {
    let limit = call.session.kafka.limits.frames.produce_bytes_max;
    let message = format!("a request of {bytes} bytes exceeds the limit of {limit}");
    if request.acks == 0 {
        let reason = hang_up_all(&request, &message);
        return Answered::new(Content::Silent)
            .closing(reason)
            .counted(RequestResult::UserError);
    }
    let topics = request.topics.into_iter();
    let topics = topics.map(|topic| refuse_topic(call, topic, &message));
    Answered::from(ProduceResponse::default().with_responses(topics.collect()))
}

fn hang_up_all(request: &SkimmedProduce, message: &str) -> String {
    let mut indexes = request.topics.iter().flat_map(|topic| &topic.partitions);
    let index = indexes.next().copied().unwrap_or(-1);
    hang_up(index, ErrorCode::MessageTooLarge, message)
}

fn refuse_topic(call: &Call<'_>, topic: SkimmedTopic, message: &str) -> TopicProduceResponse {
    let SkimmedTopic {
        name,
        id,
        partitions,
    } = topic;
    let id = Uuid::from_bytes(id);
    let named = super::named(&name, id, call.version >= TOPIC_IDS_FROM);
    let known = call.access.topic_to_send(named);
    let partitions = partitions.into_iter().map(|index| {
        let refusal = match &known {
            Err(error) => Refusal::new(codes::access(*error, named), error),
            Ok(topic) if topic.partition(PartitionIndex(index)).is_none() => {
                let error = ErrorCode::UnknownTopicOrPartition;
                Refusal::new(error, format!("{} has no partition {index}", topic.name()))
            }
            Ok(_) => Refusal::new(ErrorCode::MessageTooLarge, message),
        };
        answer(call.version, index, Err(refusal))
    });
    TopicProduceResponse::default()
        .with_partition_responses(partitions.collect())
        .with_name(WireName(words::text(name.as_str())))
        .with_topic_id(id)
}
