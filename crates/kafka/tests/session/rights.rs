//! What a caller without the right is told, API by API, as Kafka tells it.

use kafka_protocol::{
    messages::{
        DeleteGroupsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, FindCoordinatorRequest,
        ListConfigResourcesRequest, ListGroupsRequest, ListPartitionReassignmentsRequest,
        OffsetDeleteRequest, OffsetFetchRequest,
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch_request::{
            OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
        },
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use crate::{
    admin_requests::{
        BROKER, SET, TOPIC, asking_epoch, change, changing, configured, creating, deleting,
        deleting_records, deleting_states, describing, growing, listing_offsets, replacement,
        replacing, resource, topic,
    },
    metadata::{create, name},
    requests::{
        all_leaving, beating, committing, committing_ids, group, joining, leaving, syncing, text,
    },
    world::{LISTENER, ROOT, SENDER, World},
};

const NOBODYS: Uuid = Uuid::from_u128(7);

const TOPIC_DENIED: i16 = 29;
const GROUP_DENIED: i16 = 30;
const CLUSTER_DENIED: i16 = 31;

/// Who may not manage.
const LESSER: [&str; 2] = [SENDER, LISTENER];

fn message(words: &str) -> Option<StrBytes> {
    Some(text(words))
}

#[tokio::test]
async fn topics_are_not_made_or_grown_without_manage_whether_they_exist_or_not() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    for caller in LESSER {
        let mut client = world.login(caller).await;
        let wishes = ["orders", "new", "a/b"].map(|wish| topic(wish, 0, 1));
        for version in 2..=7 {
            let made = client
                .call(version, &creating(wishes.to_vec()))
                .await
                .topics;
            assert_eq!(made.len(), 3);
            for result in &made {
                assert_eq!(result.error_code, TOPIC_DENIED, "version {version}");
                let words = message("Authorization failed.");
                assert_eq!(result.error_message, words);
                assert_eq!(result.topic_id, Uuid::nil());
                let nothing = (-1, -1, Some(0));
                let told = (version >= 5).then_some(nothing);
                let configs = result.configs.as_ref().map(Vec::len);
                let seen = (result.num_partitions, result.replication_factor, configs);
                assert!(told.is_none_or(|told| told == seen), "{result:?}");
            }
        }
        for version in 0..=3 {
            let request = growing(&[("orders", 9), ("orders-2", 9)]);
            let grown = client.call(version, &request).await.results;
            assert_eq!(grown.len(), 2);
            for result in grown {
                let told = (result.error_code, result.error_message);
                assert_eq!(told, (TOPIC_DENIED, None), "version {version}");
            }
        }
    }
}

#[tokio::test]
async fn who_sees_a_topic_but_may_not_delete_it_learns_no_more() {
    let world = World::new();
    let id = create(&mut world.connect(), "orders").await;
    for caller in LESSER {
        let mut client = world.login(caller).await;
        for version in 1..=5 {
            let request = deleting(&["orders", "nope"]);
            let deleted = client.call(version, &request).await.responses;
            let codes: Vec<i16> = deleted.iter().map(|result| result.error_code).collect();
            assert_eq!(codes, [TOPIC_DENIED, 3], "version {version}");
            let words = (version >= 5).then(|| text("Topic authorization failed."));
            assert_eq!(deleted[0].error_message, words);
        }
        let asked = [
            (Some("orders"), Uuid::nil(), TOPIC_DENIED, Some("orders")),
            (Some("nope"), Uuid::nil(), 3, Some("nope")),
            (None, id, TOPIC_DENIED, Some("orders")),
            (None, NOBODYS, 100, None),
        ];
        for (topic, id, code, told) in asked {
            let request = deleting_states(&[(topic, id)]);
            let result = client.call(6, &request).await.responses.remove(0);
            assert_eq!(result.error_code, code, "{topic:?} {id}");
            assert_eq!((result.name, result.topic_id), (told.map(name), id));
        }
    }
    // Who may see one event hub is not told whether others exist.
    create(&mut world.connect(), "mine").await;
    let mut client = world.login(&format!("{ROOT};EntityPath=mine")).await;
    for (topic, id, code) in [
        (Some("orders"), Uuid::nil(), TOPIC_DENIED),
        (Some("nope"), Uuid::nil(), TOPIC_DENIED),
        (None, id, TOPIC_DENIED),
        (None, NOBODYS, 100),
    ] {
        let request = deleting_states(&[(topic, id)]);
        let result = client.call(6, &request).await.responses.remove(0);
        assert_eq!(result.error_code, code, "{topic:?} {id}");
        assert_eq!((result.name, result.topic_id), (topic.map(name), id));
    }
    let mine = client
        .call(6, &deleting_states(&[(Some("mine"), Uuid::nil())]))
        .await;
    assert_eq!(mine.responses[0].error_code, 0);
}

#[tokio::test]
async fn configurations_are_seen_but_not_altered_without_manage() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    for caller in LESSER {
        let mut client = world.login(caller).await;
        for version in 1..=4 {
            let request = describing(vec![
                resource(TOPIC, "orders", Some(&["retention.ms"])),
                resource(TOPIC, "nope", None),
                resource(BROKER, "0", Some(&["num.partitions"])),
            ]);
            let described = client.call(version, &request).await.results;
            let told: Vec<_> = described
                .iter()
                .map(|result| (result.error_code, result.configs.len()))
                .collect();
            assert_eq!(told, [(0, 1), (3, 0), (0, 1)], "version {version}");
        }
        // Rights come before what is wrong with the topic's name or the broker's.
        let resources = [
            (TOPIC, "orders"),
            (TOPIC, "nope"),
            (TOPIC, "a/b"),
            (BROKER, "9"),
        ];
        let mut expected = vec![(TOPIC_DENIED, message("Topic authorization failed.")); 3];
        expected.push((CLUSTER_DENIED, None));
        for version in 0..=2 {
            let wishes = resources.map(|(kind, of)| replacement(kind, of, &[("x", Some("1"))]));
            let altered = client.call(version, &replacing(wishes.to_vec())).await;
            let told = altered.responses.into_iter();
            let told: Vec<_> = told
                .map(|each| (each.error_code, each.error_message))
                .collect();
            assert_eq!(told, expected, "version {version}");
        }
        for version in 0..=1 {
            let wishes = resources.map(|(kind, of)| change(kind, of, &[("x", SET, Some("1"))]));
            let altered = client.call(version, &changing(wishes.to_vec())).await;
            let told = altered.responses.into_iter();
            let told: Vec<_> = told
                .map(|each| (each.error_code, each.error_message))
                .collect();
            assert_eq!(told, expected, "version {version}");
        }
    }
    let mut client = world.login(&format!("{ROOT};EntityPath=mine")).await;
    let wish = configured(topic("mine", 1, 1), &[("retention.ms", Some("60000"))]);
    assert_eq!(
        client.call(7, &creating(vec![wish])).await.topics[0].error_code,
        0
    );
    let request = describing(vec![
        resource(TOPIC, "mine", None),
        resource(TOPIC, "orders", None),
    ]);
    let described = client.call(4, &request).await.results;
    let codes: Vec<i16> = described.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [0, TOPIC_DENIED]);
    assert_eq!(
        described[1].error_message,
        message("Topic authorization failed.")
    );
}

