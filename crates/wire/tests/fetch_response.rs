//! Our Fetch response against the library's, byte for byte, over random content.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/random.rs"]
mod random;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_response as theirs;
use kafka_protocol::messages::{BrokerId, FetchRequest, ProducerId, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use model::{Piece, TopicId};
use random::Random;
use uuid::Uuid;
use wire::api::ApiKey;
use wire::codec::decode_response;
use wire::error_code::ErrorCode;
use wire::fetch_response::{
    AbortedTransaction, EpochEnd, FetchResponse, FetchedPartition, FetchedTopic, LeaderEpoch,
    NodeEndpoint,
};
use wire::frame::LENGTH_BYTES;

const ROUNDS: u64 = 200;

/// What records are made of; no piece of the skeleton begins with it.
const RECORD_BYTE: u8 = 0xab;

#[test]
fn every_version_is_byte_for_byte_what_the_library_writes() {
    for round in 0..ROUNDS {
        let ours = response(&mut Random(round));
        for version in 4..=18 {
            let mut expected = BytesMut::new();
            translate(&ours, version)
                .encode(&mut expected, version)
                .unwrap();
            let body = Piece::join(&ours.clone().into_body(version)).unwrap();
            assert_eq!(body, expected, "round {round} version {version}");
        }
    }
}

#[test]
fn the_frame_is_read_back_by_a_client() {
    for round in 0..ROUNDS / 10 {
        let ours = response(&mut Random(round));
        for version in [4, 11, 12, 16, 18] {
            let frame = ours.clone().into_frame(version, 9).into_bytes().unwrap();
            let read = decode_response::<FetchRequest>(version, frame.slice(LENGTH_BYTES..));
            let (correlation_id, read) = read.unwrap();
            assert_eq!(correlation_id, 9);
            assert_eq!(read, translate(&ours, version));
        }
    }
}

#[test]
fn records_are_sent_from_where_they_lie() {
    let stored = Bytes::from(vec![7; 1000]);
    let mut partition = FetchedPartition::new(0);
    partition.records = vec![stored.slice(..600).into(), stored.slice(600..).into()];
    let topic = FetchedTopic {
        partitions: vec![partition],
        ..FetchedTopic::default()
    };
    let response = FetchResponse {
        topics: vec![topic],
        ..FetchResponse::default()
    };
    let frame = response.into_frame(12, 1);
    let shared = |chunk: &Bytes| stored.as_ptr_range().contains(&chunk.as_ptr());
    let sizes: Vec<usize> = frame
        .chunks
        .iter()
        .filter_map(Piece::memory)
        .filter(|c| shared(c))
        .map(Bytes::len)
        .collect();
    assert_eq!(sizes, [600, 400]);
}

#[test]
fn the_skeleton_around_the_records_is_one_allocation() {
    for round in 0..ROUNDS {
        let mut ours = response(&mut Random(round));
        ours.node_endpoints.clear();
        for version in 4..=18 {
            let body = ours.clone().into_body(version);
            let skeleton: Vec<_> = body
                .iter()
                .filter_map(Piece::memory)
                .filter(|c| c.first() != Some(&RECORD_BYTE))
                .collect();
            for pair in skeleton.windows(2) {
                let (before, after) = (pair[0].as_ptr_range(), pair[1].as_ptr_range());
                assert_eq!(before.end, after.start, "round {round} version {version}");
            }
        }
    }
}

#[test]
fn a_partition_without_records_has_an_empty_record_set_and_not_null() {
    let topic = FetchedTopic {
        partitions: vec![FetchedPartition::new(0)],
        ..Default::default()
    };
    let response = FetchResponse {
        topics: vec![topic],
        ..FetchResponse::default()
    };
    for version in 4..=18 {
        let frame = response
            .clone()
            .into_frame(version, 1)
            .into_bytes()
            .unwrap();
        let (_, read) =
            decode_response::<FetchRequest>(version, frame.slice(LENGTH_BYTES..)).unwrap();
        assert_eq!(read.responses[0].partitions[0].records, Some(Bytes::new()));
    }
    assert_eq!(ApiKey::Fetch.facts().accepted.max, 18);
}

fn number(random: &mut Random) -> i32 {
    i32::try_from(random.below(1 << 30)).unwrap()
}

fn some<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    if random.chance(2) {
        Some(make(random))
    } else {
        None
    }
}

fn many<T>(random: &mut Random, below: usize, make: impl Fn(&mut Random) -> T) -> Vec<T> {
    (0..random.below(below)).map(|_| make(random)).collect()
}

