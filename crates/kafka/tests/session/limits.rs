//! Each limit of the front end, set to another value than its default and met.

use kafka::{Intake, KafkaLimits};
use kafka_protocol::messages::{
    DescribeConfigsRequest, FetchRequest, TopicName,
    describe_configs_request::DescribeConfigsResource,
    fetch_request::{FetchPartition, FetchTopic},
};

use crate::{
    admin_requests::{TOPIC, creating, topic},
    requests::text,
    world::{ROOT, World, sasl_peer},
};
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
        let length = usize::try_from(max).unwrap();
        assert_eq!(judged(max), Ok(Intake::Whole(length)), "{max}");
        // A Produce request above it is read away, and answered.
        let above = judged(max + 1).ok();
        assert_eq!(
            above,
            (key == PRODUCE).then_some(Intake::Skimmed(length + 1)),
            "{max}"
        );
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

/// The error of the settings of many topics, asked for with their documentation.
async fn settings_of_many(limits: KafkaLimits) -> i16 {
    let world = World::with(limits, |_| {});
    let mut client = world.connect();
    let names: Vec<String> = (0..200).map(|number| format!("orders-{number}")).collect();
    for some in names.chunks(10) {
        let topics = some.iter().map(|name| topic(name, 1, 1)).collect();
        client.call(5, &creating(topics)).await;
    }
    let resources = names.iter().map(|name| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(name))
    });
    let request = DescribeConfigsRequest::default()
        .with_include_documentation(true)
        .with_resources(resources.collect());
    let response = client.call(4, &request).await;
    response
        .results
        .last()
        .map_or(-1, |result| result.error_code)
}

#[tokio::test]
async fn a_reply_is_as_large_as_the_setting_says() {
    let narrow = KafkaLimits {
        reply_bytes_max: 1 << 20,
        ..KafkaLimits::default()
    };
    assert_eq!(settings_of_many(KafkaLimits::default()).await, 0);
    // POLICY_VIOLATION.
    assert_eq!(settings_of_many(narrow).await, 44);
}
