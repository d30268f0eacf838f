//! JoinGroup and the rebalance for dynamic members.

use std::time::Duration;

use super::script::{check, check_with};
use crate::Config;

#[test]
fn a_new_member_first_learns_its_id() {
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > join a known
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        ",
    );
}

#[test]
fn an_id_that_was_given_out_but_never_used_expires() {
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > list
        listed g Empty \"\"
        > wait 11
        > list
        listed
        > join a known
        a: join: UnknownMember
        ",
    );
}

#[test]
fn the_first_rebalance_waits_anew_while_members_come_up_to_the_rebalance_timeout() {
    check(
        "
        > join a rebalance=7
        > wait 2
        > join b rebalance=7
        > wait 2
        > join c rebalance=7
        > wait 2
        > join d rebalance=7
        > wait 0.9
        > wait 0.1
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"] [c-3 b\"m\"] [d-4 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        c: joined 1 range leader=a-1 as c-3
        d: joined 1 range leader=a-1 as d-4
        ",
    );
}

#[test]
fn without_an_initial_delay_the_first_member_is_answered_at_once() {
    let config = Config {
        initial_rebalance_delay: Duration::ZERO,
        ..Config::default()
    };
    check_with(
        config,
        "
        > join a
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > join b
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        ",
    );
}

/// Two members, stable in generation 1.
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
fn a_newcomer_makes_all_members_join_again() {
    check_from_stable(
        "
        > join c
        > beat a
        a: beat: RebalanceInProgress
        > join a
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"] [c-3 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        c: joined 2 range leader=a-1 as c-3
        ",
    );
}

#[test]
fn a_member_that_does_not_rejoin_in_time_is_dropped() {
    check_from_stable(
        "
        > join c
        > join a
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 9
        > beat b
        b: beat: RebalanceInProgress
        > wait 6
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [c-3 b\"m\"]
        c: joined 2 range leader=a-1 as c-3
        > beat b
        b: beat: UnknownMember
        ",
    );
}

#[test]
fn another_member_leads_when_the_leader_does_not_rejoin() {
    check_from_stable(
        "
        > join c
        > join b
        > wait 10
        b: joined 2 range leader=b-2 as b-2 [b-2 b\"m\"] [c-3 b\"m\"]
        c: joined 2 range leader=b-2 as c-3
        ",
    );
}

#[test]
fn a_follower_that_rejoins_unchanged_disturbs_nobody() {
    check_from_stable(
        "
        > join b
        b: joined 1 range leader=a-1 as b-2
        > beat a
        a: alive
        ",
    );
}

#[test]
fn a_follower_with_changed_metadata_makes_the_group_rebalance() {
    check_from_stable(
        "
        > join b with=range:other
        > beat a
        a: beat: RebalanceInProgress
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"other\"]
        b: joined 2 range leader=a-1 as b-2
        ",
    );
}

#[test]
fn a_leader_that_rejoins_makes_the_group_rebalance() {
    check_from_stable(
        "
        > join a
        > beat b
        b: beat: RebalanceInProgress
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        ",
    );
}

#[test]
fn before_the_assignment_a_lost_join_reply_is_given_again() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > join a
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > sync a give=a-1:x
        a: synced b\"x\"
        ",
    );
}

#[test]
fn members_waiting_for_the_assignment_learn_of_a_new_rebalance() {
    check(
        "
        > join a
        > join b
        > wait 6
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 1 range leader=a-1 as b-2
        > sync b
        > join c
        b: sync: RebalanceInProgress
        > sync a give=a-1:x
        a: sync: RebalanceInProgress
        ",
    );
}

#[test]
fn the_protocol_most_members_prefer_among_those_all_support_is_selected() {
    check(
        "
        > join a with=sticky:1,range:2,own:3
        > join b with=range:4,sticky:5
        > join c with=range:6,sticky:7
        > wait 6
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"2\"] [b-2 b\"4\"] [c-3 b\"6\"]
        b: joined 1 range leader=a-1 as b-2
        c: joined 1 range leader=a-1 as c-3
        ",
    );
}

#[test]
fn a_member_that_shares_no_protocol_is_refused() {
    check_from_stable(
        "
        > join c with=sticky:m
        c: join: InconsistentProtocol
        > join c type=connect
        c: join: InconsistentProtocol
        > join c type=connect group=other bare
        c: join: InconsistentProtocol
        > list
        listed g Stable \"consumer\"
        ",
    );
}

#[test]
fn session_timeouts_and_group_ids_out_of_range_are_refused() {
    check(
        "
        > join a session=5.999
        a: join: InvalidSessionTimeout
        > join a session=1801
        a: join: InvalidSessionTimeout
        > join a group=
        a: join: InvalidGroupId
        > list
        listed
        ",
    );
}

#[test]
fn a_member_id_is_unknown_where_there_is_no_group() {
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > join a group=other
        a: join: UnknownMember
        ",
    );
}

#[test]
fn a_full_group_refuses_newcomers_and_keeps_its_members() {
    let config = Config {
        group_members_max: 2,
        ..Config::default()
    };
    check_with(
        config,
        &format!(
            "{STABLE}
            > join c
            c: join: GroupFull
            > beat a
            a: alive
            > join b
            b: joined 1 range leader=a-1 as b-2
            "
        ),
    );
}

#[test]
fn a_member_or_group_with_too_much_metadata_is_refused() {
    let config = Config {
        member_metadata_bytes_max: 25,
        group_metadata_bytes_max: 1_155,
        ..Config::default()
    };
    check_with(
        config,
        "
        > join a with=range:0123456789abcdef
        a: join: GroupFull
        > join a with=range:0123456789
        > join b with=range:0123456789
        > join c with=range:0123456789
        c: join: GroupFull
        ",
    );
}

#[test]
fn a_namespace_full_of_groups_takes_no_more() {
    let config = Config {
        groups_max: 1,
        ..Config::default()
    };
    check_with(
        config,
        "
        > join a
        > join b group=other
        b: join: TooManyGroups
        > commit - t:0=1 group=other
        commit: TooManyGroups
        ",
    );
}

#[test]
fn a_repeated_join_takes_the_place_of_the_one_still_waiting() {
    check_from_stable(
        "
        > join c
        > join a
        > join a
        a: join: RebalanceInProgress
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"] [c-3 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        c: joined 2 range leader=a-1 as c-3
        ",
    );
}

#[test]
fn a_lost_newcomer_without_an_id_does_not_hold_up_the_rebalance() {
    check_from_stable(
        "
        > join c
        > join a
        > join b fresh
        > abandon c
        > wait 9
        > beat a
        a: beat: RebalanceInProgress
        > wait 1
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-4 b\"m\"]
        b: joined 2 range leader=a-1 as b-4
        ",
    );
}

#[test]
fn a_lost_member_that_knows_its_id_keeps_its_place_but_gets_no_reply() {
    check_from_stable(
        "
        > join c
        > join a
        > abandon a
        > join b
        b: joined 2 range leader=a-1 as b-2
        c: joined 2 range leader=a-1 as c-3
        ",
    );
}
