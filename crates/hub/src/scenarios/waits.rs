//! Parked fetches, and what those who only wait cost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{World, base, batch, now};
use crate::{append::Acks, partition::Partition};

#[tokio::test]
async fn ending_waits_answers_parked_fetches_while_writes_go_on() {
    let world = World::new().await;
    let mut fetch = Box::pin(world.access.fetch(world.waiting(0)));
    assert!(now(&mut fetch).is_none());
    world.hub.end_waits();
    let fetched = now(&mut fetch).expect("answered as it stands");
    assert!(fetched.partitions[0].is_ok());
    let mut later = Box::pin(world.access.fetch(world.waiting(0)));
    assert!(now(&mut later).is_some(), "nobody waits any more");
    let mut sent = world
        .send()
        .append(vec![batch("a")], Acks::Durable)
        .unwrap();
    assert_eq!(base(now(&mut sent)), Some(0));
}

#[tokio::test]
async fn a_parked_fetch_holds_on_to_nothing_of_what_was_too_little() {
    let world = World::new().await;
    drop(world.send().append(vec![batch("a")], Acks::None).unwrap());
    let mut request = world.waiting(0);
    request.min_bytes = 1 << 20;
    let mut fetch = Box::pin(world.access.fetch(request));
    assert!(now(&mut fetch).is_none());
    assert!(!world.engine.is_held());
    world.hub.end_waits();
    let fetched = now(&mut fetch).expect("answered as it stands");
    assert_eq!(fetched.partitions[0].as_ref().unwrap().records.len(), 1);
    assert!(world.engine.is_held());
}

#[tokio::test]
async fn ten_thousand_parked_fetches_are_all_woken_by_one_append() {
    let world = World::new().await;
    let woken = Arc::new(Mutex::new(0));
    let mut waits = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let (access, request) = (world.access.clone(), world.waiting(0));
        let woken = Arc::clone(&woken);
        waits.spawn(async move {
            let fetched = access.fetch(request).await;
            assert!(fetched.partitions[0].is_ok());
            *woken.lock().unwrap() += 1;
        });
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*woken.lock().unwrap(), 0);
    drop(world.send().append(vec![batch("a")], Acks::None).unwrap());
    while let Some(done) = waits.join_next().await {
        done.unwrap();
    }
    assert_eq!(*woken.lock().unwrap(), 10_000);
    assert!(world.hub.shutdown(Duration::from_secs(1)).await);
}

#[test]
fn an_idle_partition_is_a_few_hundred_bytes() {
    let bytes = size_of::<Partition>();
    assert!(bytes <= 320, "{bytes} bytes");
}
