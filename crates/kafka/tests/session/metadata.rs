//! Metadata.

use kafka_protocol::messages::{
    MetadataRequest, MetadataResponse, TopicName, metadata_request::MetadataRequestTopic,
};
use uuid::Uuid;

use crate::world::{Client, LISTENER, SENDER, World};

pub(crate) fn name(text: &str) -> TopicName {
    TopicName(text.to_owned().into())
}

fn asking(names: &[&str]) -> MetadataRequest {
    let topics = names
        .iter()
        .map(|text| MetadataRequestTopic::default().with_name(Some(name(text))));
    MetadataRequest::default().with_topics(Some(topics.collect()))
}

/// Creates a topic on demand; gives its id.
pub(crate) async fn create(client: &mut Client<'_>, topic: &str) -> Uuid {
    let response = client.call(12, &asking(&[topic])).await;
    assert_eq!(response.topics[0].error_code, 0);
    response.topics[0].topic_id
}

fn names(response: &MetadataResponse) -> Vec<String> {
    let topics = response.topics.iter();
    topics
        .map(|topic| topic.name.clone().unwrap_or_default().to_string())
        .collect()
}

#[tokio::test]
async fn a_null_list_is_all_and_an_empty_one_none_except_in_version_0() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "a").await;
    create(&mut client, "b").await;
    for version in 0..=13 {
        let empty = client.call(version, &asking(&[])).await;
        let expected: &[&str] = if version == 0 { &["a", "b"] } else { &[] };
        assert_eq!(names(&empty), expected, "{version}");
        if version > 0 {
            let all = MetadataRequest::default().with_topics(None);
            assert_eq!(
                names(&client.call(version, &all).await),
                ["a", "b"],
                "{version}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_topic_is_created_where_allowed_and_complete_at_once() {
    let world = World::new();
    let mut client = world.connect();
    let refusing = asking(&["orders"]).with_allow_auto_topic_creation(false);
    assert_eq!(client.call(4, &refusing).await.topics[0].error_code, 3);
    let response = client.call(9, &asking(&["orders", "orders"])).await;
    assert_eq!(response.topics.len(), 1);
    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.partitions.len()), (0, 4));
    for (index, partition) in topic.partitions.iter().enumerate() {
        assert_eq!(partition.partition_index, i32::try_from(index).unwrap());
        assert_eq!(partition.leader_id, 0);
        assert_eq!(
            (partition.replica_nodes.len(), partition.isr_nodes.len()),
            (1, 1)
        );
        assert!(partition.leader_epoch >= 0);
    }

    let world = World::with(kafka::KafkaLimits::default(), |dev| dev.auto_create = false);
    let response = world.connect().call(4, &asking(&["orders"])).await;
    assert_eq!(response.topics[0].error_code, 3);
}

#[tokio::test]
async fn bad_names_are_refused_by_name() {
    let world = World::new();
    let mut client = world.connect();
    let long = "x".repeat(250);
    let bad = ["", ".", "..", "a/b", "caf\u{e9}", &long];
    let response = client.call(9, &asking(&bad)).await;
    for topic in &response.topics {
        assert_eq!(topic.error_code, 17, "{:?}", topic.name);
    }
    assert_eq!(response.topics.len(), bad.len());
}

#[tokio::test]
async fn topics_are_found_by_id_from_version_12() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let by_id = |id| {
        let topic = MetadataRequestTopic::default()
            .with_name(None)
            .with_topic_id(id);
        MetadataRequest::default().with_topics(Some(vec![topic]))
    };
    let found = client.call(12, &by_id(id)).await;
    assert_eq!(found.topics[0].name, Some(name("orders")));
    let unknown = client.call(12, &by_id(Uuid::from_u128(7))).await;
    assert_eq!(
        (unknown.topics[0].error_code, &unknown.topics[0].name),
        (100, &None)
    );
    let named_too = MetadataRequestTopic::default()
        .with_name(Some(name("x")))
        .with_topic_id(id);
    let early = MetadataRequest::default().with_topics(Some(vec![named_too]));
    assert_eq!(client.call(10, &early).await.topics[0].error_code, 42);
}

#[tokio::test]
async fn operations_are_told_only_when_asked_for() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    let mut client = world.login(LISTENER).await;
    let request = asking(&["orders"]);
    let silent = client.call(8, &request).await;
    assert_eq!(silent.topics[0].topic_authorized_operations, i32::MIN);
    assert_eq!(silent.cluster_authorized_operations, i32::MIN);
    let request = request.with_include_topic_authorized_operations(true);
    let told = client.call(8, &request).await.topics[0].topic_authorized_operations;
    assert_eq!(
        told,
        1 << 3 | 1 << 8 | 1 << 10,
        "read, describe, describe configurations"
    );
}

#[tokio::test]
async fn only_who_may_manage_creates_on_first_use() {
    let world = World::new();
    let mut manager = world.connect();
    assert_eq!(
        manager.call(9, &asking(&["mine"])).await.topics[0].error_code,
        0
    );
    for policy in [SENDER, LISTENER] {
        let mut client = world.login(policy).await;
        assert_eq!(
            client.call(9, &asking(&["theirs"])).await.topics[0].error_code,
            29
        );
    }
}
