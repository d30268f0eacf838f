//! Messages through the public codec: our own forms against the library's, and the versions that
//! the library lacks against the generated tables.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use kafka_protocol::messages as m;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use wire::api::ApiKey;
use wire::api_versions::ApiVersionsRequest;
use wire::codec::{
    DecodeError, Request, decode_request, decode_response, encode_request, encode_response,
};
use wire::frame::{LENGTH_BYTES, RequestFrame};
use wire::shape::{ShapeError, check_response};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A request through encoder, header parser and decoder.
fn there_and_back<R: Request>(version: i16, request: &R) -> R {
    let frame = encode_request(version, 7, "test", request).unwrap();
    let frame = RequestFrame::parse(frame.slice(LENGTH_BYTES..)).unwrap();
    assert_eq!((frame.api, frame.api_version), (Some(R::API), version));
    assert_eq!(
        (frame.correlation_id, frame.client_id.as_deref()),
        (7, Some("test"))
    );
    decode_request(version, &frame.body).unwrap()
}

/// A response through encoder and decoder, its body checked to the last byte.
fn answered<R: Request>(version: i16, response: &R::Response) -> R::Response {
    let frame = encode_response::<R>(version, 7, response)
        .unwrap()
        .into_bytes()
        .unwrap();
    let flexible = R::API.response_header_version(version) > 0;
    let body = frame.slice(LENGTH_BYTES + 4 + usize::from(flexible)..);
    let walked = check_response(R::API.code(), version, &body).unwrap();
    assert_eq!(walked.trailing_bytes, 0);
    let (correlation_id, response) =
        decode_response::<R>(version, frame.slice(LENGTH_BYTES..)).unwrap();
    assert_eq!(correlation_id, 7);
    response
}

#[test]
fn an_api_versions_request_keeps_what_each_version_has() {
    let full = ApiVersionsRequest {
        client_software_name: text("rust"),
        client_software_version: text("1.95"),
        cluster_id: Some(text("cluster")),
        node_id: Some(3),
    };
    for version in 0..=5 {
        let mut expected = full.clone();
        if version < 5 {
            (expected.cluster_id, expected.node_id) = (None, None);
        }
        if version < 3 {
            expected = ApiVersionsRequest::default();
        }
        assert_eq!(
            there_and_back(version, &full),
            expected,
            "version {version}"
        );
    }
    let unknown = ApiVersionsRequest {
        cluster_id: None,
        node_id: None,
        ..full
    };
    assert_eq!(there_and_back(5, &unknown), unknown);
}

#[test]
fn our_api_versions_request_is_the_librarys_where_both_exist() {
    let theirs = m::ApiVersionsRequest::default()
        .with_client_software_name(text("rust"))
        .with_client_software_version(text("1.95"));
    for version in 0..=4 {
        let mut body = bytes::BytesMut::new();
        theirs.encode(&mut body, version).unwrap();
        let ours: ApiVersionsRequest = decode_request(version, &body.freeze()).unwrap();
        if version >= 3 {
            assert_eq!(&*ours.client_software_name, "rust");
            assert_eq!(&*ours.client_software_version, "1.95");
        }
    }
}

#[test]
fn an_unsupported_api_versions_version_is_answered_in_version_zero() {
    // KIP-511: error 35 and the ranges, in the form that every client can read.
    let ranges = m::api_versions_response::ApiVersion::default()
        .with_api_key(ApiKey::ApiVersions.code())
        .with_max_version(ApiKey::ApiVersions.facts().advertised.max);
    let response = m::ApiVersionsResponse::default()
        .with_error_code(35)
        .with_api_keys(vec![ranges]);
    let frame = encode_response::<ApiVersionsRequest>(0, 7, &response)
        .unwrap()
        .into_bytes()
        .unwrap();
    assert_eq!(
        &frame[..],
        [
            0, 0, 0, 16, 0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 5
        ]
    );
    let refused = decode_request::<ApiVersionsRequest>(6, &Bytes::new());
    let api = ApiKey::ApiVersions;
    assert_eq!(
        refused,
        Err(DecodeError::UnsupportedVersion { api, version: 6 })
    );
}

#[test]
fn the_newest_versions_that_the_library_lacks_are_written_and_read() {
    let offsets = m::ListOffsetsRequest::default()
        .with_timeout_ms(5)
        .with_topics(vec![
            m::list_offsets_request::ListOffsetsTopic::default().with_name(m::TopicName(text("t"))),
        ]);
    assert_eq!(there_and_back(11, &offsets), offsets);
    let offsets = m::ListOffsetsResponse::default().with_throttle_time_ms(1);
    assert_eq!(answered::<m::ListOffsetsRequest>(11, &offsets), offsets);

    let versions = m::ApiVersionsResponse::default().with_finalized_features_epoch(4);
    assert_eq!(answered::<ApiVersionsRequest>(5, &versions), versions);

    let groups =
        m::DeleteGroupsRequest::default().with_groups_names(vec![m::GroupId(text("group"))]);
    assert_eq!(there_and_back(3, &groups), groups);
    let result = DeletableGroupResult::default().with_group_id(m::GroupId(text("group")));
    let groups = m::DeleteGroupsResponse::default()
        .with_throttle_time_ms(2)
        .with_results(vec![result.clone().with_error_code(68), result]);
    for version in 0..=3 {
        assert_eq!(answered::<m::DeleteGroupsRequest>(version, &groups), groups);
    }

    let directories = m::DescribeLogDirsRequest::default().with_topics(None);
    assert_eq!(there_and_back(5, &directories), directories);
    let partition = DescribeLogDirsPartition::default().with_partition_size(9);
    let topic = DescribeLogDirsTopic::default()
        .with_name(m::TopicName(text("t")))
        .with_partitions(vec![partition.clone(), partition]);
    let directory = DescribeLogDirsResult::default()
        .with_log_dir(text("/data"))
        .with_topics(vec![topic.clone(), topic])
        .with_total_bytes(100)
        .with_usable_bytes(50);
    let directories = m::DescribeLogDirsResponse::default()
        .with_error_code(1)
        .with_results(vec![directory.clone(), directory]);
    for version in 4..=5 {
        assert_eq!(
            answered::<m::DescribeLogDirsRequest>(version, &directories),
            directories
        );
    }
}

