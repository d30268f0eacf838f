//! Each limit of the hub, set to another value than its default and met.

use std::{
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use bytes::Bytes;
use hub::{
    Access,
    access::TopicRef,
    admin::{CreateTopicError, NewTopic, PartitionCountError},
    append::{Acks, AppendError},
    fetch::FetchRequest,
    groups::{
        Command, CommitOffsets, GroupError, JoinGroup, OffsetToCommit, PerTopic, Protocol, Reply,
    },
};
use model::{
    GenerationId, GroupId, LeaderEpoch, MemberId, Offset, PartitionIndex, TopicName, batch::Batch,
};

use crate::support::{World, at_once, batch, create, send, sequenced, values_of, wanted};

/// Appends to the topic `orders`.
async fn append(access: &Access, batch: Batch) -> Result<i64, AppendError> {
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let appending = partition.append(vec![batch], Acks::Durable)?;
    Ok(appending.await?.base_offset.0)
}

async fn commit(access: &Access, group: &str, metadata: &str) -> Reply {
    let command = Command::CommitOffsets(CommitOffsets {
        group: GroupId::from(group),
        member: MemberId::from(""),
        instance: None,
        generation: GenerationId(-1),
        topics: vec![PerTopic {
            topic: TopicName::try_from("orders").unwrap(),
            partitions: vec![OffsetToCommit {
                partition: PartitionIndex(0),
                offset: Offset(0),
                leader_epoch: LeaderEpoch::NONE,
                metadata: metadata.into(),
            }],
        }],
    });
    access.group(command).unwrap().await.unwrap()
}

/// Joins as a new member with a session of 10 s; gives why that failed, if it did.
async fn join(access: &Access) -> Option<GroupError> {
    let command = Command::JoinGroup(JoinGroup {
        group: GroupId::from("g"),
        member: MemberId::from(""),
        instance: None,
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        requires_known_member: false,
        can_skip_assignment: false,
        reason: "".into(),
    });
    match access.group(command).unwrap().await.unwrap() {
        Reply::JoinGroup(joined) => joined.err(),
        other => panic!("a join is answered with {other:?}"),
    }
}

fn is_waiting<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    future.poll(&mut context).is_pending()
}

