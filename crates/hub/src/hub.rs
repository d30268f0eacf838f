//! The process's one hub: opening, reloading, closing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    time::Duration,
};

use arc_swap::ArcSwap;
use model::{LogId, PartitionIndex};
use storage::{RecoveredPartition, Recovery, SyncObserver};
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};
use tracing::{error, info, warn};

pub use crate::apply::SettingsError;
use crate::{
    Clock, HubSettings,
    apply::{self, WhenFull},
    core::Core,
    engine::Engine,
    findings::Findings,
    housekeeping,
    internal_log::{KeepError, LogFailure},
    lag::{self, UnreadTimes},
    local::LocalEngine,
    metadata::{Command, METADATA_LOG},
    namespace::NamespaceTable,
    observe::{ReadTimes, SyncTimes},
    partition::Partition,
    producers::ProducerTotal,
    registry::{Registry, SubmitError},
    restore::{Restored, restore},
    resume::{self, Shortage},
    settings::StorageSettings,
    sync::lock,
    watch::Broken,
};

/// Everything that is served: the log, the namespaces, the tasks that keep them.
pub struct Hub {
    pub(crate) core: Arc<Core>,
    storage: StorageSettings,
    stop: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

/// Whether the log takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Serving,
    /// Reads go on; appends resume by themselves when there is space.
    DiskFull,
    /// Reads go on; appends are refused until a restart. With the reason.
    LogClosed(Arc<str>),
}

