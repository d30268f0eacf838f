//! Leader epochs: raised by an unclean end only, and their history kept.

use hub::{
    fetch::FetchError,
    offsets::{EpochEnd, EpochError},
};
use model::{LeaderEpoch, Offset};

use crate::support::{World, at_once, batch, create, send, values, wanted};

#[tokio::test]
async fn an_unclean_end_raises_the_epoch_and_a_proper_one_does_not() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["a", "b"])).await;

    drop(access);
    let world = world.restart().await;
    let partition = wanted(&world.access("dev"), "orders", 0).partition;
    assert_eq!(partition.positions().leader_epoch, LeaderEpoch(0));

    drop(partition);
    let crashed = world.crashed();
    let access = crashed.access("dev");
    let partition = wanted(&access, "orders", 0).partition;
    assert_eq!(partition.positions().leader_epoch, LeaderEpoch(1));
    assert_eq!(values(&access, "orders", 0).await, ["a", "b"]);
    send(&access, "orders", batch(&["c"])).await;
    let end = |epoch, end_offset| EpochEnd {
        epoch: LeaderEpoch(epoch),
        end_offset: Offset(end_offset),
    };
    assert_eq!(partition.epoch_end(LeaderEpoch(0)), end(0, 2));
    assert_eq!(partition.epoch_end(LeaderEpoch(1)), end(1, 3));
    assert_eq!(partition.epoch_end(LeaderEpoch(2)), EpochEnd::UNDEFINED);
    assert_eq!(
        partition.check_epoch(LeaderEpoch(0)),
        Err(EpochError::Fenced)
    );
    assert_eq!(
        partition.check_epoch(LeaderEpoch(2)),
        Err(EpochError::Unknown)
    );

    // The history survives a proper end, too, and a client that went astray is told where.
    drop((access, partition));
    let crashed = crashed.restart().await;
    let access = crashed.access("dev");
    let mut astray = wanted(&access, "orders", 3);
    assert_eq!(astray.partition.epoch_end(LeaderEpoch(0)), end(0, 2));
    astray.last_fetched_epoch = LeaderEpoch(0);
    let fetched = access.fetch(at_once(vec![astray.clone()])).await;
    let told = fetched.partitions[0].as_ref().unwrap();
    assert_eq!(told.diverging, Some(end(0, 2)));
    assert!(told.records.is_empty());
    astray.current_leader_epoch = LeaderEpoch(0);
    let fetched = access.fetch(at_once(vec![astray])).await;
    let failure = fetched.partitions[0].as_ref().unwrap_err();
    assert_eq!(failure.error, FetchError::FencedEpoch);
}
