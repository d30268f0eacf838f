//! OffsetCommit, OffsetFetch, OffsetDelete, and how offsets go by themselves.

use std::time::Duration;

use super::script::{check, check_with};
use crate::Config;

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
fn a_committed_offset_is_read_back_with_its_note() {
    check_from_stable(
        "
        > commit a t:0=5:note t:1=9 u:0=1
        ok ok ok
        > commit a t:1=10
        ok
        > fetch t:0 t:2 v:0
        fetched t:0=5:note t:2=none v:0=none
        > fetch
        fetched t:0=5:note t:1=10: u:0=1:
        ",
    );
}

#[test]
fn a_group_that_does_not_exist_has_no_offsets_and_that_is_no_error() {
    check(
        "
        > fetch t:0
        fetched t:0=none
        > fetch
        fetched
        > list
        listed
        ",
    );
}

#[test]
fn a_consumer_outside_group_management_commits_to_an_empty_group() {
    check(
        "
        > commit - t:0=5
        ok
        > list
        listed g Empty \"\"
        > describe g
        g Empty \"\" \"\"
        > fetch
        fetched t:0=5:
        ",
    );
}

#[test]
fn a_consumer_outside_group_management_cannot_commit_to_a_group_with_members() {
    check_from_stable(
        "
        > commit - t:0=5
        commit: UnknownMember
        > leave a
        left ok
        > commit - t:0=5
        ok
        ",
    );
}

#[test]
fn a_commit_needs_a_member_of_the_present_generation() {
    check_from_stable(
        "
        > commit a generation=0 t:0=5
        commit: IllegalGeneration
        > commit stranger generation=1 t:0=5
        commit: UnknownMember
        > commit a group=other t:0=5
        commit: GroupIdNotFound
        > leave a
        left ok
        > commit a t:0=5
        commit: UnknownMember
        ",
    );
}

#[test]
fn a_commit_is_accepted_while_members_rejoin_but_not_before_the_assignment() {
    check_from_stable(
        "
        > join b
        > commit a t:0=5
        ok
        > join a
        a: joined 2 range leader=a-1 as a-1 [a-1 b\"m\"] [b-2 b\"m\"]
        b: joined 2 range leader=a-1 as b-2
        > commit a t:0=6
        commit: RebalanceInProgress
        > fetch
        fetched t:0=5:
        ",
    );
}

#[test]
fn a_commit_is_a_sign_of_life() {
    check_from_stable(
        "
        > wait 9
        > commit a t:0=5
        ok
        > wait 9
        > beat a
        a: alive
        ",
    );
}

#[test]
fn metadata_that_is_too_large_fails_its_partition_alone() {
    let config = Config {
        offset_metadata_bytes_max: 4,
        ..Config::default()
    };
    check_with(
        config,
        "
        > commit - t:0=5:12345 t:1=6:1234
        OffsetMetadataTooLarge ok
        > fetch
        fetched t:1=6:1234
        ",
    );
}

#[test]
fn a_group_full_of_offsets_only_renews_those_it_has() {
    let config = Config {
        group_offsets_max: 2,
        ..Config::default()
    };
    check_with(
        config,
        "
        > commit - t:0=1 t:1=1 t:2=1
        ok ok TooManyOffsets
        > commit - t:0=2 t:2=2
        ok TooManyOffsets
        ",
    );
}

#[test]
fn offsets_stay_when_the_group_is_empty_for_a_year() {
    check_from_stable(
        "
        > commit a t:0=5
        ok
        > leave a
        left ok
        > wait 31536000
        > fetch
        fetched t:0=5:
        > list
        listed g Empty \"consumer\"
        ",
    );
}

#[test]
fn with_a_retention_offsets_go_that_long_after_the_group_became_empty() {
    let config = Config {
        offsets_retention: Some(Duration::from_hours(1)),
        ..Config::default()
    };
    check_with(
        config,
        &format!(
            "{STABLE}
            > commit a t:0=5
            ok
            > wait 9
            > leave a
            left ok
            > wait 3599
            > fetch
            fetched t:0=5:
            > crash
            > wait 601
            > fetch
            fetched
            > list
            listed
            "
        ),
    );
}

#[test]
fn offsets_of_a_deleted_topic_are_forgotten() {
    check(
        "
        > commit - t:0=5 u:0=6
        ok ok
        > commit - group=h t:1=7
        ok
        > drop-topic t
        topic dropped
        > fetch
        fetched u:0=6:
        > list
        listed g Empty \"\"
        ",
    );
}

#[test]
fn offsets_can_be_deleted_one_by_one() {
    check(
        "
        > commit - t:0=5 t:1=6
        ok ok
        > forget t:0 t:7
        ok ok
        > fetch
        fetched t:1=6:
        > forget t:1
        ok
        > forget t:1
        forget: GroupIdNotFound
        ",
    );
}

#[test]
fn offsets_of_a_subscribed_topic_cannot_be_deleted() {
    // Version 0, one topic of one byte: "t".
    let subscription = "\0\0\0\0\0\u{1}\0\u{1}t";
    check(&format!(
        "
        > join a with=range:{subscription}
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"\\0\\0\\0\\0\\0\\x01\\0\\x01t\"]
        > sync a
        a: synced b\"\"
        > commit a t:0=5 u:0=6
        ok ok
        > forget t:0 u:0
        GroupSubscribedToTopic ok
        > fetch
        fetched t:0=5:
        "
    ));
}

#[test]
fn offsets_of_a_live_group_that_is_no_consumer_cannot_be_deleted() {
    check(
        "
        > join a type=connect
        > wait 3
        a: joined 1 range leader=a-1 as a-1 [a-1 b\"m\"]
        > forget t:0
        forget: NonEmptyGroup
        ",
    );
}

#[test]
fn an_unreadable_subscription_protects_every_topic() {
    check_from_stable(
        "
        > commit a t:0=5
        ok
        > forget t:0
        GroupSubscribedToTopic
        ",
    );
}
