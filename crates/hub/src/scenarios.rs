//! What only an engine in a test's hand can show: the moments between placed, written and durable,
//! and a store that fails.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use model::{
    GenerationId, GroupId, LeaderEpoch, LogId, MemberId, NamespaceName, Now, Offset,
    PartitionIndex, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicName,
    batch::{Batch, BatchBuilder, NewRecord},
};

use crate::{
    Access, Clock, Hub, HubSettings, OpenError, SendPartition,
    access::TopicRef,
    admin::NewTopic,
    append::{Acks, AppendError, Appended},
    clock::Sleep,
    configs::ConfigChange,
    engine::{Engine, memory::MemoryEngine},
    fetch::{FetchPartition, FetchRequest, Lending},
    groups::{
        Command, CommitOffsets, FetchOffsets, FetchOffsetsGroup, GroupCallError, Heartbeat,
        JoinGroup, OffsetToCommit, PerTopic, Protocol, Reply,
    },
    login::Origin,
    observe::SyncTimes,
    partition::Partition,
    settings::NamespaceSettings,
};

/// Time stands still.
struct StillClock(Now);

impl Clock for StillClock {
    fn now(&self) -> Now {
        self.0
    }

    fn sleep_until(&self, _: Instant) -> Sleep {
        Box::pin(std::future::pending())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an instant can only come from the clock; here it stands still"
)]
fn still_clock() -> Arc<dyn Clock> {
    Arc::new(StillClock(Now {
        monotonic: Instant::now(),
        wall: Timestamp(1_000),
    }))
}

struct World {
    engine: Arc<MemoryEngine>,
    hub: Arc<Hub>,
    access: Access,
}

impl World {
    /// A hub with the topic `t` of one partition, everything so far durable.
    async fn new() -> Self {
        let world = Self::over(MemoryEngine::new());
        let topic = NewTopic {
            name: "t".to_owned(),
            partition_count: Some(1),
            ..NewTopic::default()
        };
        world.access.create_topic(topic).await.unwrap();
        world
    }

    /// A hub over what the engine holds.
    fn over(engine: Arc<MemoryEngine>) -> Self {
        let mut settings = HubSettings {
            namespaces: vec![NamespaceSettings::new(NamespaceName::from("dev"))],
            ..HubSettings::default()
        };
        settings.limits.rebalance_delay = Duration::ZERO;
        let clock = still_clock();
        let times = Arc::new(SyncTimes::new(Arc::clone(&clock)));
        let as_engine: Arc<dyn Engine> = Arc::clone(&engine) as _;
        let recovery = engine.recovery();
        let hub = Hub::over(as_engine, recovery, settings, clock, times).unwrap();
        let origin = Origin {
            listener_namespace: Some(NamespaceName::from("dev")),
            ..Origin::default()
        };
        let access = hub.anonymous(&origin).unwrap();
        Self {
            engine,
            hub,
            access,
        }
    }

    fn send(&self) -> SendPartition {
        let topic = self.access.topic_to_send(TopicRef::Name("t")).unwrap();
        topic.partition(PartitionIndex(0)).unwrap()
    }

    fn wanted(&self, offset: i64) -> FetchPartition {
        let topic = self.access.topic_to_listen(TopicRef::Name("t")).unwrap();
        FetchPartition {
            partition: topic.partition(PartitionIndex(0)).unwrap(),
            offset: Offset(offset),
            max_bytes: 1 << 20,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
        }
    }

    fn waiting(&self, offset: i64) -> FetchRequest {
        FetchRequest {
            partitions: vec![self.wanted(offset)],
            min_bytes: 1,
            max_bytes: 1 << 20,
            max_wait: Duration::from_secs(1),
            lending: Lending::Never,
        }
    }
}

fn batch(value: &str) -> Batch {
    built(BatchBuilder::default(), value)
}

fn sequenced(sequence: i32) -> Batch {
    let id = ProducerId(9);
    let builder = BatchBuilder::default();
    built(
        builder.producer(id, ProducerEpoch(0), Sequence(sequence)),
        "s",
    )
}

