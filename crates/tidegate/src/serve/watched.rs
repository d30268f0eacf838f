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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf, process::Command};

    use super::*;
    use crate::{lower, secrets::Secrets, settings::Sources};

    fn repository(path: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(path)
    }

    /// The names of metrics in a text: our own and those of every process.
    fn names(text: &str) -> BTreeSet<&str> {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let ours = |name: &&str| name.starts_with("tidegate_") || name.starts_with("process_");
        text.split(word).filter(ours).collect()
    }

    #[tokio::test]
    async fn dashboard_and_alerts_name_only_what_the_broker_exports() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::load(&Sources::default()).unwrap();
        let secrets = Secrets::ensure(dir.path(), &settings).unwrap();
        let lowered = lower::hub_settings(&settings, &secrets).unwrap();
        let clock = Arc::new(server::clock::SystemClock);
        let hub = hub::Hub::open(dir.path(), lowered, Arc::clone(&clock) as Arc<_>).unwrap();
        let watched = Watched::new(&settings).unwrap();
        watched.show(&hub);
        let listener = server::ListenerSettings {
            name: "kafka".to_owned(),
            address: "127.0.0.1:0".to_owned(),
            security: server::Security::Plaintext,
            advertised: None,
            namespace: Some("dev".into()),
        };
        let bound = server::bind(vec![listener], None).unwrap();
        let kafka = kafka::Kafka::new(Arc::clone(&hub), clock, kafka::KafkaLimits::default());
        let frontend = server::KafkaFrontend::new(kafka, watched.latency.clone());
        let running = bound.serve(
            &Arc::new(frontend),
            server::Limits::default(),
            &watched.connections,
        );
        let text = watched.metrics.scrape();
        let exported = names(&text);
        running.shutdown(std::time::Duration::ZERO).await;
        hub.shutdown(std::time::Duration::from_secs(10)).await;

        for file in ["config/grafana-dashboard.json", "config/alerts.yml"] {
            let text = std::fs::read_to_string(repository(file)).unwrap();
            for name in names(&text) {
                assert!(exported.contains(name), "{file} names {name}");
            }
        }
    }

    #[test]
    fn promtool_accepts_the_alert_rules_where_it_is_installed() {
        let checked = Command::new("promtool")
            .args(["check", "rules"])
            .arg(repository("config/alerts.yml"))
            .output();
        let Ok(checked) = checked else {
            // Names are held by the test above; only the syntax goes unchecked.
            return;
        };
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}
