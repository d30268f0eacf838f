//! Reading: from the page cache, and cold beside readers of the tail.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::machine;
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const HEADLINE: [&str; 2] = ["records_per_s", "cpu_s_per_gb"];
const GOALS: [Goal; 2] = [
    Goal::to(Kind::Kafka, "records_per_s", Bound::AtLeast(1.1)),
    Goal::to(Kind::Kafka, "cpu_s_per_gb", Bound::AtMost(0.8)),
];
/// Far below what a machine's memory holds, far above any cache of a broker's own.
const CACHED_BYTES: u64 = 2 << 30;
const SMOKE_BYTES: u64 = 64 << 20;
const TAIL_RATE: u32 = 20_000;
/// The tail runs for so long before the reader of cold data starts.
const TAIL_HEAD_START_S: f64 = 2.0;
const TAIL_WARM_UP_S: f64 = 2.5;
/// How much of the time that the reader took alone the tail is measured for.
const TAIL_SHARE: f64 = 0.8;

/// What is told of the reader of cold data, alone.
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

pub(super) const FIGURES: [Figure; 4] = [
    Figure {
        name: "fetch-raw",
        about: "1 KiB records of 6 partitions from the page cache, again and again",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run: |setting, kind| {
            let server = setting.start(kind)?;
            fill_cache(setting, &server)?;
            setting.load(&server, "fetch").run()
        },
    },
    Figure {
        name: "fetch-librdkafka",
        about: "1 KiB records of 6 partitions from the page cache, librdkafka, once through",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run: |setting, kind| {
            let server = setting.start(kind)?;
            setting.break_in(&server)?;
            fill_cache(setting, &server)?;
            let client = Client::librdkafka(setting, &server, "consume");
            client.set("--partitions", 6).record_bytes(1024).run()
        },
    },
    Figure {
        name: "fetch-java",
        about: "1 KiB records of 6 partitions from the page cache, kafka-consumer-perf-test",
        driver: Driver::Java,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[],
        run: |setting, kind| {
            let server = setting.start(kind)?;
            setting.break_in(&server)?;
            let bytes = fill_cache(setting, &server)?;
            Client::java_consumer(setting, &server, bytes / 1024)?.run()
        },
    },
    Figure {
        name: "fetch-cold",
        about: "a reader of data that is only on the disk, beside 20,000 records/s end to end",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["cold_mb_per_s", "tail_p99_ms"],
        goals: &[
            Goal::own("tail_p99_over_alone", Bound::AtMost(1.5)),
            Goal::own("cold_over_disk", Bound::AtLeast(0.7)),
        ],
        run: cold,
    },
];

/// Fills a topic of six partitions with what stays in the page cache, and says how many bytes.
pub(super) fn fill_cache(setting: &Setting, server: &Server) -> Result<u64> {
    let bytes = setting.sized(CACHED_BYTES, SMOKE_BYTES);
    setting.fill(server, "bench", bytes)?;
    // What is written past the cache is only there once a second reader has come.
    for _ in 0..2 {
        let client = setting.load(server, "fetch").set("--from", "beginning");
        let client = client.set("--warm-up-seconds", 0).set("--bytes-max", bytes);
        client.set("--seconds", 120).run()?;
    }
    Ok(bytes)
}

fn cold(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    let bytes = setting.sized(setting.cold_bytes, SMOKE_BYTES);
    setting.fill(&server, "cold", bytes)?;
    let reader = || {
        let client = setting.load(&server, "fetch").set("--topic", "cold");
        let client = client
            .set("--from", "beginning")
            .set("--warm-up-seconds", 0);
        client.set("--bytes-max", bytes).set("--seconds", 120)
    };
    let before = Alone::measure(setting, &server, bytes)?;
    // Alone first: what the disk gives is not shared with anybody.
    let once = reader().run()?;
    if !setting.smoke {
        machine::drop_caches()?;
    }
    // The programs themselves are cold by now: the tail is read back in before the reader starts,
    // and measured while what is cold lasts.
    let lasts = once.value("seconds").unwrap_or(0.0) * TAIL_SHARE;
    let beside = tail(setting, &server)
        .set("--warm-up-seconds", TAIL_WARM_UP_S)
        .set("--seconds", lasts.max(1.0))
        .spawn()?;
    thread::sleep(Duration::from_secs_f64(TAIL_HEAD_START_S));
    let reading = reader().run()?;
    let beside = beside.finish()?;
    let after = Alone::measure(setting, &server, bytes)?;
    let mut metrics = Metrics::default();
    metrics.take_all("cold", &once, &COLD_COSTS);
    metrics.take("cold_beside_tail_mb_per_s", &reading, "mb_per_s");
    metrics.take("cold_beside_tail_s", &reading, "seconds");
    for (name, theirs) in TAIL_LATENCIES {
        metrics.take(name, &beside, theirs);
    }
    for name in TAIL_COSTS {
        metrics.take(name, &beside, name);
    }
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
    metrics.add_faults(&[&before.tail, &once, &reading, &beside, &after.tail]);
    let reader_s = reading.value("seconds").unwrap_or(0.0);
    if !setting.smoke && reader_s < TAIL_WARM_UP_S - TAIL_HEAD_START_S + lasts {
        // The tail was measured without the reader in the end.
        let faults = metrics.value("faults").unwrap_or(0.0);
        metrics.set("faults", faults + 1.0);
    }
    Ok(metrics)
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
            let rate = machine::sequential_read(&setting.places.data, bytes.min(4 << 30))?;
            machine::drop_caches()?;
            Some(rate)
        };
        Ok(Self {
            tail,
            disk_mb_per_s,
        })
    }
}

fn tail<'a>(setting: &'a Setting, server: &'a Server) -> Client<'a> {
    let client = setting.load(server, "end-to-end").set("--topic", "tail");
    client.set("--rate", TAIL_RATE).flag("--natural")
}