fn built(builder: BatchBuilder, value: &str) -> Batch {
    built_at(Timestamp(1_000), builder, value)
}

fn built_at(timestamp: Timestamp, mut builder: BatchBuilder, value: &str) -> Batch {
    builder.push(NewRecord {
        timestamp,
        value: Some(value.as_bytes()),
        ..NewRecord::default()
    });
    Batch::check(builder.build()).unwrap()
}

/// The future's answer if it has one by now.
fn now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

fn base(answer: Option<Result<Appended, AppendError>>) -> Option<i64> {
    answer.map(|appended| appended.unwrap().base_offset.0)
}

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
async fn offsets_that_a_full_disk_refuses_leave_the_members_in_peace() {
    let world = World::new().await;
    let joined = world.access.group(join()).unwrap().await;
    let Ok(Reply::JoinGroup(Ok(joined))) = joined else {
        panic!("the first member joins: {joined:?}");
    };
    world.engine.refuse(Some(storage::AppendError::NoSpace));
    let refused = world.access.group(commit()).unwrap().await;
    assert_eq!(refused, Err(GroupCallError::DiskFull));
    world.engine.refuse(None);
    let beat = Command::Heartbeat(Heartbeat {
        group: GroupId::from("of-members"),
        member: joined.member,
        instance: None,
        generation: joined.generation,
    });
    let alive = world.access.group(beat).unwrap().await;
    assert_eq!(alive, Ok(Reply::Heartbeat(Ok(()))));
}

#[tokio::test]
async fn a_member_whose_connection_ends_before_it_joined_is_forgotten() {
    let world = World::new().await;
    let first = world.access.group(join()).unwrap().await;
    assert!(matches!(first, Ok(Reply::JoinGroup(Ok(_)))));
    let members = async || {
        let describe = Command::DescribeGroups(vec![GroupId::from("of-members")]);
        match world.access.group(describe).unwrap().await {
            Ok(Reply::DescribeGroups(groups)) => groups[0].result.as_ref().unwrap().members.len(),
            other => panic!("descriptions are answered with descriptions: {other:?}"),
        }
    };
    let second = world.access.group(join()).unwrap();
    assert_eq!(members().await, 2);
    drop(second);
    assert_eq!(members().await, 1);
}

fn join() -> Command {
    Command::JoinGroup(JoinGroup {
        group: GroupId::from("of-members"),
        member: MemberId::from(""),
        instance: None,
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::new(),
        }],
        requires_known_member: false,
        can_skip_assignment: false,
        reason: "".into(),
    })
}

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
        let positions = world.engine.positions(world.send().partition.log).unwrap();
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

fn commit() -> Command {
    commit_with(5, "")
}

fn commit_with(offset: i64, metadata: &str) -> Command {
    Command::CommitOffsets(CommitOffsets {
        group: GroupId::from("g"),
        member: MemberId::from(""),
        instance: None,
        generation: GenerationId(-1),
        topics: vec![PerTopic {
            topic: TopicName::try_from("t").unwrap(),
            partitions: vec![OffsetToCommit {
                partition: PartitionIndex(0),
                offset: Offset(offset),
                leader_epoch: LeaderEpoch::NONE,
                metadata: metadata.into(),
            }],
        }],
    })
}

#[tokio::test]
async fn what_groups_say_waits_until_what_it_rests_on_is_durable() {
    let world = World::new().await;
    world.engine.hold();
    let mut committing = world.access.group(commit()).unwrap();
    let describe = Command::DescribeGroups(vec![GroupId::from("g")]);
    let mut describing = world.access.group(describe).unwrap();
    assert!(now(&mut committing).is_none());
    assert!(now(&mut describing).is_none(), "it saw what is not durable");
    world.engine.sync();
    assert!(now(&mut committing).unwrap().is_ok());
    assert!(now(&mut describing).unwrap().is_ok());
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
