//! Through TLS with a login, beside plaintext on the same server.

use anyhow::Result;

use super::fetch::fill_cache;
use crate::bench::client::Client;
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
            plain_and_secure(setting, |topic| {
                let client = setting.load(&server, "produce").set("--topic", topic);
                client
                    .set("--batch-bytes", 256 << 10)
                    .set("--connections", 2)
            })
        },
    },
    Figure {
        name: "tls-fetch",
        about: "1 KiB records of 6 partitions from the page cache, SASL_SSL against plaintext",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &GOALS,
        run: |setting, kind| {
            let server = setting.start(kind)?;
            fill_cache(setting, &server)?;
            // Decrypting is work: one thread for both would keep the server waiting.
            plain_and_secure(setting, |_| {
                let client = setting.load(&server, "fetch").set("--connections", 2);
                client.set("--threads", 2)
            })
        },
    },
];

/// The same client three times, before and after without TLS: the better of these two is what the
/// secure one is held against. It is told the topic to make for itself, if it makes one.
fn plain_and_secure<'a>(setting: &Setting, client: impl Fn(&str) -> Client<'a>) -> Result<Metrics> {
    setting.rest_disk()?;
    let before = client("plain").run()?;
    setting.rest_disk()?;
    let secure = client("secure").secure()?.run()?;
    setting.rest_disk()?;
    let after = client("plain-again").run()?;
    let plain = Metrics::higher(&before, &after, "records_per_s");
    let mut metrics = secure.beside(plain, "tls_over_plain", "records_per_s");
    metrics.take("plain_records_per_s", plain, "records_per_s");
    let costs = [
        "cpu_s_per_gb",
        "cpu_s_per_million_records",
        "client_cpu_s",
        "mb_per_s",
        "seconds",
    ];
    metrics.take_all("plain", plain, &costs);
    metrics.add_faults(&[&before, &secure, &after]);
    Ok(metrics)
}
