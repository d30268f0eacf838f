//! A start on a full disk: reads are served, the rest is made up for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::NamespaceName;
use storage::{AppendError as Refused, Recovery};

use super::{World, base, batch, now, still_clock};
use crate::{
    Health, Hub, HubSettings, OpenError,
    append::{Acks, AppendError},
    engine::{Engine, memory::MemoryEngine},
    fetch::FetchRequest,
    login::Origin,
    observe::SyncTimes,
    settings::{EventHubSettings, NamespaceSettings},
};

fn settings(names: &[&str]) -> HubSettings {
    let namespace = |name: &&str| NamespaceSettings::new(NamespaceName::from(*name));
    HubSettings {
        namespaces: names.iter().map(namespace).collect(),
        ..HubSettings::default()
    }
}

/// A start after a crash, on what the engine holds.
fn start(engine: &Arc<MemoryEngine>, settings: HubSettings) -> Result<Arc<Hub>, OpenError> {
    let recovery = Recovery {
        clean: false,
        ..engine.recovery()
    };
    let clock = still_clock();
    let times = Arc::new(SyncTimes::new(Arc::clone(&clock)));
    let as_engine: Arc<dyn Engine> = Arc::clone(engine) as _;
    Hub::over(as_engine, recovery, settings, clock, times)
}

fn world(engine: &Arc<MemoryEngine>, hub: &Arc<Hub>) -> World {
    let origin = Origin {
        listener_namespace: Some(NamespaceName::from("dev")),
        ..Origin::default()
    };
    World {
        engine: Arc::clone(engine),
        hub: Arc::clone(hub),
        access: hub.anonymous(&origin).unwrap(),
    }
}

#[tokio::test]
async fn a_start_on_a_full_disk_serves_reads_and_takes_appends_when_there_is_room() {
    let before = World::new().await;
    let mut sent = before
        .send()
        .append(vec![batch("kept")], Acks::Durable)
        .unwrap();
    assert_eq!(base(now(&mut sent)), Some(0));
    let engine = Arc::clone(&before.engine);
    let epoch = before.hub.core.epoch;
    engine.refuse(Some(Refused::NoSpace));
    let hub = start(&engine, settings(&["dev"])).unwrap();
    assert_eq!(hub.health(), Health::DiskFull);
    let after = world(&engine, &hub);
    let fetched = after
        .access
        .fetch(FetchRequest {
            min_bytes: 0,
            ..after.waiting(0)
        })
        .await;
    assert_eq!(fetched.partitions[0].as_ref().unwrap().records.len(), 1);
    let append = || after.send().append(vec![batch("new")], Acks::Durable);
    assert!(matches!(append(), Err(AppendError::DiskFull)));

    // There is room, but nothing may be appended before the raised epoch is.
    engine.refuse(None);
    assert!(matches!(append(), Err(AppendError::DiskFull)));
    hub.core.resume();
    assert_eq!(hub.health(), Health::Serving);
    let mut sent = append().unwrap();
    assert_eq!(base(now(&mut sent)), Some(1));
    assert!(hub.core.epoch > epoch);
    let again = start(&engine, settings(&["dev"])).unwrap();
    assert!(again.core.epoch > hub.core.epoch, "the epoch was kept");
}

#[tokio::test]
async fn namespaces_and_event_hubs_that_found_no_room_are_created_later() {
    let before = World::new().await;
    let engine = Arc::clone(&before.engine);
    engine.refuse(Some(Refused::NoSpace));
    let mut wanted = settings(&["dev", "other"]);
    wanted.namespaces[0].event_hubs = vec![EventHubSettings {
        name: "later".try_into().unwrap(),
        partition_count: Some(1),
        retention_ms: None,
        cleanup_policy: None,
        configs: BTreeMap::new(),
        policies: Vec::new(),
    }];
    let hub = start(&engine, wanted).unwrap();
    assert_eq!(hub.health(), Health::DiskFull);
    assert!(hub.core.resume().is_empty());
    engine.refuse(None);
    let new = hub.core.resume();
    let new: BTreeSet<_> = new.iter().map(|one| one.name.as_str().to_owned()).collect();
    assert_eq!(new, BTreeSet::from(["other".to_owned()]));
    assert_eq!(hub.health(), Health::Serving);
    let access = world(&engine, &hub).access;
    let later = crate::access::TopicRef::Name("later");
    assert!(access.topic_to_listen(later).is_ok());
}

#[tokio::test]
async fn a_first_start_without_room_is_refused_with_what_is_needed() {
    let engine = MemoryEngine::new();
    engine.refuse(Some(Refused::NoSpace));
    let refused = start(&engine, settings(&["dev"])).map(drop);
    let Err(OpenError::NoRoomToBegin { free, needed }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(free, 0);
    assert!(needed > 256 << 20, "{needed}");
}
