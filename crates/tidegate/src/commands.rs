//! The commands beside `serve`, one file each.

pub(crate) mod config;
pub(crate) mod connection_string;
pub(crate) mod consume;
pub(crate) mod doctor;
pub(crate) mod event_hub;
pub(crate) mod group;
pub(crate) mod health;
pub(crate) mod position;
pub(crate) mod produce;
pub(crate) mod storage;
pub(crate) mod table;
pub(crate) mod target;

use std::future::Future;

use anyhow::Context;

/// Runs a command that talks to a broker.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(work)
}
