//! Throughput units: charged by the acts themselves, raised under load, kept.

use std::time::Duration;

use hub::{access::TopicRef, append::Acks, settings::UnitSettings};
use model::PartitionIndex;

use crate::support::{World, at_once, batch, create, wanted};

fn limited(auto_inflate: Option<u32>) -> World {
    World::with(|settings| {
        settings.namespaces[0].units = UnitSettings {
            throughput_units: Some(1),
            auto_inflate,
            ..UnitSettings::default()
        };
    })
}

fn send(world: &World) -> Duration {
    let access = world.access("dev");
    let topic = access.topic_to_send(TopicRef::Name("orders")).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let half = batch(&["x".repeat(512 * 1024).as_str()]);
    let appending = partition.append(vec![half], Acks::Durable).unwrap();
    appending.throttle()
}

#[tokio::test]
async fn more_than_the_units_allow_is_stored_and_held_back() {
    let world = limited(None);
    create(&world.access("dev"), "orders").await;
    let waits: Vec<Duration> = (0..4).map(|_| send(&world)).collect();
    assert!(waits[0].is_zero() && waits[1] < Duration::from_millis(10));
    assert!(waits[3] > Duration::from_millis(900), "{waits:?}");
    world.clock.advance(Duration::from_secs(3));
    assert!(send(&world).is_zero());
    let access = world.access("dev");
    let fetched = access
        .fetch(at_once(vec![wanted(&access, "orders", 0)]))
        .await;
    assert!(fetched.throttle.is_zero());
}

#[tokio::test]
async fn sustained_excess_raises_the_units_and_they_survive_a_restart() {
    let world = limited(Some(4));
    create(&world.access("dev"), "orders").await;
    assert_eq!(units(&world), Some(1));
    for _ in 0..8 {
        for _ in 0..5 {
            send(&world);
        }
        world.clock.advance(Duration::from_millis(500));
    }
    let raised = units(&world).unwrap();
    assert!(raised > 1 && raised <= 4, "{raised}");
    let world = world.restart().await;
    assert_eq!(units(&world), Some(raised));
}

#[tokio::test]
async fn an_act_of_management_counts_as_an_event_and_is_not_refused() {
    let world = limited(None);
    let access = world.access("dev");
    create(&access, "orders").await;
    assert!(send(&world).is_zero());
    let set = hub::configs::ConfigChange::Set("retention.ms".to_owned(), "1000".to_owned());
    for _ in 0..2_000 {
        let altered = access.alter_topic_configs("orders", std::slice::from_ref(&set));
        altered.await.unwrap();
    }
    assert!(send(&world) > Duration::from_millis(900));
}

fn units(world: &World) -> Option<u32> {
    let mut seen = Seen::default();
    world.hub.observe(&mut seen);
    seen.units
}

#[tokio::test]
async fn units_sink_again_where_that_is_configured() {
    let world = World::with(|settings| {
        settings.namespaces[0].units = UnitSettings {
            throughput_units: Some(1),
            auto_inflate: Some(4),
            auto_deflate: true,
            ..UnitSettings::default()
        };
    });
    create(&world.access("dev"), "orders").await;
    for _ in 0..8 {
        for _ in 0..5 {
            send(&world);
        }
        world.clock.advance(Duration::from_millis(500));
    }
    assert!(units(&world) > Some(1));
    for _ in 0..4_000 {
        world.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        if units(&world) == Some(1) {
            return;
        }
    }
    panic!("the units stay at {:?}", units(&world));
}

#[tokio::test]
async fn beyond_the_timeout_is_told_only_where_that_is_configured() {
    for refuse in [false, true] {
        let world = World::with(|settings| {
            settings.namespaces[0].units = UnitSettings {
                throughput_units: Some(1),
                refuse_beyond_timeout: refuse,
                ..UnitSettings::default()
            };
        });
        create(&world.access("dev"), "orders").await;
        let access = world.access("dev");
        let overruns = |bytes, timeout| access.overruns(bytes, 1, Duration::from_secs(timeout));
        assert!(!overruns(1 << 20, 20), "one second's worth is no excess");
        assert_eq!(overruns(40 << 20, 20), refuse);
        assert!(!overruns(40 << 20, 60), "it is over in time");
        assert!(send(&world).is_zero(), "what was asked is not charged");
    }
}

#[derive(Default)]
struct Seen {
    units: Option<u32>,
}

impl hub::observe::Observer for Seen {
    fn process(&mut self, _: &hub::observe::ProcessView) {}

    fn namespace(&mut self, view: &hub::observe::NamespaceView<'_>) {
        self.units = view.units;
    }

    fn topic(&mut self, view: &hub::observe::TopicObservation<'_>) {
        assert_eq!(view.name.as_str(), "orders");
    }
}
