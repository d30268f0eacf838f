//! A scripted walk, and what a scrape makes of it.

use std::time::Duration;

use model::PartitionIndex;

use super::*;

fn walk(observer: &mut dyn Observer) {
    let (dev, group) = (NamespaceName::from("dev"), GroupId::from("billing \"x\""));
    let orders = TopicName::try_from("orders").unwrap();
    observer.namespace(&NamespaceView {
        name: &dev,
        requests: RequestsView {
            incoming: 9,
            throttled: 2,
            ..RequestsView::default()
        },
        units: Some(4),
        usage: Usage {
            ingress_bytes: 1_048_576 * 3 / 2,
            ..Usage::default()
        },
        topic_count: 1,
        group_count: 2,
        rebalance_count: 3,
        group_bytes: HeldBytes {
            members: 4_096,
            offsets: 512,
        },
        group_refusals: Refusals {
            members: 5,
            offsets: 6,
        },
    });
    observer.namespace(&NamespaceView {
        name: &NamespaceName::from("free"),
        requests: RequestsView::default(),
        units: None,
        usage: Usage::default(),
        topic_count: 0,
        group_count: 0,
        rebalance_count: 0,
        group_bytes: HeldBytes::default(),
        group_refusals: Refusals::default(),
    });
    observer.topic(&TopicObservation {
        namespace: &dev,
        name: &orders,
        traffic: TrafficView {
            incoming_bytes: 1_000,
            ..TrafficView::default()
        },
        size_bytes: 500,
        partition_count: 4,
    });
    if observer.wants_partitions() {
        observer.partition(&PartitionObservation {
            namespace: &dev,
            topic: &orders,
            partition: PartitionIndex(1),
            log_start_offset: 10,
            high_watermark: 20,
            size_bytes: 99,
        });
    }
    if observer.wants_lag() {
        for (partition, age) in [(0, Some(Duration::from_millis(1500))), (1, None)] {
            observer.lag(&LagObservation {
                namespace: &dev,
                group: &group,
                topic: &orders,
                partition: PartitionIndex(partition),
                records: 7,
                age,
            });
        }
    }
}

fn scrape(series: Series) -> String {
    let mut out = Exposition::default();
    HubSource::new(walk, series).write(&mut out);
    out.into_text()
}

#[test]
fn a_scrape_shows_the_walk_under_azures_names() {
    let text = scrape(Series {
        partitions: true,
        lag: true,
    });
    let lag = "{namespace=\"dev\",consumer_group=\"billing \\\"x\\\"\",entity_name=\"orders\"";
    for line in [
        "tidegate_incoming_requests_total{namespace=\"dev\"} 9\n",
        "tidegate_throttled_requests_total{namespace=\"dev\"} 2\n",
        "tidegate_throughput_units{namespace=\"dev\"} 4\n",
        "tidegate_throughput_units{namespace=\"free\"} +Inf\n",
        "tidegate_throughput_units_used{namespace=\"dev\"} 1.5\n",
        "tidegate_rebalances_total{namespace=\"dev\"} 3\n",
        "tidegate_group_members_bytes{namespace=\"dev\"} 4096\n",
        "tidegate_group_offsets_bytes{namespace=\"dev\"} 512\n",
        "tidegate_group_members_refused_total{namespace=\"dev\"} 5\n",
        "tidegate_group_offsets_refused_total{namespace=\"dev\"} 6\n",
        "tidegate_incoming_bytes_total{namespace=\"dev\",entity_name=\"orders\"} 1000\n",
        "tidegate_partitions{namespace=\"dev\",entity_name=\"orders\"} 4\n",
        "tidegate_partition_high_watermark{namespace=\"dev\",entity_name=\"orders\",partition=\"1\"} 20\n",
        &format!("tidegate_consumer_lag_records{lag},partition=\"1\"}} 7\n"),
        &format!("tidegate_consumer_lag_seconds{lag},partition=\"0\"}} 1.5\n"),
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
    let unknown = format!("tidegate_consumer_lag_seconds{lag},partition=\"1\"");
    assert!(!text.contains(&unknown), "an unknown age is left out");
}

#[test]
fn series_that_nobody_asked_for_are_left_out() {
    let text = scrape(Series {
        partitions: false,
        lag: false,
    });
    assert!(!text.contains("partition="), "{text}");
    assert!(text.contains("tidegate_size_bytes{"));
}

#[test]
fn histograms_are_shown_in_seconds() {
    let mut out = Exposition::default();
    let view = HistogramView {
        buckets: vec![(1, 0), (1 << 20, 3)],
        sum: 2_500_000,
        count: 4,
    };
    let mut family = out.family("h", Kind::Histogram, "A histogram.");
    write_histogram(&mut family, &[], &view, MICROS_PER_SECOND);
    let text = out.into_text();
    for line in [
        "h_bucket{le=\"1.048576\"} 3\n",
        "h_bucket{le=\"+Inf\"} 4\n",
        "h_sum 2.5\n",
        "h_count 4\n",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}
