//! Requests about groups as clients send them: each with the fields that every version has.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        OffsetCommitRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};
use uuid::Uuid;

use crate::{
    metadata::name,
    world::{Client, settle},
};

pub(crate) fn text(text: &str) -> StrBytes {
    text.to_owned().into()
}

pub(crate) fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

/// A consumer that speaks `range` and wants the topic `orders`.
pub(crate) fn joining(id: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group(id))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(text(member))
        .with_protocol_type("consumer".into())
        .with_protocols(vec![protocol("range")])
}

pub(crate) fn protocol(name: &str) -> JoinGroupRequestProtocol {
    // A subscription of version 0 to the one topic, without user data.
    let subscription = b"\0\0\0\0\0\x01\0\x06orders\xff\xff\xff\xff";
    JoinGroupRequestProtocol::default()
        .with_name(text(name))
        .with_metadata(Bytes::from_static(subscription))
}

/// Without assignments: what a follower sends.
pub(crate) fn syncing(id: &str, member: &str, generation: i32) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(group(id))
        .with_member_id(text(member))
        .with_generation_id(generation)
        .with_protocol_type(Some("consumer".into()))
        .with_protocol_name(Some("range".into()))
}

pub(crate) fn assignment(member: &str, assigned: &'static [u8]) -> SyncGroupRequestAssignment {
    SyncGroupRequestAssignment::default()
        .with_member_id(text(member))
        .with_assignment(Bytes::from_static(assigned))
}

pub(crate) fn beating(id: &str, member: &str, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(id))
        .with_member_id(text(member))
        .with_generation_id(generation)
}

/// One member, up to version 2.
pub(crate) fn leaving(id: &str, member: &str) -> LeaveGroupRequest {
    LeaveGroupRequest::default()
        .with_group_id(group(id))
        .with_member_id(text(member))
}

/// Members with their instances, from version 3.
pub(crate) fn all_leaving(id: &str, members: &[(&str, Option<&str>)]) -> LeaveGroupRequest {
    let members = members.iter().map(|(member, instance)| {
        MemberIdentity::default()
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text))
    });
    LeaveGroupRequest::default()
        .with_group_id(group(id))
        .with_members(members.collect())
}

/// From outside of the group; topics by name.
pub(crate) fn committing(id: &str, topics: &[(&str, &[(i32, i64)])]) -> OffsetCommitRequest {
    let topics = topics
        .iter()
        .map(|(topic, partitions)| commit_topic(partitions).with_name(name(topic)));
    committing_all(id, topics.collect())
}

/// As [`committing`], topics by id.
pub(crate) fn committing_ids(id: &str, topics: &[(Uuid, &[(i32, i64)])]) -> OffsetCommitRequest {
    let topics = topics
        .iter()
        .map(|(topic, partitions)| commit_topic(partitions).with_topic_id(*topic));
    committing_all(id, topics.collect())
}

fn committing_all(id: &str, topics: Vec<OffsetCommitRequestTopic>) -> OffsetCommitRequest {
    OffsetCommitRequest::default()
        .with_group_id(group(id))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics)
}

fn commit_topic(partitions: &[(i32, i64)]) -> OffsetCommitRequestTopic {
    let partitions = partitions.iter().map(|(index, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some("note".into()))
    });
    OffsetCommitRequestTopic::default().with_partitions(partitions.collect())
}

/// Joins, and lets the time pass that a new group waits for more members: far less than a session.
pub(crate) async fn join(
    client: &mut Client<'_>,
    version: i16,
    request: &JoinGroupRequest,
) -> JoinGroupResponse {
    let staged = client.send(version, request);
    client.world.clock.advance(Duration::from_secs(4));
    let reply = settle(staged).await;
    client.decode::<JoinGroupRequest>(version, &reply)
}

/// Becomes the only member of a group; gives its id. The generation is 1.
pub(crate) async fn join_alone(client: &mut Client<'_>, id: &str) -> String {
    let introduced = client.call(9, &joining(id, "")).await;
    assert_eq!(introduced.error_code, 79, "MEMBER_ID_REQUIRED");
    let joined = join(client, 9, &joining(id, &introduced.member_id)).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    joined.member_id.to_string()
}

/// As [`join_alone`], with all that there is assigned to the member.
pub(crate) async fn settle_alone(client: &mut Client<'_>, id: &str) -> String {
    let member = join_alone(client, id).await;
    let sync = syncing(id, &member, 1).with_assignments(vec![assignment(&member, b"all")]);
    assert_eq!(client.call(5, &sync).await.error_code, 0);
    member
}
