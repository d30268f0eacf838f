//! Who may see a group and touch it: those who may listen to all that it reads.

use super::script::check;

/// `b` reads topic `b`, and is stable in generation 1 with an offset committed.
const STABLE: &str = "
    > join b reads=b reach=b
    > wait 3
    b: joined 1 range leader=b-1 as b-1 [b-1 b\"\\0\\0\\0\\0\\0\\x01\\0\\x01b\"]
    > sync b give=b-1:x reach=b
    b: synced b\"x\"
    > commit b b:0=1 reach=b
    ok
";

fn check_from_stable(rest: &str) {
    check(&format!("{STABLE}{rest}"));
}

#[test]
fn a_stranger_sees_nothing_of_a_group_and_changes_nothing() {
    check_from_stable(
        "
        > describe g reach=a
        g NotAuthorized
        > list reach=a
        listed
        > join a reads=a reach=a
        a: join: NotAuthorized
        > leave b reach=a over=a
        leave: NotAuthorized
        > beat b reach=a
        b: beat: NotAuthorized
        > sync b reach=a
        b: sync: NotAuthorized
        > commit - a:0=1 reach=a
        commit: NotAuthorized
        > forget a:0 reach=a
        forget: NotAuthorized
        > delete g reach=a
        deleted NotAuthorized
        > beat b reach=b
        b: alive
        ",
    );
}

#[test]
fn who_may_listen_to_all_of_it_sees_and_touches_it() {
    for reach in ["", "reach=b"] {
        check_from_stable(&format!(
            "
            > describe g {reach}
            g Stable \"consumer\" \"range\" [b-1 b /host b\"\\0\\0\\0\\0\\0\\x01\\0\\x01b\" b\"x\"]
            > list {reach}
            listed g Stable \"consumer\"
            > leave b {reach} over=another
            left ok
            > commit - b:0=2 {reach}
            ok
            > delete g {reach}
            deleted ok
            "
        ));
    }
}

#[test]
fn offsets_alone_make_a_group_somebodys() {
    check(
        "
        > commit - b:0=1
        ok
        > join a reads=a reach=a
        a: join: NotAuthorized
        > commit - a:0=1 reach=a
        commit: NotAuthorized
        > join b reads=b reach=b
        > commit - group=h a:0=1 b:0=1
        ok ok
        > describe h reach=a
        h NotAuthorized
        > list reach=a
        listed
        > drop-topic b
        topic dropped
        > list reach=a
        listed h Empty \"\"
        ",
    );
}

#[test]
fn nobody_joins_for_more_than_it_may_listen_to() {
    check(
        "
        > join a reads=a+b reach=a
        a: join: NotAuthorized
        > join a reach=a
        a: join: NotAuthorized
        > join a type=connect reads=a reach=a
        a: join: NotAuthorized
        > list
        listed
        > join a reads=- reach=a
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"\\0\\0\\0\\0\\0\\0\"]
        ",
    );
}

#[test]
fn members_learn_nothing_of_whoever_comes_to_read_more_than_they_may() {
    check(
        "
        > join a reads=a reach=a
        > join b reads=b
        a: join: NotAuthorized
        > wait 3
        > wait 3
        b: joined 1 range leader=b-2 as b-2 [b-2 b\"\\0\\0\\0\\0\\0\\x01\\0\\x01b\"]
        ",
    );
    check_from_stable(
        "
        > join c reads=b+c
        > beat b reach=b
        b: beat: NotAuthorized
        > join b reads=b reach=b
        b: join: NotAuthorized
        > leave b reach=b
        c: joined 2 range leader=c-2 as c-2 [c-2 b\"\\0\\0\\0\\0\\0\\x02\\0\\x01b\\0\\x01c\"]
        left ok
        ",
    );
}
