//! Consumer groups from the first join to the group's end; DescribeGroups, ListGroups and
//! DeleteGroups, version by version.

use std::time::Duration;

use kafka_protocol::{
    messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest},
    protocol::StrBytes,
};

use crate::{
    metadata::create,
    requests::{
        all_leaving, assignment, beating, committing, group, join, join_alone, joining, protocol,
        settle_alone, syncing, text,
    },
    world::{Client, World, body, settle},
};

/// What DescribeGroups says where operations weren't asked for.
const NOT_ASKED: i32 = i32::MIN;

fn describing(ids: &[&str]) -> DescribeGroupsRequest {
    DescribeGroupsRequest::default().with_groups(ids.iter().map(|id| group(id)).collect())
}

fn deleting(ids: &[&str]) -> DeleteGroupsRequest {
    DeleteGroupsRequest::default().with_groups_names(ids.iter().map(|id| group(id)).collect())
}

async fn state(client: &mut Client<'_>, id: &str) -> String {
    let described = client.call(5, &describing(&[id])).await;
    described.groups[0].group_state.to_string()
}

/// Deletes groups; gives what each answer names, with its code.
async fn delete(client: &mut Client<'_>, version: i16, ids: &[&str]) -> Vec<(String, i16)> {
    let deleted = client.call(version, &deleting(ids)).await;
    let results = deleted.results.into_iter();
    results
        .map(|result| (result.group_id.to_string(), result.error_code))
        .collect()
}

fn told(pairs: &[(&str, i16)]) -> Vec<(String, i16)> {
    let pairs = pairs.iter();
    pairs.map(|(id, code)| ((*id).to_owned(), *code)).collect()
}

#[tokio::test]
async fn a_group_lives_from_join_to_delete() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    assert_eq!(state(&mut client, "g").await, "Dead");
    let member = client.call(9, &joining("g", "")).await.member_id;
    let staged = client.send(9, &joining("g", &member));
    let seen = state(&mut world.connect(), "g").await;
    assert_eq!(seen, "PreparingRebalance");
    world.clock.advance(Duration::from_secs(4));
    settle(staged).await;
    assert_eq!(state(&mut client, "g").await, "CompletingRebalance");
    let sync = syncing("g", &member, 1).with_assignments(vec![assignment(&member, b"all")]);
    assert_eq!(client.call(5, &sync).await.error_code, 0);
    assert_eq!(state(&mut client, "g").await, "Stable");
    let beat = beating("g", &member, 1);
    assert_eq!(client.call(4, &beat).await.error_code, 0);
    let leave = all_leaving("g", &[(&member, None)]);
    assert_eq!(client.call(5, &leave).await.members[0].error_code, 0);
    assert_eq!(state(&mut client, "g").await, "Empty");
    assert_eq!(delete(&mut client, 2, &["g"]).await, told(&[("g", 0)]));
    assert_eq!(state(&mut client, "g").await, "Dead");
}

#[tokio::test]
async fn a_silent_member_is_dropped_on_its_session_timeout() {
    let world = World::new();
    let mut client = world.connect();
    settle_alone(&mut client, "g").await;
    assert_eq!(state(&mut client, "g").await, "Stable");
    world.clock.advance(Duration::from_millis(10_001));
    for _ in 0..1_000 {
        if state(&mut client, "g").await == "Empty" {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the member is still there");
}

#[tokio::test]
async fn groups_are_described_in_every_version_and_unknown_ones_are_an_error_from_6() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let member = settle_alone(&mut client, "busy").await;
    client
        .call(8, &committing("idle", &[("orders", &[(0, 1)])]))
        .await;
    for version in 0..=6 {
        let request = describing(&["busy", "idle", "nobody"]);
        let described = client.call(version, &request).await.groups;
        let told: Vec<_> = described
            .iter()
            .map(|group| (&*group.group_id.0, &*group.group_state, group.error_code))
            .collect();
        let unknown = if version < 6 { 0 } else { 69 };
        let expected = [
            ("busy", "Stable", 0),
            ("idle", "Empty", 0),
            ("nobody", "Dead", unknown),
        ];
        assert_eq!(told, expected, "version {version}");
        let message = (version >= 6).then(|| text("Group nobody not found."));
        assert_eq!(described[2].error_message, message, "version {version}");
        let [busy, idle, nobody] = &described[..] else {
            panic!("{described:?}");
        };
        assert_eq!(
            (&*busy.protocol_type, &*busy.protocol_data),
            ("consumer", "range")
        );
        for group in [idle, nobody] {
            assert_eq!((&*group.protocol_type, &*group.protocol_data), ("", ""));
            assert_eq!(group.members, vec![]);
        }
        let [only] = &busy.members[..] else {
            panic!("{busy:?}");
        };
        assert_eq!(
            (&*only.member_id, &only.group_instance_id),
            (&*member, &None)
        );
        assert_eq!(
            (&*only.client_id, &*only.client_host),
            ("tester", "/127.0.0.1")
        );
        assert_eq!(only.member_metadata, protocol("range").metadata);
        assert_eq!(&*only.member_assignment, b"all");
    }
}

#[tokio::test]
async fn operations_are_told_where_asked_for_from_version_3() {
    let world = World::new();
    let mut client = world.connect();
    join_alone(&mut client, "g").await;
    for version in 3..=6 {
        let request = describing(&["g", "nobody"]);
        let plain = client.call(version, &request).await.groups;
        assert_eq!(plain[0].authorized_operations, NOT_ASKED);
        let request = request.with_include_authorized_operations(true);
        let groups = client.call(version, &request).await.groups;
        // Read, Delete and Describe; what is refused has none.
        let all = 1 << 3 | 1 << 6 | 1 << 8;
        assert_eq!(groups[0].authorized_operations, all, "version {version}");
        let unknown = if version < 6 { all } else { NOT_ASKED };
        assert_eq!(
            groups[1].authorized_operations, unknown,
            "version {version}"
        );
    }
}

#[tokio::test]
async fn a_static_members_instance_is_described_from_version_4() {
    let world = World::new();
    let mut client = world.connect();
    let request = joining("g", "").with_group_instance_id(Some("rack-1".into()));
    join(&mut client, 9, &request).await;
    for version in 0..=6 {
        let described = client.call(version, &describing(&["g"])).await.groups;
        let instance = described[0].members[0].group_instance_id.as_deref();
        assert_eq!(instance, (version >= 4).then_some("rack-1"));
        // While the assignment is not made there is no protocol to tell of.
        assert_eq!(&*described[0].group_state, "CompletingRebalance");
        assert_eq!(described[0].members[0].member_assignment.len(), 0);
    }
}

/// The ids of the groups in a list, with what the version tells of them.
async fn list(
    client: &mut Client<'_>,
    version: i16,
    states: &[&str],
    types: &[&str],
) -> Vec<[String; 4]> {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| text(word))
            .collect::<Vec<StrBytes>>()
    };
    let request = ListGroupsRequest::default()
        .with_states_filter(words(states))
        .with_types_filter(words(types));
    let listed = client.call(version, &request).await;
    assert_eq!(listed.error_code, 0);
    let groups = listed.groups.into_iter().map(|group| {
        [
            group.group_id.to_string(),
            group.protocol_type.to_string(),
            group.group_state.to_string(),
            group.group_type.to_string(),
        ]
    });
    let mut groups: Vec<_> = groups.collect();
    groups.sort();
    groups
}

