//! DescribeGroups, ListGroups, DeleteGroups, and what metrics read.

use model::GenerationId;

use super::script::{World, check};
use crate::{Config, GroupState};

/// One member, stable in generation 1.
const STABLE: &str = "
    > join a
    > wait 3
    a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
    > sync a give=a-1:x
    a: synced b\"x\"
";

fn check_from_stable(rest: &str) {
    check(&format!("{STABLE}{rest}"));
}

#[test]
fn a_stable_group_is_described_with_its_members() {
    check_from_stable(
        "
        > describe g none
        g Stable \"consumer\" \"range\" [a-1 a /host b\"m\" b\"x\"]; none GroupIdNotFound
        ",
    );
}

#[test]
fn a_rebalancing_group_is_described_without_protocol_and_metadata() {
    check_from_stable(
        "
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"]
        > describe g
        g CompletingRebalance \"consumer\" \"\" [a-1 a /host b\"\" b\"x\"]
        > join b
        > describe g
        g PreparingRebalance \"consumer\" \"\" [a-1 a /host b\"\" b\"\"] [b-2 b /host b\"\" b\"\"]
        ",
    );
}

#[test]
fn lists_are_filtered_by_state_and_type_in_any_case() {
    check_from_stable(
        "
        > commit - group=h t:0=1
        ok
        > list states=stable,nonsense
        listed g Stable \"consumer\"
        > list states=EMPTY
        listed h Empty \"\"
        > list states=nonsense
        listed
        > list types=Classic
        listed g Stable \"consumer\", h Empty \"\"
        > list types=consumer,share
        listed
        ",
    );
}

#[test]
fn only_empty_groups_can_be_deleted() {
    check_from_stable(
        "
        > commit a t:0=1
        ok
        > delete g none
        deleted NonEmptyGroup GroupIdNotFound
        > leave a
        left ok
        > delete g
        deleted ok
        > list
        listed
        > fetch
        fetched
        > delete g
        deleted GroupIdNotFound
        > crash
        > list
        listed
        ",
    );
}

#[test]
fn a_deleted_group_that_returns_begins_again() {
    check_from_stable(
        "
        > leave a
        left ok
        > delete g
        deleted ok
        > join b
        > wait 3
        b: joined 1 range leader=b-2 as b-2 [b-2 b\"m\"]
        ",
    );
}

#[test]
fn metrics_read_groups_offsets_and_the_number_of_rebalances() {
    let mut world = World::new(Config::default());
    world.play(STABLE);
    world.play("> commit a t:4=17");
    let group = world.coordinator.groups().next().unwrap();
    assert_eq!(group.group.as_str(), "g");
    assert_eq!(group.state, GroupState::Stable);
    assert_eq!(group.members, 1);
    assert_eq!(group.generation, GenerationId(1));
    let (group, topic, partition, committed) = world.coordinator.offsets().next().unwrap();
    assert_eq!((group.as_str(), topic.as_str()), ("g", "t"));
    assert_eq!((partition.0, committed.offset.0), (4, 17));
    assert_eq!(committed.committed_at, world.now.wall);
    assert_eq!(world.coordinator.rebalance_count(), 1);
}

#[test]
fn the_operators_log_says_why_a_group_rebalances() {
    let mut world = World::new(Config::default());
    world.play(STABLE);
    world.play(
        "
        > join b because=started
        > join a with=range:new
        > sync a
        > sync b
        > join a
        > join b
        > sync b
        > wait 9
        > beat b
        > wait 1
        > join b
        > leave b
        ",
    );
    let expected = [
        "group g rebalances after generation 0: a-1 joined",
        "group g is in generation 1 with 1 members by range, 0 dropped",
        "group g rebalances after generation 1: b-2 joined (started)",
        "group g is in generation 2 with 2 members by range, 0 dropped",
        "group g rebalances after generation 2: a-1 joined again",
        "group g is in generation 3 with 2 members by range, 0 dropped",
        "group g rebalances after generation 3: a-1 was not heard of",
        "group g is in generation 4 with 1 members by range, 0 dropped",
        "group g rebalances after generation 4: b-2 left",
        "group g is empty in generation 5",
    ];
    assert_eq!(world.notices, expected);
}
