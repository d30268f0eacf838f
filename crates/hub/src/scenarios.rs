//! What only an engine in a test's hand can show: the moments between placed, written and durable,
//! and a store that fails.

mod appends;
mod full_disk;
mod groups;
mod restarts;
mod waits;

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use model::{
    GenerationId, GroupId, LeaderEpoch, MemberId, NamespaceName, Now, Offset, PartitionIndex,
    ProducerEpoch, ProducerId, Sequence, Timestamp, TopicName,
    batch::{Batch, BatchBuilder, NewRecord},
};

use crate::{
    Access, Clock, Hub, HubSettings, SendPartition,
    access::TopicRef,
    admin::NewTopic,
    append::{AppendError, Appended},
    clock::Sleep,
    engine::{Engine, memory::MemoryEngine},
    fetch::{FetchPartition, FetchRequest, Lending},
    groups::{Command, CommitOffsets, OffsetToCommit, PerTopic},
    login::Origin,
    observe::SyncTimes,
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