#[tokio::test]
async fn records_and_offsets_are_not_for_who_only_sends() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    for caller in LESSER {
        let mut client = world.login(caller).await;
        for (version, topic) in [(0, "orders"), (1, "nope"), (2, "orders")] {
            let request = deleting_records(topic, &[(0, 0), (9, 0)]);
            let deleted = client.call(version, &request).await.topics.remove(0);
            for answer in deleted.partitions {
                let told = (answer.error_code, answer.low_watermark);
                assert_eq!(told, (TOPIC_DENIED, -1), "version {version}");
            }
        }
    }
    let mut client = world.login(SENDER).await;
    for topic in ["orders", "nope"] {
        for version in 1..=11 {
            let request = listing_offsets(topic, &[(0, -1), (9, -1)]);
            let listed = client.call(version, &request).await.topics.remove(0);
            for found in listed.partitions {
                let told = (found.error_code, found.offset, found.leader_epoch);
                assert_eq!(told, (TOPIC_DENIED, -1, -1), "version {version}");
            }
        }
        for version in 2..=4 {
            let request = asking_epoch(topic, -1, 0);
            let found = client.call(version, &request).await.topics.remove(0);
            let found = &found.partitions[0];
            let told = (found.error_code, found.leader_epoch, found.end_offset);
            assert_eq!(told, (TOPIC_DENIED, -1, -1), "version {version}");
        }
    }
}

