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
    // What is written past the cache is only there once it has been read.
    let client = setting.load(server, "fetch").set("--from", "beginning");
    let client = client.set("--warm-up-seconds", 0).set("--bytes-max", bytes);
    client.set("--seconds", 120).run()?;
    Ok(bytes)
}

fn cold(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    let bytes = setting.sized(setting.cold_bytes, SMOKE_BYTES);
    setting.fill(&server, "cold", bytes)?;
    let mut metrics = Metrics::default();
    let tail = || {
        let client = setting.load(&server, "end-to-end").set("--topic", "tail");
        client.set("--rate", TAIL_RATE).flag("--natural")
    };
    let alone = tail().run()?;
    // In a smoke run what is called cold is not: a machine's caches belong to its other users too.
    if !setting.smoke {
        machine::drop_caches()?;
        let disk = machine::sequential_read(&setting.places.data, bytes.min(4 << 30))?;
        metrics.set("disk_mb_per_s", disk);
        machine::drop_caches()?;
    }
    let reader = || {
        let client = setting.load(&server, "fetch").set("--topic", "cold");
        let client = client
            .set("--from", "beginning")
            .set("--warm-up-seconds", 0);
        client.set("--bytes-max", bytes).set("--seconds", 120)
    };
    // Alone first: what the disk gives is not shared with anybody.
    let once = reader().run()?;
    if !setting.smoke {
        machine::drop_caches()?;
    }
    // The programs themselves are cold by now: the tail is read back in before the reader starts,
    // and measured while what is cold lasts.
    let lasts = once.value("seconds").unwrap_or(0.0) * TAIL_SHARE;
    let beside = tail()
        .set("--warm-up-seconds", TAIL_WARM_UP_S)
        .set("--seconds", lasts.max(1.0))
        .spawn()?;
    thread::sleep(Duration::from_secs_f64(TAIL_HEAD_START_S));
    let reading = reader().run()?;
    let beside = beside.finish()?;
    metrics.take("cold_mb_per_s", &once, "mb_per_s");
    metrics.take("cold_cpu_s_per_gb", &once, "cpu_s_per_gb");
    metrics.take("cold_beside_tail_mb_per_s", &reading, "mb_per_s");
    metrics.take("cold_beside_tail_s", &reading, "seconds");
    metrics.take("alone_p99_ms", &alone, "end_to_end_p99_ms");
    metrics.take("tail_p99_ms", &beside, "end_to_end_p99_ms");
    metrics.take("tail_p99_9_ms", &beside, "end_to_end_p99_9_ms");
    metrics.take("rss_anon_mib", &beside, "rss_anon_mib");
    let value = |name: &str| metrics.value(name);
    let tail = (value("tail_p99_ms"), value("alone_p99_ms"));
    let disk = (value("cold_mb_per_s"), value("disk_mb_per_s"));
    metrics.divide("tail_p99_over_alone", tail.0, tail.1);
    metrics.divide("cold_over_disk", disk.0, disk.1);
    metrics.add_faults(&[&alone, &once, &reading, &beside]);
    Ok(metrics)
}
