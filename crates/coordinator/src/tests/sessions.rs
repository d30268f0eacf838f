//! How members stay and go: Heartbeat, session timeouts, LeaveGroup.

use super::script::check;

/// Two members, stable in generation 1, with sessions of ten seconds.
const STABLE: &str = "
    > join a
    > join b
    > wait 6
    a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
    b: joined 1 range leader=a-1 as b-2
    > sync b
    > sync a give=a-1:x,b-2:y
    a: synced b\"x\"
    b: synced b\"y\"
";

fn check_from_stable(rest: &str) {
    check(&format!("{STABLE}{rest}"));
}

#[test]
fn heartbeats_keep_a_member_and_silence_removes_it() {
    check_from_stable(
        "
        > wait 9
        > beat a
        a: alive
        > wait 0.9
        > beat a
        a: alive
        > wait 0.1
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
fn a_heartbeat_of_a_stranger_or_of_another_generation_is_refused() {
    check_from_stable(
        "
        > beat a generation=0
        a: beat: IllegalGeneration
        > beat stranger generation=1
        stranger: beat: UnknownMember
        > beat a group=other
        a: beat: UnknownMember
        > beat a group=
        a: beat: InvalidGroupId
        ",
    );
}

#[test]
fn a_heartbeat_before_the_assignment_is_accepted() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > beat a
        a: alive
        ",
    );
}

#[test]
fn waiting_for_the_others_is_no_silence() {
    check_from_stable(
        "
        > join a
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        > sync b
        > wait 9
        > beat a
        a: alive
        > wait 9
        > sync a give=a-1:x,b-2:y
        a: synced b\"x\"
        b: synced b\"y\"
        > wait 9
        > beat b
        b: alive
        ",
    );
}

#[test]
fn a_newcomer_that_gave_up_is_removed_after_five_minutes() {
    check(
        "
        > join a rebalance=600
        > join b session=1800 rebalance=600
        > wait 6
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        > sync a
        a: synced b\"\"
        > sync b
        b: synced b\"\"
        > join c rebalance=600
        > join a rebalance=600
        > wait 299
        > wait 1
        c: join: UnknownMember
        ",
    );
}

#[test]
fn a_member_that_leaves_makes_the_others_rebalance() {
    check_from_stable(
        "
        > leave b
        left ok
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
fn the_group_is_empty_when_the_last_member_has_left() {
    check_from_stable(
        "
        > leave a b
        left ok ok
        > describe g
        g Empty \"consumer\" \"\"
        > leave a
        left UnknownMember
        > join c
        > wait 3
        c: joined 3 range leader=c-3 as c-3 [c-3 b\"m\"]
        ",
    );
}

#[test]
fn a_member_that_leaves_while_others_wait_for_it_ends_their_wait() {
    check_from_stable(
        "
        > join a
        > leave b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"]
        left ok
        ",
    );
}

#[test]
fn strangers_cannot_leave() {
    check_from_stable(
        "
        > leave stranger a
        left UnknownMember ok
        > leave a group=other
        left UnknownMember
        > leave a group=
        leave: InvalidGroupId
        ",
    );
}

#[test]
fn an_id_given_out_can_be_given_back() {
    check_from_stable(
        "
        > join c known
        c: join: MemberIdRequired(\"c-3\")
        > leave c
        left ok
        > join c
        c: join: UnknownMember
        > beat a
        a: alive
        ",
    );
}

#[test]
fn an_id_given_back_ends_the_wait_for_it() {
    check_from_stable(
        "
        > join c known
        c: join: MemberIdRequired(\"c-3\")
        > join a
        > join b
        > leave c
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        left ok
        ",
    );
}

#[test]
fn an_id_given_out_holds_the_rebalance_until_it_is_used_or_expires() {
    check_from_stable(
        "
        > join c known
        c: join: MemberIdRequired(\"c-3\")
        > join a
        > join b
        > wait 9
        > wait 1
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        ",
    );
}

#[test]
fn an_empty_group_without_offsets_is_forgotten_after_a_while() {
    check_from_stable(
        "
        > leave a b
        left ok ok
        > wait 599
        > list
        listed g Empty \"consumer\"
        > wait 1
        > list
        listed
        ",
    );
}