/// Why the hub did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("open log")]
    Storage(#[from] storage::OpenError),
    #[error("read internal log")]
    Read(#[from] storage::ReadError),
    #[error("internal log {log} holds a record that cannot be read: {reason}")]
    InternalLog { log: LogId, reason: String },
    /// Without it nothing says whose the data is; starting would take it for nobody's.
    #[error("the log holds or held data, but what says whose it is is lost")]
    MetadataLost,
    /// In the log, and not whole in the checkpoint's copy either.
    #[error("what exists is damaged in the log, and in no copy: {0}")]
    MetadataDamaged(#[source] storage::ReadError),
    #[error(
        "the disk has no room for a first start: {free} bytes are free, and {needed} are needed"
    )]
    NoRoomToBegin { free: u64, needed: u64 },
    #[error("the disk is full")]
    DiskFull,
    #[error("write checkpoint")]
    Checkpoint(#[from] storage::CheckpointError),
    #[error("close log")]
    Close(#[from] storage::CloseError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("write internal log: {0}")]
    NotKept(String),
}

/// Why new settings were not applied; the old ones stay in force.
#[derive(Debug, Error)]
pub enum ReloadError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the log does not keep the change: {0}")]
    NotKept(String),
}

impl Hub {
    /// Opens the data directory, replays the internal logs, applies the settings to what is there
    /// and starts the tasks. Call within a tokio runtime; blocks on the disk while it recovers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        data_dir: &Path,
        settings: HubSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        // Wrong settings are found before the log is touched.
        apply::check(&settings)?;
        let sync_times = Arc::new(SyncTimes::new(Arc::clone(&clock)));
        let observer = Arc::clone(&sync_times);
        let options = options(&settings.storage, observer);
        let cold_reads = settings.storage.cold_reads_max;
        let (engine, recovery) = LocalEngine::open(data_dir, options, cold_reads)?;
        Self::over(Arc::new(engine), recovery, settings, clock, sync_times)
    }

    /// As [`Hub::open`], over an engine that has recovered.
    pub(crate) fn over(
        engine: Arc<dyn Engine>,
        recovery: Recovery,
        settings: HubSettings,
        clock: Arc<dyn Clock>,
        sync_times: Arc<SyncTimes>,
    ) -> Result<Arc<Self>, OpenError> {
        let checked = apply::check(&settings)?;
        let core = core(engine, recovery, &settings, clock, sync_times)?;
        core.restore_namespaces()?;
        core.remove_orphans();
        let applied = core.apply(checked, WhenFull::LeaveOut)?;
        if applied.left_out && core.namespaces.load().all.is_empty() {
            // There is nothing to serve, so nothing is won by waiting for room.
            let storage = &settings.storage;
            return Err(OpenError::NoRoomToBegin {
                free: core.engine.stats().free_space_bytes,
                needed: storage.free_space_floor_bytes + storage.extent_bytes,
            });
        }
        core.shortage.note(applied.left_out, &settings);
        let (stop, stopped) = watch::channel(false);
        let hub = Arc::new(Self {
            core: Arc::new(core),
            storage: settings.storage,
            stop,
            tasks: Mutex::default(),
        });
        hub.start_tasks(stopped);
        Ok(hub)
    }

    fn start_tasks(&self, stopped: watch::Receiver<bool>) {
        let mut tasks = lock(&self.tasks);
        let interval = self.storage.retention_interval;
        let core = Arc::clone(&self.core);
        tasks.spawn(housekeeping::keep_house(core, interval, stopped.clone()));
        let core = Arc::clone(&self.core);
        tasks.spawn(resume::keep_up(core, stopped.clone()));
        let core = Arc::clone(&self.core);
        tasks.spawn(lag::keep_unread_times(core, stopped.clone()));
        for namespace in self.core.namespaces.load().all.values() {
            let (core, namespace) = (Arc::clone(&self.core), Arc::clone(namespace));
            tasks.spawn(housekeeping::keep_time(core, namespace, stopped.clone()));
        }
    }

    /// Puts new settings in force (policies, keys, units, defaults, event hubs) and names what
    /// cannot change without a restart, for the log.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub async fn reload(&self, settings: HubSettings) -> Result<Vec<String>, ReloadError> {
        let checked = apply::check(&settings)?;
        let newest = settings.clone();
        let mut left = Vec::new();
        if format!("{:?}", settings.storage) != format!("{:?}", self.storage) {
            left.push("storage: takes effect at the next start".to_owned());
        }
        for namespace in self.core.namespaces.load().all.values() {
            namespace.groups.configure(&settings.limits);
        }
        self.core.producers.bound(settings.limits.producers_max);
        self.core.limits.store(Arc::new(settings.limits));
        let applied = self.core.apply(checked, WhenFull::Refuse);
        let applied = applied.map_err(|error| match error {
            OpenError::Settings(error) => ReloadError::Settings(error),
            error => ReloadError::NotKept(error.to_string()),
        })?;
        self.core.shortage.note(applied.left_out, &newest);
        for namespace in applied.new {
            let task =
                housekeeping::keep_time(Arc::clone(&self.core), namespace, self.stop.subscribe());
            lock(&self.tasks).spawn(task);
        }
        let settled = self.core.registry.settled().await;
        settled.map_err(|error| ReloadError::NotKept(error.to_string()))?;
        Ok(left)
    }

    /// Whether the log takes appends, for readiness.
    #[must_use]
    pub fn health(&self) -> Health {
        self.core.health(self.core.engine.stats().state)
    }

    /// Answers all who only wait for something to happen (fetches, members of a rebalance) and lets
    /// nobody wait any more, so that connections can end. Writes go on.
    pub fn end_waits(&self) {
        self.core.draining.send_replace(true);
        for namespace in self.core.namespaces.load().all.values() {
            namespace.groups.close();
        }
    }

    /// Completes once nobody is to be kept waiting any more.
    pub fn waits_ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut draining = self.core.draining.subscribe();
        async move {
            // Its sender lives as long as the hub: without it nobody waits either.
            drop(draining.wait_for(|draining| *draining).await);
        }
    }

    /// Wakes all who wait, ends the tasks, makes everything durable and closes the log, within
    /// `limit`. Gives whether all went well and in time.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        self.stop.send_replace(true);
        let core = Arc::clone(&self.core);
        let deadline = core.clock.now().monotonic + limit;
        self.end_waits();
        for partition in core.partitions_by_log().into_values() {
            partition.close(Broken::ShuttingDown);
        }
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let closing = async {
            while tasks.join_next().await.is_some() {}
            let core = Arc::clone(&core);
            tokio::task::spawn_blocking(move || core.close()).await
        };
        // Dropped at the deadline, the closing thread goes on until the process ends.
        tokio::select! {
            closed = closing => matches!(closed, Ok(true)),
            () = core.clock.sleep_until(deadline) => {
                warn!("the log did not close in time: the next start recovers");
                false
            }
        }
    }
}

fn options(settings: &StorageSettings, observer: Arc<dyn SyncObserver>) -> storage::Options {
    storage::Options {
        extent_bytes: settings.extent_bytes,
        reused_extents_max: settings.reused_extents_max,
        direct_writes: settings.direct_writes,
        free_space_floor_bytes: settings.free_space_floor_bytes,
        queue_bytes_max: settings.queue_bytes_max,
        tail_cache_bytes: settings.tail_cache_bytes,
        catch_up_bytes: settings.catch_up_bytes,
        cold_cache_bytes: settings.cold_cache_bytes,
        cold_reads_beside_writers: settings.cold_reads_beside_writers,
        descriptors_max: settings.descriptors_max,
        observer: Some(observer),
        ..storage::Options::default()
    }
}

