//! What clients may make the coordinator hold, and what goes with their connections.

use super::script::{World, check, check_with};
use crate::{Config, HeldBytes, Refusals};

/// Room for a group with one member, as the scripts make them, and not for two.
fn room_for_one_member() -> Config {
    Config {
        members_bytes_max: 2_500,
        ..Config::default()
    }
}

#[test]
fn a_join_beyond_the_namespaces_bytes_is_refused_and_whoever_is_in_stays() {
    check_with(
        room_for_one_member(),
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > sync a give=a-1:x
        a: synced b\"x\"
        > join b
        b: join: GroupFull
        > join c group=h
        c: join: GroupFull
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"]
        > sync a give=a-1:y
        a: synced b\"y\"
        > list
        listed g Stable \"consumer\"
        ",
    );
}

#[test]
fn refusals_are_counted_and_what_is_removed_makes_room() {
    let mut world = World::new(room_for_one_member());
    world.play("> join a\n> wait 3\n> sync a give=a-1:x\n> join b");
    let refusals = Refusals {
        members: 1,
        offsets: 0,
    };
    assert_eq!(world.coordinator.refusals(), refusals);
    world.play("> leave a\n> delete g");
    assert_eq!(world.coordinator.held(), HeldBytes::default());
    world.play("> join b fresh\n> wait 3");
    assert_eq!(world.coordinator.refusals(), refusals);
}

#[test]
fn an_assignment_beyond_the_namespaces_bytes_costs_the_leader_its_place() {
    let large = "x".repeat(1_000);
    check_with(
        room_for_one_member(),
        &format!(
            "
            > join a
            > wait 3
            a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
            > sync a give=a-1:{large}
            a: sync: GroupFull
            > describe g
            g Empty \"consumer\" \"\"
            "
        ),
    );
}

#[test]
fn a_commit_beyond_the_namespaces_bytes_is_refused_but_what_does_not_grow() {
    let config = Config {
        offsets_bytes_max: 1_000,
        ..Config::default()
    };
    check_with(
        config,
        "
        > commit - t:0=1:note t:1=1
        ok ok
        > commit - t:2=1 u:0=1
        TooManyOffsets TooManyOffsets
        > commit - t:0=2:shut t:1=7
        ok ok
        > commit - group=h t:0=1
        TooManyOffsets
        > drop-topic t
        topic dropped
        > commit - group=h t:0=1
        ok
        ",
    );
}

#[test]
fn who_has_never_synced_goes_with_its_connection() {
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > join a
        > join b
        > wait 3
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        > hang-up b
        > beat a
        a: alive
        > wait 5
        > beat a
        a: beat: RebalanceInProgress
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"]
        > sync a give=a-1:x
        a: synced b\"x\"
        > hang-up a
        > beat a
        a: alive
        ",
    );
}

#[test]
fn an_id_given_out_goes_with_its_connection_and_so_does_its_group() {
    let mut world = World::new(Config::default());
    world.play("> join a known\n> hang-up a\n> wait 5");
    assert_eq!(world.coordinator.held(), HeldBytes::default());
    assert_eq!(world.coordinator.groups().count(), 0);
}

/// As sarama-cluster does it.
#[test]
fn a_newcomer_may_sync_over_another_connection() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > hang-up a
        > wait 4
        > sync a give=a-1:x
        a: synced b\"x\"
        > wait 5
        > beat a
        a: alive
        ",
    );
}

#[test]
fn a_newcomer_that_joins_again_over_another_connection_stays_with_that() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > join a over=other
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > join a with=range:n over=other
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"n\"]
        > hang-up a
        > wait 5
        > describe g
        g CompletingRebalance \"consumer\" \"\" [a-1 a /host b\"\" b\"\"]
        > hang-up other
        > wait 5
        > describe g
        g Empty \"consumer\" \"\"
        ",
    );
}

#[test]
fn a_group_is_empty_with_its_last_member_whoever_asked_for_an_id() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > sync a give=a-1:x
        a: synced b\"x\"
        > join b known
        b: join: MemberIdRequired(\"b-2\")
        > leave a
        left ok
        > delete g
        deleted ok
        > list
        listed
        > join b
        b: join: UnknownMember
        ",
    );
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > join a
        > join b known
        b: join: MemberIdRequired(\"b-2\")
        > leave a
        a: join: UnknownMember
        left ok
        > delete g
        deleted ok
        ",
    );
}
