//! Numbers for the metrics: counters live in the structures as plain atomics, a walk shows them.

mod histogram;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use model::{GroupId, NamespaceName, PartitionIndex, TopicName};
use storage::{Stats, SyncObserver, Synced};

pub use coordinator::{HeldBytes, Refusals};
pub use histogram::{Histogram, HistogramView};
pub use quota::Usage;

use crate::{findings::Findings, hub::Health, sync::lock};

/// How a request ended, for Azure's request counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestResult {
    Success,
    /// Answered, but the client is held back to hold the throughput units.
    Throttled,
    /// The client's fault.
    UserError,
    /// Ours.
    ServerError,
    /// Refused for exceeding the units.
    QuotaExceeded,
}

/// What went through, since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficView {
    pub incoming_messages: u64,
    pub incoming_bytes: u64,
    pub outgoing_messages: u64,
    pub outgoing_bytes: u64,
}

/// One topic's counters.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    incoming_messages: AtomicU64,
    incoming_bytes: AtomicU64,
    outgoing_messages: AtomicU64,
    outgoing_bytes: AtomicU64,
}

impl Traffic {
    pub(crate) fn came_in(&self, bytes: u64, messages: u64) {
        self.incoming_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.incoming_messages
            .fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn went_out(&self, bytes: u64, messages: u64) {
        self.outgoing_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.outgoing_messages
            .fetch_add(messages, Ordering::Relaxed);
    }

    pub(crate) fn view(&self) -> TrafficView {
        TrafficView {
            incoming_messages: self.incoming_messages.load(Ordering::Relaxed),
            incoming_bytes: self.incoming_bytes.load(Ordering::Relaxed),
            outgoing_messages: self.outgoing_messages.load(Ordering::Relaxed),
            outgoing_bytes: self.outgoing_bytes.load(Ordering::Relaxed),
        }
    }
}

/// A namespace's requests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestsView {
    pub incoming: u64,
    pub successful: u64,
    pub throttled: u64,
    pub user_errors: u64,
    pub server_errors: u64,
    pub quota_exceeded: u64,
}

/// One namespace's request counters.
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    successful: AtomicU64,
    throttled: AtomicU64,
    user_errors: AtomicU64,
    server_errors: AtomicU64,
    quota_exceeded: AtomicU64,
}

