//! Consumer groups: the shell around the coordinator's state machine.
//!
//! The coordinator decides; this shell appends its records to the namespace's groups log, applies
//! them, and lets a reply go when everything it may rest on is durable. Front ends speak the
//! coordinator's own vocabulary, which they find here: they depend on `hub` alone.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

pub use coordinator::{
    Command, CommitOffsets, CommittedOffset, DeleteOffsets, DeletedGroup, DescribedGroup,
    DescribedMember, FetchOffsets, FetchOffsetsGroup, FetchedGroup, FetchedOffset,
    GroupDescription, GroupError, GroupState, GroupType, Heartbeat, JoinGroup, Joined,
    JoinedMember, LeaveGroup, LeavingMember, LeftMember, ListGroups, ListedGroup, OffsetToCommit,
    PartitionResult, PerTopic, Protocol, Reply, SyncGroup, Synced,
};
use coordinator::{Config, ConnectionId, Coordinator, Outcome, Record, Sender, Ticket};
use model::{GroupId, LogId, Now, Offset};
use storage::ReadError;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tracing::{error, info, warn};

use crate::{
    Clock,
    engine::Engine,
    hub::OpenError,
    internal_log::{self, Entry, InternalLog, KeepError},
    namespace::Namespace,
    partition::Partition,
    settings::Limits,
    sync::{lock, tell},
    untold::{self, Untold},
    watch::Broken,
};

/// Why a command did not reach the coordinator, or its decision could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupCallError {
    /// Kafka: GROUP_AUTHORIZATION_FAILED.
    #[error("not authorized")]
    Denied,
    /// A topic of the command is not the caller's to read: the handler should have answered it
    /// (Kafka: TOPIC_AUTHORIZATION_FAILED) and left it out.
    #[error("not authorized for a topic of the command")]
    TopicDenied,
    /// Lack of space; heals by itself (Kafka: COORDINATOR_NOT_AVAILABLE).
    #[error("the disk is full")]
    DiskFull,
    /// Until restart (Kafka: COORDINATOR_NOT_AVAILABLE).
    #[error("the log is closed after a disk error")]
    LogClosed,
    /// Kafka: COORDINATOR_NOT_AVAILABLE.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// A command that the coordinator has taken; as a future it waits for the durable reply. Dropping
/// it abandons the command.
#[must_use = "the reply is for the client"]
pub struct GroupReply {
    inner: Pin<Box<dyn Future<Output = Result<Reply, GroupCallError>> + Send>>,
}

impl Future for GroupReply {
    type Output = Result<Reply, GroupCallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.inner.as_mut().poll(context)
    }
}

/// A namespace's coordinator with its log. Lock order: `inner`, then the log's partition.
pub(crate) struct Groups {
    inner: Mutex<Inner>,
    log: InternalLog,
    untold: Untold,
    clock: Arc<dyn Clock>,
    connections: AtomicU64,
    /// The nearest deadline has come nearer.
    pub(crate) rearm: Notify,
}

struct Inner {
    coordinator: Coordinator,
    config: Config,
    waiting: HashMap<Ticket, oneshot::Sender<Settled>>,
    next_ticket: u64,
    /// What the timer sleeps until.
    armed: Option<Instant>,
    closed: bool,
}

/// A reply, and the position of the log that it rests on.
type Settled = Result<(Reply, Offset), KeepError>;

