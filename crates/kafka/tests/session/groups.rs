//! Consumer groups over the classic protocol: from the first join to the group's end.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
    join_group_request::JoinGroupRequestProtocol,
    leave_group_request::MemberIdentity,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch_request::{
        OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
    },
    sync_group_request::SyncGroupRequestAssignment,
};
use uuid::Uuid;

use crate::{
    metadata::{create, name},
    world::{Client, SENDER, World, settle},
};

fn group(text: &'static str) -> GroupId {
    GroupId(text.into())
}

fn joining(member: &str) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name("range".into())
        .with_metadata(Bytes::from_static(b"wants"));
    JoinGroupRequest::default()
        .with_group_id(group("g"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(member.to_owned().into())
        .with_protocol_type("consumer".into())
        .with_protocols(vec![protocol])
}

/// The id that a new dynamic member is given, to join with.
async fn introduced(client: &mut Client<'_>) -> String {
    let response = client.call(9, &joining("")).await;
    assert_eq!(response.error_code, 79, "MEMBER_ID_REQUIRED");
    response.member_id.to_string()
}

/// Joins, and lets the time pass that a new group waits for more members: far less than a session.
async fn join(client: &mut Client<'_>, request: &JoinGroupRequest) -> JoinGroupResponse {
    let staged = client.send(9, request);
    client.world.clock.advance(Duration::from_secs(4));
    let reply = settle(staged).await;
    client.decode::<JoinGroupRequest>(9, &reply)
}

/// The only member of group `g`, its assignment made: member id and generation.
async fn lone_member(client: &mut Client<'_>) -> (String, i32) {
    let member = introduced(client).await;
    let joined = join(client, &joining(&member)).await;
    assert_eq!((joined.error_code, &*joined.leader), (0, &*member));
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone().into())
        .with_assignment(Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group("g"))
        .with_member_id(member.clone().into())
        .with_generation_id(joined.generation_id)
        .with_protocol_type(Some("consumer".into()))
        .with_protocol_name(Some("range".into()))
        .with_assignments(vec![assignment]);
    let synced = client.call(5, &sync).await;
    assert_eq!(
        (synced.error_code, &synced.assignment[..]),
        (0, &b"all"[..])
    );
    (member, joined.generation_id)
}

async fn state(client: &mut Client<'_>) -> String {
    let request = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    client.call(5, &request).await.groups[0]
        .group_state
        .to_string()
}

#[tokio::test]
async fn a_group_lives_from_join_to_delete() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let (member, generation) = lone_member(&mut client).await;
    let beat = HeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_member_id(member.clone().into())
        .with_generation_id(generation);
    assert_eq!(client.call(4, &beat).await.error_code, 0);
    let late = beat.clone().with_generation_id(generation + 1);
    assert_eq!(client.call(4, &late).await.error_code, 22);

    let described = client
        .call(
            5,
            &DescribeGroupsRequest::default().with_groups(vec![group("g")]),
        )
        .await;
    let described = &described.groups[0];
    assert_eq!(
        (&*described.group_state, &*described.protocol_data),
        ("Stable", "range")
    );
    assert_eq!(&*described.members[0].client_id, "tester");
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
    let listed = client.call(5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups.len(), 1);
    let full = DeleteGroupsRequest::default().with_groups_names(vec![group("g"), group("h")]);
    let codes = |response: kafka_protocol::messages::DeleteGroupsResponse| {
        response
            .results
            .iter()
            .map(|result| result.error_code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(client.call(2, &full).await), [68, 69]);

    let leaving = MemberIdentity::default().with_member_id(member.into());
    let leave = LeaveGroupRequest::default()
        .with_group_id(group("g"))
        .with_members(vec![leaving]);
    let left = client.call(5, &leave).await;
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(state(&mut client).await, "Empty");
    let only = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    assert_eq!(codes(client.call(3, &only).await), [0]);
    assert_eq!(state(&mut client).await, "Dead");
}