fn response(random: &mut Random) -> FetchResponse {
    FetchResponse {
        throttle_time_ms: number(random),
        error: ErrorCode::FetchSessionIdNotFound,
        session_id: number(random),
        topics: many(random, 4, |random| FetchedTopic {
            name: StrBytes::from_string(format!("topic-{}", random.below(1000))),
            id: TopicId(u128::from(random.next()) << 64 | u128::from(random.next())),
            partitions: many(random, 4, partition),
        }),
        node_endpoints: many(random, 3, |random| NodeEndpoint {
            node_id: number(random),
            host: StrBytes::from_static_str("broker.example"),
            port: number(random),
            rack: some(random, |_| StrBytes::from_static_str("rack")),
        }),
    }
}

fn partition(random: &mut Random) -> FetchedPartition {
    FetchedPartition {
        index: number(random),
        error: ErrorCode::OffsetOutOfRange,
        high_watermark: number(random).into(),
        last_stable_offset: number(random).into(),
        log_start_offset: number(random).into(),
        diverging_epoch: some(random, |random| EpochEnd {
            epoch: number(random),
            end_offset: number(random).into(),
        }),
        current_leader: some(random, |random| LeaderEpoch {
            leader_id: number(random),
            leader_epoch: number(random),
        }),
        aborted_transactions: some(random, |random| {
            many(random, 3, |random| AbortedTransaction {
                producer_id: number(random).into(),
                first_offset: number(random).into(),
            })
        }),
        preferred_read_replica: number(random),
        // Some are empty, some need a length of two or three bytes.
        records: many(random, 4, |random| {
            let bytes = [0, 1, 100, 200, 20_000][random.below(5)];
            Bytes::from(vec![RECORD_BYTE; bytes]).into()
        }),
    }
}

/// The same response in the library's types, without what the version cannot say: the library
/// refuses to encode that.
fn translate(ours: &FetchResponse, version: i16) -> kafka_protocol::messages::FetchResponse {
    let mut response = kafka_protocol::messages::FetchResponse::default()
        .with_throttle_time_ms(ours.throttle_time_ms)
        .with_responses(
            ours.topics
                .iter()
                .map(|topic| translate_topic(topic, version))
                .collect(),
        );
    if version >= 7 {
        response.error_code = ours.error.code();
        response.session_id = ours.session_id;
    }
    if version >= 16 {
        let endpoints = ours.node_endpoints.iter().map(|endpoint| {
            theirs::NodeEndpoint::default()
                .with_node_id(BrokerId(endpoint.node_id))
                .with_host(endpoint.host.clone())
                .with_port(endpoint.port)
                .with_rack(endpoint.rack.clone())
        });
        response.node_endpoints = endpoints.collect();
    }
    response
}

fn translate_topic(ours: &FetchedTopic, version: i16) -> theirs::FetchableTopicResponse {
    let partitions = ours
        .partitions
        .iter()
        .map(|ours| translate_partition(ours, version));
    let mut topic = theirs::FetchableTopicResponse::default().with_partitions(partitions.collect());
    if version >= 13 {
        topic.topic_id = Uuid::from_u128(ours.id.0);
    } else {
        topic.topic = TopicName(ours.name.clone());
    }
    topic
}

fn translate_partition(ours: &FetchedPartition, version: i16) -> theirs::PartitionData {
    let aborted = ours.aborted_transactions.as_ref().map(|aborted| {
        let aborted = aborted.iter().map(|aborted| {
            theirs::AbortedTransaction::default()
                .with_producer_id(ProducerId(aborted.producer_id))
                .with_first_offset(aborted.first_offset)
        });
        aborted.collect()
    });
    let mut partition = theirs::PartitionData::default()
        .with_partition_index(ours.index)
        .with_error_code(ours.error.code())
        .with_high_watermark(ours.high_watermark)
        .with_last_stable_offset(ours.last_stable_offset)
        .with_aborted_transactions(aborted)
        .with_records(Some(Piece::join(&ours.records).unwrap()));
    if version >= 5 {
        partition.log_start_offset = ours.log_start_offset;
    }
    if version >= 11 {
        partition.preferred_read_replica = BrokerId(ours.preferred_read_replica);
    }
    if version >= 12 {
        if let Some(diverging) = ours.diverging_epoch {
            partition.diverging_epoch = theirs::EpochEndOffset::default()
                .with_epoch(diverging.epoch)
                .with_end_offset(diverging.end_offset);
        }
        if let Some(leader) = ours.current_leader {
            partition.current_leader = theirs::LeaderIdAndEpoch::default()
                .with_leader_id(BrokerId(leader.leader_id))
                .with_leader_epoch(leader.leader_epoch);
        }
    }
    partition
}
