//! Appending and reading, with and without waiting.

use std::time::Duration;

use hub::{
    access::TopicRef,
    append::{Acks, AppendError},
    fetch::{FetchError, FetchRequest, Lending},
    offsets::{OffsetAt, OffsetQuery},
};
use model::{LeaderEpoch, Offset, PartitionIndex, Timestamp};

use crate::support::{
    World, at_once, batch, batch_at, create, send, sequenced, values, values_of, wanted,
};

#[tokio::test]
async fn records_come_back_in_order_and_survive_a_restart() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    assert_eq!(send(&access, "orders", batch(&["a", "b"])).await, 0);
    assert_eq!(send(&access, "orders", batch(&["c"])).await, 2);
    assert_eq!(values(&access, "orders", 1).await, ["b", "c"]);

    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    assert_eq!(values(&access, "orders", 0).await, ["a", "b", "c"]);
    assert_eq!(send(&access, "orders", batch(&["d"])).await, 3);
    assert_eq!(values(&access, "orders", 3).await, ["d"]);
}

#[tokio::test]
async fn a_waiting_fetch_is_woken_when_min_bytes_have_arrived() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    let one = batch(&["first"]).bytes().len();
    let request = FetchRequest {
        partitions: vec![wanted(&access, "orders", 0)],
        min_bytes: one + 1,
        max_bytes: 1 << 20,
        max_wait: Duration::from_secs(3600),
        lending: Lending::Never,
    };
    let waiting = {
        let access = access.clone();
        tokio::spawn(async move { access.fetch(request).await })
    };
    send(&access, "orders", batch(&["first"])).await;
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished(), "woken before min_bytes were there");
    send(&access, "orders", batch(&["second"])).await;
    let fetched = waiting.await.unwrap();
    assert_eq!(values_of(&fetched, 0), ["first", "second"]);
}

#[tokio::test]
async fn a_waiting_fetch_ends_at_its_deadline_with_what_there_is() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["only"])).await;
    let request = FetchRequest {
        partitions: vec![wanted(&access, "orders", 0)],
        min_bytes: 1 << 20,
        max_bytes: 1 << 20,
        max_wait: Duration::from_millis(500),
        lending: Lending::Never,
    };
    let waiting = {
        let access = access.clone();
        tokio::spawn(async move { access.fetch(request).await })
    };
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    world.clock.advance(Duration::from_millis(500));
    let fetched = waiting.await.unwrap();
    assert_eq!(values_of(&fetched, 0), ["only"]);
}

#[tokio::test]
async fn a_fetch_past_the_end_or_below_the_start_is_out_of_range() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["a", "b", "c"])).await;
    let start = access
        .delete_records("orders", PartitionIndex(0), Some(Offset(2)))
        .await
        .unwrap();
    assert_eq!(start, Offset(2));
    for (offset, expected) in [
        (4, Some(FetchError::OffsetOutOfRange)),
        (3, None),
        (2, None),
        (1, Some(FetchError::OffsetOutOfRange)),
    ] {
        let fetched = access
            .fetch(at_once(vec![wanted(&access, "orders", offset)]))
            .await;
        let error = fetched.partitions[0].as_ref().err();
        assert_eq!(error.map(|failure| failure.error), expected, "{offset}");
    }
}

#[tokio::test]
async fn the_byte_limit_holds_but_the_first_batch_always_comes() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "large").await;
    create(&access, "small").await;
    send(&access, "large", batch(&["x".repeat(5000).as_str()])).await;
    send(&access, "small", batch(&["y"])).await;
    let limited = |partitions, max_bytes| FetchRequest {
        max_bytes,
        ..at_once(partitions)
    };
    let both = |first, second| vec![wanted(&access, first, 0), wanted(&access, second, 0)];
    let bytes = |fetched: &hub::fetch::Fetched| {
        let partitions = fetched.partitions.iter();
        let sizes =
            partitions.map(|one| one.as_ref().unwrap().records.iter().map(|r| r.len()).sum());
        sizes.collect::<Vec<usize>>()
    };
    let fetched = access.fetch(limited(both("large", "small"), 100)).await;
    assert_eq!(bytes(&fetched)[1], 0);
    assert!(bytes(&fetched)[0] > 5000);
    let fetched = access.fetch(limited(both("small", "large"), 100)).await;
    assert!(bytes(&fetched)[0] > 0);
    assert_eq!(bytes(&fetched)[1], 0);
}

