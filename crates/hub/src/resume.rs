//! A start on a full disk: what could not be written waits until there is room.
//!
//! After an unclean end the raised epoch must be in the log before any batch of it, so partitions
//! take no appends before that. Namespaces and event hubs of the configuration that could not be
//! created are created then, too. Reads go on all the while.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
};
use tracing::{error, info, warn};

use crate::{
    HubSettings, apply, core::Core, housekeeping, namespace::Namespace, partition::Partition,
    sync::lock,
};

/// How often the broker looks whether there is room again, and makes its mark outlive the machine.
const TICK: std::time::Duration = std::time::Duration::from_secs(1);

/// What waits for room on the disk.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    holds_appends: AtomicBool,
    /// To be applied once more: something of them was left out.
    settings: Mutex<Option<HubSettings>>,
}

impl Shortage {
    /// Partitions take no appends until the epoch is kept.
    pub(crate) fn hold_appends(&self) {
        self.holds_appends.store(true, Ordering::Release);
    }

    pub(crate) fn holds_appends(&self) -> bool {
        self.holds_appends.load(Ordering::Acquire)
    }

    /// Takes note whether these settings, the newest, are to be applied once more.
    pub(crate) fn note(&self, left_out: bool, settings: &HubSettings) {
        *lock(&self.settings) = left_out.then(|| settings.clone());
    }

    /// Whether anything waits.
    pub(crate) fn is_there(&self) -> bool {
        self.holds_appends() || lock(&self.settings).is_some()
    }
}

/// Looks every second what can be made up for.
pub(crate) async fn keep_up(core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    let mut namespaces = JoinSet::new();
    loop {
        let next = core.clock.now().monotonic + TICK;
        // Both arms may be dropped half-way: neither holds anything.
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = core.clock.sleep_until(next) => {}
        }
        let worker = Arc::clone(&core);
        let work = spawn_blocking(move || {
            worker.engine.keep_mark();
            worker.resume()
        });
        let new = work.await.unwrap_or_else(|error| {
            error!(%error, "making up for a full disk broke off");
            Vec::new()
        });
        for namespace in new {
            let core = Arc::clone(&core);
            namespaces.spawn(housekeeping::keep_time(core, namespace, stopped.clone()));
        }
    }
    while namespaces.join_next().await.is_some() {}
}

impl Core {
    /// Does what the lack of room has put off; gives the namespaces that are new. Blocks.
    pub(crate) fn resume(&self) -> Vec<Arc<Namespace>> {
        if self.shortage.holds_appends() {
            if self.registry.keep_epoch().is_err() {
                return Vec::new();
            }
            self.release_partitions();
            info!(epoch = %self.epoch, "there is room on the disk again: appends are taken");
        }
        let Some(settings) = lock(&self.shortage.settings).clone() else {
            return Vec::new();
        };
        let checked = match apply::check(&settings) {
            Ok(checked) => checked,
            Err(error) => {
                warn!(%error, "settings that were in force are refused");
                self.shortage.note(false, &settings);
                return Vec::new();
            }
        };
        match self.apply(checked, apply::WhenFull::LeaveOut) {
            Ok(applied) => {
                self.shortage.note(applied.left_out, &settings);
                if !applied.left_out {
                    info!("everything that the configuration names is there now");
                }
                applied.new
            }
            Err(error) => {
                warn!(%error, "the configuration is not in force as a whole");
                Vec::new()
            }
        }
    }

    /// The epoch is in the log: whatever follows it may be appended.
    fn release_partitions(&self) {
        self.shortage.holds_appends.store(false, Ordering::Release);
        for partition in self.partitions_by_log().values() {
            Partition::release(partition);
        }
        for namespace in self.namespaces.load().all.values() {
            namespace.groups.take_appends();
        }
    }
}
