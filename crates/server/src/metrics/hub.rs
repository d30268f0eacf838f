//! What the hub counts, under Azure's names in Prometheus' form.
//!
//! | Labels | Metrics (`tidegate_` in front) |
//! |---|---|
//! | none | syncs, appends, reads, waiting fetches, storage |
//! | `namespace` | requests and how they ended, units, event hubs, groups, rebalances |
//! | `namespace`, `entity_name` | messages and bytes in and out, size, partitions |
//! | and `partition`, by option | offsets, size |
//! | `namespace`, `consumer_group`, `entity_name`, `partition` | lag |

use std::fmt::Display;

use ::hub::Health;
use ::hub::observe::{
    HeldBytes, HistogramView, LagObservation, NamespaceView, Observer, PartitionObservation,
    ProcessView, Refusals, RequestsView, TopicObservation, TrafficView, Usage,
};
use model::{GroupId, NamespaceName, TopicName};

use super::{Exposition, Family, Kind, Source};

/// Histograms of time are counted in microseconds and shown in seconds.
const MICROS_PER_SECOND: f64 = 1e6;

/// Which series there may be many of are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// Offsets and size of each partition.
    pub partitions: bool,
    /// The lag of each group on each partition.
    pub lag: bool,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            partitions: false,
            lag: true,
        }
    }
}

/// Shows the hub at each scrape.
pub struct HubSource<F> {
    observe: F,
    series: Series,
}

impl<F: Fn(&mut dyn Observer) + Send + Sync + 'static> HubSource<F> {
    /// A source over the hub's walk.
    pub fn new(observe: F, series: Series) -> Self {
        Self { observe, series }
    }
}

impl<F: Fn(&mut dyn Observer) + Send + Sync + 'static> Source for HubSource<F> {
    fn write(&self, out: &mut Exposition) {
        let mut rows = Rows {
            series: self.series,
            process: None,
            namespaces: Vec::new(),
            topics: Vec::new(),
            partitions: Vec::new(),
            lags: Vec::new(),
        };
        (self.observe)(&mut rows);
        if let Some(process) = &rows.process {
            write_times(out, process);
            write_storage(out, process);
        }
        rows.write_namespaces(out);
        rows.write_topics(out);
        rows.write_partitions(out);
        rows.write_lags(out);
    }
}

/// What a walk saw. Prometheus wants each metric's samples together, the walk has each thing's.
struct Rows {
    series: Series,
    process: Option<ProcessView>,
    namespaces: Vec<NamespaceRow>,
    topics: Vec<TopicRow>,
    partitions: Vec<PartitionRow>,
    lags: Vec<LagRow>,
}

struct NamespaceRow {
    name: NamespaceName,
    requests: RequestsView,
    units: Option<u32>,
    usage: Usage,
    topic_count: usize,
    group_count: usize,
    rebalance_count: u64,
    group_bytes: HeldBytes,
    group_refusals: Refusals,
}

struct TopicRow {
    namespace: NamespaceName,
    name: TopicName,
    traffic: TrafficView,
    size_bytes: u64,
    partition_count: i32,
}

struct PartitionRow {
    namespace: NamespaceName,
    topic: TopicName,
    partition: String,
    log_start_offset: i64,
    high_watermark: i64,
    size_bytes: u64,
}

struct LagRow {
    namespace: NamespaceName,
    group: GroupId,
    topic: TopicName,
    partition: String,
    records: u64,
    age_seconds: Option<f64>,
}

impl Observer for Rows {
    fn process(&mut self, view: &ProcessView) {
        self.process = Some(view.clone());
    }

    fn namespace(&mut self, view: &NamespaceView<'_>) {
        self.namespaces.push(NamespaceRow {
            name: view.name.clone(),
            requests: view.requests,
            units: view.units,
            usage: view.usage,
            topic_count: view.topic_count,
            group_count: view.group_count,
            rebalance_count: view.rebalance_count,
            group_bytes: view.group_bytes,
            group_refusals: view.group_refusals,
        });
    }

    fn topic(&mut self, view: &TopicObservation<'_>) {
        self.topics.push(TopicRow {
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            traffic: view.traffic,
            size_bytes: view.size_bytes,
            partition_count: view.partition_count,
        });
    }

