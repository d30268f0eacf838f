//! Reading from the page cache.

use anyhow::Result;

use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::server::{Kind, Server};

const HEADLINE: [&str; 2] = ["records_per_s", "cpu_s_per_gb"];
const GOALS: [Goal; 2] = [
    Goal::to(Kind::Kafka, "records_per_s", Bound::AtLeast(1.1)),
    Goal::to(Kind::Kafka, "cpu_s_per_gb", Bound::AtMost(0.8)),
];
/// Far below what a machine's memory holds, far above any cache of a broker's own.
const CACHED_BYTES: u64 = 2 << 30;
const SMOKE_BYTES: u64 = 64 << 20;

pub(super) const FIGURES: [Figure; 1] = [Figure {
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
}];

/// Fills a topic of six partitions with what stays in the page cache.
pub(super) fn fill_cache(setting: &Setting, server: &Server) -> Result<()> {
    let bytes = setting.sized(CACHED_BYTES, SMOKE_BYTES);
    setting.fill(server, "bench", bytes)?;
    // What is written past the cache is only there once a second reader has come.
    for _ in 0..2 {
        let client = setting.load(server, "fetch").set("--from", "beginning");
        let client = client.set("--warm-up-seconds", 0).set("--bytes-max", bytes);
        client.set("--seconds", 120).run()?;
    }
    Ok(())
}
