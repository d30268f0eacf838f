//! The signals that a broker answers to.

use std::time::Duration;

use anyhow::Context;
use server::admin::Readiness;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::reload::Reloader;

/// How often the log's health is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// TERM and INT stop, HUP reloads.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
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

    /// Reloads as often as asked, and keeps readiness true to the log, until told to stop.
    pub(super) async fn until_stop(
        &mut self,
        reloader: &mut Reloader,
        readiness: &Readiness,
        listeners: &server::Running,
    ) {
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
                    // A full disk mends itself and reads go on; a closed log needs a restart.
                    let closed = matches!(reloader.hub.health(), hub::Health::LogClosed(_));
                    readiness.set(!closed);
                }
            }
        }
        info!("stopping");
    }

    /// Completes at the next signal to stop.
    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
