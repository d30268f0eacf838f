//! The structure check: what every frame goes through before it is decoded.

use std::hint::black_box;

use anyhow::{Context, Result};
use bytes::Bytes;
use kafka_protocol::{
    messages::{
        BrokerId, FetchRequest, MetadataRequest, MetadataResponse, ProduceRequest, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        metadata_request::MetadataRequestTopic,
        metadata_response::{
            MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Encodable, StrBytes},
};
use wire::{api::ApiKey, shape};

use super::plain;
use crate::{Bench, Case, data};

pub(super) const CASES: &[Case] = &[
    Case::new("structure_produce", 20, produce),
    Case::new("structure_fetch", 20, fetch),
    Case::new("structure_metadata_request", 20, metadata_request),
    Case::new("structure_metadata_response", 5, metadata_response),
];

/// Partitions of a Produce or Fetch request.
const PARTITIONS: i32 = 6;
/// Topics asked for by name, and topics answered.
const TOPICS: usize = 100;

pub(super) fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

fn body(message: &impl Encodable, version: i16) -> Result<Bytes> {
    let mut buffer = Vec::new();
    let encoded = message.encode(&mut buffer, version);
    encoded.ok().context("encode a message of our own")?;
    Ok(buffer.into())
}

/// Checks a request body again and again.
fn request(api: ApiKey, version: i16, message: &impl Encodable) -> Result<Box<dyn Bench>> {
    let body = body(message, version)?;
    plain(move || {
        let walked = shape::check_request(api.code(), version, black_box(&body));
        black_box(walked.expect("the request is sound"));
    })
}

fn produce() -> Result<Box<dyn Bench>> {
    let batch = data::large_batch();
    let partitions = (0..PARTITIONS).map(|index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default()
        .with_name(name("orders"))
        .with_partition_data(partitions.collect());
    let message = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    request(ApiKey::Produce, 9, &message)
}

fn fetch() -> Result<Box<dyn Bench>> {
    let partitions = (0..PARTITIONS).map(|index| {
        FetchPartition::default()
            .with_partition(index)
            .with_partition_max_bytes(1 << 20)
    });
    let topic = FetchTopic::default()
        .with_topic(name("orders"))
        .with_partitions(partitions.collect());
    let message = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    request(ApiKey::Fetch, 12, &message)
}

fn metadata_request() -> Result<Box<dyn Bench>> {
    let topics = (0..TOPICS).map(|topic| {
        MetadataRequestTopic::default().with_name(Some(name(&format!("topic-{topic:05}"))))
    });
    let message = MetadataRequest::default().with_topics(Some(topics.collect()));
    request(ApiKey::Metadata, 12, &message)
}

fn metadata_response() -> Result<Box<dyn Bench>> {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(0))
        .with_host(StrBytes::from_static_str("localhost"))
        .with_port(9092);
    let partitions: Vec<_> = (0..PARTITIONS)
        .map(|index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_replica_nodes(vec![BrokerId(0)])
                .with_isr_nodes(vec![BrokerId(0)])
        })
        .collect();
    let topics = (0..TOPICS).map(|topic| {
        MetadataResponseTopic::default()
            .with_name(Some(name(&format!("topic-{topic:05}"))))
            .with_partitions(partitions.clone())
    });
    let message = MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_topics(topics.collect());
    let (api, version) = (ApiKey::Metadata, 12);
    let body = body(&message, version)?;
    plain(move || {
        let walked = shape::check_response(api.code(), version, black_box(&body));
        black_box(walked.expect("the response is sound"));
    })
}