#[tokio::test]
async fn the_cluster_hides_its_directory_from_who_only_sends() {
    let world = World::new();
    let mut client = world.login(SENDER).await;
    for version in 1..=5 {
        let all = DescribeLogDirsRequest::default().with_topics(None);
        let dirs = client.call(version, &all).await;
        // Before version 3 the reply has no error to tell.
        let code = if version < 3 { 0 } else { CLUSTER_DENIED };
        assert_eq!((dirs.error_code, dirs.results), (code, vec![]), "{version}");
    }
    for caller in LESSER {
        let mut client = world.login(caller).await;
        let moving = ListPartitionReassignmentsRequest::default().with_topics(None);
        assert_eq!(client.call(0, &moving).await.error_code, 0);
        let resources = ListConfigResourcesRequest::default();
        assert_eq!(client.call(1, &resources).await.error_code, 0);
    }
}

#[tokio::test]
async fn who_only_sends_has_no_part_in_groups() {
    let world = World::new();
    let mut client = world.login(SENDER).await;
    for version in 0..=9 {
        let refused = client.call(version, &joining("g", "me")).await;
        let told = (
            refused.error_code,
            refused.generation_id,
            &*refused.member_id,
        );
        assert_eq!(told, (GROUP_DENIED, -1, ""), "version {version}");
        assert_eq!(refused.protocol_name.is_none(), version >= 7);
    }
    for version in 0..=5 {
        let refused = client.call(version, &syncing("g", "me", 1)).await;
        assert_eq!(
            (refused.error_code, refused.assignment.len()),
            (GROUP_DENIED, 0)
        );
    }
    for version in 0..=4 {
        let refused = client.call(version, &beating("g", "me", 1)).await;
        assert_eq!(refused.error_code, GROUP_DENIED);
    }
    for version in 0..=5 {
        let request = match version {
            0..=2 => leaving("g", "me"),
            _ => all_leaving("g", &[("me", None)]),
        };
        let refused = client.call(version, &request).await;
        assert_eq!(
            (refused.error_code, refused.members),
            (GROUP_DENIED, vec![])
        );
    }
    for version in 0..=3 {
        let request = FindCoordinatorRequest::default().with_key("g".into());
        let refused = client.call(version, &request).await;
        let words = (version >= 1).then(|| text("Group authorization failed."));
        assert_eq!((refused.error_code, refused.node_id.0), (GROUP_DENIED, -1));
        assert!(version == 0 || refused.error_message == words);
    }
    for version in 4..=6 {
        let keys = vec!["g".into(), "h".into()];
        let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
        let refused = client.call(version, &request).await;
        assert_eq!((refused.error_code, refused.coordinators.len()), (0, 2));
        for each in refused.coordinators {
            assert_eq!((each.error_code, each.node_id.0), (GROUP_DENIED, -1));
        }
    }
}

