//! What a run gives out: one JSON object.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use gauge::{Disk, Sample, SyncSource, Syncs, float};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::drive::Moment;
use crate::options::{Mode, Options};
use crate::run::Counts;
use crate::tally::Tally;

const LOOK: Duration = Duration::from_millis(50);
const NS_PER_MS: f64 = 1e6;
const MS_PER_S: f64 = 1e3;
const BYTES_PER_GB: f64 = 1e9;

/// Looks at the server while time passes.
pub(crate) struct Watch {
    pid: Option<u32>,
    before: Option<Sample>,
    pub(crate) connected: Option<Sample>,
    pub(crate) at_end: Option<Sample>,
    pub(crate) syncs: Option<SyncWatch>,
    rss_anon_kib_max: u64,
    rss_kib_max: u64,
    /// Between two looks: a stall of the machine itself.
    pub(crate) most_stolen_s: f64,
    stolen_s: Option<f64>,
}

impl Watch {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            pid: options.server_pid,
            before: options.server_pid.map(Sample::thorough),
            connected: None,
            at_end: None,
            syncs: None,
            rss_anon_kib_max: 0,
            rss_kib_max: 0,
            most_stolen_s: 0.0,
            stolen_s: gauge::stolen_s(),
        }
    }

    /// Lets time pass, with an eye on memory and the machine.
    pub(crate) fn pass(&mut self, time: Duration) {
        let started = Instant::now();
        loop {
            if let Some(sample) = self.pid.map(Sample::of) {
                self.rss_anon_kib_max = self.rss_anon_kib_max.max(sample.rss_anon_kib);
                self.rss_kib_max = self.rss_kib_max.max(sample.rss_kib);
            }
            let stolen_s = gauge::stolen_s();
            if let Some((now, before)) = stolen_s.zip(self.stolen_s) {
                self.most_stolen_s = self.most_stolen_s.max(now - before);
            }
            self.stolen_s = stolen_s;
            let rest = time.saturating_sub(started.elapsed());
            if rest.is_zero() {
                return;
            }
            thread::sleep(rest.min(LOOK));
        }
    }
}

/// Looks at the server's syncs before the measured part and after what was under way at its end,
/// and takes the time between.
pub(crate) struct SyncWatch {
    source: SyncSource,
    before: Syncs,
    begun: Instant,
    after: Option<(Syncs, Duration)>,
}

impl SyncWatch {
    pub(crate) fn begin(source: SyncSource) -> std::io::Result<Self> {
        Ok(Self {
            before: source.read()?,
            source,
            begun: Instant::now(),
            after: None,
        })
    }

    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        let took = self.begun.elapsed();
        self.after = Some((self.source.read()?, took));
        Ok(())
    }

    fn seen(&self) -> Option<SyncsSeen> {
        let (after, took) = self.after.as_ref()?;
        let slowest = after.slowest_ms_since(&self.before);
        let count = after.count.saturating_sub(self.before.count);
        Some(SyncsSeen {
            count,
            per_s: float(count) / took.as_secs_f64(),
            slowest_ms: slowest.map(|slowest| slowest.most),
            slowest_ms_least: slowest.map(|slowest| slowest.least),
        })
    }
}

/// Syncs from the begin of the measured part until nothing was under way any more.
#[derive(Debug, Serialize)]
struct SyncsSeen {
    count: u64,
    per_s: f64,
    /// The slowest took at most so long, and at least; the server knows it by such bounds.
    slowest_ms: Option<f64>,
    slowest_ms_least: Option<f64>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    mode: String,
    seconds: f64,
    /// Of the measured time.
    counts: Counts,
    /// What happened to the records that the throughput counts: `acknowledged`, `fetched`, or, with
    /// acks 0, where nothing is acknowledged, `stored`.
    counted: &'static str,
    records_per_s: f64,
    /// Record bytes, without framing and before packing.
    mb_per_s: f64,
    requests_per_s: f64,
    produce_ms: Option<Latency>,
    fetch_ms: Option<Latency>,
    end_to_end_ms: Option<Latency>,
    /// Of the whole run, warm-up and end included.
    totals: Totals,
    faults: BTreeMap<String, u64>,
    server: Option<Server>,
    client_cpu_s: f64,
    flushes_per_s: Option<f64>,
    syncs: Option<SyncsSeen>,
    disk: Option<DiskUse>,
    /// Processor time that others on the machine had meanwhile, and the most of it in 50 ms.
    stolen_s: Option<f64>,
    most_stolen_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Totals {
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// What the partitions have gained.
    pub(crate) stored_records: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Latency {
    count: u64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    p99_99: f64,
    max: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let ms = |ns: u64| float(ns) / NS_PER_MS;
        let at = |quantile| ms(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            mean: histogram.mean() / NS_PER_MS,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: ms(histogram.max()),
        })
    }
}

