//! What members and administrators are told while a group of two rebalances, version by version.

use kafka::Staged;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, JoinGroupRequest, SyncGroupRequest,
    describe_groups_response::DescribedGroup,
};

use crate::{
    metadata::create,
    requests::{
        all_leaving, assignment, beating, committing, group, joining, protocol, settle_alone,
        syncing, text,
    },
    world::{Client, World, is_waiting, settle},
};

async fn describe(client: &mut Client<'_>, version: i16) -> DescribedGroup {
    let request = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    client.call(version, &request).await.groups.remove(0)
}

/// Commits as a member in each version that names topics; gives the one code of all.
async fn commit(client: &mut Client<'_>, member: &str, generation: i32) -> i16 {
    let request = committing("g", &[("orders", &[(0, 5)])])
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(generation);
    let mut codes = Vec::new();
    for version in 2..=9 {
        let response = client.call(version, &request).await;
        codes.push(response.topics[0].partitions[0].error_code);
    }
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    codes[0]
}

/// Sends heartbeats of each version; gives the one code of all.
async fn beat(client: &mut Client<'_>, member: &str, generation: i32) -> i16 {
    let mut codes = Vec::new();
    for version in 0..=4 {
        let request = beating("g", member, generation);
        codes.push(client.call(version, &request).await.error_code);
    }
    assert!(codes.iter().all(|code| *code == codes[0]), "{codes:?}");
    codes[0]
}

#[tokio::test]
async fn a_second_member_makes_the_first_join_again_and_waits_for_its_assignment() {
    let world = World::new();
    let mut client = world.connect();
    let leader = settle_alone(&mut client, "g").await;
    let mut other = world.connect();
    let follower = other.call(9, &joining("g", "")).await.member_id;
    let Staged::Later(mut waiting) = other.send(9, &joining("g", &follower)) else {
        panic!("joined without the first member");
    };
    assert!(is_waiting(&mut waiting).await);
    let joined = client.call(9, &joining("g", &leader)).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    assert_eq!((&*joined.leader, joined.members.len()), (&*leader, 2));
    let reply = waiting.await;
    let followed = other.decode::<JoinGroupRequest>(9, &reply);
    assert_eq!((followed.error_code, followed.generation_id), (0, 2));
    assert_eq!((&*followed.leader, followed.members.len()), (&*leader, 0));

    let Staged::Later(mut waiting) = other.send(5, &syncing("g", &follower, 2)) else {
        panic!("answered without the leader");
    };
    assert!(is_waiting(&mut waiting).await);
    let plan = vec![
        assignment(&leader, b"left"),
        assignment(&follower, b"right"),
    ];
    let sync = syncing("g", &leader, 2).with_assignments(plan);
    assert_eq!(&*client.call(5, &sync).await.assignment, b"left");
    let reply = waiting.await;
    let synced = other.decode::<SyncGroupRequest>(5, &reply);
    assert_eq!((synced.error_code, &*synced.assignment), (0, &b"right"[..]));

    // A follower that joins again without news stays in the generation.
    let again = other.call(9, &joining("g", &follower)).await;
    assert_eq!((again.error_code, again.generation_id), (0, 2));
    assert_eq!(again.members, vec![]);
}

#[tokio::test]
async fn while_members_gather_the_old_generation_commits_but_does_not_sync() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let first = settle_alone(&mut client, "g").await;
    let mut other = world.connect();
    let second = other.call(9, &joining("g", "")).await.member_id;
    let Staged::Later(mut waiting) = other.send(9, &joining("g", &second)) else {
        panic!("joined without the first member");
    };
    assert!(is_waiting(&mut waiting).await);
    assert_eq!(beat(&mut client, &first, 1).await, 27);
    assert_eq!(beat(&mut client, &second, 1).await, 27);
    assert_eq!(beat(&mut client, &first, 0).await, 22);
    assert_eq!(commit(&mut client, &first, 1).await, 0);
    assert_eq!(commit(&mut client, &first, 0).await, 22);
    for version in 0..=5 {
        let refused = client.call(version, &syncing("g", &first, 1)).await;
        assert_eq!((refused.error_code, refused.assignment.len()), (27, 0));
    }
    for version in 0..=6 {
        let described = describe(&mut client, version).await;
        assert_eq!(&*described.group_state, "PreparingRebalance");
        assert_eq!(
            (&*described.protocol_type, &*described.protocol_data),
            ("consumer", "")
        );
        assert_eq!(described.members.len(), 2);
        for member in &described.members {
            // No protocol is chosen, so nobody's metadata is told; what is assigned is.
            assert_eq!(member.member_metadata.len(), 0);
            let assigned: &[u8] = if *member.member_id == *first {
                b"all"
            } else {
                b""
            };
            assert_eq!(&*member.member_assignment, assigned);
        }
    }
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    for version in 0..=3 {
        let refused = client.call(version, &delete).await;
        assert_eq!(refused.results[0].error_code, 68);
    }
}

#[tokio::test]
async fn until_the_leader_has_assigned_nobody_commits() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let leader = settle_alone(&mut client, "g").await;
    let mut other = world.connect();
    let follower = other.call(9, &joining("g", "")).await.member_id;
    let joining_in = other.send(9, &joining("g", &follower));
    client.call(9, &joining("g", &leader)).await;
    settle(joining_in).await;
    assert_eq!(commit(&mut client, &leader, 2).await, 27);
    assert_eq!(commit(&mut client, &leader, 1).await, 22);
    assert_eq!(beat(&mut client, &leader, 2).await, 0);
    assert_eq!(beat(&mut client, &leader, 1).await, 22);
    for version in 0..=6 {
        let described = describe(&mut client, version).await;
        assert_eq!(&*described.group_state, "CompletingRebalance");
        assert_eq!(&*described.protocol_data, "");
        assert_eq!(described.members.len(), 2);
    }
    let sync = syncing("g", &leader, 2).with_assignments(vec![assignment(&leader, b"all")]);
    assert_eq!(client.call(5, &sync).await.error_code, 0);
    // Whom the leader has left out has nothing assigned.
    let synced = other.call(5, &syncing("g", &follower, 2)).await;
    assert_eq!((synced.error_code, synced.assignment.len()), (0, 0));
    assert_eq!(commit(&mut client, &follower, 2).await, 0);
    for version in 0..=6 {
        let described = describe(&mut client, version).await;
        assert_eq!(
            (&*described.group_state, &*described.protocol_data),
            ("Stable", "range")
        );
        for member in &described.members {
            assert_eq!(member.member_metadata, protocol("range").metadata);
        }
    }
    let left = client.call(5, &all_leaving("g", &[(&leader, None)])).await;
    assert_eq!(left.members[0].error_code, 0);
    assert_eq!(
        &*describe(&mut client, 5).await.group_state,
        "PreparingRebalance"
    );
    assert_eq!(beat(&mut other, &follower, 2).await, 27);
}
