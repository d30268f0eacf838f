//! A second hub over what the first one left.

use std::{collections::BTreeSet, sync::Arc};

use model::{GroupId, LogId, Offset, ProducerEpoch};

use super::{World, commit_with, still_clock};
use crate::{
    Hub, HubSettings, OpenError,
    configs::ConfigChange,
    engine::{Engine, memory::MemoryEngine},
    groups::{Command, FetchOffsets, FetchOffsetsGroup, Reply},
    observe::SyncTimes,
};

#[test]
fn data_without_its_metadata_is_not_taken_for_nobodys() {
    let engine = MemoryEngine::new();
    engine.create(LogId(7));
    let recovery = engine.recovery();
    let clock = still_clock();
    let times = Arc::new(SyncTimes::new(Arc::clone(&clock)));
    let opened = Hub::over(engine, recovery, HubSettings::default(), clock, times);
    assert!(matches!(opened, Err(OpenError::MetadataLost)));
}

#[tokio::test]
async fn internal_logs_are_cut_behind_a_snapshot_and_replay_to_the_same_state() {
    let world = World::new().await;
    let note = "n".repeat(4096);
    for offset in 0..3_000 {
        let commit = world.access.group(commit_with(offset, &note));
        assert!(commit.unwrap().await.is_ok());
    }
    for value in 0..30_000 {
        let change = ConfigChange::Set("retention.ms".to_owned(), value.to_string());
        world
            .access
            .alter_topic_configs("t", &[change])
            .await
            .unwrap();
    }
    // The groups log alone took 12 MB in; what stands is far less.
    let sizes = world.engine.recovery().partitions.into_iter();
    for (log, size) in sizes.map(|one| (one.id, world.engine.size(one.id))) {
        assert!(size < 5 << 20, "{log} holds {size} bytes");
    }
    let again = World::over(Arc::clone(&world.engine));
    let fetched = again.access.group(Command::FetchOffsets(FetchOffsets {
        groups: vec![FetchOffsetsGroup {
            group: GroupId::from("g"),
            topics: None,
        }],
    }));
    let Ok(Reply::FetchOffsets(groups)) = fetched.unwrap().await else {
        panic!("offsets are answered with offsets");
    };
    let committed = groups[0].topics[0].partitions[0].committed.as_ref();
    assert_eq!(committed.unwrap().offset, Offset(2_999));
    let configs = again.access.describe_topic_configs("t").unwrap();
    let retention = configs
        .iter()
        .find(|one| one.definition.name == "retention.ms");
    assert_eq!(retention.unwrap().value, "29999");
    assert_eq!(again.access.cluster_id(), world.access.cluster_id());
}

#[tokio::test]
async fn producer_ids_are_never_given_twice_not_even_after_a_restart() {
    let world = World::new().await;
    let mut given = BTreeSet::new();
    for _ in 0..1_500 {
        let (id, epoch) = world.access.new_producer().await.unwrap();
        assert!(given.insert(id), "{id} was given twice");
        assert_eq!(epoch, ProducerEpoch(0));
    }
    let again = World::over(Arc::clone(&world.engine));
    let (id, _) = again.access.new_producer().await.unwrap();
    assert!(given.insert(id), "{id} was given twice");
}
