//! The signals that a broker answers to.

use std::time::Duration;

use anyhow::Context;
use server::admin::{DiskState, Readiness};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use super::reload::Reloader;
use crate::settings::OnDiskError;

/// How often the log's health is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Why a broker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Asked,
    /// A write or a sync of the log failed.
    DiskFailed,
}

/// A full disk mends itself and reads go on; a closed log needs a restart.
fn disk_state(health: &hub::Health) -> DiskState {
    match health {
        hub::Health::Serving => DiskState::Sound,
        hub::Health::DiskFull => DiskState::Full,
        hub::Health::LogClosed(_) => DiskState::Failed,
    }
}

/// TERM and INT stop, HUP reloads.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// Whether the process ends for what became of its disk.
fn is_an_end(state: DiskState, on_disk_error: OnDiskError) -> bool {
    state == DiskState::Failed && on_disk_error == OnDiskError::Exit
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Reloads as often as asked, and keeps readiness true to the log, until there is a reason to stop.
    pub(super) async fn until_stop(
        &mut self,
        reloader: &mut Reloader,
        readiness: &Readiness,
        listeners: &server::Running,
        on_disk_error: OnDiskError,
    ) -> Stop {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            // Every arm may be dropped half-way: signals and ticks are kept for the next look.
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => {
                    reloader.reload().await;
                    listeners.recheck_logins();
                }
                _ = look.tick() => {
                    let state = disk_state(&reloader.hub.health());
                    readiness.set_disk(state);
                    readiness.set(state != DiskState::Failed);
                    if is_an_end(state, on_disk_error) {
                        error!("stopping: the disk failed, and a restart recovers what is sound");
                        return Stop::DiskFailed;
                    }
                }
            }
        }
        info!("stopping");
        Stop::Asked
    }

    /// Completes at the next signal to stop.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_disk_ends_the_process_only_where_that_is_chosen() {
        assert!(is_an_end(DiskState::Failed, OnDiskError::Exit));
        assert!(!is_an_end(DiskState::Failed, OnDiskError::ServeReads));
    }
}
