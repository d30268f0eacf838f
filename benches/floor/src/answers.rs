//! Answers to everything but Produce: enough that clients believe to have found a broker.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use bytes::{BufMut, Bytes};
use kafka_protocol::messages as m;
use kafka_protocol::protocol::StrBytes;
use wire::api::ApiKey;
use wire::api_versions::ApiVersionsRequest;
use wire::codec::{Request, decode_request, encode_response};
use wire::frame::{LENGTH_BYTES, RequestFrame};

/// What is offered: Produce stops short of topic ids, which the floor doesn't know.
/// Fetch is offered and never answered: without it librdkafka falls back to the old format.
const OFFERED: [(ApiKey, i16, i16); 7] = [
    (ApiKey::Produce, 3, 12),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 6),
    (ApiKey::Metadata, 1, 9),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 2, 5),
    (ApiKey::InitProducerId, 0, 4),
];

pub(crate) struct Answers {
    address: SocketAddr,
    partitions: i32,
    /// Batches received, by partition: all that an offset is here.
    ends: Mutex<HashMap<i32, i64>>,
}

impl Answers {
    pub(crate) fn new(address: SocketAddr, partitions: i32) -> Self {
        Self {
            address,
            partitions,
            ends: Mutex::default(),
        }
    }

    /// The whole answer to a request, or nothing if it can't be read.
    pub(crate) fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = RequestFrame::parse(Bytes::copy_from_slice(frame)).ok()?;
        let id = frame.correlation_id;
        let version = frame.api_version;
        match frame.api? {
            ApiKey::ApiVersions => {
                // A version too new is answered in the oldest form, which every client reads.
                let (version, code) = if version > 3 { (0, 35) } else { (version, 0) };
                encode::<ApiVersionsRequest>(version, id, &api_versions(code))
            }
            ApiKey::Metadata => {
                let request = decode_request(version, &frame.body).ok()?;
                encode::<m::MetadataRequest>(version, id, &self.metadata(request))
            }
            ApiKey::CreateTopics => {
                let request: m::CreateTopicsRequest = decode_request(version, &frame.body).ok()?;
                let created = |topic: m::create_topics_request::CreatableTopic| {
                    m::create_topics_response::CreatableTopicResult::default()
                        .with_name(topic.name)
                        .with_num_partitions(self.partitions)
                        .with_replication_factor(1)
                };
                let topics = request.topics.into_iter().map(created).collect();
                let answer = m::CreateTopicsResponse::default().with_topics(topics);
                encode::<m::CreateTopicsRequest>(version, id, &answer)
            }
            ApiKey::InitProducerId => {
                let answer = m::InitProducerIdResponse::default().with_producer_id(1.into());
                encode::<m::InitProducerIdRequest>(version, id, &answer)
            }
            ApiKey::ListOffsets => {
                let request = decode_request(version, &frame.body).ok()?;
                encode::<m::ListOffsetsRequest>(version, id, &self.offsets(request)?)
            }
            _ => None,
        }
    }

    /// The answer to a Produce request, written by hand: it is on the path that is measured.
    pub(crate) fn produced(
        &self,
        version: i16,
        correlation_id: i32,
        topics: &[ProducedTopic<'_>],
    ) -> Option<Vec<u8>> {
        let mut out = vec![0; LENGTH_BYTES];
        out.put_i32(correlation_id);
        let form = Form { version };
        if form.is_flexible() {
            out.put_u8(0);
        }
        form.put_count(&mut out, topics.len())?;
        let mut ends = self.ends.lock().ok()?;
        for topic in topics {
            form.put_text(&mut out, topic.name)?;
            form.put_count(&mut out, topic.partitions.len())?;
            for (index, records) in &topic.partitions {
                let end = ends.entry(*index).or_default();
                form.put_partition(&mut out, *index, *end);
                *end += i64::from(*records);
            }
            form.put_end(&mut out);
        }
        out.put_i32(0);
        form.put_end(&mut out);
        let length = i32::try_from(out.len() - LENGTH_BYTES).ok()?;
        out.get_mut(..LENGTH_BYTES)?
            .copy_from_slice(&length.to_be_bytes());
        Some(out)
    }

    fn metadata(&self, request: m::MetadataRequest) -> m::MetadataResponse {
        let broker = m::metadata_response::MetadataResponseBroker::default()
            .with_host(StrBytes::from_string(self.address.ip().to_string()))
            .with_port(self.address.port().into());
        let partition = |index| {
            m::metadata_response::MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_replica_nodes(vec![0.into()])
                .with_isr_nodes(vec![0.into()])
        };
        let topic = |topic: m::metadata_request::MetadataRequestTopic| {
            m::metadata_response::MetadataResponseTopic::default()
                .with_name(topic.name)
                .with_partitions((0..self.partitions).map(partition).collect())
        };
        let topics = request.topics.unwrap_or_default();
        m::MetadataResponse::default()
            .with_brokers(vec![broker])
            .with_controller_id(0.into())
            .with_topics(topics.into_iter().map(topic).collect())
    }

    fn offsets(&self, request: m::ListOffsetsRequest) -> Option<m::ListOffsetsResponse> {
        use m::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
        let ends = self.ends.lock().ok()?;
        let answer = |topic: m::list_offsets_request::ListOffsetsTopic| {
            let partition = |asked: m::list_offsets_request::ListOffsetsPartition| {
                let index = asked.partition_index;
                let end = ends.get(&index).copied().unwrap_or(0);
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(index)
                    .with_offset(if asked.timestamp == -1 { end } else { 0 })
            };
            ListOffsetsTopicResponse::default()
                .with_name(topic.name)
                .with_partitions(topic.partitions.into_iter().map(partition).collect())
        };
        let topics = request.topics.into_iter().map(answer).collect();
        Some(m::ListOffsetsResponse::default().with_topics(topics))
    }
}

