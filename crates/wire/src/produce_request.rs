//! A Produce request as the handler wants it: topics, partitions, and the records as the slices
//! of the frame that they are.

use bytes::Bytes;
use kafka_protocol::messages::{self, produce_request::TopicProduceData};
use kafka_protocol::protocol::StrBytes;
use model::TopicId;

use crate::codec::{DecodeError, decode_request};

/// A request to append records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    pub transactional_id: Option<StrBytes>,
    /// 0, 1 or -1 if the client is sane; as sent.
    pub acks: i16,
    pub timeout_ms: i32,
    pub topics: Vec<ProducedTopic>,
}

/// The partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedTopic {
    pub topic: TopicReference,
    pub partitions: Vec<ProducedPartition>,
}

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicReference {
    Name(StrBytes),
    Id(TopicId),
}

/// Batches for one partition; null is the client's mistake, which the handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedPartition {
    pub index: i32,
    pub records: Option<Bytes>,
}

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

impl ProduceRequest {
    /// Decodes a body, its structure checked first. Records stay slices of `body`.
    pub fn decode(version: i16, body: &Bytes) -> Result<Self, DecodeError> {
        let request: messages::ProduceRequest = decode_request(version, body)?;
        let topics = request
            .topic_data
            .into_iter()
            .map(|topic| ProducedTopic::new(version, topic));
        Ok(Self {
            transactional_id: request.transactional_id.map(|id| id.0),
            acks: request.acks,
            timeout_ms: request.timeout_ms,
            topics: topics.collect(),
        })
    }
}

impl ProducedTopic {
    fn new(version: i16, data: TopicProduceData) -> Self {
        let topic = if version >= TOPIC_ID_VERSION {
            TopicReference::Id(TopicId(data.topic_id.as_u128()))
        } else {
            TopicReference::Name(data.name.0)
        };
        let partitions = data
            .partition_data
            .into_iter()
            .map(|partition| ProducedPartition {
                index: partition.index,
                records: partition.records,
            });
        Self {
            topic,
            partitions: partitions.collect(),
        }
    }
}
