//! Creating, growing, deleting, configuring, retaining.

use std::time::Duration;

use hub::{
    AccessError,
    access::TopicRef,
    admin::{
        AlterConfigsError, AssignmentError, CreateTopicError, GrowTopicError, LogDirScope,
        NewTopic, PartitionCountError,
    },
    configs::{ConfigChange, ConfigSource},
    fetch::{FetchError, FetchRequest, Lending},
    settings::BatchCeiling,
};
use model::Timestamp;

use crate::support::{World, batch, batch_at, create, send, values, wanted};

#[tokio::test]
async fn creating_is_checked_and_remembered() {
    let world = World::new();
    let access = world.access("dev");
    let topic = |name: &str| NewTopic {
        name: name.to_owned(),
        ..NewTopic::default()
    };
    let made = access.create_topic(topic("a.b")).await.unwrap();
    assert_eq!(made.partition_count, 4);
    let exists = access.create_topic(topic("a.b")).await.unwrap_err();
    assert_eq!(exists.to_string(), "Topic 'a.b' already exists.");
    let collides = access.create_topic(topic("a_b")).await;
    assert!(matches!(collides, Err(CreateTopicError::Collides(..))));
    let mut wrong = topic("c");
    wrong.partition_count = Some(0);
    assert_eq!(
        access.validate_topic(&wrong).unwrap_err(),
        CreateTopicError::Partitions(PartitionCountError::NotPositive)
    );
    let mut assigned = topic("c");
    assigned.assignments = [(0, vec![0]), (1, vec![0])].into();
    assert_eq!(access.validate_topic(&assigned).unwrap().partition_count, 2);
    assigned.assignments.insert(2, vec![5]);
    let unknown = PartitionCountError::Assignment(AssignmentError::UnknownBroker);
    assert_eq!(
        access.validate_topic(&assigned).unwrap_err(),
        CreateTopicError::Partitions(unknown)
    );
    let mut configured = topic("c");
    configured.configs = [("nonsense".to_owned(), Some("1".to_owned()))].into();
    assert!(matches!(
        access.create_topic(configured).await,
        Err(CreateTopicError::Config(_))
    ));
    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    let names: Vec<_> = access
        .topics()
        .into_iter()
        .map(|one| (one.id, one.name))
        .collect();
    assert_eq!(names, [(made.id, made.name)]);
}

#[tokio::test]
async fn a_deleted_topic_is_gone_wakes_its_readers_and_frees_its_disk() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["x".repeat(10_000).as_str()])).await;
    let id = access
        .topic_to_describe(TopicRef::Name("orders"))
        .unwrap()
        .id;
    let request = FetchRequest {
        partitions: vec![wanted(&access, "orders", 1)],
        min_bytes: 1,
        max_bytes: 1 << 20,
        max_wait: Duration::from_secs(3600),
        lending: Lending::Never,
    };
    let waiting = {
        let access = access.clone();
        tokio::spawn(async move { access.fetch(request).await })
    };
    tokio::task::yield_now().await;
    let before = access.log_dir(LogDirScope::All).unwrap();
    assert!(before.partitions[0].size_bytes > 10_000);
    access.delete_topic(TopicRef::Id(id)).await.unwrap();
    let failure = waiting.await.unwrap().partitions[0].clone().unwrap_err();
    assert_eq!(failure.error, FetchError::TopicDeleted);
    let gone = access.topic_to_listen(TopicRef::Id(id)).err();
    assert_eq!(gone, Some(AccessError::Unknown));
    assert!(
        access
            .log_dir(LogDirScope::All)
            .unwrap()
            .partitions
            .is_empty()
    );

    // Created again it is another topic, and empty.
    create(&access, "orders").await;
    assert_ne!(
        access
            .topic_to_describe(TopicRef::Name("orders"))
            .unwrap()
            .id,
        id
    );
    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    assert_eq!(values(&access, "orders", 0).await, Vec::<String>::new());
}

#[tokio::test]
async fn topics_only_grow() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["kept"])).await;
    access.grow_topic("orders", 3, None).await.unwrap();
    let same = access.grow_topic("orders", 3, None).await.unwrap_err();
    assert!(matches!(
        same,
        GrowTopicError::Partitions(PartitionCountError::NotAnIncrease { .. })
    ));
    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    let orders = access.topic_to_describe(TopicRef::Name("orders")).unwrap();
    assert_eq!(orders.partition_count, 3);
    assert_eq!(values(&access, "orders", 0).await, ["kept"]);
}

