//! The text of a scrape, and what it costs.

use std::time::Duration;

use super::*;

fn metrics() -> Metrics {
    Metrics::new("1.2.3", "abc").unwrap()
}

struct Walk;

impl Source for Walk {
    fn write(&self, out: &mut Exposition) {
        out.family("tidegate_incoming_bytes_total", Kind::Counter, "Bytes in.")
            .sample(&[("namespace", "dev"), ("entity_name", "a\"b\\c\nd")], 7)
            .sample(&[], 1.5);
        out.family("tidegate_sync_seconds", Kind::Histogram, "Syncs.")
            .histogram(&[("stage", "sync")], [(0.001, 2), (0.5, 5)], 6, 4.25);
    }
}

#[test]
fn a_scrape_has_the_servers_own_and_the_sources_metrics() {
    let mut metrics = metrics();
    metrics.add_source(Arc::new(Walk));
    let connections = ConnectionMetrics::new(&metrics).unwrap();
    let listener = connections.of_listener("main");
    let first = listener.open();
    drop(listener.open());
    let text = metrics.scrape();
    for line in [
        "tidegate_build_info{commit=\"abc\",version=\"1.2.3\"} 1\n",
        "tidegate_active_connections{listener=\"main\"} 1\n",
        "tidegate_connections_opened_total{listener=\"main\"} 2\n",
        "tidegate_connections_closed_total{listener=\"main\"} 1\n",
        "# TYPE tidegate_incoming_bytes_total counter\n",
        "tidegate_incoming_bytes_total{namespace=\"dev\",entity_name=\"a\\\"b\\\\c\\nd\"} 7\n",
        "tidegate_incoming_bytes_total 1.5\n",
        "tidegate_sync_seconds_bucket{stage=\"sync\",le=\"0.001\"} 2\n",
        "tidegate_sync_seconds_bucket{stage=\"sync\",le=\"0.5\"} 5\n",
        "tidegate_sync_seconds_bucket{stage=\"sync\",le=\"+Inf\"} 6\n",
        "tidegate_sync_seconds_sum{stage=\"sync\"} 4.25\n",
        "tidegate_sync_seconds_count{stage=\"sync\"} 6\n",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
    drop(first);
}

#[test]
fn a_name_is_registered_once() {
    let metrics = metrics();
    ConnectionMetrics::new(&metrics).unwrap();
    assert!(ConnectionMetrics::new(&metrics).is_err());
}

/// Ten thousand partitions with six series each.
struct Large;

impl Source for Large {
    fn write(&self, out: &mut Exposition) {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let mut family = out.family(name, Kind::Gauge, "One of six.");
            for partition in 0..10_000 {
                let labels = [
                    ("namespace", "dev"),
                    ("entity_name", "orders"),
                    ("partition", &partition.to_string()),
                ];
                family.sample(&labels, partition * 1_000);
            }
        }
    }
}

#[test]
fn ten_thousand_partitions_are_scraped_in_under_100_ms() {
    let mut metrics = metrics();
    metrics.add_source(Arc::new(Large));
    // The best of a few, so that a busy machine does not fail it; unoptimised code gets more time.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 1_000 } else { 100 });
    let best = (0..3)
        .map(|_| {
            let began = crate::clock::now().monotonic;
            assert_eq!(metrics.scrape().lines().count(), 60_000 + 12 + 3);
            crate::clock::now().monotonic.duration_since(began)
        })
        .min()
        .unwrap();
    assert!(best < limit, "{best:?}");
}