#[tokio::test]
async fn a_silent_member_is_dropped_on_its_session_timeout() {
    let world = World::new();
    let mut client = world.connect();
    lone_member(&mut client).await;
    assert_eq!(state(&mut client).await, "Stable");
    world.clock.advance(Duration::from_millis(10_001));
    for _ in 0..1_000 {
        if state(&mut client).await == "Empty" {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the member is still there");
}

#[tokio::test]
async fn a_static_member_returns_without_a_rebalance() {
    let world = World::new();
    let mut client = world.connect();
    let request = joining("").with_group_instance_id(Some("rack-1".into()));
    let first = join(&mut client, &request).await;
    assert_eq!((first.error_code, first.generation_id), (0, 1));
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(first.member_id.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let sync = |member| {
        SyncGroupRequest::default()
            .with_group_id(group("g"))
            .with_member_id(member)
            .with_group_instance_id(Some("rack-1".into()))
            .with_generation_id(1)
            .with_protocol_type(Some("consumer".into()))
            .with_protocol_name(Some("range".into()))
    };
    let given = sync(first.member_id.clone()).with_assignments(vec![assignment]);
    assert_eq!(client.call(5, &given).await.error_code, 0);

    let mut returned = world.connect();
    let second = join(&mut returned, &request).await;
    assert_eq!((second.error_code, second.generation_id), (0, 1));
    assert!(second.skip_assignment);
    assert_ne!(second.member_id, first.member_id);
    let kept = returned.call(5, &sync(second.member_id)).await;
    assert_eq!((kept.error_code, &kept.assignment[..]), (0, &b"all"[..]));
    let fenced = client.call(5, &sync(first.member_id)).await;
    assert_eq!(fenced.error_code, 82);
}

fn committing(topic: &str, id: Uuid, partitions: &[(i32, i64)]) -> OffsetCommitRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some("note".into()))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name(topic))
        .with_topic_id(id)
        .with_partitions(partitions.collect());
    OffsetCommitRequest::default()
        .with_group_id(group("g"))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

#[tokio::test]
async fn offsets_are_kept_by_name_and_by_id_and_fetched_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 2..=10 {
        let offset = i64::from(version) * 10;
        let request = committing("orders", id, &[(0, offset)]);
        let committed = client.call(version, &request).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0, "{version}");
        let found = fetched(&mut client, version, id).await;
        assert_eq!(found, (offset, -1), "{version}");
    }
    let unknown = client
        .call(10, &committing("", Uuid::from_u128(7), &[(0, 1)]))
        .await;
    assert_eq!(unknown.topics[0].partitions[0].error_code, 100);
    let unknown = client
        .call(9, &committing("nope", Uuid::nil(), &[(0, 1)]))
        .await;
    assert_eq!(unknown.topics[0].partitions[0].error_code, 3);
}

/// The offsets of partitions 0 and 1, asked for in that version.
async fn fetched(client: &mut Client<'_>, version: i16, id: Uuid) -> (i64, i64) {
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name("orders"))
            .with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group("g"))
            .with_topics(Some(vec![topic]));
        let response = client.call(version, &request).await;
        let offset = |at: usize| response.topics[0].partitions[at].committed_offset;
        return (offset(0), offset(1));
    }
    let topic = OffsetFetchRequestTopics::default()
        .with_name(name("orders"))
        .with_topic_id(id)
        .with_partition_indexes(vec![0, 1]);
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_topics(Some(vec![topic]));
    let other = OffsetFetchRequestGroup::default()
        .with_group_id(group("unheard of"))
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![asked, other]);
    let response = client.call(version, &request).await;
    assert_eq!(&*response.groups[1].group_id, "unheard of");
    assert_eq!(
        (
            response.groups[1].error_code,
            response.groups[1].topics.len()
        ),
        (0, 0)
    );
    let offset = |at: usize| response.groups[0].topics[0].partitions[at].committed_offset;
    (offset(0), offset(1))
}

#[tokio::test]
async fn all_of_a_groups_offsets_are_given_where_no_topic_is_named() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    client
        .call(8, &committing("orders", id, &[(0, 5), (3, 7)]))
        .await;
    let all = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(None);
    let response = client.call(5, &all).await;
    assert_eq!(response.topics[0].partitions.len(), 2);
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(3);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name("orders"))
        .with_partitions(vec![partition]);
    let delete = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![topic]);
    let deleted = client.call(0, &delete).await;
    assert_eq!(
        (
            deleted.error_code,
            deleted.topics[0].partitions[0].error_code
        ),
        (0, 0)
    );
    assert_eq!(client.call(5, &all).await.topics[0].partitions.len(), 1);
}

#[tokio::test]
async fn a_sender_has_no_part_in_groups() {
    let world = World::new();
    let id = create(&mut world.connect(), "orders").await;
    let mut client = world.login(SENDER).await;
    assert_eq!(client.call(5, &joining("")).await.error_code, 30);
    let commit = client.call(8, &committing("orders", id, &[(0, 1)])).await;
    assert!([29, 30].contains(&commit.topics[0].partitions[0].error_code));
    let all = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(None);
    assert_eq!(client.call(5, &all).await.error_code, 30);
}
