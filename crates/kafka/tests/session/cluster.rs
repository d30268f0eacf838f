//! DescribeCluster, DescribeLogDirs, DescribeTopicPartitions, ListConfigResources and
//! ListPartitionReassignments, version by version.

use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse, ListConfigResourcesRequest, ListPartitionReassignmentsRequest,
    describe_log_dirs_request::DescribableLogDirTopic,
    describe_topic_partitions_request::{Cursor, TopicRequest},
    list_partition_reassignments_request::ListPartitionReassignmentsTopics,
};

use crate::{
    admin_requests::{BROKER, TOPIC, creating, topic},
    metadata::name,
    produce::produce,
    world::{Client, LISTENER, ROOT, SENDER, World},
};

/// The topics `a` with two partitions and `b` with three.
async fn prepare(world: &World) -> Client<'_> {
    let mut client = world.connect();
    let wishes = vec![topic("a", 2, 1), topic("b", 3, 1)];
    client.call(7, &creating(wishes)).await;
    client
}

#[tokio::test]
async fn a_cluster_has_one_broker_and_an_id_that_stays() {
    let world = World::new();
    let mut client = world.login(SENDER).await;
    let request = DescribeClusterRequest::default().with_endpoint_type(1);
    let mut ids = Vec::new();
    for version in 0..=2 {
        let cluster = client.call(version, &request).await;
        assert_eq!((cluster.error_code, cluster.error_message), (0, None));
        assert_eq!((cluster.controller_id.0, cluster.endpoint_type), (0, 1));
        let [broker] = &cluster.brokers[..] else {
            panic!("{:?}", cluster.brokers);
        };
        assert_eq!((broker.broker_id.0, broker.port), (0, 9092));
        assert_eq!((&broker.rack, broker.is_fenced), (&None, false));
        assert_eq!(cluster.cluster_authorized_operations, i32::MIN);
        ids.push(cluster.cluster_id.to_string());
    }
    assert_eq!(ids[0].len(), 22);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    for (endpoint_type, code) in [(0, 115), (2, 114), (3, 115)] {
        let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
        for version in 1..=2 {
            let refused = client.call(version, &request).await;
            assert_eq!((refused.error_code, refused.brokers.len()), (code, 0));
            assert!(refused.error_message.is_some());
        }
    }
}

#[tokio::test]
async fn operations_on_the_cluster_follow_from_rights() {
    let world = World::new();
    // Describe and describe configurations; write idempotently; create, alter, alter
    // configurations and act as the cluster.
    let see = 1 << 8 | 1 << 10;
    let send = 1 << 12;
    let manage = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 11;
    for (caller, expected) in [
        (LISTENER, see),
        (SENDER, see | send),
        (ROOT, see | send | manage),
    ] {
        let mut client = world.login(caller).await;
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(1)
            .with_include_cluster_authorized_operations(true);
        for version in 0..=2 {
            let cluster = client.call(version, &request).await;
            assert_eq!(cluster.cluster_authorized_operations, expected);
        }
    }
}

