//! What Prometheus sees. The hub shows itself once it is open.

use std::sync::{Arc, OnceLock};

use server::{
    LatencyMetrics,
    metrics::{ConnectionMetrics, HubSource, Metrics, ProcessSource, Series},
};

use super::commit;
use crate::settings::Settings;

/// The process's metrics, from before the log is open.
pub(super) struct Watched {
    pub(super) metrics: Arc<Metrics>,
    pub(super) connections: ConnectionMetrics,
    pub(super) latency: LatencyMetrics,
    hub: Arc<OnceLock<Arc<hub::Hub>>>,
}

impl Watched {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let mut metrics = Metrics::new(env!("CARGO_PKG_VERSION"), commit())?;
        let connections = ConnectionMetrics::new(&metrics)?;
        let latency = LatencyMetrics::new(&metrics)?;
        let hub: Arc<OnceLock<Arc<hub::Hub>>> = Arc::default();
        let series = Series {
            partitions: settings.admin.metrics_per_partition,
            ..Series::default()
        };
        let shown = Arc::clone(&hub);
        let observe = move |observer: &mut dyn hub::observe::Observer| {
            if let Some(hub) = shown.get() {
                hub.observe(observer);
            }
        };
        metrics.add_source(Arc::new(HubSource::new(observe, series)));
        let started = server::clock::now().wall;
        metrics.add_source(Arc::new(ProcessSource::new(started)));
        Ok(Self {
            metrics: Arc::new(metrics),
            connections,
            latency,
            hub,
        })
    }

    /// From now on scrapes see the hub.
    pub(super) fn show(&self, hub: &Arc<hub::Hub>) {
        self.hub.get_or_init(|| Arc::clone(hub));
    }
}
