//! OffsetCommit, OffsetFetch and OffsetDelete, version by version.

use std::time::Duration;

use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch_request::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
};
use uuid::Uuid;

use crate::{
    metadata::{create, name},
    requests::{
        all_leaving, assignment, committing, committing_ids, group, join_alone, settle_alone,
        syncing, text,
    },
    world::{Client, World},
};

/// An id that no topic has.
const NOBODYS: Uuid = Uuid::from_u128(7);

/// Codes of all partitions, in the reply's order.
fn codes(response: &OffsetCommitResponse) -> Vec<i16> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code).collect()
}

async fn commit(client: &mut Client<'_>, version: i16, request: &OffsetCommitRequest) -> Vec<i16> {
    codes(&client.call(version, request).await)
}

/// A topic by name and id, with offsets for its partitions.
type Offsets<'a> = (&'a str, Uuid, &'a [(i32, i64)]);

/// A commit in the form of that version: topics by name, or by id.
fn in_version(version: i16, group: &str, topics: &[Offsets<'_>]) -> OffsetCommitRequest {
    if version < 10 {
        let named = |&(name, _, partitions)| (name, partitions);
        return committing(group, &topics.iter().map(named).collect::<Vec<_>>());
    }
    let by_id = |&(_, id, partitions)| (id, partitions);
    committing_ids(group, &topics.iter().map(by_id).collect::<Vec<_>>())
}

#[derive(Debug, PartialEq, Eq)]
struct Found {
    topic: String,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: String,
    code: i16,
}

fn found(topic: &str, partition: i32, offset: i64, metadata: &str) -> Found {
    Found {
        topic: topic.to_owned(),
        partition,
        offset,
        leader_epoch: -1,
        metadata: metadata.to_owned(),
        code: 0,
    }
}

type Asked<'a> = Option<&'a [(&'a str, Uuid, &'a [i32])]>;

fn fetching(version: i16, id: &str, topics: Asked<'_>) -> OffsetFetchRequest {
    if version < 8 {
        let topic = |(topic, _, partitions): &(&str, Uuid, &[i32])| {
            OffsetFetchRequestTopic::default()
                .with_name(name(topic))
                .with_partition_indexes(partitions.to_vec())
        };
        return OffsetFetchRequest::default()
            .with_group_id(group(id))
            .with_topics(topics.map(|topics| topics.iter().map(topic).collect()));
    }
    OffsetFetchRequest::default().with_groups(vec![fetching_group(id, topics)])
}

fn fetching_group(id: &str, topics: Asked<'_>) -> OffsetFetchRequestGroup {
    let topic = |(topic, id, partitions): &(&str, Uuid, &[i32])| {
        OffsetFetchRequestTopics::default()
            .with_name(name(topic))
            .with_topic_id(*id)
            .with_partition_indexes(partitions.to_vec())
    };
    OffsetFetchRequestGroup::default()
        .with_group_id(group(id))
        .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
}

/// What one group has committed, topics by name or, from version 10, by their ids.
async fn fetch(client: &mut Client<'_>, version: i16, request: &OffsetFetchRequest) -> Vec<Found> {
    let mut response = client.call(version, request).await;
    let mut all = Vec::new();
    if version < 8 {
        assert_eq!(response.error_code, 0);
        for topic in response.topics {
            all.extend(topic.partitions.into_iter().map(|partition| Found {
                topic: topic.name.to_string(),
                partition: partition.partition_index,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata.unwrap().to_string(),
                code: partition.error_code,
            }));
        }
        return all;
    }
    let only = response.groups.remove(0);
    assert_eq!((only.error_code, response.groups.len()), (0, 0));
    for topic in only.topics {
        let name = match version {
            10.. => topic.topic_id.to_string(),
            _ => topic.name.to_string(),
        };
        all.extend(topic.partitions.into_iter().map(|partition| Found {
            topic: name.clone(),
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata.unwrap().to_string(),
            code: partition.error_code,
        }));
    }
    all
}

#[tokio::test]
async fn each_partition_of_a_commit_has_its_own_error() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 2..=10 {
        let topics: &[Offsets<'_>] = &[
            ("nope", NOBODYS, &[(0, 1)]),
            ("orders", id, &[(0, 5), (9, 5), (-1, 5), (1, -5)]),
            ("a/b", Uuid::nil(), &[(0, 1)]),
        ];
        let unknown = if version < 10 { 3 } else { 100 };
        let committed = client
            .call(version, &in_version(version, "g", topics))
            .await;
        let expected = [unknown, 0, 3, 3, 0, unknown];
        assert_eq!(codes(&committed), expected, "version {version}");
        for (answer, (topic, id, _)) in committed.topics.iter().zip(topics) {
            let (topic, id) = if version < 10 {
                (*topic, Uuid::nil())
            } else {
                ("", *id)
            };
            assert_eq!((&*answer.name.0, answer.topic_id), (topic, id));
        }
    }
    assert_eq!(commit(&mut client, 9, &committing("g", &[])).await, []);
    let unnamed = committing("", &[("orders", &[(0, 5)])]);
    assert_eq!(commit(&mut client, 9, &unnamed).await, [0], "as with Kafka");
}