/// Bodies as Kafka's own 4.4.0 client library writes them.
const LIST_OFFSETS_11: &[u8] = b"\xff\xff\xff\xff\x01\x02\x07orders\x02\0\0\0\x03\0\0\0\x05\
    \xff\xff\xff\xff\xff\xff\xff\xfa\0\0\0\0\x75\x30\0";
const API_VERSIONS_5: &[u8] = b"\x12apache-kafka-java\x064.4.0\x05Zm9v\0\0\0\x02\0";
const DELETE_GROUPS_3: &[u8] = b"\0\0\0\x07\x03\x03g1\0\x44\0\0\x03g2\0\0\0\0\0";
const DESCRIBE_LOG_DIRS_5: &[u8] = b"\0\0\0\0\0\0\x02\0\0\x06/data\x02\x07orders\x02\0\0\0\x01\
    \0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0\x32\0\0\0";

#[test]
fn versions_of_our_own_are_what_kafka_itself_writes() {
    let body = Bytes::from_static(LIST_OFFSETS_11);
    let offsets: m::ListOffsetsRequest = decode_request(11, &body).unwrap();
    assert_eq!(offsets.timeout_ms, 30_000);
    assert_eq!(offsets.topics[0].partitions[0].timestamp, -6);
    assert!(
        encode_request(11, 1, "", &offsets)
            .unwrap()
            .ends_with(&body)
    );

    let body = Bytes::from_static(API_VERSIONS_5);
    let versions: ApiVersionsRequest = decode_request(5, &body).unwrap();
    assert_eq!(versions.cluster_id.as_deref(), Some("Zm9v"));
    assert_eq!(versions.node_id, Some(2));
    assert!(versions.is_valid(5));
    assert!(
        encode_request(5, 1, "", &versions)
            .unwrap()
            .ends_with(&body)
    );

    golden_response::<m::DeleteGroupsRequest>(3, DELETE_GROUPS_3);
    golden_response::<m::DescribeLogDirsRequest>(5, DESCRIBE_LOG_DIRS_5);
}

/// Decodes and encodes a body that has to come out the same.
fn golden_response<R: Request>(version: i16, body: &'static [u8]) {
    let frame = [&[0, 0, 0, 9, 0], body].concat();
    let (_, response) = decode_response::<R>(version, frame.into()).unwrap();
    let again = encode_response::<R>(version, 9, &response)
        .unwrap()
        .into_bytes()
        .unwrap();
    assert_eq!(&again[LENGTH_BYTES + 5..], body);
}

#[test]
fn a_lie_in_the_body_is_named_with_its_api() {
    let body = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let refused = decode_request::<m::MetadataRequest>(9, &body);
    let Err(DecodeError::Shape {
        api,
        version,
        source,
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((api, version), (ApiKey::Metadata, 9));
    assert!(matches!(source, ShapeError::FalseCount { .. }));
}

#[test]
fn produce_versions_that_are_only_advertised_are_refused() {
    for version in 0..=2 {
        let refused = decode_request::<m::ProduceRequest>(version, &Bytes::from_static(&[0; 64]));
        let api = ApiKey::Produce;
        assert_eq!(
            refused,
            Err(DecodeError::UnsupportedVersion { api, version })
        );
    }
}

/// A request with every kind of topic and partition, in the library's types.
fn produce_request(version: i16, records: &Bytes) -> m::ProduceRequest {
    let partition = |index| {
        let partition = m::produce_request::PartitionProduceData::default().with_index(index);
        match index {
            1 => partition,
            2 => partition.with_records(Some(Bytes::new())),
            _ => partition.with_records(Some(records.clone())),
        }
    };
    let topic = |number: u8| {
        let mut topic = m::produce_request::TopicProduceData::default()
            .with_partition_data((0..i32::from(number)).map(partition).collect());
        if version >= 13 {
            topic.topic_id = uuid::Uuid::from_u128(u128::from(number) << 64);
        } else {
            topic.name = m::TopicName(text(&format!("topic-{number}")));
        }
        if version >= 9 {
            topic = topic.with_unknown_tagged_field(7, Bytes::from_static(b"later"));
        }
        topic
    };
    m::ProduceRequest::default()
        .with_transactional_id((version % 2 == 0).then(|| m::TransactionalId(text("tx"))))
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data((0..5).map(topic).collect())
}

#[test]
fn produced_records_are_slices_of_the_frame() {
    let records = Bytes::from_static(&[0x7f; 61]);
    for version in 3..=13 {
        let frame = encode_request(version, 1, "", &produce_request(version, &records)).unwrap();
        let body = RequestFrame::parse(frame.slice(LENGTH_BYTES..))
            .unwrap()
            .body;
        let decoded = decode_request::<m::ProduceRequest>(version, &body).unwrap();
        let partition = &decoded.topic_data[4].partition_data[3];
        let found = partition.records.as_ref().unwrap();
        assert!(
            body.as_ptr_range().contains(&found.as_ptr()),
            "copied in {version}"
        );
    }
}