/// A topic of a Produce request: partitions, each with its count of records.
pub(crate) struct ProducedTopic<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) partitions: Vec<(i32, i32)>,
}

/// How a version of the Produce response writes things.
#[derive(Clone, Copy)]
struct Form {
    version: i16,
}

impl Form {
    fn is_flexible(self) -> bool {
        ApiKey::Produce.is_flexible(self.version)
    }

    fn put_count(self, out: &mut Vec<u8>, count: usize) -> Option<()> {
        if self.is_flexible() {
            put_varint(out, u32::try_from(count).ok()? + 1);
        } else {
            out.put_i32(i32::try_from(count).ok()?);
        }
        Some(())
    }

    fn put_text(self, out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
        if self.is_flexible() {
            put_varint(out, u32::try_from(text.len()).ok()? + 1);
        } else {
            out.put_i16(i16::try_from(text.len()).ok()?);
        }
        out.put_slice(text);
        Some(())
    }

    fn put_partition(self, out: &mut Vec<u8>, index: i32, base_offset: i64) {
        out.put_i32(index);
        out.put_i16(0);
        out.put_i64(base_offset);
        // No append time.
        out.put_i64(-1);
        if self.version >= 5 {
            // The log's start.
            out.put_i64(0);
        }
        if self.is_flexible() {
            // No record's error, no message, no tags.
            out.put_slice(&[1, 0, 0]);
        } else if self.version >= 8 {
            out.put_i32(0);
            out.put_i16(-1);
        }
    }

    fn put_end(self, out: &mut Vec<u8>) {
        if self.is_flexible() {
            out.put_u8(0);
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.put_u8(value.to_le_bytes()[0]);
}

fn api_versions(error_code: i16) -> m::ApiVersionsResponse {
    let offer = |(api, least, most): (ApiKey, i16, i16)| {
        m::api_versions_response::ApiVersion::default()
            .with_api_key(api.code())
            .with_min_version(least)
            .with_max_version(most)
    };
    m::ApiVersionsResponse::default()
        .with_error_code(error_code)
        .with_api_keys(OFFERED.map(offer).to_vec())
}

fn encode<R: Request>(version: i16, id: i32, answer: &R::Response) -> Option<Vec<u8>> {
    let frame = encode_response::<R>(version, id, answer).ok()?;
    Some(frame.into_bytes()?.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn produce_answers_are_what_a_client_of_each_version_reads() {
        let answers = Answers::new(([127, 0, 0, 1], 9092).into(), 6);
        for (round, version) in (3..=12).enumerate() {
            let topic = ProducedTopic {
                name: b"topic",
                partitions: vec![(4, 10), (5, 1)],
            };
            let bytes = Bytes::from(answers.produced(version, 8, &[topic]).unwrap()).slice(4..);
            let decoded = wire::codec::decode_response::<m::ProduceRequest>(version, bytes);
            let (id, response) = decoded.unwrap();
            let partition = &response.responses[0].partition_responses[0];
            let base_offset = i64::try_from(round).unwrap() * 10;
            assert_eq!((id, partition.index), (8, 4));
            assert_eq!(
                (partition.error_code, partition.base_offset),
                (0, base_offset)
            );
        }
    }
}