/// What the measured time cost the server.
#[derive(Debug, Serialize)]
struct Server {
    cpu_s: f64,
    user_s: f64,
    system_s: f64,
    cpu_share: f64,
    cpu_s_per_gb: f64,
    cpu_s_per_million_records: f64,
    cpu_us_per_request: f64,
    rss_anon_mib_max: f64,
    rss_mib_max: f64,
    /// The kernel's own record of the whole life of the process.
    rss_peak_mib: f64,
    read_calls_per_s: f64,
    write_calls_per_s: f64,
    context_switches_per_s: f64,
    disk_write_bytes: u64,
    before: Option<Sample>,
    connected: Option<Sample>,
    at_end: Option<Sample>,
}

/// What the disk did meanwhile, for whomever.
#[derive(Debug, Serialize)]
struct DiskUse {
    flushes: u64,
    writes: u64,
    write_mb_per_s: f64,
    read_mb_per_s: f64,
}

impl Report {
    pub(crate) fn new(
        options: &Options,
        seconds: f64,
        (before, after): (&Moment, &Moment),
        tally: &Tally,
        totals: Totals,
        watch: &Watch,
    ) -> Self {
        let counts = after.counts.since(&before.counts);
        let stored = before.stored_records.zip(after.stored_records);
        let (counted, records, requests) = match (options.mode, stored) {
            (Mode::Fetch, _) => ("fetched", counts.fetched_records, counts.fetches),
            (_, Some((before, after))) => ("stored", after - before, counts.produced_requests),
            _ => (
                "acknowledged",
                counts.produced_records,
                counts.produced_requests,
            ),
        };
        let bytes = float(records) * float(options.record_bytes as u64);
        let work = Work {
            seconds,
            records: float(records),
            bytes,
            requests: float(requests),
        };
        let disk = before.disk.zip(after.disk);
        let disk = disk.map(|(before, after)| disk_use(&before, &after, seconds));
        Self {
            mode: format!("{:?}", options.mode),
            seconds,
            counts,
            counted,
            records_per_s: work.records / seconds,
            mb_per_s: bytes / seconds / 1e6,
            requests_per_s: work.requests / seconds,
            produce_ms: Latency::of(&tally.produce),
            fetch_ms: Latency::of(&tally.fetch),
            end_to_end_ms: Latency::of(&tally.end_to_end),
            totals,
            faults: tally.faults.clone(),
            server: before
                .server
                .zip(after.server)
                .map(|(before, after)| server(&before, &after, &work, watch)),
            client_cpu_s: after.client.cpu_s() - before.client.cpu_s(),
            flushes_per_s: disk.as_ref().map(|disk| float(disk.flushes) / seconds),
            syncs: watch.syncs.as_ref().and_then(SyncWatch::seen),
            disk,
            stolen_s: before
                .stolen_s
                .zip(after.stolen_s)
                .map(|(before, after)| after - before),
            most_stolen_ms: watch.most_stolen_s * MS_PER_S,
        }
    }
}

struct Work {
    seconds: f64,
    records: f64,
    bytes: f64,
    requests: f64,
}

fn server(before: &Sample, after: &Sample, work: &Work, watch: &Watch) -> Server {
    let cpu_s = after.cpu_s() - before.cpu_s();
    let per_s = |before: u64, after: u64| float(after.saturating_sub(before)) / work.seconds;
    let mib = |kib: u64| float(kib) / 1024.0;
    Server {
        cpu_s,
        user_s: after.user_s - before.user_s,
        system_s: after.system_s - before.system_s,
        cpu_share: cpu_s / work.seconds,
        cpu_s_per_gb: per(cpu_s, work.bytes / BYTES_PER_GB),
        cpu_s_per_million_records: per(cpu_s, work.records / 1e6),
        cpu_us_per_request: per(cpu_s * 1e6, work.requests),
        rss_anon_mib_max: mib(watch.rss_anon_kib_max),
        rss_mib_max: mib(watch.rss_kib_max),
        rss_peak_mib: mib(after.rss_peak_kib),
        read_calls_per_s: per_s(before.read_calls, after.read_calls),
        write_calls_per_s: per_s(before.write_calls, after.write_calls),
        context_switches_per_s: per_s(before.context_switches, after.context_switches),
        disk_write_bytes: after.disk_write_bytes - before.disk_write_bytes,
        before: watch.before,
        connected: watch.connected,
        at_end: watch.at_end,
    }
}

/// A cost per unit of work; nothing where no work was done.
fn per(cost: f64, units: f64) -> f64 {
    if units > 0.0 { cost / units } else { 0.0 }
}

fn disk_use(before: &Disk, after: &Disk, seconds: f64) -> DiskUse {
    let mb_per_s = |before: u64, after: u64| float(after - before) / seconds / 1e6;
    DiskUse {
        flushes: after.flushes - before.flushes,
        writes: after.writes - before.writes,
        write_mb_per_s: mb_per_s(before.write_bytes, after.write_bytes),
        read_mb_per_s: mb_per_s(before.read_bytes, after.read_bytes),
    }
}