impl RequestCounters {
    pub(crate) fn count(&self, result: RequestResult) {
        let counter = match result {
            RequestResult::Success => &self.successful,
            RequestResult::Throttled => &self.throttled,
            RequestResult::UserError => &self.user_errors,
            RequestResult::ServerError => &self.server_errors,
            RequestResult::QuotaExceeded => &self.quota_exceeded,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn view(&self) -> RequestsView {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let throttled = load(&self.throttled);
        // A throttled request was served all the same.
        let successful = load(&self.successful) + throttled;
        let user_errors = load(&self.user_errors);
        let server_errors = load(&self.server_errors);
        let quota_exceeded = load(&self.quota_exceeded);
        RequestsView {
            incoming: successful + user_errors + server_errors + quota_exceeded,
            successful,
            throttled,
            user_errors,
            server_errors,
            quota_exceeded,
        }
    }
}

/// How long reads take, by where the bytes came from.
#[derive(Debug, Default)]
pub(crate) struct ReadTimes {
    pub(crate) cached: Histogram,
    pub(crate) cold: Histogram,
    pub(crate) waited: Histogram,
}

/// How long syncs take and how much they carry. The log's sync thread is the only caller.
pub(crate) struct SyncTimes {
    clock: std::sync::Arc<dyn crate::Clock>,
    started: Mutex<Option<Instant>>,
    pub(crate) duration: Histogram,
    pub(crate) bytes: Histogram,
    pub(crate) entries: Histogram,
    since_checkpoint: AtomicU64,
    /// Told when enough was written for a checkpoint to be worth a look.
    pub(crate) checkpoint_hint: tokio::sync::Notify,
}

/// Bytes after which the housekeeper looks whether a checkpoint is due.
const CHECKPOINT_LOOK_BYTES: u64 = 32 << 20;

impl SyncTimes {
    pub(crate) fn new(clock: std::sync::Arc<dyn crate::Clock>) -> Self {
        Self {
            clock,
            started: Mutex::default(),
            duration: Histogram::default(),
            bytes: Histogram::default(),
            entries: Histogram::default(),
            since_checkpoint: AtomicU64::new(0),
            checkpoint_hint: tokio::sync::Notify::new(),
        }
    }
}

impl SyncObserver for SyncTimes {
    fn sync_started(&self) {
        *lock(&self.started) = Some(self.clock.now().monotonic);
    }

    fn sync_ended(&self, synced: Synced) {
        if let Some(started) = lock(&self.started).take() {
            let now = self.clock.now().monotonic;
            self.duration.record(now.saturating_duration_since(started));
        }
        self.bytes.record_value(synced.bytes);
        self.entries.record_value(synced.entries);
        let before = self
            .since_checkpoint
            .fetch_add(synced.bytes, Ordering::Relaxed);
        if before.saturating_add(synced.bytes) >= CHECKPOINT_LOOK_BYTES {
            self.since_checkpoint.store(0, Ordering::Relaxed);
            self.checkpoint_hint.notify_one();
        }
    }
}

/// One namespace at a glance.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceView<'a> {
    pub name: &'a NamespaceName,
    pub requests: RequestsView,
    /// `None` is unlimited.
    pub units: Option<u32>,
    pub usage: Usage,
    pub topic_count: usize,
    pub group_count: usize,
    pub rebalance_count: u64,
    /// What groups with their members, and committed offsets, keep in memory.
    pub group_bytes: HeldBytes,
    /// Joins and commits refused since the start for the memory they would take.
    pub group_refusals: Refusals,
}

/// One topic at a glance.
#[derive(Clone, Copy, Debug)]
pub struct TopicObservation<'a> {
    pub namespace: &'a NamespaceName,
    pub name: &'a TopicName,
    pub traffic: TrafficView,
    pub size_bytes: u64,
    pub partition_count: i32,
}

/// One partition at a glance.
#[derive(Clone, Copy, Debug)]
pub struct PartitionObservation<'a> {
    pub namespace: &'a NamespaceName,
    pub topic: &'a TopicName,
    pub partition: PartitionIndex,
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub size_bytes: u64,
}

/// How far a group lags on one partition.
#[derive(Clone, Copy, Debug)]
pub struct LagObservation<'a> {
    pub namespace: &'a NamespaceName,
    pub group: &'a GroupId,
    pub topic: &'a TopicName,
    pub partition: PartitionIndex,
    pub records: u64,
    /// Age of the oldest unread record; `None` where it has no time.
    pub age: Option<Duration>,
}

/// The whole process at a glance.
#[derive(Clone, Debug)]
pub struct ProcessView {
    pub storage: Stats,
    pub findings: Findings,
    pub health: Health,
    pub sync_duration_us: HistogramView,
    pub sync_bytes: HistogramView,
    pub sync_entries: HistogramView,
    /// From its place in order until written, and until durable.
    pub append_written_us: HistogramView,
    pub append_durable_us: HistogramView,
    /// One partition's read, from memory and from the store.
    pub read_cached_us: HistogramView,
    pub read_cold_us: HistogramView,
    /// How long fetches waited for something to read.
    pub fetch_waited_us: HistogramView,
    pub waiting_fetches: u64,
    /// Idempotent producers remembered over all partitions.
    pub producers: u64,
    /// Those forgotten because there were too many.
    pub producers_forgotten: u64,
}

/// Sees everything once per walk. What an observer does not need it leaves at the default, which
/// ignores it; partitions and lag are walked only if wanted, because there may be many.
pub trait Observer {
    fn process(&mut self, view: &ProcessView);

    fn namespace(&mut self, view: &NamespaceView<'_>);

    fn topic(&mut self, view: &TopicObservation<'_>);

    /// Whether to walk the partitions too.
    fn wants_partitions(&self) -> bool {
        false
    }

    fn partition(&mut self, _view: &PartitionObservation<'_>) {}

    /// Whether to walk the groups' committed offsets too.
    fn wants_lag(&self) -> bool {
        false
    }

    fn lag(&mut self, _view: &LagObservation<'_>) {}
}
