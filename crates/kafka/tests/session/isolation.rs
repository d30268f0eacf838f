//! What callers see of each other's things, and what bytes can do to anyone: nothing.

use bytes::Bytes;
use kafka::{Peer, Staged};
use kafka_protocol::messages::{
    DescribeTopicPartitionsRequest, FetchRequest, MetadataRequest, MetadataResponse,
    fetch_request::{FetchPartition, FetchTopic},
};
use model::NamespaceName;

use crate::{
    metadata::{create, name},
    produce::produce,
    world::{Client, ROOT, World, is_waiting, peer, raw, settle},
};

async fn visible(client: &mut Client<'_>) -> Vec<String> {
    let all = MetadataRequest::default().with_topics(None);
    let response: MetadataResponse = client.call(12, &all).await;
    let topics = response.topics.into_iter();
    topics
        .map(|topic| topic.name.unwrap().to_string())
        .collect()
}

#[tokio::test]
async fn a_namespaces_topics_and_cluster_id_are_its_own() {
    let world = World::new();
    let mut dev = world.connect();
    let elsewhere = Peer {
        namespace: Some(NamespaceName::from("other")),
        ..peer()
    };
    let mut other = world.connect_as(elsewhere);
    let id = create(&mut dev, "orders").await;
    produce(&mut dev, "orders", 0, &["secret"]).await;
    assert_eq!(visible(&mut other).await, Vec::<String>::new());
    let topic = FetchTopic::default()
        .with_topic_id(id)
        .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1)]);
    let stolen = FetchRequest::default()
        .with_topics(vec![topic])
        .with_session_epoch(-1);
    let response = other.call(13, &stolen).await;
    assert_eq!(response.responses[0].partitions[0].error_code, 100);
    let mine = dev.call(12, &MetadataRequest::default()).await.cluster_id;
    let theirs = other.call(12, &MetadataRequest::default()).await.cluster_id;
    assert_ne!(mine, theirs);
}

#[tokio::test]
async fn a_login_for_one_event_hub_sees_no_other() {
    let world = World::new();
    create(&mut world.connect(), "mine").await;
    create(&mut world.connect(), "theirs").await;
    let mut client = world.login(&format!("{ROOT};EntityPath=mine")).await;
    assert_eq!(visible(&mut client).await, ["mine"]);
    let all = DescribeTopicPartitionsRequest::default()
        .with_response_partition_limit(100)
        .with_cursor(None);
    let described = client.call(0, &all).await;
    assert_eq!(described.topics.len(), 1);
    assert_eq!(described.topics[0].name, Some(name("mine")));
}

/// A small generator with a fixed seed: the same bytes in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        // Small numbers are what counts and lengths are made of, so most bytes are small.
        let mut byte = || match self.next().to_be_bytes() {
            [0..64, .., last] => last,
            [.., last] => last % 4,
        };
        (0..count).map(|_| byte()).collect()
    }
}

const NOISE_LENGTHS: [usize; 13] = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 60];

#[tokio::test]
async fn noise_in_every_api_and_version_is_answered_or_closed_but_never_panics() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let (mut answered, mut refused) = (0, 0);
    let versions = (-1..=80).flat_map(|key| (-1..=19).map(move |version| (key, version)));
    let requests = versions.flat_map(|request| NOISE_LENGTHS.map(|length| (request, length)));
    for ((key, version), length) in requests {
        let body = noise.bytes(length);
        match world.connect().dispatch(raw(key, version, 1, &body)) {
            Staged::Close(_) => refused += 1,
            Staged::Ready(_) | Staged::Silent => answered += 1,
            Staged::Later(mut later) | Staged::InTurn(mut later) | Staged::Queued(mut later) => {
                is_waiting(&mut later).await;
                answered += 1;
            }
            Staged::Large(request) => {
                settle(Staged::Large(request)).await;
                answered += 1;
            }
        }
    }
    assert!(
        answered > 100 && refused > 1_000,
        "{answered} answered, {refused} refused"
    );
    assert_eq!(visible(&mut world.connect()).await, ["orders"]);
}

#[tokio::test]
async fn noise_as_a_whole_frame_closes() {
    let world = World::new();
    let mut noise = Noise(7);
    for length in 0..64 {
        let frame = Bytes::from(noise.bytes(length));
        match world.connect_as(crate::world::sasl_peer()).dispatch(frame) {
            // By chance it may be an ApiVersions request.
            Staged::Close(_) | Staged::Ready(_) => {}
            Staged::Later(_)
            | Staged::InTurn(_)
            | Staged::Queued(_)
            | Staged::Large(_)
            | Staged::Silent => {
                panic!("a stranger was served")
            }
        }
    }
}
