//! The tasks that act by themselves: one for the process, one per namespace.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use model::{LogId, Timestamp};
use storage::Snapshot;
use tokio::{sync::watch, task::spawn_blocking};
use tracing::{debug, error, info, warn};

use crate::{
    core::Core, internal_log::LogFailure, metadata::METADATA_LOG, namespace::Namespace,
    partition::Partition, sync::lock, topic::TopicSettings, watch::Broken,
};

/// How often the units look at themselves while nobody calls.
const UNITS_TICK: Duration = Duration::from_secs(1);

/// Retention by time and size at every interval; a checkpoint whenever enough was written.
pub(crate) async fn keep_house(
    core: Arc<Core>,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut next = core.clock.now().monotonic + interval;
    loop {
        let copy_due = core.registry.copy_due(core.clock.now().monotonic);
        // Every arm may be dropped half-way: hints stay noted, the others hold nothing.
        let retention_due = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = core.sync_times.checkpoint_hint.notified() => false,
            () = core.registry.changed.notified() => false,
            () = core.producers.surplus.notified() => false,
            () = sleep(&core, copy_due) => false,
            () = core.clock.sleep_until(next) => true,
        };
        let worker = Arc::clone(&core);
        let work = spawn_blocking(move || worker.keep_house_once(retention_due));
        if let Err(error) = work.await {
            warn!(%error, "housekeeping broke off");
        }
        if retention_due {
            next = core.clock.now().monotonic + interval;
        }
    }
}

/// A namespace's deadlines: its groups' timeouts, and its units' second.
pub(crate) async fn keep_time(
    core: Arc<Core>,
    namespace: Arc<Namespace>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut tick = core.clock.now().monotonic + UNITS_TICK;
    loop {
        let ticks = namespace.settings.load().units.auto_inflate.is_some();
        let groups = namespace.groups.arm();
        let next = [groups, ticks.then_some(tick)].into_iter().flatten().min();
        // Every arm may be dropped half-way: a rearming stays noted, the others hold nothing.
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = namespace.groups.rearm.notified() => continue,
            () = sleep(&core, next) => {}
        }
        let now = core.clock.now().monotonic;
        if groups.is_some_and(|deadline| deadline <= now) {
            namespace.groups.on_deadline();
        }
        if tick <= now {
            tick = now + UNITS_TICK;
            let change = lock(&namespace.meter).tick(now);
            if let Some(change) = change.filter(|_| ticks) {
                core.units_changed(&namespace, change);
            }
        }
    }
}

async fn sleep(core: &Core, until: Option<Instant>) {
    match until {
        Some(until) => core.clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

impl Core {
    /// One round of housekeeping; none of it touches data that another process owns. Blocks.
    pub(crate) fn keep_house_once(&self, retention_due: bool) {
        if !self.engine.owns() {
            error!("another process owns this data now: appends are refused");
            for partition in self.partitions_by_log().into_values() {
                partition.close(Broken::LogClosed);
            }
            for namespace in self.namespaces.load().all.values() {
                namespace.groups.close_log();
            }
            self.registry.close_log();
            self.registry.copied(None, self.clock.now().monotonic);
            return;
        }
        if self.producers.is_surplus() {
            self.forget_idlest_producers();
        }
        if retention_due {
            self.retain();
            self.engine.give_back();
        }
        let now = self.clock.now().monotonic;
        let is_due = |due: Instant| due <= now;
        if self.engine.checkpoint_due() || self.registry.copy_due(now).is_some_and(is_due) {
            self.checkpoint();
        }
    }

    /// Forgets idempotent producers of all partitions, the idlest first, until they are few enough.
    fn forget_idlest_producers(&self) {
        let partitions = self.partitions_by_log();
        let active = partitions.values();
        let active = active.flat_map(|partition| partition.producer_activity());
        let Some(before) = self.producers.forgotten_before(active.collect()) else {
            return;
        };
        let partitions = partitions.values();
        let forgotten = partitions.map(|partition| partition.expire_producers(before));
        let forgotten = forgotten.sum();
        self.producers.note_forgotten(forgotten);
        warn!(
            forgotten,
            "too many idempotent producers: the idlest are remembered no more"
        );
    }

    /// Cuts what is too old or too much off every partition, and forgets idle producers. Blocks.
    fn retain(&self) {
        let now = self.clock.now().wall;
        let expiry = self.limits.load().producer_expiry;
        let expiry = i64::try_from(expiry.as_millis()).unwrap_or(i64::MAX);
        let idle_since = Timestamp(now.0.saturating_sub(expiry));
        for namespace in self.namespaces.load().all.values() {
            for topic in namespace.topics() {
                let settings = topic.settings.load();
                for partition in topic.partitions.load().iter() {
                    partition.expire_producers(idle_since);
                    self.retain_partition(partition, &settings, now);
                }
            }
        }
    }

    fn retain_partition(&self, partition: &Partition, settings: &TopicSettings, now: Timestamp) {
        let positions = partition.watermarks();
        if !settings.deletes || positions.start == positions.durable_end {
            return;
        }
        let mut keep = positions.start;
        if let Some(retention_ms) = settings.retention_ms {
            let before = Timestamp(now.0.saturating_sub(retention_ms));
            match self.engine.expired_before(partition.log, before) {
                Ok(offset) => keep = keep.max(offset),
                Err(error) => debug!(log = %partition.log, %error, "look for expired records"),
            }
        }
        if let Some(bytes) = settings.retention_bytes
            && self.engine.size(partition.log) > bytes
        {
            match self.engine.oversized_until(partition.log, bytes) {
                Ok(offset) => keep = keep.max(offset),
                Err(error) => debug!(log = %partition.log, %error, "look for surplus records"),
            }
        }
        if keep > positions.start {
            info!(log = %partition.log, start = %keep, "retention moves the start");
            let done = Box::new(LogFailure("trim partition"));
            self.engine.trim(partition.log, keep, done);
            partition.trimmed(keep);
        }
    }

    fn checkpoint(&self) {
        let partitions = self.partitions_by_log();
        let copied = Cell::new(None);
        let snapshot_of = |log| {
            let snapshot = self.snapshot_of(&partitions, log)?;
            if log == METADATA_LOG {
                copied.set(Some(snapshot.next));
            }
            Some(snapshot)
        };
        let written = self.engine.checkpoint(&snapshot_of);
        if let Err(error) = &written {
            warn!(%error, "the checkpoint was not written, the last one stays");
        }
        let until = copied.get().filter(|_| written.is_ok());
        self.registry.copied(until, self.clock.now().monotonic);
    }

    /// What the checkpoint keeps of a log: a partition's state, or all of what exists.
    pub(crate) fn snapshot_of(
        &self,
        partitions: &BTreeMap<LogId, Arc<Partition>>,
        log: LogId,
    ) -> Option<Snapshot> {
        if log == METADATA_LOG {
            return Some(self.registry.copy());
        }
        partitions.get(&log)?.snapshot()
    }
}