#[tokio::test]
async fn configurations_are_checked_described_and_kept() {
    let world = World::with(|settings| {
        settings.namespaces[0].retention = Some(Duration::from_secs(3600));
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    let entry = |access: &hub::Access, name: &str| {
        let all = access.describe_topic_configs("orders").unwrap();
        all.into_iter()
            .find(|one| one.definition.name == name)
            .unwrap()
    };
    let before = entry(&access, "retention.ms");
    assert_eq!(
        (before.value.as_str(), before.source),
        ("3600000", ConfigSource::Broker)
    );
    let set = |name: &str, value: &str| ConfigChange::Set(name.into(), value.into());
    let changes = [set("retention.ms", "1000"), set("nonsense", "1")];
    assert!(matches!(
        access.alter_topic_configs("orders", &changes).await,
        Err(AlterConfigsError::Config(_))
    ));
    assert_eq!(entry(&access, "retention.ms").value, "3600000");
    access
        .alter_topic_configs("orders", &changes[..1])
        .await
        .unwrap();
    drop(access);
    let world = world.restart().await;
    let access = world.access("dev");
    let after = entry(&access, "retention.ms");
    assert_eq!(
        (after.value.as_str(), after.source, after.synonyms.len()),
        ("1000", ConfigSource::Topic, 3)
    );
}

#[tokio::test]
async fn configurations_are_checked_together_with_those_that_stand() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "orders").await;
    let set = |name: &str, value: &str| [ConfigChange::Set(name.into(), value.into())];
    let steps = [
        (set("min.compaction.lag.ms", "10"), true),
        (set("max.compaction.lag.ms", "9"), false),
        (set("max.compaction.lag.ms", "10"), true),
        (set("min.compaction.lag.ms", "11"), false),
        (set("remote.storage.enable", "true"), false),
        (set("remote.storage.enable", "false"), true),
        (set("retention.bytes", "-2"), true),
    ];
    for (change, is_accepted) in steps {
        let altered = access.alter_topic_configs("orders", &change).await;
        assert_eq!(altered.is_ok(), is_accepted, "{change:?}: {altered:?}");
    }
    let mut tiered = NewTopic {
        name: "tiered".to_owned(),
        ..NewTopic::default()
    };
    tiered.configs = [("remote.storage.enable".to_owned(), Some("true".to_owned()))].into();
    assert!(matches!(
        access.validate_topic(&tiered),
        Err(CreateTopicError::Config(_))
    ));
}