#[tokio::test]
async fn a_batch_is_as_large_as_the_setting_says() {
    let world = World::with(|settings| settings.limits.batch_bytes_max = 200);
    let access = world.access("dev");
    create(&access, "orders").await;
    append(&access, batch(&["small"])).await.unwrap();
    let refused = append(&access, batch(&["x".repeat(200).as_str()])).await;
    assert!(
        matches!(refused, Err(AppendError::TooLarge { max: 200, .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn session_timeouts_keep_within_the_settings() {
    let short = World::with(|settings| {
        settings.limits.session_timeout_min = Duration::from_secs(11);
    });
    let long = World::with(|settings| {
        settings.limits.session_timeout_max = Duration::from_secs(9);
    });
    for world in [&short, &long] {
        let refused = join(&world.access("dev")).await;
        assert_eq!(refused, Some(GroupError::InvalidSessionTimeout));
    }
    assert_eq!(join(&World::new().access("dev")).await, None);
}

#[tokio::test]
async fn groups_and_what_they_keep_are_bounded_by_the_settings() {
    let world = World::with(|settings| {
        settings.limits.groups_max = 1;
        settings.limits.offset_metadata_bytes_max = 3;
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    let refusals = |reply: &Reply| format!("{reply:?}");
    let taken = refusals(&commit(&access, "first", "abc").await);
    assert!(!taken.contains("Err"), "{taken}");
    let long = refusals(&commit(&access, "first", "abcd").await);
    assert!(long.contains("Err"), "{long}");
    let second = refusals(&commit(&access, "second", "").await);
    assert!(second.contains("Err"), "{second}");
}

#[tokio::test]
async fn a_group_has_as_many_members_as_the_setting_says() {
    let world = World::with(|settings| settings.limits.group_members_max = 1);
    let access = world.access("dev");
    assert_eq!(join(&access).await, None);
    assert_eq!(join(&access).await, Some(GroupError::GroupFull));
}

#[tokio::test]
async fn a_first_rebalance_waits_as_long_as_the_setting_says() {
    let world = World::with(|settings| {
        settings.limits.rebalance_delay = Duration::from_secs(5);
    });
    let access = world.access("dev");
    let mut joining = Box::pin(join(&access));
    for _ in 0..100 {
        assert!(is_waiting(joining.as_mut()));
        tokio::task::yield_now().await;
    }
    // Groups look at their deadlines on a task of their own.
    while is_waiting(joining.as_mut()) {
        world.clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_event_hub_has_as_many_partitions_as_the_setting_says() {
    let world = World::with(|settings| settings.limits.partitions_per_topic_max = 2);
    let access = world.access("dev");
    let of = |partition_count| NewTopic {
        name: "orders".to_owned(),
        partition_count: Some(partition_count),
        ..NewTopic::default()
    };
    let refused = access.create_topic(of(3)).await.unwrap_err();
    let expected = PartitionCountError::TooMany { count: 3, max: 2 };
    assert_eq!(refused, CreateTopicError::Partitions(expected));
    access.create_topic(of(2)).await.unwrap();
}

#[tokio::test]
async fn a_new_event_hub_has_the_partitions_of_the_setting() {
    let world = World::with(|settings| settings.namespaces[0].partition_count = 7);
    let access = world.access("dev");
    let topic = NewTopic {
        name: "orders".to_owned(),
        ..NewTopic::default()
    };
    access.create_topic(topic).await.unwrap();
    assert_eq!(access.topics()[0].partition_count, 7);
}

#[tokio::test]
async fn one_fetch_brings_no_more_than_the_setting_says() {
    let world = World::with(|settings| settings.limits.fetch_bytes_max = 1);
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["a"])).await;
    send(&access, "orders", batch(&["b"])).await;
    let fetched = access
        .fetch(at_once(vec![wanted(&access, "orders", 0)]))
        .await;
    assert_eq!(values_of(&fetched, 0), ["a"], "one batch always comes");
}

#[tokio::test]
async fn as_many_fetches_wait_as_the_setting_says() {
    let world = World::with(|settings| settings.limits.waiting_fetches_max = 1);
    let access = world.access("dev");
    create(&access, "orders").await;
    let waiting = || FetchRequest {
        min_bytes: 1,
        max_wait: Duration::from_secs(60),
        ..at_once(vec![wanted(&access, "orders", 0)])
    };
    let mut first = Box::pin(access.fetch(waiting()));
    assert!(is_waiting(first.as_mut()));
    // No clock moves here: it is answered because there is no place to wait.
    let second = access.fetch(waiting()).await;
    assert!(values_of(&second, 0).is_empty());
    assert!(is_waiting(first.as_mut()));
}

#[tokio::test]
async fn as_many_producers_are_remembered_as_the_setting_says() {
    for (producers_max, is_forgotten) in [(2, true), (3, false)] {
        let world = World::with(|settings| {
            settings.limits.producers_per_partition_max = producers_max;
        });
        let access = world.access("dev");
        create(&access, "orders").await;
        for producer in 1..=3 {
            append(&access, sequenced(producer, 0, &["first"]))
                .await
                .unwrap();
            world.clock.advance(Duration::from_secs(1));
        }
        // Whoever is not known may begin with any sequence.
        let skipping = append(&access, sequenced(1, 5, &["later"])).await;
        assert_eq!(skipping.is_ok(), is_forgotten, "{producers_max}");
        let newest = append(&access, sequenced(3, 5, &["later"])).await;
        assert_eq!(newest, Err(AppendError::OutOfOrderSequence));
    }
}

#[tokio::test]
async fn an_idle_producer_is_remembered_as_long_as_the_setting_says() {
    let world = World::with(|settings| {
        settings.limits.producer_expiry = Duration::from_secs(90);
        settings.storage.retention_interval = Duration::from_secs(60);
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    append(&access, sequenced(1, 0, &["first"])).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let early = append(&access, sequenced(1, 5, &["later"])).await;
    assert_eq!(early, Err(AppendError::OutOfOrderSequence));
    // Housekeeping runs on its own task: wait for its effect, not for a time.
    for _ in 0..1_000 {
        world.clock.advance(Duration::from_secs(60));
        tokio::task::yield_now().await;
        if append(&access, sequenced(1, 5, &["later"])).await.is_ok() {
            return;
        }
    }
    panic!("the producer is never forgotten");
}

/// A batch whose header is sound, and whose block is garbage.
fn garbage() -> Batch {
    let sound = batch(&["a"]);
    let mut bytes = sound.bytes().to_vec();
    // Packed with zstd, so says the header.
    bytes[22] = 4;
    bytes[61..].fill(0xa5);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::check(Bytes::from(bytes)).unwrap()
}

#[tokio::test]
async fn a_block_is_believed_only_where_senders_are_trusted() {
    for verify_records in [true, false] {
        let world = World::with(|settings| settings.limits.verify_records = verify_records);
        let access = world.access("dev");
        create(&access, "orders").await;
        let appended = append(&access, garbage()).await;
        assert_eq!(appended.is_err(), verify_records, "{appended:?}");
    }
}
