//! What a request names twice is answered once, and costs no more than what was sent.

use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeTopicPartitionsRequest, FetchRequest, FindCoordinatorRequest, ListGroupsRequest,
    MetadataRequest, OffsetFetchRequest,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    describe_log_dirs_request::DescribableLogDirTopic,
    describe_topic_partitions_request::TopicRequest,
    fetch_request::{FetchPartition, FetchTopic},
    metadata_request::MetadataRequestTopic,
    offset_fetch_request::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
};
use uuid::Uuid;

use crate::{
    admin_requests::{
        BROKER, TOPIC, change, changing, creating, deleting_records, describing, listing_offsets,
        resource,
    },
    metadata::{create, name},
    produce::produce,
    requests::{committing, group, text},
    world::World,
};

#[tokio::test]
async fn a_topic_is_described_once_however_it_is_named() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let by_id = |alias: Option<&str>| {
        let topic = MetadataRequestTopic::default().with_topic_id(id);
        topic.with_name(alias.map(name))
    };
    let by_name = |topic: &str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    let topics = vec![
        by_name("orders"),
        by_id(None),
        by_id(Some("a")),
        by_id(Some("b")),
        by_name("missing"),
        by_name("missing"),
        by_name("orders"),
    ];
    let request = MetadataRequest::default()
        .with_topics(Some(topics))
        .with_allow_auto_topic_creation(false);
    let response = client.call(13, &request).await;
    let codes: Vec<i16> = response.topics.iter().map(|each| each.error_code).collect();
    assert_eq!(codes, [0, 3]);
    assert_eq!(response.topics[0].topic_id, id);

    let named = vec![TopicRequest::default().with_name(name("orders")); 2];
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(named)
        .with_response_partition_limit(100);
    assert_eq!(client.call(0, &request).await.topics.len(), 1);
}

#[tokio::test]
async fn groups_are_answered_once() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    client
        .call(9, &committing("g", &[("orders", &[(0, 7), (1, 8)])]))
        .await;
    let named = vec![group("g"), group("none"), group("g"), group("none")];
    let request = DescribeGroupsRequest::default().with_groups(named.clone());
    assert_eq!(client.call(5, &request).await.groups.len(), 2);

    let keys = ["g", "h", "g"].map(text).to_vec();
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    assert_eq!(client.call(4, &request).await.coordinators.len(), 2);

    let states = vec![text("Empty"); 3];
    let request = ListGroupsRequest::default().with_states_filter(states);
    assert_eq!(client.call(4, &request).await.groups.len(), 1);

    let request = DeleteGroupsRequest::default().with_groups_names(named);
    assert_eq!(client.call(2, &request).await.results.len(), 2);
}

#[tokio::test]
async fn committed_offsets_are_answered_once() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    client
        .call(9, &committing("g", &[("orders", &[(0, 7), (1, 8)])]))
        .await;
    let topic = |indexes: &[i32]| {
        OffsetFetchRequestTopics::default()
            .with_name(name("orders"))
            .with_partition_indexes(indexes.to_vec())
    };
    let of_group = |topics| {
        OffsetFetchRequestGroup::default()
            .with_group_id(group("g"))
            .with_topics(topics)
    };
    let twice = |topics: Option<Vec<_>>| {
        OffsetFetchRequest::default()
            .with_groups(vec![of_group(topics), of_group(Some(vec![topic(&[1])]))])
    };
    let both = Some(vec![topic(&[0, 0]), topic(&[0, 1])]);
    for request in [twice(both), twice(None)] {
        let response = client.call(8, &request).await;
        assert_eq!(response.groups.len(), 1);
        let topics = &response.groups[0].topics;
        assert_eq!(topics.len(), 1);
        let found = topics[0].partitions.iter();
        let found: Vec<_> = found
            .map(|each| (each.partition_index, each.committed_offset))
            .collect();
        assert_eq!(found, [(0, 7), (1, 8)]);
    }
    let topic = OffsetFetchRequestTopic::default()
        .with_name(name("orders"))
        .with_partition_indexes(vec![1, 1, 0, 1]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(Some(vec![topic.clone(), topic]));
    let response = client.call(7, &request).await;
    assert_eq!(response.topics.len(), 1);
    assert_eq!(response.topics[0].partitions.len(), 2);
}

