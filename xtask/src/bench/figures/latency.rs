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

pub(super) const FIGURES: [Figure; 3] = [
    Figure {
        name: "end-to-end-20k-franz",
        about: "20,000 records/s of 1 KiB by franz-go, linger 0, 6 partitions, sent and read",
        driver: Driver::Franz,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_20K,
        run: |setting, kind| end_to_end(setting, kind, 20_000),
    },
    Figure {
        name: "end-to-end-100k-franz",
        about: "100,000 records/s of 1 KiB by franz-go, linger 0, 6 partitions, sent and read",
        driver: Driver::Franz,
        rivals: &[Kind::Kafka, Kind::KafkaSynced],
        headline: &HEADLINE,
        goals: &GOALS_100K,
        run: |setting, kind| end_to_end(setting, kind, 100_000),
    },
    Figure {
        name: "spread-1000",
        about: "20,000 records/s, each to the next of 1,000 partitions, against 1 partition",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["p99_ms", "one_p99_ms"],
        goals: &[Goal::own("p99_over_one", Bound::AtMost(1.5))],
        run: one_and_many,
    },
];

fn end_to_end(setting: &Setting, kind: Kind, rate: u32) -> Result<Metrics> {
    let server = setting.start_with_topic(kind)?;
    Client::franz(setting, &server, rate).run()
}

/// One partition, very many on the same server, and one again: the better of the two is what the many
/// are held against.
fn one_and_many(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    // What comes first on a fresh server would pay for it alone.
    setting.break_in(&server)?;
    setting.rest_disk()?;
    let before = spread(setting, &server, "one", 1)?;
    setting.rest_disk()?;
    let many = spread(setting, &server, "many", setting.sized(1000, 100))?;
    setting.rest_disk()?;
    let after = spread(setting, &server, "one-again", 1)?;
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
