//! Consumer lag as the metrics show it.

use std::time::Duration;

use hub::{
    groups::{Command, CommitOffsets, OffsetToCommit, PerTopic},
    observe::{LagObservation, NamespaceView, Observer, ProcessView, TopicObservation},
};
use model::{GenerationId, GroupId, LeaderEpoch, MemberId, Offset, PartitionIndex, Timestamp};

use crate::support::{World, batch_at, create, send};

const NOW: i64 = 1_700_000_000_000;

#[derive(Default)]
struct Lags(Vec<(u64, Option<Duration>)>);

impl Observer for Lags {
    fn process(&mut self, _: &ProcessView) {}

    fn namespace(&mut self, _: &NamespaceView<'_>) {}

    fn topic(&mut self, _: &TopicObservation<'_>) {}

    fn wants_lag(&self) -> bool {
        true
    }

    fn lag(&mut self, view: &LagObservation<'_>) {
        self.0.push((view.records, view.age));
    }
}

fn lag(world: &World) -> (u64, Option<Duration>) {
    let mut seen = Lags::default();
    world.hub.observe(&mut seen);
    assert_eq!(seen.0.len(), 1);
    seen.0[0]
}

async fn commit(world: &World, offset: i64) {
    let command = Command::CommitOffsets(CommitOffsets {
        group: GroupId::from("g"),
        member: MemberId::from(""),
        instance: None,
        generation: GenerationId(-1),
        topics: vec![PerTopic {
            topic: model::TopicName::try_from("orders").unwrap(),
            partitions: vec![OffsetToCommit {
                partition: PartitionIndex(0),
                offset: Offset(offset),
                leader_epoch: LeaderEpoch::NONE,
                metadata: "".into(),
            }],
        }],
    });
    world.access("dev").group(command).unwrap().await.unwrap();
}

/// Walks until the age is this one; no walk may be without an age on the way.
async fn comes_to(world: &World, age: Duration) {
    for _ in 0..100_000 {
        let (_, seen) = lag(world);
        if seen.expect("who lags has an age") == age {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the age of the first unread record stays unknown");
}

#[tokio::test]
async fn who_lags_has_an_age_also_where_the_record_has_left_memory() {
    let world = World::with(|settings| settings.storage.tail_cache_bytes = 0);
    let access = world.access("dev");
    create(&access, "orders").await;
    let at = |before: i64| Timestamp(NOW - before * 1000);
    let large = "x".repeat(600 * 1024);
    send(&access, "orders", batch_at(at(3600), &["first"])).await;
    send(&access, "orders", batch_at(at(1800), &["second"])).await;
    send(&access, "orders", batch_at(at(10), &[&large])).await;
    // Full extents are sealed behind these, and sealed ones leave memory.
    for _ in 0..4 {
        send(&access, "orders", batch_at(at(5), &[&large])).await;
    }
    commit(&world, 0).await;
    assert_eq!(lag(&world).0, 7);
    drop(access);
    let world = world.restart().await;
    assert_eq!(
        lag(&world),
        (7, Some(Duration::from_secs(10))),
        "its extent's newest"
    );
    comes_to(&world, Duration::from_secs(3600)).await;
    commit(&world, 1).await;
    assert_eq!(lag(&world).0, 6);
    comes_to(&world, Duration::from_secs(1800)).await;
    commit(&world, 7).await;
    assert_eq!(lag(&world), (0, Some(Duration::ZERO)));
}