#[tokio::test]
async fn the_one_directory_tells_the_partitions_that_are_asked_for() {
    let world = World::new();
    let mut client = prepare(&world).await;
    produce(&mut client, "a", 1, &["value"]).await;
    let of = |topic: &str, partitions: &[i32]| {
        DescribableLogDirTopic::default()
            .with_topic(name(topic))
            .with_partitions(partitions.to_vec())
    };
    let all: &[(&str, i32)] = &[("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)];
    for (topics, expected) in [
        (None, all),
        (Some(vec![]), &[]),
        (Some(vec![of("a", &[1, 9]), of("nope", &[0])]), &[("a", 1)]),
        (Some(vec![of("a", &[])]), &[]),
        (
            Some(vec![of("b", &[2]), of("a", &[0])]),
            &[("a", 0), ("b", 2)],
        ),
    ] {
        let request = DescribeLogDirsRequest::default().with_topics(topics);
        for version in 1..=5 {
            let dirs = client.call(version, &request).await;
            assert_eq!((dirs.error_code, dirs.results.len()), (0, 1), "{version}");
            let dir = &dirs.results[0];
            assert_eq!((dir.error_code, &*dir.log_dir), (0, "/dev"));
            let partitions = dir.topics.iter().flat_map(|topic| {
                let of = &*topic.name.0;
                topic
                    .partitions
                    .iter()
                    .map(move |partition| (of, partition))
            });
            let mut told = Vec::new();
            for (of, partition) in partitions {
                assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
                let holds = (of, partition.partition_index) == ("a", 1);
                assert_eq!(partition.partition_size > 0, holds);
                told.push((of, partition.partition_index));
            }
            assert_eq!(told, expected, "version {version}");
            let sizes = (dir.total_bytes > 0, dir.usable_bytes > 0);
            assert_eq!(sizes, (version >= 4, version >= 4));
        }
    }
}

#[tokio::test]
async fn resources_with_configurations_are_listed_by_type() {
    let world = World::new();
    let mut client = prepare(&world).await;
    // Version 0 asks for client metrics alone, of which there are none.
    let old = client.call(0, &ListConfigResourcesRequest::default()).await;
    assert_eq!((old.error_code, old.config_resources), (0, vec![]));
    let topics = [("a", TOPIC), ("b", TOPIC)];
    let all = [("a", TOPIC), ("b", TOPIC), ("0", BROKER)];
    for (types, code, expected) in [
        (vec![], 0, &all[..]),
        (vec![TOPIC], 0, &topics),
        (vec![BROKER, BROKER], 0, &[("0", BROKER)]),
        (vec![16, 32], 0, &[]),
        (vec![TOPIC, 99], 35, &[]),
        (vec![0], 35, &[]),
    ] {
        let request = ListConfigResourcesRequest::default().with_resource_types(types);
        let listed = client.call(1, &request).await;
        let told: Vec<_> = listed
            .config_resources
            .iter()
            .map(|resource| (&*resource.resource_name, resource.resource_type))
            .collect();
        assert_eq!((listed.error_code, &told[..]), (code, expected));
    }
}

#[tokio::test]
async fn no_partition_is_ever_on_its_way_to_another_broker() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let topic = |of: &str| {
        ListPartitionReassignmentsTopics::default()
            .with_name(name(of))
            .with_partition_indexes(vec![0, 9])
    };
    for topics in [None, Some(vec![]), Some(vec![topic("a"), topic("nope")])] {
        let request = ListPartitionReassignmentsRequest::default().with_topics(topics);
        let moving = client.call(0, &request).await;
        let told = (moving.error_code, moving.error_message, moving.topics);
        assert_eq!(told, (0, None, vec![]));
    }
}

fn paging(
    topics: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsRequest {
    let topics = topics
        .iter()
        .map(|topic| TopicRequest::default().with_name(name(topic)));
    let cursor = cursor.map(|(topic, index)| {
        Cursor::default()
            .with_topic_name(name(topic))
            .with_partition_index(index)
    });
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor)
}

/// Names, codes and partitions of a page, and where the next one begins.
type Page<'a> = (Vec<(&'a str, i16, Vec<i32>)>, Option<(&'a str, i32)>);

fn page(response: &DescribeTopicPartitionsResponse) -> Page<'_> {
    let topics = response.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let indexes = partitions.map(|partition| partition.partition_index);
        let name = topic.name.as_ref().map_or("", |name| &*name.0);
        (name, topic.error_code, indexes.collect())
    });
    let next = response.next_cursor.as_ref();
    let next = next.map(|cursor| (&*cursor.topic_name.0, cursor.partition_index));
    (topics.collect(), next)
}

#[tokio::test]
async fn pages_of_partitions_go_on_where_the_one_before_ended() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let a = |indexes: &[i32]| ("a", 0, indexes.to_vec());
    let b = |indexes: &[i32]| ("b", 0, indexes.to_vec());
    let nope = ("nope", 3, vec![]);
    let named = ["nope", "b", "a", "b"];
    let cases = [
        (0, None, vec![a(&[0])], Some(("a", 1))),
        (1, Some(("a", 1)), vec![a(&[1])], Some(("b", 0))),
        (2, None, vec![a(&[0, 1])], Some(("b", 0))),
        (3, None, vec![a(&[0, 1]), b(&[0])], Some(("b", 1))),
        (2, Some(("b", 1)), vec![b(&[1, 2])], Some(("nope", 0))),
        (2, Some(("nope", 0)), vec![nope.clone()], None),
        (5, None, vec![a(&[0, 1]), b(&[0, 1, 2])], Some(("nope", 0))),
        (6, None, vec![a(&[0, 1]), b(&[0, 1, 2]), nope], None),
        // A cursor behind the last partition, as after the topic was made anew.
        (2, Some(("a", 2)), vec![a(&[]), b(&[0, 1])], Some(("b", 2))),
    ];
    for (limit, cursor, topics, next) in cases {
        let response = client.call(0, &paging(&named, limit, cursor)).await;
        assert_eq!(page(&response), (topics, next), "{limit} from {cursor:?}");
    }
    let all = client.call(0, &paging(&[], 9, None)).await;
    assert_eq!(page(&all), (vec![a(&[0, 1]), b(&[0, 1, 2])], None));
    // Of all topics, the one at the cursor may be gone by now.
    let rest = client.call(0, &paging(&[], 9, Some(("aa", 1)))).await;
    assert_eq!(page(&rest), (vec![b(&[0, 1, 2])], None));
}

#[tokio::test]
async fn a_cursor_must_stand_at_a_topic_that_is_asked_for() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for cursor in [("a", -1), ("zzz", 0), ("", 0), ("aa", 0)] {
        let response = client.call(0, &paging(&["b", "a"], 9, Some(cursor))).await;
        let refused = vec![("b", 42, vec![]), ("a", 42, vec![])];
        assert_eq!(page(&response), (refused, None), "{cursor:?}");
    }
    let response = client.call(0, &paging(&[], 9, Some(("a", -1)))).await;
    assert_eq!(page(&response), (vec![], None));
}