impl Groups {
    /// Rebuilds the coordinator from its log. Blocks: for the start.
    pub(crate) fn open(
        partition: Arc<Partition>,
        clock: Arc<dyn Clock>,
        limits: &Limits,
    ) -> Result<Self, OpenError> {
        let config = config(limits);
        let mut coordinator = Coordinator::new(config.clone(), random_ids());
        let lost = replay(&*partition.engine, partition.log, &mut coordinator)?;
        coordinator.loaded(clock.now());
        let inner = Inner {
            coordinator,
            config,
            waiting: HashMap::new(),
            next_ticket: 0,
            armed: None,
            closed: false,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            log: InternalLog::new(partition, Arc::clone(&clock)),
            untold: Untold::new(lost),
            clock,
            connections: AtomicU64::new(0),
            rearm: Notify::new(),
        })
    }

    /// Looks at the groups, for the metrics.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Coordinator) -> R) -> R {
        look(&lock(&self.inner).coordinator)
    }

    /// Damaged stretches of the log that were met at the start.
    pub(crate) const fn lost_stretches(&self) -> u64 {
        self.untold.stretches()
    }

    /// Puts new limits in force.
    pub(crate) fn configure(&self, limits: &Limits) {
        let mut inner = lock(&self.inner);
        inner.config = config(limits);
        let config = inner.config.clone();
        inner.coordinator.configure(config);
    }

    /// The nearest deadline, which the timer now sleeps until.
    pub(crate) fn arm(&self) -> Option<Instant> {
        let mut inner = lock(&self.inner);
        inner.armed = inner.coordinator.next_deadline();
        inner.armed
    }

    /// Acts on the deadlines that have passed.
    pub(crate) fn on_deadline(&self) {
        let mut inner = lock(&self.inner);
        let outcome = inner.coordinator.on_deadline(self.clock.now());
        self.settle(inner, outcome);
    }

    /// Refuses commands from now on; who waits is told.
    pub(crate) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        // A sender dropped says that the broker is shutting down.
        inner.waiting.clear();
    }

    /// Keeps what is decided again, after a start on a full disk.
    pub(crate) fn take_appends(&self) {
        self.log.partition.release();
    }

    /// Keeps nothing more, until a restart.
    pub(crate) fn close_log(&self) {
        self.log.partition.close(Broken::LogClosed);
    }

    /// A name for a new connection; that of the members of a former process is 0.
    pub(crate) fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The connection has ended.
    pub(crate) fn disconnected(&self, connection: ConnectionId) {
        let mut inner = lock(&self.inner);
        if !inner.closed {
            let now = self.clock.now();
            inner.coordinator.disconnected(connection, now);
            self.settle(inner, Outcome::default());
        }
    }

    fn begin(
        &self,
        command: Command,
        sender: &Sender,
    ) -> Result<(Ticket, oneshot::Receiver<Settled>), KeepError> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err(KeepError::ShuttingDown);
        }
        let ticket = Ticket(inner.next_ticket);
        inner.next_ticket += 1;
        let (reply, settled) = oneshot::channel();
        inner.waiting.insert(ticket, reply);
        let now = self.clock.now();
        let outcome = inner.coordinator.handle(command, sender, ticket, now);
        self.settle(inner, outcome);
        Ok((ticket, settled))
    }

    fn abandon(&self, ticket: Ticket) {
        let mut inner = lock(&self.inner);
        if inner.waiting.remove(&ticket).is_some() {
            let outcome = inner.coordinator.abandon(ticket, self.clock.now());
            self.settle(inner, outcome);
        }
    }

    /// Keeps and applies the records, then hands out the replies with the position they rest on.
    fn settle(&self, mut inner: MutexGuard<'_, Inner>, outcome: Outcome) {
        let entries: Vec<Entry> = outcome.records.iter().map(Record::encode).collect();
        if let Err(error) = self.log.append(&entries) {
            inner.not_kept(&outcome, error, self.clock.now());
            return;
        }
        for record in &outcome.records {
            inner.coordinator.replay(record);
        }
        if self.log.wants_snapshot() {
            self.snapshot(&inner.coordinator);
        }
        let position = self.log.position();
        for (ticket, reply) in outcome.replies {
            if let Some(waiting) = inner.waiting.remove(&ticket) {
                tell(waiting, Ok((reply, position)));
            }
        }
        let nearest = inner.coordinator.next_deadline();
        let nearer = nearest.is_some_and(|next| inner.armed.is_none_or(|armed| next < armed));
        drop(inner);
        if nearer {
            self.rearm.notify_one();
        }
    }

    fn snapshot(&self, coordinator: &Coordinator) {
        let records = coordinator.snapshot();
        let entries: Vec<Entry> = records.iter().map(Record::encode).collect();
        info!(records = entries.len(), "write snapshot of the groups");
        if let Err(error) = self.log.append_snapshot(&entries) {
            // The log stays as it is, only longer; the next append tries again.
            error!(%error, "the snapshot of the groups was not written");
        }
    }

    async fn reply(
        command: AbandonOnDrop,
        settled: oneshot::Receiver<Settled>,
        to_tell: Vec<GroupId>,
    ) -> Result<Reply, GroupCallError> {
        let (mut reply, position) = settled.await.unwrap_or(Err(KeepError::ShuttingDown))?;
        command.namespace.groups.log.durable(position).await?;
        if let Reply::FetchOffsets(groups) = &mut reply {
            untold::tell(&command.namespace, groups, &to_tell).await;
        }
        Ok(reply)
    }
}

