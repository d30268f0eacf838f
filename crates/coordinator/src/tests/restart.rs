//! What a restart keeps, and what it forgets.

use super::script::check;

/// Two members, stable in generation 1, with an offset.
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
    > commit a t:0=5:note
    ok
";

fn check_from_stable(rest: &str) {
    check(&format!("{STABLE}{rest}"));
}

#[test]
fn members_and_offsets_of_a_stable_group_survive() {
    check_from_stable(
        "
        > crash
        > beat a
        a: alive
        > sync b
        b: synced b\"y\"
        > commit b t:1=6
        ok
        > fetch
        fetched t:0=5:note t:1=6:
        > describe g
        g Stable \"consumer\" \"range\" [a-1 a /host b\"m\" b\"x\"] [b-2 b /host b\"m\" b\"y\"]
        > join b
        b: joined 1 range leader=a-1 as b-2
        ",
    );
}

#[test]
fn a_restart_gives_every_member_a_whole_session_to_be_heard_of() {
    check_from_stable(
        "
        > wait 9
        > crash
        > wait 9
        > beat a
        a: alive
        > wait 1
        > beat a
        a: beat: RebalanceInProgress
        > beat b
        b: beat: UnknownMember
        ",
    );
}

#[test]
fn a_rebalance_that_was_not_settled_is_forgotten_and_its_members_join_again() {
    check_from_stable(
        "
        > join c
        > join a
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"] [c-3 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        c: joined 2 range leader=a-1 as c-3
        > crash
        > sync a give=a-1:x
        a: sync: IllegalGeneration
        > sync c
        c: sync: UnknownMember
        > beat b
        b: beat: IllegalGeneration
        > join a
        > join b
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        ",
    );
}

#[test]
fn an_empty_group_keeps_its_generation_and_offsets() {
    check_from_stable(
        "
        > leave a b
        left ok ok
        > crash
        > describe g
        g Empty \"consumer\" \"\"
        > fetch
        fetched t:0=5:note
        > join c
        > wait 3
        c: joined 3 range leader=c-1000 as c-1000 [c-1000 b\"m\"]
        ",
    );
}

#[test]
fn a_group_that_only_had_ids_given_out_is_forgotten() {
    check(
        "
        > join a known
        a: join: MemberIdRequired(\"a-1\")
        > crash
        > list
        listed
        ",
    );
}

#[test]
fn an_empty_group_is_still_forgotten_after_a_restart() {
    check(
        "
        > join a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > leave a
        left ok
        > crash
        > list
        listed g Empty \"consumer\"
        > wait 600
        > list
        listed
        ",
    );
}