#[tokio::test]
async fn retention_by_time_moves_the_start() {
    let world = World::with(|settings| {
        settings.namespaces[0].retention = Some(Duration::from_secs(3600));
        settings.storage.retention_interval = Duration::from_secs(60);
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    send(&access, "orders", batch(&["old"])).await;
    let late = Timestamp(1_700_000_000_000).plus(Duration::from_secs(3000));
    send(&access, "orders", batch_at(late, &["new"])).await;
    let partition = wanted(&access, "orders", 0).partition;
    world.clock.advance(Duration::from_secs(3700));
    // Retention runs on its own task: wait for its effect, not for a time.
    for _ in 0..10_000 {
        if partition.positions().log_start_offset.0 > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(partition.positions().log_start_offset.0, 1);
    assert_eq!(values(&access, "orders", 1).await, ["new"]);
}

#[tokio::test]
async fn no_claim_of_a_header_makes_fresh_records_expire() {
    let world = World::with(|settings| {
        settings.namespaces[0].retention = Some(Duration::from_secs(3600));
        settings.storage.retention_interval = Duration::from_secs(60);
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    for claimed in [0, 1_000, 1_700_000_000_001] {
        let fresh = batch(&["fresh"]).with_max_timestamp(Timestamp(claimed));
        send(&access, "orders", fresh).await;
    }
    for _ in 0..10 {
        world.clock.advance(Duration::from_secs(60));
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(values(&access, "orders", 0).await, ["fresh"; 3]);
}

/// Lets intervals of retention pass until the start is at `offset`, and one more.
async fn start_comes_to(world: &World, offset: i64) {
    let partition = wanted(&world.access("dev"), "orders", 0).partition;
    for turn in 0..100_000 {
        // The task sets its next time after each pass: one step of the clock may come too early.
        if turn % 100 == 0 {
            world.clock.advance(Duration::from_secs(60));
            if partition.positions().log_start_offset.0 >= offset {
                break;
            }
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(partition.positions().log_start_offset.0, offset);
}

async fn world_with(name: &str, value: &str) -> World {
    let world = World::with(|settings| {
        settings.namespaces[0].retention = None;
        settings.storage.retention_interval = Duration::from_secs(60);
    });
    let access = world.access("dev");
    create(&access, "orders").await;
    let set = ConfigChange::Set(name.to_owned(), value.to_owned());
    let altered = access.alter_topic_configs("orders", &[set]).await;
    altered.unwrap();
    world
}

#[tokio::test]
async fn retention_by_size_keeps_at_least_what_it_names_at_every_pass() {
    let world = world_with("retention.bytes", "25000").await;
    let access = world.access("dev");
    let value = "x".repeat(10_000);
    for _ in 0..6 {
        send(&access, "orders", batch(&[&value])).await;
    }
    start_comes_to(&world, 3).await;
    // Each append makes room for one more to go, and for no more than that.
    for start in 4..7 {
        send(&access, "orders", batch(&[&value])).await;
        start_comes_to(&world, start).await;
        assert_eq!(values(&access, "orders", start).await.len(), 3);
    }
}

#[tokio::test]
async fn retention_by_time_also_empties_what_was_written_last() {
    let world = world_with("retention.ms", "1000").await;
    let access = world.access("dev");
    for value in ["a", "b"] {
        send(&access, "orders", batch(&[value])).await;
    }
    start_comes_to(&world, 2).await;
    assert_eq!(
        wanted(&access, "orders", 2)
            .partition
            .positions()
            .high_watermark
            .0,
        2
    );
    assert_eq!(send(&access, "orders", batch(&["c"])).await, 2);
}

#[tokio::test]
async fn manual_assignments_name_the_one_broker_and_nothing_else() {
    let world = World::new();
    let access = world.access("dev");
    let assigned = |name: &str, brokers: Vec<i32>| NewTopic {
        name: name.to_owned(),
        assignments: [(0, brokers)].into(),
        ..NewTopic::default()
    };
    let made = access.create_topic(assigned("ours", vec![0])).await;
    assert_eq!(made.unwrap().partition_count, 1);
    for brokers in [vec![1], vec![0, 1], vec![0, 0], vec![]] {
        let refused = access.create_topic(assigned("theirs", brokers)).await;
        assert!(refused.is_err());
    }
    assert!(
        access
            .grow_topic("ours", 2, Some(&[vec![1]]))
            .await
            .is_err()
    );
    access
        .grow_topic("ours", 2, Some(&[vec![0]]))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_broker_says_no_room_to_new_names_and_exists_to_old_ones() {
    let world = World::with(|settings| settings.limits.partitions_max = 4);
    let access = world.access("dev");
    create(&access, "orders").await;
    let again = |name: &str| NewTopic {
        name: name.to_owned(),
        ..NewTopic::default()
    };
    let exists = access.create_topic(again("orders")).await.unwrap_err();
    assert!(matches!(exists, CreateTopicError::Exists(_)), "{exists}");
    let no_room = access.create_topic(again("others")).await.unwrap_err();
    assert_eq!(
        no_room,
        CreateTopicError::Partitions(PartitionCountError::NoRoom)
    );
}

#[tokio::test]
async fn the_names_of_logs_can_be_read_without_opening_the_directory() {
    let world = World::new();
    let access = world.access("dev");
    create(&access, "kept").await;
    create(&access, "gone").await;
    access.grow_topic("kept", 2, None).await.unwrap();
    access.delete_topic(TopicRef::Name("gone")).await.unwrap();
    let names = hub::log_names(world.dir.path()).unwrap();
    let names: Vec<String> = names.values().map(ToString::to_string).collect();
    assert_eq!(
        names,
        [
            "metadata",
            "consumer groups of dev",
            "dev/kept[0]",
            "dev/gone[0], deleted",
            "dev/kept[1]"
        ]
    );
}

#[tokio::test]
async fn a_topic_cannot_ask_for_larger_batches_than_come_in_or_are_stored() {
    let ceiling = |setting, setting_bytes| BatchCeiling {
        setting,
        setting_bytes,
        batch_bytes_max: setting_bytes - 1_000,
    };
    let world = World::with(|settings| {
        settings.limits.batch_ceilings = vec![
            ceiling("limits.produce_request_bytes_max", 1_046_528),
            ceiling("storage.extent_size", 4_000_000),
        ];
    });
    let access = world.access("dev");
    let asking = |bytes: &str| NewTopic {
        name: "t".to_owned(),
        configs: [("max.message.bytes".to_owned(), Some(bytes.to_owned()))].into(),
        ..NewTopic::default()
    };
    let refused = access.create_topic(asking("3000000")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "max.message.bytes=3000000 is more than limits.produce_request_bytes_max=1046528 admits, \
         which is 1045528"
    );
    assert!(access.validate_topic(&asking("3000000")).is_err());
    access.create_topic(asking("1045528")).await.unwrap();
    let set = |value: &str| [ConfigChange::Set("max.message.bytes".into(), value.into())];
    let refused = access.alter_topic_configs("t", &set("1045529")).await;
    assert!(matches!(refused, Err(AlterConfigsError::Config(_))));
    access.alter_topic_configs("t", &set("5")).await.unwrap();
}
