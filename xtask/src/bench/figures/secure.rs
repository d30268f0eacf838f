//! Through TLS with a login, beside plaintext on the same server.

use anyhow::Result;

use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::Kind;

const HEADLINE: [&str; 2] = ["records_per_s", "plain_records_per_s"];
const GOALS: [Goal; 2] = [
    Goal::own("tls_over_plain", Bound::AtLeast(0.65)),
    Goal::to(Kind::Kafka, "records_per_s", Bound::AtLeast(2.0)),
];

pub(super) const FIGURES: [Figure; 2] = [
    Figure {
        name: "tls-produce",
        about: "1 KiB records, 6 partitions, acks=all, SASL_SSL against plaintext",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run: |setting, kind| {
            let server = setting.start(kind)?;
            let client = |topic| {
                let client = setting.load(&server, "produce").set("--topic", topic);
                client
                    .set("--batch-bytes", 256 << 10)
                    .set("--connections", 2)
            };
            let plain = client("plain").run()?;
            Ok(compared(&plain, &client("secure").secure()?.run()?))
        },
    },
    Figure {
        name: "tls-fetch",
        about: "1 KiB records of 6 partitions from the page cache, SASL_SSL against plaintext",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run: fetch,
    },
];

fn fetch(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let server = setting.start(kind)?;
    setting.fill(&server, "bench", setting.sized(2 << 30, 64 << 20))?;
    let client = || setting.load(&server, "fetch").set("--connections", 2);
    let plain = client().run()?;
    Ok(compared(&plain, &client().secure()?.run()?))
}

fn compared(plain: &Metrics, secure: &Metrics) -> Metrics {
    let mut metrics = secure.clone();
    metrics.take("plain_records_per_s", plain, "records_per_s");
    metrics.take("plain_cpu_s_per_gb", plain, "cpu_s_per_gb");
    metrics.divide(
        "tls_over_plain",
        secure.value("records_per_s"),
        plain.value("records_per_s"),
    );
    metrics.add_faults(&[plain, secure]);
    metrics
}
