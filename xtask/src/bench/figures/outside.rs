//! What an outsider measures: records sent by a real client and read at once by consumers of new groups,
//! with no pause between, and what the broker keeps for it.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::memory::resident;
use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::memory_limit::MemoryGroup;
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const RECORDS: u64 = 2_000_000;
const SMOKE_RECORDS: u64 = 20_000;
const RECORD_BYTES: u32 = 1024;
/// Of the data, for which a limited broker has memory beside what it keeps itself.
const DATA_PER_MEMORY: u64 = 10;
/// Less would measure how a kernel ends processes.
const MEMORY_BYTES_MIN: u64 = 128 << 20;
const BYTES_PER_MIB: f64 = 1_048_576.0;
/// After a run, until what it needed should be given back.
const REST_S: u64 = 10;

const HEADLINE: [&str; 6] = [
    "first_records_per_s",
    "first_cpu_s_per_gb",
    "second_records_per_s",
    "second_cpu_s_per_gb",
    "third_records_per_s",
    "third_cpu_s_per_gb",
];
const READERS: [&str; 3] = ["first", "second", "third"];
const TOLD: [&str; 2] = ["records_per_s", "cpu_s_per_gb"];
const GOALS: [Goal; 6] = [
    Goal::to(Kind::Kafka, HEADLINE[0], Bound::AtLeast(1.1)),
    Goal::to(Kind::Kafka, HEADLINE[1], Bound::AtMost(0.8)),
    Goal::to(Kind::Kafka, HEADLINE[2], Bound::AtLeast(1.1)),
    Goal::to(Kind::Kafka, HEADLINE[3], Bound::AtMost(0.8)),
    Goal::to(Kind::Kafka, HEADLINE[4], Bound::AtLeast(1.1)),
    Goal::to(Kind::Kafka, HEADLINE[5], Bound::AtMost(0.8)),
];

pub(super) const FIGURES: [Figure; 5] = [
    after_produce(
        "consume-after-produce-librdkafka",
        "2,000,000 records of 1 KiB by rdkafka_performance, then read by three new groups in turn",
        Driver::Librdkafka,
        |setting, kind| consume(setting, kind, Driver::Librdkafka),
    ),
    after_produce(
        "consume-after-produce-java",
        "the same by kafka-producer-perf-test and kafka-consumer-perf-test",
        Driver::Java,
        |setting, kind| consume(setting, kind, Driver::Java),
    ),
    after_produce(
        "consume-after-produce-librdkafka-limited",
        "the same by rdkafka_performance, with memory for a tenth of the data",
        Driver::Librdkafka,
        |setting, kind| limited(setting, kind, Driver::Librdkafka),
    ),
    after_produce(
        "consume-after-produce-java-limited",
        "the same by Java, with memory for a tenth of the data",
        Driver::Java,
        |setting, kind| limited(setting, kind, Driver::Java),
    ),
    Figure {
        name: "memory-run",
        about: "memory at its peak while 2,000,000 records are sent and read three times, and after 10 s",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka],
        headline: &["peak_rss_anon_mib", "later_rss_anon_mib"],
        goals: &[
            Goal::own("peak_rss_anon_mib", Bound::AtMost(64.0)),
            Goal::own("later_rss_anon_mib", Bound::AtMost(16.0)),
        ],
        run: memory,
    },
];

const fn after_produce(
    name: &'static str,
    about: &'static str,
    driver: Driver,
    run: fn(&Setting, Kind) -> Result<Metrics>,
) -> Figure {
    Figure {
        name,
        about,
        driver,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run,
    }
}

/// Whether a figure takes memory from its servers.
pub(in crate::bench) fn is_limited(figure: &Figure) -> bool {
    figure.name.ends_with("-limited")
}

fn consume(setting: &Setting, kind: Kind, driver: Driver) -> Result<Metrics> {
    let server = setting.start_with_topic(kind)?;
    produce_and_consume(setting, &server, driver)
}

/// What each broker keeps itself after its breaking-in, and room for a tenth of the data in the page
/// cache: should it keep more later, there is less for the cache.
fn limited(setting: &Setting, kind: Kind, driver: Driver) -> Result<Metrics> {
    // Dropped after the server, which is in it.
    let group = MemoryGroup::new()?;
    let server = setting.start_with_topic(kind)?;
    let data = records(setting) * u64::from(RECORD_BYTES);
    let own = server.sample()?.rss_anon_kib << 10;
    let bytes = own + (data / DATA_PER_MEMORY).max(MEMORY_BYTES_MIN);
    group.hold(&server, bytes)?;
    let mut metrics = produce_and_consume(setting, &server, driver)?;
    metrics.set("limit_mib", gauge::float(bytes) / BYTES_PER_MIB);
    Ok(metrics)
}

/// Not broken in, as it comes.
fn memory(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    setting.create(&server, "bench", 6)?;
    let mut metrics = produce_and_consume(setting, &server, Driver::Librdkafka)?;
    thread::sleep(Duration::from_secs(setting.sized(REST_S, 1)));
    metrics.take("later_rss_anon_mib", &resident(&server)?, "rss_anon_mib");
    Ok(metrics)
}

fn records(setting: &Setting) -> u64 {
    setting.sized(RECORDS, SMOKE_RECORDS)
}

fn produce_and_consume(setting: &Setting, server: &Server, driver: Driver) -> Result<Metrics> {
    let records = records(setting);
    let is_java = driver == Driver::Java;
    let producer = if is_java {
        Client::java_producer(setting, server, "bench", records)?
    } else {
        Client::librdkafka_producer(setting, server, records, RECORD_BYTES)
    };
    let mut runs = vec![("produce", producer.run()?)];
    for reader in READERS {
        let consumer = if is_java {
            Client::java_consumer(setting, server, reader, records)?
        } else {
            Client::librdkafka_consumer(setting, server, reader, records)
        };
        runs.push((reader, consumer.run()?));
    }
    let mut metrics = Metrics::default();
    let mut peak = 0.0_f64;
    for (name, run) in &runs {
        metrics.take_all(name, run, &TOLD);
        peak = peak.max(run.value("rss_anon_mib").unwrap_or(0.0));
    }
    metrics.set("peak_rss_anon_mib", peak);
    let runs: Vec<&Metrics> = runs.iter().map(|(_, run)| run).collect();
    metrics.add_faults(&runs);
    Ok(metrics)
}
