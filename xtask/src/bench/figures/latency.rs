//! Latency at a set rate, from the time at which a record was meant to be sent.

use anyhow::Result;

use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const HEADLINE: [&str; 2] = ["end_to_end_p99_ms", "end_to_end_p99_9_ms"];
const GOALS_20K: [Goal; 1] = [Goal::to(
    Kind::Kafka,
    "end_to_end_p99_ms",
    Bound::AtMost(0.45),
)];
const GOALS_100K: [Goal; 2] = [
    Goal::to(Kind::Kafka, "end_to_end_p99_ms", Bound::AtMost(0.8)),
    Goal::to(Kind::Kafka, "end_to_end_p99_9_ms", Bound::AtMost(0.8)),
];
/// Of the rate at which records are spread over partitions one by one.
const SPREAD_RATE: u32 = 20_000;

pub(super) const FIGURES: [Figure; 6] = [
    Figure {
        name: "end-to-end-20k",
        about: "20,000 records/s of 1 KiB, linger 0, 6 partitions, acks=all, sent and read",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_20K,
        run: |setting, kind| end_to_end(setting, kind, 20_000),
    },
    Figure {
        name: "end-to-end-100k",
        about: "100,000 records/s of 1 KiB, linger 0, 6 partitions, acks=all, sent and read",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_100K,
        run: |setting, kind| end_to_end(setting, kind, 100_000),
    },
    Figure {
        name: "end-to-end-20k-librdkafka",
        about: "20,000 records/s of 1 KiB by librdkafka, linger 0, sent and read",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_20K,
        run: |setting, kind| end_to_end_librdkafka(setting, kind, 20_000),
    },
    Figure {
        name: "end-to-end-100k-librdkafka",
        about: "100,000 records/s of 1 KiB by librdkafka, linger 0, sent and read",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_100K,
        run: |setting, kind| end_to_end_librdkafka(setting, kind, 100_000),
    },
    Figure {
        name: "spread-1000",
        about: "20,000 records/s, each to the next of 1,000 partitions, against 1 partition",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["p99_ms", "one_p99_ms"],
        goals: &[Goal::own("p99_over_one", Bound::AtMost(1.5))],
        run: |setting, kind| {
            one_and_many(setting, kind, |server, topic, partitions| {
                spread(setting, server, topic, partitions)
            })
        },
    },
    Figure {
        name: "spread-1000-librdkafka",
        about: "the same by librdkafka, linger 0",
        driver: Driver::Librdkafka,
        rivals: &[Kind::Kafka],
        headline: &["p99_ms", "one_p99_ms"],
        goals: &[Goal::own("p99_over_one", Bound::AtMost(1.5))],
        run: |setting, kind| {
            one_and_many(setting, kind, |server, topic, partitions| {
                setting.create(server, topic, partitions)?;
                let client = Client::librdkafka(setting, server, "produce");
                let client = client.set("--topic", topic).set("--partitions", partitions);
                client
                    .set("--rate", SPREAD_RATE)
                    .set("--linger-ms", 0)
                    .run()
            })
        },
    },
];

fn end_to_end(setting: &Setting, kind: Kind, rate: u32) -> Result<Metrics> {
    let server = setting.start(kind)?;
    let client = setting.load(&server, "end-to-end").set("--rate", rate);
    client.flag("--natural").run()
}

fn end_to_end_librdkafka(setting: &Setting, kind: Kind, rate: u32) -> Result<Metrics> {
    let server = setting.start_with_topic(kind)?;
    let client = Client::librdkafka(setting, &server, "end-to-end");
    let client = client.set("--partitions", 6).set("--rate", rate);
    client.set("--linger-ms", 0).run()
}

/// One partition, very many on the same server, and one again: the better of the two is what the many
/// are held against.
fn one_and_many(
    setting: &Setting,
    kind: Kind,
    spread: impl Fn(&Server, &str, u64) -> Result<Metrics>,
) -> Result<Metrics> {
    let server = setting.start(kind)?;
    // What comes first on a fresh server would pay for it alone.
    setting.break_in(&server)?;
    setting.rest_disk()?;
    let before = spread(&server, "one", 1)?;
    setting.rest_disk()?;
    let many = spread(&server, "many", setting.sized(1000, 100))?;
    setting.rest_disk()?;
    let after = spread(&server, "one-again", 1)?;
    let one = Metrics::lower(&before, &after, "produce_p99_ms");
    let mut metrics = many.beside(one, "p99_over_one", "produce_p99_ms");
    metrics.take("p99_ms", &many, "produce_p99_ms");
    metrics.take("one_p99_ms", one, "produce_p99_ms");
    metrics.take("one_before_p99_ms", &before, "produce_p99_ms");
    metrics.take("one_after_p99_ms", &after, "produce_p99_ms");
    metrics.add_faults(&[&before, &many, &after]);
    Ok(metrics)
}

/// Every record in a batch and a request of its own, to the next partition in turn.
pub(super) fn spread(
    setting: &Setting,
    server: &Server,
    topic: &str,
    partitions: u64,
) -> Result<Metrics> {
    setting.create(server, topic, partitions)?;
    let client = setting.load(server, "produce").set("--topic", topic);
    let client = client.set("--partitions", partitions);
    let client = client.set("--rate", SPREAD_RATE).set("--batch-bytes", 1024);
    client.set("--in-flight", 1000).run()
}