#[tokio::test]
async fn metadata_may_be_null_but_not_long() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 2..=10 {
        let mut request = in_version(version, "g", &[("orders", id, &[(0, 1), (1, 1), (2, 1)])]);
        let partitions = &mut request.topics[0].partitions;
        partitions[0].committed_metadata = Some(text(&"x".repeat(4096)));
        partitions[1].committed_metadata = Some(text(&"x".repeat(4097)));
        partitions[2].committed_metadata = None;
        assert_eq!(commit(&mut client, version, &request).await, [0, 12, 0]);
    }
    let kept = fetch(&mut client, 9, &fetching(9, "g", None)).await;
    let long = "x".repeat(4096);
    assert_eq!(
        kept,
        [found("orders", 0, 1, &long), found("orders", 2, 1, "")]
    );
}

#[tokio::test]
async fn a_groups_members_alone_commit_in_their_generation() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let member = join_alone(&mut client, "g").await;
    let by = |version, group, member: &str, generation| {
        in_version(version, group, &[("orders", id, &[(0, 7)])])
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(generation)
    };
    for version in 2..=10 {
        let early = by(version, "g", &member, 1);
        assert_eq!(commit(&mut client, version, &early).await, [27]);
    }
    let sync = syncing("g", &member, 1).with_assignments(vec![assignment(&member, b"all")]);
    assert_eq!(client.call(5, &sync).await.error_code, 0);
    for version in 2..=10 {
        let not_found = if version < 9 { 22 } else { 69 };
        for (case, group, member, generation, code) in [
            ("the member", "g", &*member, 1, 0),
            ("old generation", "g", &*member, 0, 22),
            ("stranger", "g", "foo", 1, 25),
            ("from outside", "g", "", -1, 25),
            ("unknown group with a generation", "n", "foo", 5, not_found),
            ("unknown group without", "o", "foo", -1, 0),
        ] {
            let request = by(version, group, member, generation);
            let told = commit(&mut client, version, &request).await;
            assert_eq!(told, [code], "{case}, version {version}");
        }
    }
}

#[tokio::test]
async fn a_retention_time_makes_no_offset_expire() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for version in 2..=4 {
        let request = committing("g", &[("orders", &[(0, version.into())])]);
        let request = request.with_retention_time_ms(1);
        assert_eq!(commit(&mut client, version, &request).await, [0]);
        world.clock.advance(Duration::from_secs(60 * 60 * 24 * 30));
        let kept = fetch(&mut client, 5, &fetching(5, "g", None)).await;
        assert_eq!(kept, [found("orders", 0, version.into(), "note")]);
    }
}

