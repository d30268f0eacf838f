//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup, version by version.

use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};

use crate::{
    metadata::create,
    requests::{
        all_leaving, assignment, beating, committing, join, join_alone, joining, leaving, protocol,
        settle_alone, syncing, text,
    },
    world::{Client, World, settle},
};

/// What a refused join says besides its code and the member.
fn check_refused(response: &JoinGroupResponse, version: i16) {
    assert_eq!((response.generation_id, &*response.leader), (-1, ""));
    assert_eq!(response.protocol_type, None);
    let nameless = (version < 7).then(Default::default);
    assert_eq!(response.protocol_name, nameless, "version {version}");
    assert_eq!(response.members, vec![]);
}

#[tokio::test]
async fn a_new_member_joins_at_once_up_to_version_3_and_with_its_id_from_4() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=9 {
        let id = format!("g{version}");
        let mut member = String::new();
        if version >= 4 {
            let refused = client.call(version, &joining(&id, "")).await;
            assert_eq!(refused.error_code, 79, "version {version}");
            check_refused(&refused, version);
            member = refused.member_id.to_string();
            assert!(member.starts_with("tester-"), "{member}");
        }
        let joined = join(&mut client, version, &joining(&id, &member)).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        assert!(member.is_empty() || *joined.member_id == member);
        assert_eq!(joined.leader, joined.member_id);
        let kind = (version >= 7).then(|| text("consumer"));
        assert_eq!(joined.protocol_type, kind, "version {version}");
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert!(!joined.skip_assignment);
        assert_eq!(joined.members.len(), 1);
        assert_eq!(joined.members[0].member_id, joined.member_id);
        assert_eq!(joined.members[0].metadata, protocol("range").metadata);
    }
}

#[tokio::test]
async fn joins_that_cannot_be_are_refused_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    settle_alone(&mut client, "g").await;
    let request = || joining("g", "");
    let cases: [(&str, JoinGroupRequest, i16); 11] = [
        ("no group", joining("", ""), 24),
        ("short", request().with_session_timeout_ms(10), 26),
        ("negative", request().with_session_timeout_ms(-1), 26),
        ("long", request().with_session_timeout_ms(i32::MAX), 26),
        ("stranger", joining("g", "foo"), 25),
        ("stranger in no group", joining("nobody", "foo"), 25),
        ("no protocol", request().with_protocols(vec![]), 23),
        ("no type", request().with_protocol_type("".into()), 23),
        (
            "nothing, new group",
            joining("n", "").with_protocols(vec![]),
            23,
        ),
        (
            "other protocol",
            request().with_protocols(vec![protocol("x")]),
            23,
        ),
        (
            "other type",
            request().with_protocol_type("connect".into()),
            23,
        ),
    ];
    for version in 0..=9 {
        for (case, request, code) in &cases {
            let refused = client.call(version, request).await;
            assert_eq!(refused.error_code, *code, "{case}, version {version}");
            assert_eq!(refused.member_id, request.member_id, "{case}");
            check_refused(&refused, version);
        }
    }
}

#[tokio::test]
async fn a_static_member_joins_at_once_and_comes_back_under_a_new_id() {
    let world = World::new();
    let mut client = world.connect();
    for version in 5..=9 {
        let id = format!("g{version}");
        let request = joining(&id, "").with_group_instance_id(Some("rack-1".into()));
        let first = join(&mut client, version, &request).await;
        assert_eq!((first.error_code, first.generation_id), (0, 1));
        assert!(first.member_id.starts_with("rack-1-"));
        let instance = first.members[0].group_instance_id.as_deref();
        assert_eq!(instance, Some("rack-1"));
        let sync = syncing(&id, &first.member_id, 1);
        let sync = sync.with_assignments(vec![assignment(&first.member_id, b"all")]);
        assert_eq!(client.call(5, &sync).await.error_code, 0);

        let second = client.call(version, &request).await;
        assert_eq!((second.error_code, second.generation_id), (0, 1));
        assert_ne!(second.member_id, first.member_id);
        // Who can't be told to skip the assignment must not take itself for the leader.
        let skips = version >= 9;
        assert_eq!(second.skip_assignment, skips, "version {version}");
        let leader = if skips { &second } else { &first };
        assert_eq!(second.leader, leader.member_id);
        assert_eq!(second.members.len(), usize::from(skips));
        let kept = client.call(5, &syncing(&id, &second.member_id, 1)).await;
        assert_eq!((kept.error_code, &*kept.assignment), (0, &b"all"[..]));
    }
}

/// A static member of group `g` that another one has replaced: old id and new id.
async fn replaced(client: &mut Client<'_>) -> (String, String) {
    let request = joining("g", "").with_group_instance_id(Some("rack-1".into()));
    let old = join(client, 9, &request).await.member_id.to_string();
    let sync = syncing("g", &old, 1).with_assignments(vec![assignment(&old, b"all")]);
    assert_eq!(client.call(5, &sync).await.error_code, 0);
    let new = client.call(9, &request).await.member_id.to_string();
    (old, new)
}

