//! The log: lines or JSON on standard error; a panic is an entry too.

use std::{backtrace::Backtrace, io::IsTerminal};

use anyhow::{Context, anyhow};
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::settings::LogSettings;

/// Puts the log in place for the life of the process.
pub(crate) fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let filter: Targets = settings
        .filter
        .parse()
        .map_err(|error| anyhow!("log.filter = {:?} is no filter: {error}", settings.filter))?;
    let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = if settings.json {
        let layer = layer.json().flatten_event(true).with_current_span(false);
        registry.with(layer).try_init()
    } else {
        registry.with(layer.with_ansi(terminal)).try_init()
    };
    started.context("start the log")?;
    log_panics();
    Ok(())
}

/// A panic ends one task; without an entry nobody would know.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic
            .payload_as_str()
            .unwrap_or("a panic without a message");
        tracing::error!(
            place = place.as_deref().unwrap_or("unknown"),
            backtrace = %Backtrace::capture(),
            "internal error, please report: {message}"
        );
    }));
}
