//! Through TLS with a login, beside plaintext on the same server.

use anyhow::{Context, Result};

use super::fetch::fill_cache;
use crate::bench::client::Client;
use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const MB_PER_GB: f64 = 1000.0;
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
            let metrics = plain_and_secure(setting, |topic| {
                let client = setting.load(&server, "produce").set("--topic", topic);
                client
                    .set("--batch-bytes", 256 << 10)
                    .set("--connections", 2)
            })?;
            with_bound(setting, &server, metrics)
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
            let bytes = fill_cache(setting, &server)?;
            // Decrypting is work: one thread for both would keep the server waiting.
            let metrics = plain_and_secure(setting, |_| {
                let client = setting.load(&server, "fetch").set("--connections", 2);
                client.set("--threads", 2)
            })?;
            let metrics = with_bound(setting, &server, metrics)?;
            with_bare(setting, &server, bytes, metrics)
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

/// What TLS could reach at most if it were plaintext with encryption at one end and decryption at the
/// other, and nothing else: with both ends' work for a GB grown by that, on all cores.
fn with_bound(setting: &Setting, server: &Server, mut metrics: Metrics) -> Result<Metrics> {
    if server.kind != Kind::Tidegate {
        return Ok(metrics);
    }
    let crypto = setting.load(server, "crypto").set("--seconds", 1).run()?;
    for name in ["seal_s_per_gb", "open_s_per_gb"] {
        metrics.take(name, &crypto, name);
    }
    let value = |metrics: &Metrics, name: &str| metrics.value(name).context(name.to_owned());
    let gb_per_s = value(&metrics, "plain_mb_per_s")? / MB_PER_GB;
    let client_s = value(&metrics, "plain_client_cpu_s")? / value(&metrics, "plain_seconds")?;
    let plain_s = value(&metrics, "plain_cpu_s_per_gb")? + client_s / gb_per_s;
    let crypto_s = value(&crypto, "seal_s_per_gb")? + value(&crypto, "open_s_per_gb")?;
    let cores = std::thread::available_parallelism()?.get();
    let most_gb_per_s = f64::from(u32::try_from(cores)?) / (plain_s + crypto_s);
    metrics.set("tls_over_plain_at_most", most_gb_per_s / gb_per_s);
    Ok(metrics)
}

/// What a sender with no broker in it reaches of our plaintext, with a TLS session that reads a file of
/// as many bytes and encrypts it, and what we reach of that.
fn with_bare(
    setting: &Setting,
    server: &Server,
    bytes: u64,
    mut metrics: Metrics,
) -> Result<Metrics> {
    if server.kind != Kind::Tidegate {
        return Ok(metrics);
    }
    let bare = setting.load(server, "bare-fetch").set("--connections", 2);
    let bare = bare.set("--bytes-max", bytes).run()?;
    for (name, value) in bare.iter().filter(|(name, _)| name.starts_with("bare_")) {
        metrics.set(name, value);
    }
    let bare_tls = bare.value("bare_tls_mb_per_s");
    metrics.divide("tls_over_bare", metrics.value("mb_per_s"), bare_tls);
    let plain = metrics.value("plain_mb_per_s");
    metrics.divide("bare_tls_over_plain", bare_tls, plain);
    Ok(metrics)
}