#[tokio::test]
async fn a_replaced_static_member_is_fenced_whatever_it_asks() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let (old, new) = replaced(&mut client).await;
    let instance = || Some(text("rack-1"));
    for version in 5..=9 {
        let join = joining("g", &old).with_group_instance_id(instance());
        let refused = client.call(version, &join).await;
        assert_eq!((refused.error_code, &*refused.member_id), (82, &*old));
        check_refused(&refused, version);
    }
    for version in 3..=5 {
        let sync = syncing("g", &old, 1).with_group_instance_id(instance());
        assert_eq!(client.call(version, &sync).await.error_code, 82);
        let leave = all_leaving("g", &[(&old, Some("rack-1"))]);
        let left = client.call(version, &leave).await;
        assert_eq!((left.error_code, left.members[0].error_code), (0, 82));
    }
    for version in 3..=4 {
        let beat = beating("g", &old, 1).with_group_instance_id(instance());
        assert_eq!(client.call(version, &beat).await.error_code, 82);
        let beat = beating("g", &new, 1).with_group_instance_id(instance());
        assert_eq!(client.call(version, &beat).await.error_code, 0);
        let nobody = beating("g", &new, 1).with_group_instance_id(Some("rack-9".into()));
        assert_eq!(client.call(version, &nobody).await.error_code, 25);
    }
    for version in 7..=9 {
        let commit = committing("g", &[("orders", &[(0, 1)])])
            .with_member_id(text(&old))
            .with_generation_id_or_member_epoch(1)
            .with_group_instance_id(instance());
        let refused = client.call(version, &commit).await;
        assert_eq!(refused.topics[0].partitions[0].error_code, 82);
    }
}

#[tokio::test]
async fn assignments_are_given_and_wrong_syncs_refused_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    let member = join_alone(&mut client, "g").await;
    for version in 0..=5 {
        let named = |request: SyncGroupRequest| (request, version >= 5);
        let other = syncing("g", &member, 1).with_protocol_name(Some("other".into()));
        let cases = [
            ("no group", (syncing("", &member, 1), true), 24),
            ("unknown group", (syncing("nobody", &member, 1), true), 25),
            ("stranger", (syncing("g", "foo", 1), true), 25),
            ("old generation", (syncing("g", &member, 0), true), 22),
            ("other protocol", named(other), 23),
            (
                "no protocol",
                named(syncing("g", &member, 1).with_protocol_name(None)),
                23,
            ),
            (
                "no type",
                named(syncing("g", &member, 1).with_protocol_type(None)),
                23,
            ),
        ];
        for (case, (request, refused), code) in cases {
            if !refused {
                continue;
            }
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, code, "{case}, version {version}");
            assert_eq!(
                (response.protocol_type, response.protocol_name),
                (None, None)
            );
            assert_eq!(response.assignment.len(), 0);
        }
    }
    for version in 0..=5 {
        // The first of them ends the rebalance; the others ask again.
        let sync = syncing("g", &member, 1).with_assignments(vec![assignment(&member, b"all")]);
        let synced = client.call(version, &sync).await;
        assert_eq!((synced.error_code, &*synced.assignment), (0, &b"all"[..]));
        let told = (version >= 5).then(|| (text("consumer"), text("range")));
        assert_eq!(synced.protocol_type.zip(synced.protocol_name), told);
    }
}

#[tokio::test]
async fn heartbeats_tell_a_member_how_its_group_is() {
    let world = World::new();
    let mut client = world.connect();
    let member = join_alone(&mut client, "g").await;
    for version in 0..=4 {
        for (case, request, code) in [
            ("waiting for the assignment", beating("g", &member, 1), 0),
            ("old generation", beating("g", &member, 0), 22),
            ("stranger", beating("g", "foo", 1), 25),
            ("unknown group", beating("nobody", &member, 1), 25),
            ("no group", beating("", &member, 1), 24),
        ] {
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, code, "{case}, version {version}");
        }
    }
}

#[tokio::test]
async fn one_member_leaves_up_to_version_2() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=2 {
        let id = format!("g{version}");
        let member = settle_alone(&mut client, &id).await;
        for (case, request, code) in [
            ("stranger", leaving(&id, "foo"), 25),
            ("member", leaving(&id, &member), 0),
            ("again", leaving(&id, &member), 25),
            ("unknown group", leaving("nobody", "foo"), 25),
            ("no group", leaving("", "foo"), 24),
        ] {
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, code, "{case}, version {version}");
            assert_eq!(response.members, vec![]);
        }
    }
}

#[tokio::test]
async fn from_version_3_each_of_several_leaving_members_has_its_own_error() {
    let world = World::new();
    let mut client = world.connect();
    for version in 3..=5 {
        let id = format!("g{version}");
        let member = settle_alone(&mut client, &id).await;
        let request = joining(&id, "").with_group_instance_id(Some("rack-1".into()));
        let staged = client.send(9, &request);
        let mut first = world.connect();
        first.call(9, &joining(&id, &member)).await;
        let joined = settle(staged).await;
        assert_eq!(client.decode::<JoinGroupRequest>(9, &joined).error_code, 0);

        let leave = all_leaving(
            &id,
            &[
                ("foo", None),
                (&member, None),
                ("", Some("rack-9")),
                ("", Some("rack-1")),
            ],
        );
        let left = client.call(version, &leave).await;
        let told: Vec<_> = left.members.iter().map(|each| each.error_code).collect();
        assert_eq!((left.error_code, told), (0, vec![25, 0, 25, 0]));
        let echo = leave.members.iter().zip(&left.members);
        for (asked, answered) in echo {
            assert_eq!(answered.member_id, asked.member_id);
            assert_eq!(answered.group_instance_id, asked.group_instance_id);
        }
        for (case, leave, code, codes) in [
            ("nobody", all_leaving(&id, &[]), 0, vec![]),
            (
                "unknown group",
                all_leaving("n", &[("a", None)]),
                0,
                vec![25],
            ),
            ("no group", all_leaving("", &[("a", None)]), 24, vec![]),
        ] {
            let left = client.call(version, &leave).await;
            let told: Vec<_> = left.members.iter().map(|each| each.error_code).collect();
            assert_eq!((left.error_code, told), (code, codes), "{case}");
        }
    }
}