#[tokio::test]
async fn groups_are_listed_with_their_states_from_version_4_and_types_from_5() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    assert_eq!(
        list(&mut client, 5, &[], &[]).await,
        Vec::<[String; 4]>::new()
    );
    settle_alone(&mut client, "busy").await;
    client
        .call(8, &committing("idle", &[("orders", &[(0, 1)])]))
        .await;
    for version in 0..=5 {
        let state = |state: &'static str| if version < 4 { "" } else { state };
        let kind = if version < 5 { "" } else { "classic" };
        let expected = [
            ["busy", "consumer", state("Stable"), kind],
            ["idle", "", state("Empty"), kind],
        ];
        let listed = list(&mut client, version, &[], &[]).await;
        assert_eq!(listed, expected, "version {version}");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_state_from_version_4_and_by_type_from_5() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    settle_alone(&mut client, "busy").await;
    client
        .call(8, &committing("idle", &[("orders", &[(0, 1)])]))
        .await;
    type Words<'a> = &'a [&'a str];
    let cases: [(i16, Words<'_>, Words<'_>, Words<'_>); 10] = [
        (4, &["Stable"], &[], &["busy"]),
        (4, &["sTABLE", "empty"], &[], &["busy", "idle"]),
        (4, &["Dead"], &[], &[]),
        (4, &["Nonsense"], &[], &[]),
        (4, &["Nonsense", "Empty"], &[], &["idle"]),
        (5, &[], &["classic"], &["busy", "idle"]),
        (5, &[], &["Classic", "share"], &["busy", "idle"]),
        (5, &[], &["consumer"], &[]),
        (5, &[], &["nonsense"], &[]),
        (5, &["Empty"], &["classic"], &["idle"]),
    ];
    for (since, states, types, expected) in cases {
        for version in since..=5 {
            let listed = list(&mut client, version, states, types).await;
            let ids: Vec<&str> = listed.iter().map(|group| &*group[0]).collect();
            assert_eq!(ids, expected, "{states:?} {types:?}, version {version}");
        }
    }
}

#[tokio::test]
async fn only_groups_without_members_are_deleted() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    settle_alone(&mut client, "busy").await;
    for version in 0..=3 {
        let commit = committing("idle", &[("orders", &[(0, 1)])]);
        client.call(8, &commit).await;
        let ids = ["busy", "idle", "nobody", "", "idle"];
        let expected = told(&[("busy", 68), ("idle", 0), ("nobody", 69), ("", 69)]);
        assert_eq!(delete(&mut client, version, &ids).await, expected);
        assert_eq!(state(&mut client, "idle").await, "Dead");
        assert_eq!(delete(&mut client, version, &[]).await, []);
    }
}

#[tokio::test]
async fn the_error_message_of_a_deleted_group_is_null_in_version_3() {
    let world = World::new();
    let mut client = world.connect();
    let reply = settle(client.send(3, &deleting(&["nobody"]))).await;
    let body = body(&reply);
    // Correlation id, tags, throttle time, one result: its name, code 69, no message, no tags.
    assert_eq!(body[4..], *b"\0\0\0\0\0\x02\x07nobody\0\x45\0\0\0");
}
