//! Each limit of the front end, set to another value than its default and met.

use kafka::KafkaLimits;
use kafka_protocol::messages::{
    FetchRequest, TopicName,
    fetch_request::{FetchPartition, FetchTopic},
};

use crate::world::{ROOT, World, sasl_peer};

/// The key of Produce, and of any other request.
const PRODUCE: [u8; 2] = [0, 0];
const METADATA: [u8; 2] = [0, 3];

#[tokio::test]
async fn frames_are_as_long_as_the_settings_say() {
    let mut limits = KafkaLimits::default();
    limits.frames.before_login_bytes_max = 1_000;
    limits.frames.other_bytes_max = 2_000;
    limits.frames.produce_bytes_max = 3_000;
    let world = World::with(limits, |_| {});
    let stranger = world.connect_as(sasl_peer());
    let user = world.login(ROOT).await;
    for (client, key, max) in [
        (&stranger, METADATA, 1_000_u32),
        (&user, METADATA, 2_000),
        (&user, PRODUCE, 3_000),
    ] {
        let judged = |length: u32| client.session.frame_length(length.to_be_bytes(), &key);
        assert!(judged(max).is_ok(), "{max}");
        assert!(judged(max + 1).is_err(), "{max}");
    }
}

/// The session that a first full fetch over so many partitions is given; 0 is none.
async fn session_of(limits: KafkaLimits, partitions: i32) -> i32 {
    let world = World::with(limits, |_| {});
    let wanted = (0..partitions)
        .map(|index| FetchPartition::default().with_partition(index))
        .collect();
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_session_id(0)
        .with_session_epoch(0)
        .with_topics(vec![
            FetchTopic::default()
                .with_topic(TopicName("orders".into()))
                .with_partitions(wanted),
        ]);
    world.connect().call(8, &request).await.session_id
}

#[tokio::test]
async fn fetch_sessions_are_as_many_and_as_large_as_the_settings_say() {
    let none = KafkaLimits {
        fetch_session_count_max: 0,
        ..KafkaLimits::default()
    };
    let narrow = KafkaLimits {
        fetch_session_partition_count_max: 2,
        ..KafkaLimits::default()
    };
    assert_ne!(session_of(KafkaLimits::default(), 3).await, 0);
    assert_eq!(session_of(none, 3).await, 0);
    assert_ne!(session_of(narrow, 2).await, 0);
    assert_eq!(session_of(narrow, 3).await, 0);
}