#[tokio::test]
async fn offsets_are_fetched_in_every_version_as_they_were_committed() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 2..=10 {
        let offset = i64::from(version) * 10;
        let mut request = in_version(version, "g", &[("orders", id, &[(0, offset)])]);
        if version >= 6 {
            request.topics[0].partitions[0].committed_leader_epoch = 3;
        }
        assert_eq!(commit(&mut client, version, &request).await, [0]);
        for reading in 1..=10 {
            let topic = if reading < 10 {
                "orders".to_owned()
            } else {
                id.to_string()
            };
            let mut expected = found(&topic, 0, offset, "note");
            expected.leader_epoch = if version >= 6 && reading >= 5 { 3 } else { -1 };
            let asked: Asked<'_> = Some(&[("orders", id, &[0])]);
            let one = fetch(&mut client, reading, &fetching(reading, "g", asked)).await;
            assert_eq!(one, [expected], "{version}, read in {reading}");
            if reading >= 2 {
                let all = fetch(&mut client, reading, &fetching(reading, "g", None)).await;
                assert_eq!(all, one, "{version}, read in {reading}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_never_committed_is_no_error_but_an_unknown_id_is() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 1..=10 {
        let asked: Asked<'_> = Some(&[("orders", id, &[1, 0, 9]), ("nope", NOBODYS, &[0])]);
        for group in ["g", "nobody"] {
            let known = if version < 10 {
                "orders"
            } else {
                &*id.to_string()
            };
            let mut expected = vec![
                found(known, 1, -1, ""),
                found(known, 0, -1, ""),
                found(known, 9, -1, ""),
                found("nope", 0, -1, ""),
            ];
            if version >= 10 {
                expected[3].topic = NOBODYS.to_string();
                expected[3].code = 100;
            }
            let request = fetching(version, group, asked);
            assert_eq!(fetch(&mut client, version, &request).await, expected);
        }
        let none = fetching(version, "g", Some(&[]));
        assert_eq!(fetch(&mut client, version, &none).await, []);
        if version >= 2 {
            let all = fetching(version, "g", None);
            assert_eq!(fetch(&mut client, version, &all).await, []);
        }
        if version >= 7 {
            // Without transactions whatever is there is stable.
            let stable = fetching(version, "g", Some(&[])).with_require_stable(true);
            assert_eq!(fetch(&mut client, version, &stable).await, []);
        }
    }
}

#[tokio::test]
async fn from_version_8_groups_are_answered_one_by_one_in_their_order() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for (group, offset) in [("a", 1), ("b", 2)] {
        let request = committing(group, &[("orders", &[(0, offset), (1, offset)])]);
        assert_eq!(commit(&mut client, 8, &request).await, [0, 0]);
    }
    for version in 8..=10 {
        let groups = vec![
            fetching_group("b", Some(&[("orders", id, &[0])])),
            fetching_group("nobody", None),
            fetching_group("a", None),
            fetching_group("b", Some(&[])),
        ];
        let request = OffsetFetchRequest::default().with_groups(groups);
        let response = client.call(version, &request).await;
        let told: Vec<_> = response
            .groups
            .iter()
            .map(|group| {
                let partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
                let offsets: Vec<i64> = partitions.map(|each| each.committed_offset).collect();
                (&*group.group_id.0, group.error_code, offsets)
            })
            .collect();
        let expected = [
            ("b", 0, vec![2]),
            ("nobody", 0, vec![]),
            ("a", 0, vec![1, 1]),
        ];
        assert_eq!(told, expected, "version {version}");
    }
    // A member's epoch binds groups of the newer protocol alone.
    let member = fetching_group("a", None)
        .with_member_id(Some("foo".into()))
        .with_member_epoch(3);
    let request = OffsetFetchRequest::default().with_groups(vec![member]);
    assert_eq!(fetch(&mut client, 9, &request).await.len(), 2);
}

async fn delete(
    client: &mut Client<'_>,
    id: &str,
    topics: &[(&str, &[i32])],
) -> OffsetDeleteResponse {
    let topics = topics.iter().map(|(topic, partitions)| {
        let partition =
            |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
        OffsetDeleteRequestTopic::default()
            .with_name(name(topic))
            .with_partitions(partitions.iter().map(partition).collect())
    });
    let request = OffsetDeleteRequest::default()
        .with_group_id(group(id))
        .with_topics(topics.collect());
    client.call(0, &request).await
}

fn deleted(response: &OffsetDeleteResponse) -> Vec<i16> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code).collect()
}

#[tokio::test]
async fn offsets_are_forgotten_partition_by_partition() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let request = committing("g", &[("orders", &[(0, 5), (1, 6), (2, 7)])]);
    assert_eq!(commit(&mut client, 8, &request).await, [0, 0, 0]);
    let topics: &[(&str, &[i32])] = &[("nope", &[0]), ("orders", &[1, 9]), ("orders", &[2])];
    let response = delete(&mut client, "g", topics).await;
    assert_eq!(
        (response.error_code, deleted(&response)),
        (0, vec![3, 0, 3, 0])
    );
    let kept = fetch(&mut client, 7, &fetching(7, "g", None)).await;
    assert_eq!(kept, [found("orders", 0, 5, "note")]);
    for (id, topics, code) in [
        ("nobody", &[("orders", &[0][..])][..], 69),
        ("nobody", &[("nope", &[0])], 69),
        ("nobody", &[], 69),
        ("", &[("orders", &[0])], 24),
        ("g", &[], 0),
    ] {
        let response = delete(&mut client, id, topics).await;
        assert_eq!((response.error_code, response.topics), (code, vec![]));
    }
}

#[tokio::test]
async fn offsets_of_a_topic_that_members_read_are_not_forgotten() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    create(&mut client, "bills").await;
    let both = committing("g", &[("orders", &[(0, 5)]), ("bills", &[(0, 5)])]);
    assert_eq!(commit(&mut client, 8, &both).await, [0, 0]);
    settle_alone(&mut client, "g").await;
    let response = delete(&mut client, "g", &[("orders", &[0]), ("bills", &[0])]).await;
    assert_eq!((response.error_code, deleted(&response)), (0, vec![86, 0]));
}

#[tokio::test]
async fn a_group_that_never_had_members_ends_with_its_last_offset() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for (members, left) in [(false, 69), (true, 0)] {
        if members {
            let member = settle_alone(&mut client, "g").await;
            let leave = all_leaving("g", &[(&member, None)]);
            assert_eq!(client.call(5, &leave).await.members[0].error_code, 0);
        }
        let request = committing("g", &[("orders", &[(0, 5)])]);
        assert_eq!(commit(&mut client, 8, &request).await, [0]);
        let response = delete(&mut client, "g", &[("orders", &[0])]).await;
        assert_eq!(deleted(&response), [0]);
        assert_eq!(delete(&mut client, "g", &[]).await.error_code, left);
    }
}
