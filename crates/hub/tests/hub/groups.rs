//! Groups and offsets through the shell: durable before they are answered.

use std::time::Duration;

use bytes::Bytes;
use hub::groups::{
    Command, CommitOffsets, FetchOffsets, FetchOffsetsGroup, GroupError, GroupState, Heartbeat,
    JoinGroup, OffsetToCommit, PerTopic, Protocol, Reply, SyncGroup,
};
use model::{GenerationId, GroupId, LeaderEpoch, MemberId, Offset, PartitionIndex, TopicName};

use crate::support::{World, batch, create, send};

pub(crate) fn commit(group: &str, topic: &str, offset: i64) -> Command {
    Command::CommitOffsets(CommitOffsets {
        group: GroupId::from(group),
        member: MemberId::from(""),
        instance: None,
        generation: GenerationId(-1),
        topics: vec![PerTopic {
            topic: TopicName::try_from(topic).unwrap(),
            partitions: vec![OffsetToCommit {
                partition: PartitionIndex(0),
                offset: Offset(offset),
                leader_epoch: LeaderEpoch::NONE,
                metadata: "".into(),
            }],
        }],
    })
}

async fn committed(access: &hub::Access, group: &str, topic: &str) -> Option<i64> {
    let command = Command::FetchOffsets(FetchOffsets {
        groups: vec![FetchOffsetsGroup {
            group: GroupId::from(group),
            topics: Some(vec![PerTopic {
                topic: TopicName::try_from(topic).unwrap(),
                partitions: vec![PartitionIndex(0)],
            }]),
        }],
    });
    let Ok(Reply::FetchOffsets(groups)) = access.group(command).unwrap().await else {
        panic!("offsets are answered with offsets");
    };
    let fetched = groups[0].topics[0].partitions[0].committed.as_ref();
    fetched.map(|committed| committed.offset.0)
}

pub(crate) fn join(member: &str) -> Command {
    Command::JoinGroup(JoinGroup {
        group: GroupId::from("g"),
        member: MemberId::from(member),
        instance: None,
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        requires_known_member: false,
        can_skip_assignment: false,
        reason: "".into(),
    })
}

#[tokio::test]
async fn committed_offsets_survive_a_restart_and_end_with_their_topic() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["a", "b"])).await;
    access
        .group(commit("g", "orders", 1))
        .unwrap()
        .await
        .unwrap();
    access
        .group(commit("g", "orders", 2))
        .unwrap()
        .await
        .unwrap();
    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    assert_eq!(committed(&access, "g", "orders").await, Some(2));
    let crashed = world.crashed();
    assert_eq!(
        committed(&crashed.access("dev"), "g", "orders").await,
        Some(2)
    );
    let orders = hub::access::TopicRef::Name("orders");
    access.delete_topic(orders).await.unwrap();
    assert_eq!(committed(&access, "g", "orders").await, None);
}

#[tokio::test]
async fn a_member_joins_beats_and_is_gone_after_its_session() {
    let world = World::new();
    let access = world.access("dev");
    let Ok(Reply::JoinGroup(Ok(joined))) = access.group(join("")).unwrap().await else {
        panic!("the first member joins");
    };
    let sync = Command::SyncGroup(SyncGroup {
        group: GroupId::from("g"),
        member: joined.member.clone(),
        instance: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(joined.member.clone(), Bytes::from_static(b"all"))],
    });
    let Ok(Reply::SyncGroup(Ok(synced))) = access.group(sync).unwrap().await else {
        panic!("the leader syncs");
    };
    assert_eq!(&synced.assignment[..], b"all");
    let beat = || {
        Command::Heartbeat(Heartbeat {
            group: GroupId::from("g"),
            member: joined.member.clone(),
            instance: None,
            generation: joined.generation,
        })
    };
    let reply = access.group(beat()).unwrap().await;
    assert_eq!(reply, Ok(Reply::Heartbeat(Ok(()))));
    world.clock.advance(Duration::from_secs(11));
    // The timer is a task of its own: give it its turns. Describing does not keep a member alive.
    let mut state = GroupState::Stable;
    for _ in 0..1000 {
        state = state_of(&access).await;
        if state == GroupState::Empty {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(state, GroupState::Empty);
    let reply = access.group(beat()).unwrap().await;
    assert_eq!(reply, Ok(Reply::Heartbeat(Err(GroupError::UnknownMember))));
}

async fn state_of(access: &hub::Access) -> GroupState {
    let describe = Command::DescribeGroups(vec![GroupId::from("g")]);
    let Ok(Reply::DescribeGroups(groups)) = access.group(describe).unwrap().await else {
        panic!("descriptions are answered with descriptions");
    };
    groups[0].result.as_ref().unwrap().state
}

#[tokio::test]
async fn who_waits_to_join_is_told_when_the_broker_ends() {
    let world = World::with(|settings| {
        settings.limits.rebalance_delay = Duration::from_secs(3);
    });
    let access = world.access("dev");
    let joining = access.group(join("")).unwrap();
    let ended = world.hub.shutdown(Duration::from_secs(10));
    let (reply, in_time) = tokio::join!(joining, ended);
    assert_eq!(reply, Err(hub::groups::GroupCallError::ShuttingDown));
    assert!(in_time);
}

#[tokio::test]
async fn new_limits_of_groups_hold_at_once() {
    let world = World::new();
    let access = world.access("dev");
    let mut settings = world.settings.clone();
    settings.limits.group_id_bytes_max = 3;
    let left = world.hub.reload(settings).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
    let answer = async |group: &str| access.group(commit(group, "orders", 1)).unwrap().await;
    let Ok(Reply::CommitOffsets(long)) = answer("four").await else {
        panic!("commits are answered with commits");
    };
    assert_eq!(long, Err(GroupError::InvalidGroupId));
    let Ok(Reply::CommitOffsets(short)) = answer("two").await else {
        panic!("commits are answered with commits");
    };
    assert!(short.is_ok());
}
