//! What a broker keeps in memory, and the size of its binary.

use anyhow::{Context, Result};

use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const HEADLINE: [&str; 1] = ["rss_anon_mib"];
const KIB_PER_MIB: f64 = 1024.0;

pub(super) const FIGURES: [Figure; 4] = [
    Figure {
        name: "memory-idle",
        about: "memory of a broker just started",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[Goal::own("rss_anon_mib", Bound::AtMost(8.0))],
        run: |setting, kind| {
            let server = setting.start(kind)?;
            setting.settle();
            resident(&server)
        },
    },
    Figure {
        name: "memory-10k",
        about: "memory of an idle broker with 10,000 partitions, restarted",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[Goal::own("rss_anon_mib", Bound::AtMost(64.0))],
        run: |setting, kind| {
            let mut server = setting.start(kind)?;
            setting.create_many(&server, setting.sized(10_000, 500))?;
            setting.settle();
            let created = resident(&server)?;
            server.stop()?;
            server.start()?;
            setting.settle();
            let mut metrics = resident(&server)?;
            metrics.take("created_rss_anon_mib", &created, "rss_anon_mib");
            Ok(metrics)
        },
    },
    Figure {
        name: "memory-connections",
        about: "memory of each of 1,000 idle connections under TLS, logged in",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &["kib_per_connection"],
        goals: &[Goal::own("kib_per_connection", Bound::AtMost(12.0))],
        run: connections,
    },
    Figure {
        name: "size",
        about: "the binary, stripped, which is the image too",
        driver: Driver::Load,
        rivals: &[],
        headline: &["binary_mb"],
        goals: &[Goal::own("binary_mb", Bound::AtMost(12.0))],
        run: |setting, _| {
            let bytes = std::fs::metadata(&setting.places.tidegate)?.len();
            let mut metrics = Metrics::default();
            metrics.set("binary_mb", gauge::float(bytes) / 1e6);
            Ok(metrics)
        },
    },
];

pub(super) fn resident(server: &Server) -> Result<Metrics> {
    let sample = server.sample()?;
    let mut metrics = Metrics::default();
    let mib = |kib: u64| gauge::float(kib) / KIB_PER_MIB;
    metrics.set("rss_anon_mib", mib(sample.rss_anon_kib));
    metrics.set("rss_mib", mib(sample.rss_kib));
    metrics.set("rss_peak_mib", mib(sample.rss_peak_kib));
    metrics.set("threads", gauge::float(sample.threads));
    metrics.set("descriptors", gauge::float(sample.descriptors));
    Ok(metrics)
}

fn connections(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    setting.settle();
    let count = u32::try_from(setting.sized(1000, 50))?;
    let client = setting.load(&server, "idle").set("--connections", count);
    let mut metrics = client.secure()?.run()?;
    let kib = |name: &str| metrics.value(name).context("what the server had");
    let gained = kib("at_end_rss_anon_kib")? - kib("before_rss_anon_kib")?;
    metrics.set("kib_per_connection", gained / f64::from(count));
    Ok(metrics)
}
