//! The process's one hub: opening, reloading, closing.

use std::{path::Path, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{Clock, HubSettings};

/// Everything that is served: the log, the namespaces, the tasks that keep them.
#[derive(Debug)]
pub struct Hub {
    _private: (),
}

/// Why the hub did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("open log: {0}")]
    Storage(String),
    #[error("internal log {log} holds a record that cannot be read: {reason}")]
    InternalLog { log: u64, reason: String },
    #[error("settings: {0}")]
    Settings(String),
}

/// Why new settings were not applied; the old ones stay in force.
#[derive(Debug, Error)]
pub enum ReloadError {
    #[error("settings: {0}")]
    Settings(String),
    #[error("the log is closed")]
    LogClosed,
}

impl Hub {
    /// Opens the data directory, replays the internal logs, applies the settings to what is there
    /// and starts the tasks. Call within a tokio runtime; blocks on the disk while it recovers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        _data_dir: &Path,
        _settings: HubSettings,
        _clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        unimplemented!()
    }

    /// Puts new settings in force (policies, keys, units, defaults, event hubs) and names what
    /// cannot change without a restart, for the log.
    ///
    /// # Errors
    /// See [`ReloadError`].
    pub async fn reload(&self, _settings: HubSettings) -> Result<Vec<String>, ReloadError> {
        unimplemented!()
    }

    /// Wakes all who wait, ends the tasks, makes everything durable and closes the log, within
    /// `limit`. Gives whether it was in time.
    pub async fn shutdown(&self, _limit: Duration) -> bool {
        unimplemented!()
    }
}
