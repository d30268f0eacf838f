//! An append on its way through the stages, and a disk that refuses or fails it.

use model::{Offset, Timestamp, batch::BatchBuilder};

use super::{World, base, batch, built_at, commit, now, sequenced};
use crate::{
    append::{Acks, AppendError},
    configs::ConfigChange,
    engine::Engine,
    groups::GroupCallError,
};

#[tokio::test]
async fn each_acks_setting_is_answered_at_its_stage_and_nothing_is_read_before_it_is_durable() {
    let world = World::new().await;
    world.engine.hold();
    let mut none = world.send().append(vec![batch("a")], Acks::None).unwrap();
    let mut one = world
        .send()
        .append(vec![batch("b")], Acks::Written)
        .unwrap();
    let mut all = world
        .send()
        .append(vec![batch("c")], Acks::Durable)
        .unwrap();
    assert_eq!(base(now(&mut none)), Some(0));
    assert_eq!((now(&mut one), now(&mut all)), (None, None));
    world.engine.write();
    assert_eq!(base(now(&mut one)), Some(1));
    assert_eq!(now(&mut all), None);
    assert_eq!(world.wanted(0).partition.positions().high_watermark.0, 0);
    let mut fetch = Box::pin(world.access.fetch(world.waiting(0)));
    assert!(now(&mut fetch).is_none());
    world.engine.sync();
    assert_eq!(base(now(&mut all)), Some(2));
    let fetched = now(&mut fetch).unwrap();
    assert_eq!(fetched.partitions[0].as_ref().unwrap().high_watermark.0, 3);
}

#[tokio::test]
async fn a_duplicates_answer_waits_for_the_original() {
    let world = World::new().await;
    world.engine.hold();
    let first = world.send().append(vec![sequenced(0)], Acks::Durable);
    drop(first.unwrap());
    let again = world.send().append(vec![sequenced(0)], Acks::Durable);
    let mut again = again.unwrap();
    assert_eq!(now(&mut again), None);
    world.engine.sync();
    assert_eq!(base(now(&mut again)), Some(0));
    assert_eq!(world.wanted(0).partition.positions().high_watermark.0, 1);
}

#[tokio::test]
async fn a_refused_append_leaves_no_trace_and_service_resumes() {
    let world = World::new().await;
    world.engine.refuse(Some(storage::AppendError::NoSpace));
    let refused = world.send().append(vec![sequenced(0)], Acks::Durable);
    assert!(matches!(refused, Err(AppendError::DiskFull)));
    let refused = world.access.group(commit());
    assert!(matches!(
        refused.unwrap().await,
        Err(GroupCallError::DiskFull)
    ));
    world.engine.refuse(None);
    let mut resumed = world
        .send()
        .append(vec![sequenced(0)], Acks::Durable)
        .unwrap();
    assert_eq!(base(now(&mut resumed)), Some(0));
    assert!(world.access.group(commit()).unwrap().await.is_ok());
}

#[tokio::test]
async fn a_failed_sync_fails_who_waits_and_reading_goes_on() {
    let world = World::new().await;
    let kept = world.send().append(vec![batch("kept")], Acks::Durable);
    assert!(kept.unwrap().await.is_ok());
    world.engine.hold();
    let mut lost = world
        .send()
        .append(vec![sequenced(0)], Acks::Durable)
        .unwrap();
    let mut again = world
        .send()
        .append(vec![sequenced(0)], Acks::Durable)
        .unwrap();
    assert_eq!((now(&mut lost), now(&mut again)), (None, None));
    world.engine.break_down();
    assert_eq!(now(&mut lost), Some(Err(AppendError::LogClosed)));
    assert_eq!(now(&mut again), Some(Err(AppendError::LogClosed)));
    let closed = world.send().append(vec![batch("x")], Acks::Durable);
    assert!(matches!(closed, Err(AppendError::LogClosed)));
    let mut fetch = Box::pin(world.access.fetch(world.waiting(0)));
    let fetched = now(&mut fetch).unwrap();
    assert_eq!(fetched.partitions[0].as_ref().unwrap().high_watermark.0, 1);
}

#[tokio::test]
async fn a_hub_that_lost_its_data_cuts_and_checkpoints_nothing_and_refuses_appends() {
    let world = World::new().await;
    let keep = |ms: &str| [ConfigChange::Set("retention.ms".to_owned(), ms.to_owned())];
    let changed = world.access.alter_topic_configs("t", &keep("500")).await;
    changed.unwrap();
    let old = || built_at(Timestamp(1), BatchBuilder::default(), "old");
    let ends = |world: &World| {
        let positions = world.engine.watermarks(world.send().partition.log).unwrap();
        (positions.start.0, positions.next.0)
    };
    let sent = world.send().append(vec![old()], Acks::Durable).unwrap();
    assert!(sent.await.is_ok());
    world.hub.core.keep_house_once(true);
    assert_eq!((ends(&world), world.engine.checkpoints()), ((1, 1), 1));

    let sent = world.send().append(vec![old()], Acks::Durable).unwrap();
    assert!(sent.await.is_ok());
    world.engine.hold();
    let once = || world.send().append(vec![sequenced(0)], Acks::Durable);
    let (_first, mut repeated) = (once().unwrap(), once().unwrap());
    assert!(now(&mut repeated).is_none());
    world.engine.disown();
    world.hub.core.keep_house_once(true);
    assert_eq!((ends(&world), world.engine.checkpoints()), ((1, 3), 1));
    for acks in [Acks::Durable, Acks::Written, Acks::None] {
        let refused = world.send().append(vec![old()], acks);
        assert!(matches!(refused, Err(AppendError::LogClosed)), "{acks:?}");
    }
    assert_eq!(ends(&world), (1, 3), "nothing was handed to the engine");
    let changed = world.access.alter_topic_configs("t", &keep("600")).await;
    assert!(changed.is_err(), "nor does the metadata change");
    assert!(world.access.group(commit()).unwrap().await.is_err());
    assert_eq!(now(&mut repeated), Some(Err(AppendError::LogClosed)));
    let fetched = world.access.fetch(world.waiting(1)).await;
    let fetched = fetched.partitions[0].as_ref().unwrap();
    assert_eq!(fetched.high_watermark, Offset(2), "reading goes on");
}
