//! Static membership (KIP-345) and the leader that may skip its assignment (KIP-814).

use super::script::check;

/// A static leader and a static follower, stable in generation 1.
const STABLE: &str = "
    > join a instance=one
    > join b instance=two
    > wait 6
    a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
    b: joined 1 range leader=one-1 as two-2
    > sync b
    > sync a give=one-1:x,two-2:y
    a: synced b\"x\"
    b: synced b\"y\"
";

fn check_from_stable(rest: &str) {
    check(&format!("{STABLE}{rest}"));
}

#[test]
fn a_static_member_needs_no_id_first() {
    check(
        "
        > join a instance=one known
        > wait 3
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"]
        ",
    );
}

#[test]
fn a_returning_follower_keeps_its_assignment_without_a_rebalance() {
    check_from_stable(
        "
        > join b2 instance=two
        b2: joined 1 range leader=one-1 as two-3
        > sync b2
        b2: synced b\"y\"
        > beat a
        a: alive
        > crash
        > beat b2
        b2: alive
        ",
    );
}

#[test]
fn the_former_holder_of_an_instance_id_is_fenced() {
    check_from_stable(
        "
        > join b2 instance=two
        b2: joined 1 range leader=one-1 as two-3
        > beat b
        b: beat: FencedInstance
        > sync b
        b: sync: FencedInstance
        > join b
        b: join: FencedInstance
        > commit b t:0=1
        commit: FencedInstance
        > leave b
        left FencedInstance
        ",
    );
}

#[test]
fn an_instance_id_that_the_group_does_not_know_is_an_unknown_member() {
    check_from_stable(
        "
        > leave instance=two
        left ok
        > beat b
        b: beat: UnknownMember
        > leave instance=two
        left UnknownMember
        ",
    );
}

#[test]
fn an_older_leader_that_returns_is_told_of_its_former_self() {
    check_from_stable(
        "
        > join a2 instance=one
        a2: joined 1 range leader=one-1 as one-3
        > sync a2
        a2: synced b\"x\"
        ",
    );
}

#[test]
fn a_newer_leader_that_returns_leads_on_and_may_skip_the_assignment() {
    check_from_stable(
        "
        > join a2 instance=one skip
        a2: joined 1 range leader=one-3 as one-3 skip [one-3 b\"m\"] [two-2 b\"m\"]
        > sync a2
        a2: synced b\"x\"
        > join b2 instance=two skip
        b2: joined 1 range leader=one-3 as two-4
        ",
    );
}

#[test]
fn a_return_that_changes_the_selected_protocol_makes_the_group_rebalance() {
    check(
        "
        > join a instance=one with=range:1,sticky:1
        > wait 3
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"1\"]
        > sync a give=one-1:x
        a: synced b\"x\"
        > join a2 instance=one with=sticky:1,range:1
        a2: joined 2 sticky leader=one-2 as one-2 [one-2 b\"1\"]
        ",
    );
}

#[test]
fn a_return_before_the_assignment_makes_the_group_rebalance() {
    check(
        "
        > join a instance=one
        > join b instance=two
        > wait 6
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        b: joined 1 range leader=one-1 as two-2
        > sync b
        > join b2 instance=two
        b: sync: FencedInstance
        > join a
        a: joined 2 range leader=one-1 as one-1 [one-1 b\"m\"] [two-3 b\"m\"]
        b2: joined 2 range leader=one-1 as two-3
        ",
    );
}

#[test]
fn a_return_during_the_rebalance_fences_the_join_that_waits() {
    check_from_stable(
        "
        > join a
        > join a2 instance=one
        a: join: FencedInstance
        > join b
        a2: joined 2 range leader=one-3 as one-3 [one-3 b\"m\"] [two-2 b\"m\"]
        b: joined 2 range leader=one-3 as two-2
        ",
    );
}

#[test]
fn a_static_member_that_does_not_rejoin_keeps_its_place_until_its_session_ends() {
    check(
        "
        > join a instance=one rebalance=10
        > join b instance=two rebalance=10 session=60
        > wait 6
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        b: joined 1 range leader=one-1 as two-2
        > sync b
        > sync a give=one-1:x,two-2:y
        a: synced b\"x\"
        b: synced b\"y\"
        > join a rebalance=10
        > wait 10
        a: joined 2 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        ",
    );
}

#[test]
fn a_rebalance_without_any_joined_member_is_put_off_until_one_comes() {
    check(
        "
        > join a instance=one rebalance=10 session=60
        > join b instance=two rebalance=10 session=60
        > wait 6
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        b: joined 1 range leader=one-1 as two-2
        > sync b
        > sync a give=one-1:x,two-2:y
        a: synced b\"x\"
        b: synced b\"y\"
        > join c known
        c: join: MemberIdRequired(\"c-3\")
        > join c rebalance=10
        > leave c
        c: join: UnknownMember
        left ok
        > wait 15
        > beat a
        a: beat: RebalanceInProgress
        > join a rebalance=10
        > wait 10
        a: joined 2 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        ",
    );
}

#[test]
fn a_member_that_returned_without_syncing_is_still_expected_to() {
    check(
        "
        > join a instance=one rebalance=10 session=60
        > join b instance=two rebalance=10 session=60
        > wait 6
        a: joined 1 range leader=one-1 as one-1 [one-1 b\"m\"] [two-2 b\"m\"]
        b: joined 1 range leader=one-1 as two-2
        > sync a give=one-1:x,two-2:y
        a: synced b\"x\"
        > join b2 instance=two rebalance=10 session=60
        b2: joined 1 range leader=one-1 as two-3
        > wait 10
        > beat b2
        b2: beat: UnknownMember
        > beat a
        a: beat: RebalanceInProgress
        ",
    );
}