    fn wants_partitions(&self) -> bool {
        self.series.partitions
    }

    fn partition(&mut self, view: &PartitionObservation<'_>) {
        self.partitions.push(PartitionRow {
            namespace: view.namespace.clone(),
            topic: view.topic.clone(),
            partition: view.partition.to_string(),
            log_start_offset: view.log_start_offset,
            high_watermark: view.high_watermark,
            size_bytes: view.size_bytes,
        });
    }

    fn wants_lag(&self) -> bool {
        self.series.lag
    }

    fn lag(&mut self, view: &LagObservation<'_>) {
        self.lags.push(LagRow {
            namespace: view.namespace.clone(),
            group: view.group.clone(),
            topic: view.topic.clone(),
            partition: view.partition.to_string(),
            records: view.records,
            age_seconds: view.age.map(|age| age.as_secs_f64()),
        });
    }
}

/// A metric's name, what its numbers mean, and the sentence for people.
type Metric<'a> = (&'a str, Kind, &'a str);

/// Writes one metric with a sample for each row.
fn write_rows<'r, R, V: Display, const N: usize>(
    out: &mut Exposition,
    (name, kind, help): Metric<'_>,
    rows: &'r [R],
    labels: impl Fn(&'r R) -> [(&'static str, &'r str); N],
    value: impl Fn(&'r R) -> V,
) {
    let mut family = out.family(name, kind, help);
    for row in rows {
        family.sample(&labels(row), value(row));
    }
}

impl NamespaceRow {
    fn labels(&self) -> [(&'static str, &str); 1] {
        [("namespace", self.name.as_str())]
    }
}

impl TopicRow {
    fn labels(&self) -> [(&'static str, &str); 2] {
        [
            ("namespace", self.namespace.as_str()),
            ("entity_name", self.name.as_str()),
        ]
    }
}

impl PartitionRow {
    fn labels(&self) -> [(&'static str, &str); 3] {
        [
            ("namespace", self.namespace.as_str()),
            ("entity_name", self.topic.as_str()),
            ("partition", &self.partition),
        ]
    }
}

impl LagRow {
    fn labels(&self) -> [(&'static str, &str); 4] {
        [
            ("namespace", self.namespace.as_str()),
            ("consumer_group", self.group.as_str()),
            ("entity_name", self.topic.as_str()),
            ("partition", &self.partition),
        ]
    }
}

impl Rows {
    fn write_namespaces(&self, out: &mut Exposition) {
        use Kind::{Counter, Gauge};
        type Count = fn(&NamespaceRow) -> u64;
        #[rustfmt::skip]
        let counts: [(Metric<'_>, Count); 13] = [
            (("tidegate_incoming_requests_total", Counter, "Requests."),
                |row| row.requests.incoming),
            (("tidegate_successful_requests_total", Counter, "Requests that succeeded."),
                |row| row.requests.successful),
            (("tidegate_throttled_requests_total", Counter,
                "Requests whose client was held back to keep the throughput units."),
                |row| row.requests.throttled),
            (("tidegate_user_errors_total", Counter, "Requests that failed by the client's fault."),
                |row| row.requests.user_errors),
            (("tidegate_server_errors_total", Counter,
                "Requests that failed by the broker's fault."),
                |row| row.requests.server_errors),
            (("tidegate_quota_exceeded_errors_total", Counter,
                "Requests refused for exceeding the throughput units."),
                |row| row.requests.quota_exceeded),
            (("tidegate_event_hubs", Gauge, "Event hubs."), |row| row.topic_count as u64),
            (("tidegate_consumer_groups", Gauge, "Consumer groups."), |row| row.group_count as u64),
            (("tidegate_rebalances_total", Counter, "Completed rebalances."),
                |row| row.rebalance_count),
            (("tidegate_group_members_bytes", Gauge,
                "Memory of consumer groups and their members."),
                |row| row.group_bytes.members as u64),
            (("tidegate_group_offsets_bytes", Gauge, "Memory of committed offsets."),
                |row| row.group_bytes.offsets as u64),
            (("tidegate_group_members_refused_total", Counter,
                "Joins and assignments refused for the memory they would take."),
                |row| row.group_refusals.members),
            (("tidegate_group_offsets_refused_total", Counter,
                "Committed partitions refused for the memory they would take, or their number."),
                |row| row.group_refusals.offsets),
        ];
        for (metric, count) in counts {
            write_rows(out, metric, &self.namespaces, NamespaceRow::labels, count);
        }
        let used: Metric<'_> = (
            "tidegate_throughput_units_used",
            Gauge,
            "Throughput units that the last second's traffic took.",
        );
        write_rows(out, used, &self.namespaces, NamespaceRow::labels, |row| {
            row.usage.units_milli() as f64 / 1000.0
        });
        let units: Metric<'_> = (
            "tidegate_throughput_units",
            Gauge,
            "Throughput units in force; +Inf where unlimited.",
        );
        write_rows(out, units, &self.namespaces, NamespaceRow::labels, |row| {
            row.units
                .map_or_else(|| "+Inf".to_owned(), |units| units.to_string())
        });
    }

    fn write_topics(&self, out: &mut Exposition) {
        use Kind::{Counter, Gauge};
        type Count = fn(&TopicRow) -> u64;
        #[rustfmt::skip]
        let counts: [(Metric<'_>, Count); 6] = [
            (("tidegate_incoming_messages_total", Counter, "Events taken in."),
                |row| row.traffic.incoming_messages),
            (("tidegate_incoming_bytes_total", Counter, "Bytes of batches taken in."),
                |row| row.traffic.incoming_bytes),
            (("tidegate_outgoing_messages_total", Counter, "Events given out."),
                |row| row.traffic.outgoing_messages),
            (("tidegate_outgoing_bytes_total", Counter, "Bytes of batches given out."),
                |row| row.traffic.outgoing_bytes),
            (("tidegate_size_bytes", Gauge, "Bytes kept."), |row| row.size_bytes),
            (("tidegate_partitions", Gauge, "Partitions."),
                |row| u64::try_from(row.partition_count).unwrap_or(0)),
        ];
        for (metric, count) in counts {
            write_rows(out, metric, &self.topics, TopicRow::labels, count);
        }
    }

    fn write_partitions(&self, out: &mut Exposition) {
        if !self.series.partitions {
            return;
        }
        let rows = &self.partitions;
        let metric = |name, help| (name, Kind::Gauge, help);
        let start = metric(
            "tidegate_partition_log_start_offset",
            "The first offset kept.",
        );
        write_rows(out, start, rows, PartitionRow::labels, |row| {
            row.log_start_offset
        });
        let end = metric(
            "tidegate_partition_high_watermark",
            "The next offset to be readable.",
        );
        write_rows(out, end, rows, PartitionRow::labels, |row| {
            row.high_watermark
        });
        let size = metric("tidegate_partition_size_bytes", "Bytes kept.");
        write_rows(out, size, rows, PartitionRow::labels, |row| row.size_bytes);
    }

    fn write_lags(&self, out: &mut Exposition) {
        if !self.series.lag {
            return;
        }
        let records: Metric<'_> = (
            "tidegate_consumer_lag_records",
            Kind::Gauge,
            "Events that the group has not yet committed.",
        );
        write_rows(out, records, &self.lags, LagRow::labels, |row| row.records);
        let mut family = out.family(
            "tidegate_consumer_lag_seconds",
            Kind::Gauge,
            "Age of the oldest event that the group has not yet committed.",
        );
        for row in &self.lags {
            if let Some(age) = row.age_seconds {
                family.sample(&row.labels(), age);
            }
        }
    }
}

fn write_times(out: &mut Exposition, view: &ProcessView) {
    let appends = "Time of an append: until written, and until durable.";
    let mut family = out.family("tidegate_append_duration_seconds", Kind::Histogram, appends);
    write_histogram(
        &mut family,
        &[("stage", "written")],
        &view.append_written_us,
        MICROS_PER_SECOND,
    );
    write_histogram(
        &mut family,
        &[("stage", "durable")],
        &view.append_durable_us,
        MICROS_PER_SECOND,
    );
    let reads = "Time of a read from one partition, by where the bytes came from.";
    let mut family = out.family("tidegate_read_duration_seconds", Kind::Histogram, reads);
    write_histogram(
        &mut family,
        &[("source", "memory")],
        &view.read_cached_us,
        MICROS_PER_SECOND,
    );
    write_histogram(
        &mut family,
        &[("source", "disk")],
        &view.read_cold_us,
        MICROS_PER_SECOND,
    );
    let alone = [
        (
            "tidegate_fetch_wait_seconds",
            "Time that fetches waited for something to read.",
            &view.fetch_waited_us,
            MICROS_PER_SECOND,
        ),
        (
            "tidegate_sync_duration_seconds",
            "Time of a sync of the log.",
            &view.sync_duration_us,
            MICROS_PER_SECOND,
        ),
        (
            "tidegate_sync_bytes",
            "Bytes made durable by one sync.",
            &view.sync_bytes,
            1.0,
        ),
        (
            "tidegate_sync_entries",
            "Appends made durable by one sync.",
            &view.sync_entries,
            1.0,
        ),
    ];
    for (name, help, histogram, divisor) in alone {
        let mut family = out.family(name, Kind::Histogram, help);
        write_histogram(&mut family, &[], histogram, divisor);
    }
}

fn write_storage(out: &mut Exposition, view: &ProcessView) {
    let storage = &view.storage;
    #[rustfmt::skip]
    let gauges = [
        ("tidegate_waiting_fetches", "Fetches that wait for something to read.",
            view.waiting_fetches),
        ("tidegate_producers",
            "Idempotent producers remembered, each in every partition it writes to.",
            view.producers),
        ("tidegate_log_queue_bytes", "Bytes appended and not yet durable.", storage.queue_bytes),
        ("tidegate_log_live_bytes", "Bytes of the log that are still needed.", storage.live_bytes),
        ("tidegate_log_extents", "Files of the log.", storage.extents),
        ("tidegate_disk_free_bytes", "Bytes free on the disk of the log.",
            storage.free_space_bytes),
    ];
    for (name, help, value) in gauges {
        out.family(name, Kind::Gauge, help).sample(&[], value);
    }
    write_health(out, view);
    #[rustfmt::skip]
    let counters = [
        ("tidegate_producers_forgotten_total",
            "Idempotent producers forgotten because there were too many.",
            view.producers_forgotten),
        ("tidegate_log_cached_write_bytes_total",
            "Bytes written through the page cache for readers that catch up.",
            storage.cached_write_bytes),
        ("tidegate_log_cold_read_bytes_total",
            "Bytes of old events, and of what lay between them, read past the page cache.",
            storage.cold_read_bytes),
        ("tidegate_log_cold_unused_bytes_total",
            "Bytes of these that were let go of before a reader came for them.",
            storage.cold_unused_bytes),
    ];
    for (name, help, value) in counters {
        out.family(name, Kind::Counter, help).sample(&[], value);
    }
}

/// What is wrong with the disk now, and what the start found to be wrong.
fn write_health(out: &mut Exposition, view: &ProcessView) {
    let is_full = u64::from(view.health == Health::DiskFull);
    let is_closed = u64::from(matches!(view.health, Health::LogClosed(_)));
    let help = "1 while writes are refused for want of space on the disk.";
    out.family("tidegate_disk_full", Kind::Gauge, help)
        .sample(&[], is_full);
    let help = "1 once a write or a sync has failed: nothing is taken until a restart.";
    out.family("tidegate_log_closed", Kind::Gauge, help)
        .sample(&[], is_closed);
    let help = "Places of the log that this process found damaged when it started, by kind.";
    let mut family = out.family("tidegate_start_damages", Kind::Gauge, help);
    for (kind, count) in view.findings.by_kind() {
        family.sample(&[("kind", kind)], count);
    }
}

fn write_histogram(
    family: &mut Family<'_>,
    labels: &[(&str, &str)],
    view: &HistogramView,
    divisor: f64,
) {
    let buckets = view
        .buckets
        .iter()
        .map(|(bound, below)| (*bound as f64 / divisor, *below));
    family.histogram(labels, buckets, view.count, view.sum as f64 / divisor);
}

#[cfg(test)]
mod tests;
