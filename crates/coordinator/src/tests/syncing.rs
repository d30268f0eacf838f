//! SyncGroup: from the leader's assignment to everyone's.

use super::script::check;

/// Two members in generation 1, not yet assigned.
const JOINED: &str = "
    > join a
    > join b
    > wait 6
    a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
    b: joined 1 range leader=a-1 as b-2
";

fn check_from_joined(rest: &str) {
    check(&format!("{JOINED}{rest}"));
}

#[test]
fn followers_wait_for_the_leaders_assignment() {
    check_from_joined(
        "
        > sync b
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        b: synced b\"y\"
        ",
    );
}

#[test]
fn a_follower_that_syncs_late_gets_its_assignment_at_once() {
    check_from_joined(
        "
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        > sync b
        b: synced b\"y\"
        > sync b
        b: synced b\"y\"
        ",
    );
}

#[test]
fn whom_the_leader_leaves_out_gets_an_empty_assignment_and_strangers_are_passed_over() {
    check_from_joined(
        "
        > sync b
        > sync a give=a-1:x,z-9:y
        a: synced b\"x\"
        b: synced b\"\"
        ",
    );
}

#[test]
fn a_wrong_generation_member_or_protocol_is_refused() {
    check_from_joined(
        "
        > sync b generation=0
        b: sync: IllegalGeneration
        > sync b generation=2
        b: sync: IllegalGeneration
        > sync stranger generation=1
        stranger: sync: UnknownMember
        > sync b protocol=sticky
        b: sync: InconsistentProtocol
        > sync b type=connect
        b: sync: InconsistentProtocol
        > sync b group=other
        b: sync: UnknownMember
        > sync b group=
        b: sync: InvalidGroupId
        > sync b type=consumer protocol=range
        > sync a give=b-2:y
        a: synced b\"\"
        b: synced b\"y\"
        ",
    );
}

#[test]
fn a_sync_during_the_next_rebalance_is_told_so() {
    check_from_joined(
        "
        > join c
        > sync b
        b: sync: RebalanceInProgress
        ",
    );
}

#[test]
fn members_that_do_not_sync_within_the_rebalance_timeout_are_dropped() {
    check(
        "
        > join a rebalance=20 session=60
        > join b rebalance=20 session=60
        > wait 6
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        > wait 19
        > beat a
        a: alive
        > wait 1
        > beat a
        a: beat: RebalanceInProgress
        > beat b
        b: beat: UnknownMember
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"]
        ",
    );
}

#[test]
fn a_leader_that_does_not_sync_is_dropped_and_the_others_rebalance() {
    check(
        "
        > join a rebalance=20 session=60
        > join b rebalance=20 session=60
        > wait 6
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        > sync b
        > wait 20
        b: sync: RebalanceInProgress
        > join b
        b: joined 2 range leader=b-2 as b-2 [b-2 b\"m\"]
        ",
    );
}

#[test]
fn a_repeated_sync_takes_the_place_of_the_one_still_waiting() {
    check_from_joined(
        "
        > sync b
        > sync b
        b: sync: RebalanceInProgress
        > sync a give=b-2:y
        a: synced b\"\"
        b: synced b\"y\"
        ",
    );
}

#[test]
fn assignments_of_a_cooperative_assignor_pass_through_two_generations() {
    check(
        "
        > join a with=cooperative-sticky:none
        > wait 3
        a: joined 1 cooperative-sticky leader=a-1 as a-1 [a-1 b\"none\"]
        > sync a give=a-1:p0p1
        a: synced b\"p0p1\"
        > join b with=cooperative-sticky:none
        > commit a t:0=7
        ok
        > join a with=cooperative-sticky:p0p1
        a: joined 2 cooperative-sticky leader=a-1 as a-1 [a-1 b\"p0p1\"] [b-2 b\"none\"]
        b: joined 2 cooperative-sticky leader=a-1 as b-2
        > sync b
        > sync a give=a-1:p0
        a: synced b\"p0\"
        b: synced b\"\"
        > join a with=cooperative-sticky:p0
        > beat b
        b: beat: RebalanceInProgress
        > join b with=cooperative-sticky:none
        a: joined 3 cooperative-sticky leader=a-1 as a-1 [a-1 b\"p0\"] [b-2 b\"none\"]
        b: joined 3 cooperative-sticky leader=a-1 as b-2
        > sync b
        > sync a give=a-1:p0,b-2:p1
        a: synced b\"p0\"
        b: synced b\"p1\"
        ",
    );
}

#[test]
fn asking_for_the_assignment_is_a_sign_of_life() {
    check_from_joined(
        "
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        > wait 9
        > sync b
        b: synced b\"y\"
        > beat a
        a: alive
        > wait 9
        > beat b
        b: alive
        ",
    );
}
