//! Produce requests that are too large to be held: each of their partitions gets an error, and the
//! connection goes on.

use bytes::Bytes;
use kafka::{Intake, KafkaLimits, Staged};
use kafka_protocol::messages::{MetadataRequest, ProduceRequest};
use uuid::Uuid;
use wire::{codec, frame::FrameLimits};

use crate::{
    metadata::create,
    produce::producing,
    world::{Client, LISTENER, ROOT, World, settle},
};

const LIMIT: usize = 100_000;

fn world() -> World {
    let frames = FrameLimits {
        produce_bytes_max: LIMIT,
        ..FrameLimits::default()
    };
    let limits = KafkaLimits {
        frames,
        ..KafkaLimits::default()
    };
    World::with(limits, |_| {})
}

/// A request for these partitions with so many bytes for each. Nobody looks at the bytes.
fn large(acks: i16, topic: &str, partitions: &[i32], bytes: usize) -> ProduceRequest {
    let records = Bytes::from(vec![7; bytes]);
    let partitions = partitions
        .iter()
        .map(|index| (*index, Some(records.clone())));
    producing(acks, topic, &partitions.collect::<Vec<_>>())
}

/// Sends a request as a server does that must not hold it.
fn skim(client: &mut Client<'_>, version: i16, request: &ProduceRequest) -> Staged {
    let frame = codec::encode_request(version, 1, "tester", request).unwrap();
    let (prefix, body) = frame.split_first_chunk().unwrap();
    let intake = client.session.frame_length(*prefix, &body[..8]);
    assert_eq!(intake, Ok(Intake::Skimmed(body.len())));
    for piece in body.chunks(8_000) {
        client.session.skim(piece).unwrap();
    }
    client.session.dispatch_skimmed(client.now())
}

async fn codes(staged: Staged, version: i16) -> Vec<(i16, Option<String>)> {
    let reply = settle(staged).await;
    assert_eq!(reply.close, None);
    let body = crate::world::body(&reply);
    let (_, response) = codec::decode_response::<ProduceRequest>(version, body).unwrap();
    let topics = response.responses.into_iter();
    let partitions = topics.flat_map(|topic| topic.partition_responses);
    let codes = partitions.map(|partition| {
        let message = partition.error_message;
        (partition.error_code, message.map(|text| text.to_string()))
    });
    codes.collect()
}

#[tokio::test]
async fn each_partition_is_told_that_the_request_is_too_large_and_the_connection_goes_on() {
    let world = world();
    let mut client = world.login(ROOT).await;
    let id = create(&mut client, "t").await;
    for version in 3..=13 {
        let mut request = large(-1, "t", &[0, 2, 9], 60_000);
        request.topic_data[0].topic_id = id;
        let staged = skim(&mut client, version, &request);
        let answers = codes(staged, version).await;
        let numbers: Vec<i16> = answers.iter().map(|(code, _)| *code).collect();
        assert_eq!(numbers, [10, 10, 3], "version {version}");
        if version >= 8 {
            let text = answers[0].1.as_deref().unwrap();
            assert!(text.contains("exceeds the limit of 100000"), "{text}");
        }
        client.call(12, &MetadataRequest::default()).await;
    }
    let mut unknown = large(-1, "t", &[0], 200_000);
    unknown.topic_data[0].topic_id = Uuid::from_u128(5);
    let staged = skim(&mut client, 13, &unknown);
    assert_eq!(codes(staged, 13).await[0].0, 100);
}

#[tokio::test]
async fn a_caller_that_may_not_send_has_no_large_request_held_and_is_told_why() {
    let world = world();
    create(&mut world.connect(), "t").await;
    let mut listener = world.login(LISTENER).await;
    let staged = skim(&mut listener, 9, &large(-1, "t", &[0], 70_000));
    assert_eq!(codes(staged, 9).await[0].0, 29);
    let small = listener.call(9, &large(-1, "t", &[0], 1_000)).await;
    let answer = &small.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 29);
}

#[tokio::test]
async fn who_awaits_no_answer_is_hung_up_on_with_the_reason() {
    let world = world();
    let mut client = world.connect();
    create(&mut client, "t").await;
    let reply = settle(skim(&mut client, 9, &large(0, "t", &[0], 200_000))).await;
    assert!(reply.chunks.is_empty());
    let reason = reply.close.unwrap();
    assert!(reason.contains("exceeds the limit of 100000"), "{reason}");
}

#[tokio::test]
async fn what_exceeds_even_that_closes_the_connection() {
    let world = world();
    let client = world.connect();
    let judge = |length: i32| client.session.frame_length(length.to_be_bytes(), &[0; 8]);
    assert!(matches!(judge(16 << 20), Ok(Intake::Skimmed(_))));
    assert!(judge(17 << 20).is_err());
    assert!(judge(i32::MAX).is_err());
}
