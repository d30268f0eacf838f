//! Idempotent producers over many partitions: remembered up to a bound, the idlest forgotten first.

use std::time::Duration;

use hub::{
    access::TopicRef,
    append::{Acks, AppendError},
    observe::{NamespaceView, Observer, ProcessView, TopicObservation},
};
use model::PartitionIndex;

use crate::support::{World, create, send, sequenced};

/// What is remembered over all partitions, and how much was forgotten.
#[derive(Default)]
struct Counts(u64, u64);

impl Observer for Counts {
    fn process(&mut self, view: &ProcessView) {
        *self = Self(view.producers, view.producers_forgotten);
    }

    fn namespace(&mut self, _view: &NamespaceView<'_>) {}

    fn topic(&mut self, _view: &TopicObservation<'_>) {}
}

fn counts(world: &World) -> (u64, u64) {
    let mut counts = Counts::default();
    world.hub.observe(&mut counts);
    (counts.0, counts.1)
}

#[tokio::test]
async fn one_producer_of_many_partitions_is_bounded_as_many_of_one_are() {
    let world = World::with(|settings| settings.limits.producers_max = 10);
    let access = world.access("dev");
    for hub in 0..11 {
        world.clock.advance(Duration::from_secs(1));
        let name = format!("hub-{hub}");
        create(&access, &name).await;
        send(&access, &name, sequenced(7, 0, &["a"])).await;
    }
    // The housekeeper is a task of its own: give it its turns.
    while counts(&world) != (9, 2) {
        tokio::task::yield_now().await;
    }
    let append = async |hub: &str| {
        let topic = access.topic_to_send(TopicRef::Name(hub)).unwrap();
        let partition = topic.partition(PartitionIndex(0)).unwrap();
        let appending = partition.append(vec![sequenced(7, 5, &["b"])], Acks::Durable);
        appending.map(drop)
    };
    assert!(append("hub-0").await.is_ok(), "forgotten: any sequence");
    let kept = append("hub-10").await;
    assert_eq!(kept.err(), Some(AppendError::OutOfOrderSequence));
    access.delete_topic(TopicRef::Name("hub-10")).await.unwrap();
    assert_eq!(counts(&world).0, 9, "one more, and one with its event hub");
}
