//! Reading what is only on the disk, beside readers of the tail.

use std::path::PathBuf;
use std::{fs, thread, time::Duration};

use anyhow::Result;

use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::machine;
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const SMOKE_BYTES: u64 = 64 << 20;
/// The largest file that the disk's own speed is asked with.
const SEQUENTIAL_BYTES_MAX: u64 = 4 << 30;
const TAIL_RATE: u32 = 20_000;
/// The tail runs for so long before the reader starts.
const HEAD_START_S: f64 = 2.0;
const WARM_UP_S: f64 = 2.5;
/// How much of the time that the reader took alone the tail is measured for.
const TAIL_SHARE: f64 = 0.8;

/// What is told of the reader, alone.
const COLD_COSTS: [&str; 4] = [
    "mb_per_s",
    "records_per_s",
    "cpu_s_per_gb",
    "cpu_s_per_million_records",
];
/// And of the tail beside it.
const TAIL_LATENCIES: [(&str, &str); 5] = [
    ("tail_p50_ms", "end_to_end_p50_ms"),
    ("tail_p99_ms", "end_to_end_p99_ms"),
    ("tail_p99_9_ms", "end_to_end_p99_9_ms"),
    ("tail_p99_99_ms", "end_to_end_p99_99_ms"),
    ("tail_max_ms", "end_to_end_max_ms"),
];
const TAIL_COSTS: [&str; 6] = [
    "rss_anon_mib",
    "rss_peak_mib",
    "syncs_per_s",
    "slowest_sync_ms",
    "disk_flushes_per_s",
    "client_cpu_s",
];

pub(super) const FIGURE: Figure = Figure {
    name: "fetch-cold",
    about: "a reader of data that is only on the disk, beside 20,000 records/s end to end",
    driver: Driver::Load,
    rivals: &[Kind::Kafka],
    headline: &["cold_mb_per_s", "tail_p99_ms"],
    goals: &[
        Goal::own("tail_p99_over_alone", Bound::AtMost(1.5)),
        Goal::own("cold_over_disk", Bound::AtLeast(0.7)),
    ],
    run,
};

fn run(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    let bytes = setting.sized(setting.cold_bytes, SMOKE_BYTES);
    setting.fill(&server, "cold", bytes)?;
    let reader = || {
        let client = setting.load(&server, "fetch").set("--topic", "cold");
        let client = client.set("--from", "beginning");
        let client = client.set("--warm-up-seconds", 0).set("--seconds", 120);
        client.set("--bytes-max", bytes)
    };
    let before = Alone::measure(setting, &server, bytes)?;
    // Alone first: what the disk gives is not shared with anybody.
    let once = reader().run()?;
    if !setting.smoke {
        machine::drop_caches()?;
    }
    // Measured while what is cold lasts. This reader is the second one: its way is the page cache.
    let lasts_s = once.value("seconds").unwrap_or(0.0) * TAIL_SHARE;
    let beside = Beside::measure(setting, &server, lasts_s, reader)?;
    let after = Alone::measure(setting, &server, bytes)?;
    fs::remove_file(sequential_file(setting)).ok();

    let mut metrics = Metrics::default();
    metrics.take_all("cold", &once, &COLD_COSTS);
    beside.note(&mut metrics);
    hold_against(&mut metrics, &before, &after);
    let runs = [
        &before.tail,
        &once,
        &beside.reading,
        &beside.tail,
        &after.tail,
    ];
    metrics.add_faults(&runs);
    let reader_s = beside.reading.value("seconds").unwrap_or(0.0);
    if !setting.smoke && reader_s < WARM_UP_S - HEAD_START_S + lasts_s {
        // The tail was measured without the reader in the end.
        let faults = metrics.value("faults").unwrap_or(0.0);
        metrics.set("faults", faults + 1.0);
    }
    Ok(metrics)
}

/// The reader and the tail beside each other.
struct Beside {
    reading: Metrics,
    tail: Metrics,
}

impl Beside {
    /// The programs themselves are cold after the caches were dropped: the tail is read back in before
    /// the reader starts.
    fn measure<'a>(
        setting: &Setting,
        server: &Server,
        lasts_s: f64,
        reader: impl Fn() -> Client<'a>,
    ) -> Result<Self> {
        let tail = tail(setting, server)
            .set("--warm-up-seconds", WARM_UP_S)
            .set("--seconds", lasts_s.max(1.0))
            .spawn()?;
        thread::sleep(Duration::from_secs_f64(HEAD_START_S));
        let reading = reader().run()?;
        let tail = tail.finish()?;
        Ok(Self { reading, tail })
    }

    fn note(&self, metrics: &mut Metrics) {
        metrics.take("cold_beside_tail_mb_per_s", &self.reading, "mb_per_s");
        metrics.take("cold_beside_tail_s", &self.reading, "seconds");
        for (name, theirs) in TAIL_LATENCIES {
            metrics.take(name, &self.tail, theirs);
        }
        for name in TAIL_COSTS {
            metrics.take(name, &self.tail, name);
        }
    }
}

/// Takes in what the tail and the disk did alone, and the ratios to it.
fn hold_against(metrics: &mut Metrics, before: &Alone, after: &Alone) {
    metrics.take("alone_before_p99_ms", &before.tail, "end_to_end_p99_ms");
    metrics.take("alone_after_p99_ms", &after.tail, "end_to_end_p99_ms");
    let alone = Metrics::lower(&before.tail, &after.tail, "end_to_end_p99_ms");
    metrics.take("alone_p99_ms", alone, "end_to_end_p99_ms");
    if let (Some(before), Some(after)) = (before.disk_mb_per_s, after.disk_mb_per_s) {
        metrics.set("disk_mb_per_s", before.max(after));
    }
    let value = |name: &str| metrics.value(name);
    let tail = (value("tail_p99_ms"), value("alone_p99_ms"));
    let disk = (value("cold_mb_per_s"), value("disk_mb_per_s"));
    metrics.divide("tail_p99_over_alone", tail.0, tail.1);
    metrics.divide("cold_over_disk", disk.0, disk.1);
}

/// What the reader of cold data and the tail beside it are held against. Measured before and after
/// them, and the better counts: a machine that disturbs a baseline must not make the rest look good.
struct Alone {
    tail: Metrics,
    disk_mb_per_s: Option<f64>,
}

impl Alone {
    /// Leaves the page cache empty.
    fn measure(setting: &Setting, server: &Server, bytes: u64) -> Result<Self> {
        setting.rest_disk()?;
        let tail = tail(setting, server).run()?;
        // In a smoke run what is called cold is not: a machine's caches belong to its other users
        // too.
        let disk_mb_per_s = if setting.smoke {
            None
        } else {
            machine::drop_caches()?;
            let bytes = bytes.min(SEQUENTIAL_BYTES_MAX);
            let rate = machine::sequential_read(&sequential_file(setting), bytes)?;
            machine::drop_caches()?;
            Some(rate)
        };
        Ok(Self {
            tail,
            disk_mb_per_s,
        })
    }
}

fn sequential_file(setting: &Setting) -> PathBuf {
    setting.places.data.join("sequential")
}

fn tail<'a>(setting: &'a Setting, server: &'a Server) -> Client<'a> {
    let client = setting.load(server, "end-to-end").set("--topic", "tail");
    client.set("--rate", TAIL_RATE).flag("--natural")
}
