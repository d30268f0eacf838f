//! Sending at full speed.

use anyhow::Result;

use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::Kind;

const HEADLINE: [&str; 2] = ["records_per_s", "cpu_s_per_gb"];
/// Of small records the number counts, not the bytes.
const SMALL_HEADLINE: [&str; 2] = ["records_per_s", "cpu_s_per_million_records"];
const SMALL_GOALS: [Goal; 1] = [Goal::to(
    Kind::Kafka,
    "cpu_s_per_million_records",
    Bound::AtMost(0.4),
)];

pub(super) const FIGURES: [Figure; 8] = [
    Figure {
        name: "produce-librdkafka",
        about: "1 KiB records, 6 partitions, acks=all, rdkafka_performance with linger 5 ms",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka, Kind::KafkaSynced, Kind::Floor],
        headline: &HEADLINE,
        goals: &[
            Goal::to(Kind::Kafka, "records_per_s", Bound::AtLeast(1.9)),
            Goal::to(Kind::KafkaSynced, "records_per_s", Bound::AtLeast(2.8)),
            Goal::to(Kind::Kafka, "cpu_s_per_gb", Bound::AtMost(0.4)),
        ],
        run: |setting, kind| librdkafka(setting, kind, 1024),
    },
    Figure {
        name: "produce-raw",
        about: "1 KiB records, 6 partitions, acks=all, batches of 256 KiB made in advance",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::KafkaSynced, Kind::Floor],
        headline: &HEADLINE,
        goals: &[
            Goal::to(Kind::Floor, "records_per_s", Bound::AtLeast(0.85)),
            Goal::to(Kind::Floor, "cpu_s_per_gb", Bound::AtMost(1.3)),
            Goal::to(Kind::Kafka, "cpu_s_per_gb", Bound::AtMost(0.4)),
        ],
        run: |setting, kind| raw(setting, kind, |load| load.set("--batch-bytes", 256 << 10)),
    },
    Figure {
        name: "produce-raw-16k",
        about: "the same in batches of 16 KiB, as Java's producer makes them, on 4 connections",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::Floor],
        headline: &HEADLINE,
        goals: &[],
        run: |setting, kind| {
            raw(setting, kind, |load| {
                load.set("--batch-bytes", 16 << 10).set("--connections", 4)
            })
        },
    },
    Figure {
        name: "produce-java",
        about: "1 KiB records, 6 partitions, acks=all, kafka-producer-perf-test with linger 5 ms",
        driver: Driver::Java,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &[],
        run: java,
    },
    Figure {
        name: "produce-100b",
        about: "100 B records, 6 partitions, acks=all, batches of 16 KiB made in advance",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::Floor],
        headline: &SMALL_HEADLINE,
        goals: &SMALL_GOALS,
        run: |setting, kind| {
            raw(setting, kind, |load| {
                load.set("--batch-bytes", 16 << 10)
                    .set("--record-bytes", 100)
            })
        },
    },
    Figure {
        name: "produce-100b-librdkafka",
        about: "100 B records, 6 partitions, acks=all, rdkafka_performance with linger 5 ms",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka],
        headline: &SMALL_HEADLINE,
        goals: &SMALL_GOALS,
        run: |setting, kind| librdkafka(setting, kind, 100),
    },
    Figure {
        name: "produce-idempotent",
        about: "produce-raw with producer ids and sequences",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[],
        run: |setting, kind| {
            raw(setting, kind, |load| {
                load.set("--batch-bytes", 256 << 10).flag("--idempotent")
            })
        },
    },
    Figure {
        name: "produce-zstd",
        about: "produce-raw with batches packed by zstd, stored as they come",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[],
        run: |setting, kind| {
            raw(setting, kind, |load| {
                load.set("--batch-bytes", 256 << 10).set("--codec", "zstd")
            })
        },
    },
];

fn librdkafka(setting: &Setting, kind: Kind, record_bytes: u32) -> Result<Metrics> {
    let server = setting.start_with_topic(kind)?;
    let records = setting.sized(2_000_000, 20_000) * 1024 / u64::from(record_bytes);
    Client::librdkafka_producer(setting, &server, records, record_bytes).run()
}

fn raw(
    setting: &Setting,
    kind: Kind,
    shape: impl for<'a> Fn(Client<'a>) -> Client<'a>,
) -> Result<Metrics> {
    let server = setting.start(kind)?;
    shape(setting.load(&server, "produce").set("--connections", 2)).run()
}

fn java(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start_with_topic(kind)?;
    // The class counts records, not seconds.
    let records = setting.records(if setting.smoke { 30_000 } else { 300_000 });
    Client::java_producer(setting, &server, "bench", records)?.run()
}
