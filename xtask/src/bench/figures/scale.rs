//! Very many partitions, and very many fetches that wait.

use std::time::Instant;

use anyhow::Result;

use super::latency::spread;
use super::memory::resident;
use super::start::started;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::Kind;

pub(super) const FIGURES: [Figure; 3] = [
    Figure {
        name: "partitions-100k",
        about: "100,000 partitions on one node: start, memory, latency, scrape",
        driver: Driver::Load,
        rivals: &[],
        headline: &["acknowledged_ms", "rss_anon_mib", "scrape_ms"],
        goals: &[
            Goal::own("acknowledged_ms", Bound::AtMost(3000.0)),
            Goal::own("rss_anon_mib", Bound::AtMost(1024.0)),
            Goal::own("p99_over_few", Bound::AtMost(1.5)),
            Goal::own("scrape_ms", Bound::AtMost(100.0)),
        ],
        run: many_partitions,
    },
    Figure {
        name: "parked-fetches",
        about: "10,000 fetches that wait for 30 s with nothing to come",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["cpu_share"],
        goals: &[Goal::own("cpu_share", Bound::AtMost(0.01))],
        run: |setting, kind| {
            let server = setting.start(kind)?;
            let client = setting.load(&server, "fetch").set("--from", "end");
            let client = client
                .set("--partitions", 100)
                .set("--fetch-wait-ms", 60_000);
            let client = client.set("--connections", setting.sized(10_000, 200));
            let seconds = setting.sized(30, 1);
            client
                .set("--seconds", seconds)
                .set("--warm-up-seconds", seconds / 10)
                .run()
        },
    },
    Figure {
        name: "empty-fetches",
        about: "1,000 fetches of 500 ms each, all in vain: the cost of one",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["cpu_us_per_request"],
        goals: &[],
        run: |setting, kind| {
            let server = setting.start(kind)?;
            let client = setting.load(&server, "fetch").set("--from", "end");
            let client = client.set("--partitions", 100).set("--fetch-wait-ms", 500);
            client.set("--connections", setting.sized(1000, 50)).run()
        },
    },
];

fn many_partitions(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let mut server = setting.start(kind)?;
    // What comes first on a fresh server would pay for it alone.
    setting.break_in(&server)?;
    // Twice: something that disturbs the baseline must not make the rest look good.
    let few = || {
        setting.rest_disk()?;
        spread(setting, &server, "bench", 6)
    };
    let (once, again) = (few()?, few()?);
    let few = Metrics::lower(&once, &again, "produce_p99_ms").clone();
    let started_at = Instant::now();
    setting.create(&server, "many", setting.sized(100_000, 2000))?;
    let create_ms = started_at.elapsed().as_secs_f64() * 1e3;
    server.stop()?;
    let mut metrics = started(setting, &server)?;
    metrics.set("create_ms", create_ms);
    server.start()?;
    setting.settle();
    let idle = resident(&server)?;
    metrics.take("idle_rss_anon_mib", &idle, "rss_anon_mib");
    let among = spread(setting, &server, "bench", 6)?;
    // Every partition active: each gets a record every few seconds.
    let all = spread(setting, &server, "many", setting.sized(100_000, 2000))?;
    let scraped_at = Instant::now();
    let scrape = server.scrape()?;
    metrics.set("scrape_ms", scraped_at.elapsed().as_secs_f64() * 1e3);
    metrics.set("scrape_kb", gauge::float(scrape.len() as u64) / 1e3);
    metrics.take("rss_anon_mib", &resident(&server)?, "rss_anon_mib");
    metrics.take("few_p99_ms", &few, "produce_p99_ms");
    metrics.take("among_p99_ms", &among, "produce_p99_ms");
    metrics.take("all_p99_ms", &all, "produce_p99_ms");
    let costs = ["cpu_s_per_million_records", "rss_peak_mib", "syncs_per_s"];
    metrics.take_all("all", &all, &costs);
    metrics.take_all("few", &few, &costs);
    let p99 = |metrics: &Metrics| metrics.value("produce_p99_ms");
    metrics.divide("p99_over_few", p99(&among), p99(&few));
    metrics.divide("all_p99_over_few", p99(&all), p99(&few));
    metrics.add_faults(&[&once, &again, &among, &all]);
    Ok(metrics)
}