/// Tells the coordinator when nobody waits for a reply any more.
struct AbandonOnDrop {
    namespace: Arc<Namespace>,
    ticket: Ticket,
}

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.namespace.groups.abandon(self.ticket);
    }
}

impl Namespace {
    /// Gives a sender's command to the coordinator, in the order of calls.
    pub(crate) fn group(
        self: &Arc<Self>,
        command: Command,
        sender: &Sender,
    ) -> Result<GroupReply, GroupCallError> {
        let to_tell = self.groups.untold.tell(&command);
        let (ticket, settled) = self.groups.begin(command, sender)?;
        // Made here and not inside the future: one that is never polled must abandon, too.
        let command = AbandonOnDrop {
            namespace: Arc::clone(self),
            ticket,
        };
        Ok(GroupReply {
            inner: Box::pin(Groups::reply(command, settled, to_tell)),
        })
    }
}

impl Inner {
    /// The records could not be kept. Offsets alone are refused, and nobody else is touched: soft
    /// state knows nothing of them.
    fn not_kept(&mut self, outcome: &Outcome, error: KeepError, now: Now) {
        let offsets_alone = outcome
            .records
            .iter()
            .all(|record| matches!(record, Record::Offset { .. }));
        if !offsets_alone {
            self.start_over(error, now);
            return;
        }
        warn!(%error, "committed offsets were not kept");
        for (ticket, _) in &outcome.replies {
            if let Some(waiting) = self.waiting.remove(ticket) {
                tell(waiting, Err(error));
            }
        }
    }

    /// A group could not be kept: what the coordinator decided since is void. Hard state is
    /// what was replayed, so its own snapshot is the ground to start from; members join anew.
    fn start_over(&mut self, error: KeepError, now: Now) {
        error!(%error, "a decision about groups was not kept, members must join again");
        let kept = self.coordinator.snapshot();
        self.coordinator = Coordinator::new(self.config.clone(), random_ids());
        for record in &kept {
            self.coordinator.replay(record);
        }
        self.coordinator.loaded(now);
        for (_, waiting) in self.waiting.drain() {
            tell(waiting, Err(error));
        }
    }
}

/// Offsets that lie in a damaged part of the log are lost, and said to be: keeping every group
/// from working would not bring them back. Gives how many such parts there are.
fn replay(
    engine: &dyn Engine,
    log: LogId,
    coordinator: &mut Coordinator,
) -> Result<u64, OpenError> {
    let mut stretches = 0;
    let mut broken = None;
    let mut visit = |key: &[u8], value: Option<&[u8]>| match Record::decode(key, value) {
        Ok(record) => coordinator.replay(&record),
        Err(error) => drop(broken.get_or_insert(error)),
    };
    let mut from = Offset::ZERO;
    while let Err(error) = internal_log::replay(engine, log, from, &mut visit) {
        let ReadError::Damaged { from: lost, until } = error else {
            return Err(error.into());
        };
        error!(%log, %lost, %until, "groups and offsets are lost to damage on the disk");
        stretches += 1;
        from = until;
    }
    match broken {
        Some(error) => Err(OpenError::InternalLog {
            log,
            reason: error.to_string(),
        }),
        None => Ok(stretches),
    }
}

fn config(limits: &Limits) -> Config {
    Config {
        session_timeout_min: limits.session_timeout_min,
        session_timeout_max: limits.session_timeout_max,
        initial_rebalance_delay: limits.rebalance_delay,
        group_members_max: limits.group_members_max,
        groups_max: limits.groups_max,
        members_bytes_max: limits.group_members_bytes_max,
        offsets_bytes_max: limits.group_offsets_bytes_max,
        group_id_bytes_max: limits.group_id_bytes_max,
        offset_metadata_bytes_max: limits.offset_metadata_bytes_max,
        ..Config::default()
    }
}

fn random_ids() -> coordinator::IdSource {
    Box::new(|| uuid::Uuid::new_v4().as_u128())
}

impl From<KeepError> for GroupCallError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::DiskFull => Self::DiskFull,
            KeepError::LogClosed => Self::LogClosed,
            KeepError::ShuttingDown => Self::ShuttingDown,
        }
    }
}
