//! What Prometheus sees: handles for what the server counts itself, and sources that are asked at
//! each scrape for what others count.
//!
//! Handles are resolved once, when a listener opens; nothing is looked up by label on the way of a
//! request.

mod exposition;
mod hub;
mod process;

use std::sync::Arc;

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector};
use thiserror::Error;

pub use self::{
    exposition::{Exposition, Family, Kind},
    hub::{HubSource, Series},
    process::ProcessSource,
};
use crate::End;

/// Asked at each scrape, on the admin listener's thread: writes what it has.
pub trait Source: Send + Sync + 'static {
    fn write(&self, out: &mut Exposition);
}

/// The process's metrics.
pub struct Metrics {
    registry: Registry,
    sources: Vec<Arc<dyn Source>>,
}

/// Two metrics of one name: a fault of ours.
#[derive(Debug, Error)]
#[error("a metric cannot be registered")]
pub struct RegisterError(#[from] prometheus::Error);

impl Metrics {
    /// Metrics that say what is running: `tidegate_build_info`.
    ///
    /// # Errors
    /// Two metrics share a name.
    pub fn new(version: &str, commit: &str) -> Result<Self, RegisterError> {
        let metrics = Self {
            registry: Registry::new(),
            sources: Vec::new(),
        };
        let build = metrics.register(IntGaugeVec::new(
            Opts::new("tidegate_build_info", "What is running; always 1."),
            &["version", "commit"],
        ))?;
        build.with_label_values(&[version, commit]).set(1);
        Ok(metrics)
    }

    /// Adds a source; at start, before the admin listener serves.
    pub fn add_source(&mut self, source: Arc<dyn Source>) {
        self.sources.push(source);
    }

    /// Registers a metric of one's own.
    ///
    /// # Errors
    /// Its name is taken.
    pub fn register<C: Collector + Clone + 'static>(
        &self,
        metric: Result<C, prometheus::Error>,
    ) -> Result<C, RegisterError> {
        let metric = metric?;
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    /// The whole text of a scrape.
    #[must_use]
    pub fn scrape(&self) -> String {
        let mut out = Exposition::default();
        // Encoding into memory fails only on invalid names, which registering has checked.
        if let Ok(text) = TextEncoder::new().encode_to_string(&self.registry.gather()) {
            out.push_text(&text);
        }
        for source in &self.sources {
            source.write(&mut out);
        }
        out.into_text()
    }
}

/// Connections, per listener.
#[derive(Clone, Debug)]
pub struct ConnectionMetrics {
    active: IntGaugeVec,
    opened: IntCounterVec,
    closed: IntCounterVec,
    refused: IntCounterVec,
    ended: IntCounterVec,
}

impl ConnectionMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// Registered before.
    pub fn new(metrics: &Metrics) -> Result<Self, RegisterError> {
        let labels = &["listener"];
        let counter = |name, help| IntCounterVec::new(Opts::new(name, help), labels);
        Ok(Self {
            active: metrics.register(IntGaugeVec::new(
                Opts::new("tidegate_active_connections", "Connections that are open."),
                labels,
            ))?,
            opened: metrics.register(counter(
                "tidegate_connections_opened_total",
                "Connections that were opened.",
            ))?,
            closed: metrics.register(counter(
                "tidegate_connections_closed_total",
                "Connections that were closed, by either side.",
            ))?,
            refused: metrics.register(counter(
                "tidegate_connections_refused_total",
                "Connections beyond a limit, closed at once.",
            ))?,
            ended: metrics.register(IntCounterVec::new(
                Opts::new(
                    "tidegate_connections_ended_total",
                    "Connections that have ended, by why.",
                ),
                &["listener", "reason"],
            ))?,
        })
    }

    /// The handles of one listener.
    pub(crate) fn of_listener(&self, name: &str) -> ListenerMetrics {
        ListenerMetrics {
            active: self.active.with_label_values(&[name]),
            opened: self.opened.with_label_values(&[name]),
            closed: self.closed.with_label_values(&[name]),
            refused: self.refused.with_label_values(&[name]),
            ended: self.ended.clone(),
            name: name.to_owned(),
        }
    }
}

/// One listener's connections.
#[derive(Clone, Debug)]
pub(crate) struct ListenerMetrics {
    active: prometheus::IntGauge,
    opened: prometheus::IntCounter,
    closed: prometheus::IntCounter,
    refused: prometheus::IntCounter,
    ended: IntCounterVec,
    name: String,
}

impl ListenerMetrics {
    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn open(&self) -> OpenConnection<'_> {
        self.active.inc();
        self.opened.inc();
        OpenConnection(self)
    }

    /// Counts the end of a connection.
    pub(crate) fn ended(&self, end: &End) {
        let labels = &[self.name.as_str(), end.kind()];
        self.ended.with_label_values(labels).inc();
    }

    /// Counts a connection that found no place.
    pub(crate) fn refused(&self) {
        self.refused.inc();
    }
}

/// A connection that counts as open.
pub(crate) struct OpenConnection<'a>(&'a ListenerMetrics);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.active.dec();
        self.0.closed.inc();
    }
}

#[cfg(test)]
mod tests;