#[tokio::test]
async fn who_may_not_use_a_group_learns_nothing_of_topics_from_it() {
    let world = World::new();
    let id = create(&mut world.connect(), "orders").await;
    let mut client = world.login(SENDER).await;
    for version in 2..=10 {
        let request = match version {
            10 => committing_ids("g", &[(id, &[(0, 1), (9, 1)]), (NOBODYS, &[(0, 1)])]),
            _ => committing("g", &[("orders", &[(0, 1), (9, 1)]), ("nope", &[(0, 1)])]),
        };
        let refused = client.call(version, &request).await;
        let partitions = refused.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<i16> = partitions.map(|each| each.error_code).collect();
        assert_eq!(codes, [GROUP_DENIED; 3], "version {version}");
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name("orders"))
            .with_partition_indexes(vec![0, 9]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group("g"))
            .with_topics(Some(vec![topic]));
        let refused = client.call(version, &request).await;
        if version >= 2 {
            assert_eq!((refused.error_code, refused.topics), (GROUP_DENIED, vec![]));
            continue;
        }
        let partitions = &refused.topics[0].partitions;
        let told: Vec<_> = partitions
            .iter()
            .map(|each| (each.committed_offset, each.error_code))
            .collect();
        assert_eq!(told, [(-1, GROUP_DENIED); 2]);
    }
    for version in 8..=10 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(name("orders"))
            .with_topic_id(id)
            .with_partition_indexes(vec![0]);
        let of = |id, topics| {
            OffsetFetchRequestGroup::default()
                .with_group_id(group(id))
                .with_topics(topics)
        };
        let groups = vec![of("g", Some(vec![topic])), of("h", None)];
        let request = OffsetFetchRequest::default().with_groups(groups);
        let refused = client.call(version, &request).await.groups;
        assert_eq!(refused.len(), 2);
        for group in refused {
            assert_eq!((group.error_code, group.topics), (GROUP_DENIED, vec![]));
        }
    }
}

#[tokio::test]
async fn a_listener_commits_only_for_the_event_hub_that_it_may_read() {
    let world = World::new();
    let mine = create(&mut world.connect(), "mine").await;
    let other = create(&mut world.connect(), "other").await;
    let mut client = world.login(&format!("{ROOT};EntityPath=mine")).await;
    let partitions: &[(i32, i64)] = &[(0, 1)];
    for version in 2..=10 {
        let request = match version {
            10 => committing_ids("g", &[(mine, partitions), (other, partitions)]),
            _ => committing("g", &[("mine", partitions), ("other", partitions)]),
        };
        let committed = client.call(version, &request).await;
        let partitions = committed.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<i16> = partitions.map(|each| each.error_code).collect();
        assert_eq!(codes, [0, TOPIC_DENIED], "version {version}");
    }
    // What another has committed for a hub that the caller may not read stays hidden.
    let request = committing("g", &[("other", partitions)]);
    world.connect().call(8, &request).await;
    let all = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(None);
    for version in 2..=7 {
        let found = client.call(version, &all).await.topics;
        let names: Vec<&str> = found.iter().map(|topic| &*topic.name.0).collect();
        assert_eq!(names, ["mine"], "version {version}");
    }
}

#[tokio::test]
async fn groups_are_seen_by_who_listens_and_deleted_by_who_manages() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    let request = committing("g", &[("orders", &[(0, 1)])]);
    world.connect().call(8, &request).await;
    for (caller, seen, told) in [
        (SENDER, 0, (GROUP_DENIED, i32::MIN)),
        (LISTENER, 1, (0, 1 << 8 | 1 << 3)),
    ] {
        let mut client = world.login(caller).await;
        let listed = client.call(5, &ListGroupsRequest::default()).await;
        assert_eq!((listed.error_code, listed.groups.len()), (0, seen));
        let request = DescribeGroupsRequest::default()
            .with_groups(vec![group("g")])
            .with_include_authorized_operations(true);
        let described = client.call(6, &request).await.groups.remove(0);
        let described = (described.error_code, described.authorized_operations);
        assert_eq!(described, told);
        for version in 0..=3 {
            let groups = vec![group("g"), group("nobody")];
            let request = DeleteGroupsRequest::default().with_groups_names(groups);
            let deleted = client.call(version, &request).await.results;
            let codes: Vec<i16> = deleted.iter().map(|result| result.error_code).collect();
            assert_eq!(codes, [GROUP_DENIED; 2], "version {version}");
        }
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(name("orders"))
            .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
        let request = OffsetDeleteRequest::default()
            .with_group_id(group("g"))
            .with_topics(vec![topic]);
        let deleted = client.call(0, &request).await;
        assert_eq!((deleted.error_code, deleted.topics), (GROUP_DENIED, vec![]));
    }
}