/// Replays the metadata and raises the epoch if the last process did not end properly.
fn core(
    engine: Arc<dyn Engine>,
    recovery: Recovery,
    settings: &HubSettings,
    clock: Arc<dyn Clock>,
    sync_times: Arc<SyncTimes>,
) -> Result<Core, OpenError> {
    let Recovery {
        clean,
        partitions,
        damages,
    } = recovery;
    for damage in &damages {
        warn!(?damage, "the log was damaged");
    }
    let mut findings = Findings::of(&damages);
    let mut found: BTreeMap<_, _> = partitions
        .into_iter()
        .map(|partition| (partition.id, partition))
        .collect();
    let is_new = found.is_empty() && !findings.has_lost();
    if !is_new && !found.contains_key(&METADATA_LOG) {
        return Err(OpenError::MetadataLost);
    }
    let Restored {
        mut machine,
        from_copy,
    } = restore(&*engine, found.get(&METADATA_LOG))?;
    findings.metadata_copy = u64::from(from_copy);
    let must_raise = !clean && !is_new;
    if must_raise {
        let raised = machine.decide(Command::RaiseEpoch).unwrap_or_default();
        raised.iter().for_each(|record| machine.replay(record));
    }
    let (epoch, now) = (machine.epoch, clock.now().wall);
    let index = PartitionIndex(0);
    let partition = match found.remove(&METADATA_LOG) {
        Some(found) => {
            // Its snapshot is the copy, and no state of a partition.
            let found = RecoveredPartition {
                snapshot: None,
                ..found
            };
            Partition::recovered(&found, index, epoch, &engine, &Arc::default(), now)
        }
        None => Partition::create(METADATA_LOG, index, epoch, &engine, &Arc::default()),
    };
    let registry = Registry::new(machine, partition, Arc::clone(&clock));
    let shortage = Shortage::default();
    if must_raise {
        keep_raised(&registry, &shortage)?;
        info!(%epoch, "raised the leader epoch after an unclean end");
    }
    if from_copy {
        // The damaged part of the log goes, so that the next start needs no copy.
        registry.renew_log();
    }
    Ok(Core {
        engine,
        clock,
        limits: ArcSwap::from_pointee(settings.limits.clone()),
        epoch,
        registry,
        namespaces: ArcSwap::from_pointee(NamespaceTable::default()),
        append_times: Arc::default(),
        read_times: ReadTimes::default(),
        sync_times,
        unread_times: UnreadTimes::default(),
        waiting_fetches: AtomicUsize::new(0),
        producers: Arc::new(ProducerTotal::new(settings.limits.producers_max)),
        draining: watch::Sender::new(false),
        found: Mutex::new(found),
        findings,
        shortage,
    })
}

/// The same log carries this record before any batch of the new epoch.
fn keep_raised(registry: &Registry, shortage: &Shortage) -> Result<(), KeepError> {
    registry.owe_epoch();
    match registry.keep_epoch() {
        Err(KeepError::DiskFull) => {
            error!("the disk is full: reads are served, appends are refused until there is room");
            shortage.hold_appends();
            Ok(())
        }
        kept => kept,
    }
}

impl Core {
    pub(crate) fn health(&self, state: storage::State) -> Health {
        match state {
            storage::State::Open if self.shortage.is_there() => Health::DiskFull,
            storage::State::Open => Health::Serving,
            storage::State::NoSpace => Health::DiskFull,
            storage::State::Closed(reason) => Health::LogClosed(reason),
        }
    }

    /// Frees what the log still has and nothing refers to: topics whose deletion was cut short.
    fn remove_orphans(&self) {
        let orphans: BTreeSet<LogId> = std::mem::take(&mut *lock(&self.found))
            .into_keys()
            .collect();
        for log in orphans {
            info!(%log, "free a partition that no event hub refers to");
            self.engine
                .remove(log, Box::new(LogFailure("remove orphan")));
        }
    }

    /// Makes everything durable and lets go of the log. Blocks.
    fn close(&self) -> bool {
        let partitions = self.partitions_by_log();
        let snapshot_of = |log| self.snapshot_of(&partitions, log);
        match self.engine.close(&snapshot_of) {
            Ok(()) => true,
            Err(error) => {
                warn!(%error, "the log did not close properly: the next start recovers");
                false
            }
        }
    }
}

impl From<SubmitError> for OpenError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::NotKept(KeepError::DiskFull) => Self::DiskFull,
            error => Self::NotKept(error.to_string()),
        }
    }
}

impl From<KeepError> for OpenError {
    fn from(error: KeepError) -> Self {
        Self::NotKept(error.to_string())
    }
}
