//! What the scenarios share: a clock that they move, a hub that they can end and start again.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use hub::{
    Access, Clock, Hub, HubSettings,
    access::TopicRef,
    append::Acks,
    clock::Sleep,
    fetch::{FetchPartition, FetchRequest, Fetched, Lending},
    login::Origin,
    settings::NamespaceSettings,
};
use model::{
    LeaderEpoch, NamespaceName, Now, Offset, PartitionIndex, Piece, ProducerEpoch, ProducerId,
    Sequence, Timestamp,
    batch::{Batch, BatchBuilder, NewRecord, split},
};
use tempfile::TempDir;
use tokio::sync::Notify;

/// Time that moves when a test says so.
#[derive(Clone)]
pub(crate) struct ManualClock {
    now: Arc<Mutex<Now>>,
    moved: Arc<Notify>,
}

impl ManualClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only come from the clock; from here on the test moves it"
    )]
    pub(crate) fn new() -> Self {
        let now = Now {
            monotonic: Instant::now(),
            wall: Timestamp(1_700_000_000_000),
        };
        Self {
            now: Arc::new(Mutex::new(now)),
            moved: Arc::default(),
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        {
            let mut now = self.now.lock().unwrap();
            *now = now.plus(span);
        }
        self.moved.notify_waiters();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.now.lock().unwrap()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            loop {
                let moved = clock.moved.notified();
                if clock.now().monotonic >= deadline {
                    return;
                }
                moved.await;
            }
        })
    }
}

/// A hub with its directory and its clock.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) settings: HubSettings,
    pub(crate) hub: Arc<Hub>,
}

impl World {
    /// One namespace, `dev`, with the defaults.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut HubSettings)) -> Self {
        let mut settings = HubSettings {
            namespaces: vec![NamespaceSettings::new(NamespaceName::from("dev"))],
            ..HubSettings::default()
        };
        settings.storage.extent_bytes = 1 << 20;
        settings.storage.free_space_floor_bytes = 0;
        settings.limits.rebalance_delay = Duration::ZERO;
        change(&mut settings);
        let dir = TempDir::new().unwrap();
        let clock = ManualClock::new();
        let hub = open(&dir, &settings, &clock);
        Self {
            dir,
            clock,
            settings,
            hub,
        }
    }

    /// A caller with all rights.
    pub(crate) fn access(&self, namespace: &str) -> Access {
        let origin = Origin {
            server_name: None,
            listener_namespace: Some(NamespaceName::from(namespace)),
            ..Origin::default()
        };
        self.hub.anonymous(&origin).unwrap()
    }

    /// Ends the hub properly and starts it again. Every handle must be gone: the directory stays
    /// locked as long as one lives.
    pub(crate) async fn restart(self) -> Self {
        assert!(self.hub.shutdown(Duration::from_secs(10)).await);
        self.reopened()
    }

    fn reopened(self) -> Self {
        let Self {
            dir,
            clock,
            settings,
            hub,
        } = self;
        drop(hub);
        let hub = open(&dir, &settings, &clock);
        Self {
            dir,
            clock,
            settings,
            hub,
        }
    }

    /// A copy of the directory as a crash would leave it, opened by another hub.
    pub(crate) fn crashed(&self) -> Self {
        let dir = copied(self.dir.path());
        let hub = open(&dir, &self.settings, &self.clock);
        Self {
            dir,
            clock: self.clock.clone(),
            settings: self.settings.clone(),
            hub,
        }
    }
}

/// How often a copy is begun anew because a file went away under it.
const COPIES_MAX: usize = 20;

/// A copy of a directory in use. Files come and go by being renamed, so a copy that misses one is
/// thrown away: no crash leaves a directory without both names.
pub(crate) fn copied(from: &Path) -> TempDir {
    for _ in 0..COPIES_MAX {
        let dir = TempDir::new().unwrap();
        match copy(from, dir.path()) {
            Ok(()) => return dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => panic!("copy the directory: {error}"),
        }
    }
    panic!("the directory never keeps still");
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn open(dir: &TempDir, settings: &HubSettings, clock: &ManualClock) -> Arc<Hub> {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Hub::open(dir.path(), settings.clone(), clock).unwrap()
}

/// A batch of records without a producer.
pub(crate) fn batch(values: &[&str]) -> Batch {
    batch_at(Timestamp(1_700_000_000_000), values)
}

pub(crate) fn batch_at(timestamp: Timestamp, values: &[&str]) -> Batch {
    built(BatchBuilder::default(), timestamp, values)
}

/// A batch of an idempotent producer.
pub(crate) fn sequenced(producer: i64, sequence: i32, values: &[&str]) -> Batch {
    let builder = BatchBuilder::default().producer(
        ProducerId(producer),
        ProducerEpoch(0),
        Sequence(sequence),
    );
    built(builder, Timestamp(1_700_000_000_000), values)
}

fn built(mut builder: BatchBuilder, timestamp: Timestamp, values: &[&str]) -> Batch {
    for value in values {
        builder.push(NewRecord {
            timestamp,
            key: Some(b"key"),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    Batch::check(builder.build()).unwrap()
}

/// Appends durably; gives the base offset.
pub(crate) async fn send(access: &Access, topic: &str, batch: Batch) -> i64 {
    let topic = access.topic_to_send(TopicRef::Name(topic)).unwrap();
    let partition = topic.partition(PartitionIndex(0)).unwrap();
    let appending = partition.append(vec![batch], Acks::Durable).unwrap();
    appending.await.unwrap().base_offset.0
}

/// One partition to be fetched from an offset.
pub(crate) fn wanted(access: &Access, topic: &str, offset: i64) -> FetchPartition {
    let topic = access.topic_to_listen(TopicRef::Name(topic)).unwrap();
    FetchPartition {
        partition: topic.partition(PartitionIndex(0)).unwrap(),
        offset: Offset(offset),
        max_bytes: 1 << 20,
        current_leader_epoch: LeaderEpoch::NONE,
        last_fetched_epoch: LeaderEpoch::NONE,
    }
}

/// A fetch that takes what is there.
pub(crate) fn at_once(partitions: Vec<FetchPartition>) -> FetchRequest {
    FetchRequest {
        partitions,
        min_bytes: 0,
        max_bytes: 1 << 20,
        max_wait: Duration::ZERO,
        lending: Lending::Never,
    }
}

/// The values of the first partition's records from `offset` on.
pub(crate) async fn values(access: &Access, topic: &str, offset: i64) -> Vec<String> {
    let request = at_once(vec![wanted(access, topic, offset)]);
    values_of(&access.fetch(request).await, offset)
}

pub(crate) fn values_of(fetched: &Fetched, offset: i64) -> Vec<String> {
    let pieces = &fetched.partitions[0].as_ref().unwrap().records;
    let all = Piece::join(pieces).unwrap();
    let mut values = Vec::new();
    for (header, bytes) in split(all) {
        let batch = Batch::check(bytes).unwrap();
        for (at, record) in (header.base_offset.0..).zip(batch.records()) {
            if at >= offset {
                let value = record.value.unwrap_or_default();
                values.push(String::from_utf8(value.to_vec()).unwrap());
            }
        }
    }
    values
}

/// Creates a topic of one partition.
pub(crate) async fn create(access: &Access, name: &str) {
    let topic = hub::admin::NewTopic {
        name: name.to_owned(),
        partition_count: Some(1),
        ..hub::admin::NewTopic::default()
    };
    access.create_topic(topic).await.unwrap();
}