#[tokio::test]
async fn a_repeated_sequence_gets_the_first_answer_also_after_a_restart() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    assert_eq!(
        send(&access, "orders", sequenced(7, 0, &["a", "b"])).await,
        0
    );
    assert_eq!(send(&access, "orders", sequenced(7, 2, &["c"])).await, 2);
    assert_eq!(send(&access, "orders", sequenced(7, 2, &["c"])).await, 2);

    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    assert_eq!(send(&access, "orders", sequenced(7, 2, &["c"])).await, 2);
    assert_eq!(send(&access, "orders", sequenced(7, 3, &["d"])).await, 3);
    assert_eq!(values(&access, "orders", 0).await, ["a", "b", "c", "d"]);

    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let gap = partition.append(vec![sequenced(7, 9, &["x"])], Acks::Durable);
    assert!(matches!(gap, Err(AppendError::OutOfOrderSequence)));
}

#[tokio::test]
async fn acks_one_is_answered_once_written_and_none_at_once() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let written = partition
        .append(vec![batch(&["a"])], Acks::Written)
        .unwrap();
    assert_eq!(written.await.unwrap().base_offset, Offset(0));
    let unasked = partition.append(vec![batch(&["b"])], Acks::None).unwrap();
    assert_eq!(unasked.await.unwrap().base_offset, Offset(1));
    send(&access, "orders", batch(&["c"])).await;
    assert_eq!(values(&access, "orders", 0).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn batches_that_break_the_topics_rules_are_refused_whole() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    let set =
        |name: &str, value: &str| vec![hub::configs::ConfigChange::Set(name.into(), value.into())];
    let changes = set("max.message.bytes", "100");
    access
        .alter_topic_configs("orders", &changes)
        .await
        .unwrap();
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let large = partition.append(vec![batch(&["x".repeat(200).as_str()])], Acks::Durable);
    assert!(matches!(large, Err(AppendError::TooLarge { max: 100, .. })));
    let late = batch_at(Timestamp(1_700_000_000_000 + 3_600_001), &["x"]);
    let late = partition.append(vec![late], Acks::Durable);
    assert!(matches!(late, Err(AppendError::Records(_))));
    let none = partition.append(Vec::new(), Acks::Durable);
    assert!(matches!(none, Err(AppendError::BatchCount)));
    assert_eq!(send(&access, "orders", batch(&["ok"])).await, 0);
}

#[tokio::test]
async fn what_one_request_brings_for_a_partition_must_fit_a_segment() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    let set = |name: &str, value: &str| hub::configs::ConfigChange::Set(name.into(), value.into());
    let changes = [
        set("segment.bytes", "1048576"),
        set("max.message.bytes", "4194304"),
    ];
    let altered = access.alter_topic_configs("orders", &changes).await;
    altered.unwrap();
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let half = || batch(&["x".repeat(600_000).as_str()]);
    let exceeding = partition.append(vec![half(), half()], Acks::Durable);
    assert!(matches!(
        exceeding,
        Err(AppendError::ExceedsSegment { max: 1_048_576, .. })
    ));
    assert_eq!(send(&access, "orders", half()).await, 0);
}

#[tokio::test]
async fn offsets_are_found_by_time_and_log_append_time_is_the_brokers() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    for (ms, value) in [(10, "a"), (30, "b"), (20, "c")] {
        send(&access, "orders", batch_at(Timestamp(ms), &[value])).await;
    }
    let at = |offset, timestamp| {
        Some(OffsetAt {
            offset: Offset(offset),
            timestamp: Timestamp(timestamp),
            leader_epoch: LeaderEpoch(0),
        })
    };
    let cases = [
        (OffsetQuery::Earliest, at(0, -1)),
        (OffsetQuery::Latest, at(3, -1)),
        (OffsetQuery::MaxTimestamp, at(1, 30)),
        (OffsetQuery::At(Timestamp(11)), at(1, 30)),
        (OffsetQuery::At(Timestamp(31)), None),
        (OffsetQuery::LatestTiered, None),
    ];
    for (query, expected) in cases {
        let partition = wanted(&access, "orders", 0).partition;
        assert_eq!(
            partition.offset(query).await.unwrap(),
            expected,
            "{query:?}"
        );
    }
    let set = hub::configs::ConfigChange::Set(
        "message.timestamp.type".to_owned(),
        "LogAppendTime".to_owned(),
    );
    access.alter_topic_configs("orders", &[set]).await.unwrap();
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let appended = partition
        .append(vec![batch(&["d"])], Acks::Durable)
        .unwrap();
    let stamped = appended.await.unwrap().log_append_time;
    assert_eq!(stamped, Timestamp(1_700_000_000_000));
    let partition = wanted(&access, "orders", 0).partition;
    let newest = partition.offset(OffsetQuery::MaxTimestamp).await.unwrap();
    assert_eq!(newest, at(3, 1_700_000_000_000));
}