#[tokio::test]
async fn a_resource_is_described_once_with_the_keys_of_all_its_mentions() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let request = describing(vec![
        resource(TOPIC, "orders", Some(&["retention.ms", "retention.ms"])),
        resource(BROKER, "0", None),
        resource(TOPIC, "orders", Some(&["cleanup.policy"])),
        resource(BROKER, "0", Some(&["node.id"])),
    ]);
    let response = client.call(4, &request).await;
    let counts = response.results.iter().map(|result| result.configs.len());
    let counts: Vec<usize> = counts.collect();
    assert_eq!(counts.first(), Some(&2));
    assert_eq!(counts.len(), 2);
    assert!(counts[1] > 5, "all keys of the broker: {counts:?}");
}

#[tokio::test]
async fn the_last_mention_of_a_partition_counts_when_records_are_deleted_and_fetched() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a"]).await;
    produce(&mut client, "orders", 0, &["b"]).await;
    produce(&mut client, "orders", 0, &["c"]).await;
    let mut request = deleting_records("orders", &[(0, 3), (0, 2)]);
    let again = DeleteRecordsPartition::default().with_offset(1);
    request.topics.push(
        DeleteRecordsTopic::default()
            .with_name(name("orders"))
            .with_partitions(vec![again]),
    );
    let response = client.call(2, &request).await;
    assert_eq!(response.topics.len(), 1);
    let deleted = &response.topics[0].partitions;
    assert_eq!((deleted.len(), deleted[0].low_watermark), (1, 1));

    for copies in [2, 12] {
        let mut partitions = vec![
            FetchPartition::default()
                .with_fetch_offset(1)
                .with_partition_max_bytes(1 << 20);
            copies
        ];
        partitions[copies - 1].fetch_offset = 2;
        let topic = FetchTopic::default()
            .with_topic(name("orders"))
            .with_partitions(partitions);
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_max_bytes(1 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let response = client.call(11, &request).await;
        let fetched = &response.responses[0].partitions;
        assert_eq!(fetched.len(), 1);
        let records = fetched[0].records.clone().unwrap();
        let first = model::batch::split(records).next().unwrap().0.base_offset;
        assert_eq!(first.0, 2);
    }
}

/// Each of these looked through all that was asked, or hashed it, for each thing there is: minutes.
#[tokio::test]
async fn no_request_costs_its_square() {
    let world = World::new();
    let mut client = world.connect();
    let topic = crate::admin_requests::topic("wide", 5_000, 1);
    client.call(5, &creating(vec![topic])).await;
    let asked = DescribableLogDirTopic::default()
        .with_topic(name("wide"))
        .with_partitions(
            std::iter::repeat_n(5_001, 1_000_000)
                .chain([4_999])
                .collect(),
        );
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked; 2]));
    let response = client.call(4, &request).await;
    assert_eq!(response.results[0].topics[0].partitions.len(), 1);

    let long = "n".repeat(32_000);
    let indexes: Vec<(i32, i64)> = (0..100_000).map(|index| (index, -1)).collect();
    let response = client.call(7, &listing_offsets(&long, &indexes)).await;
    assert_eq!(response.topics[0].partitions.len(), indexes.len());

    let items: Vec<String> = (0..200_000).map(|item| item.to_string()).collect();
    let items = items.join(",");
    let key = "leader.replication.throttled.replicas";
    for operation in [2, 3] {
        let change = change(TOPIC, "wide", &[(key, operation, Some(&items))]);
        client.call(1, &changing(vec![change])).await;
    }
    assert_ne!(create(&mut client, "still-here").await, Uuid::nil());
}
