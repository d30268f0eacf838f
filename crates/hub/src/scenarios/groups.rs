//! What members of groups are told while the log below them waits or refuses.

use std::time::Duration;

use bytes::Bytes;
use model::{GroupId, MemberId};

use super::{World, commit, now};
use crate::groups::{Command, GroupCallError, Heartbeat, JoinGroup, Protocol, Reply};

#[tokio::test]
async fn offsets_that_a_full_disk_refuses_leave_the_members_in_peace() {
    let world = World::new().await;
    let joined = world.access.group(join()).unwrap().await;
    let Ok(Reply::JoinGroup(Ok(joined))) = joined else {
        panic!("the first member joins: {joined:?}");
    };
    world.engine.refuse(Some(storage::AppendError::NoSpace));
    let refused = world.access.group(commit()).unwrap().await;
    assert_eq!(refused, Err(GroupCallError::DiskFull));
    world.engine.refuse(None);
    let beat = Command::Heartbeat(Heartbeat {
        group: GroupId::from("of-members"),
        member: joined.member,
        instance: None,
        generation: joined.generation,
    });
    let alive = world.access.group(beat).unwrap().await;
    assert_eq!(alive, Ok(Reply::Heartbeat(Ok(()))));
}

#[tokio::test]
async fn a_member_whose_connection_ends_before_it_joined_is_forgotten() {
    let world = World::new().await;
    let first = world.access.group(join()).unwrap().await;
    assert!(matches!(first, Ok(Reply::JoinGroup(Ok(_)))));
    let members = async || {
        let describe = Command::DescribeGroups(vec![GroupId::from("of-members")]);
        match world.access.group(describe).unwrap().await {
            Ok(Reply::DescribeGroups(groups)) => groups[0].result.as_ref().unwrap().members.len(),
            other => panic!("descriptions are answered with descriptions: {other:?}"),
        }
    };
    let second = world.access.group(join()).unwrap();
    assert_eq!(members().await, 2);
    drop(second);
    assert_eq!(members().await, 1);
}

fn join() -> Command {
    Command::JoinGroup(JoinGroup {
        group: GroupId::from("of-members"),
        member: MemberId::from(""),
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
async fn what_groups_say_waits_until_what_it_rests_on_is_durable() {
    let world = World::new().await;
    world.engine.hold();
    let mut committing = world.access.group(commit()).unwrap();
    let describe = Command::DescribeGroups(vec![GroupId::from("g")]);
    let mut describing = world.access.group(describe).unwrap();
    assert!(now(&mut committing).is_none());
    assert!(now(&mut describing).is_none(), "it saw what is not durable");
    world.engine.sync();
    assert!(now(&mut committing).unwrap().is_ok());
    assert!(now(&mut describing).unwrap().is_ok());
}
