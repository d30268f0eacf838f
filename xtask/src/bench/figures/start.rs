//! From the start of the process to the first acknowledged record.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::bench::figure::{Bound, Driver, Figure, Goal, Setting};
use crate::bench::metrics::Metrics;
use crate::bench::server::{Kind, Server};

const HEADLINE: [&str; 1] = ["acknowledged_ms"];

pub(super) const FIGURES: [Figure; 3] = [
    Figure {
        name: "start-empty",
        about: "start to first acknowledged record, nothing on the disk",
        driver: Driver::Load,
        rivals: &[Kind::Kafka, Kind::Floor],
        headline: &HEADLINE,
        goals: &[Goal::own("acknowledged_ms", Bound::AtMost(25.0))],
        run: |setting, kind| {
            let server = setting.prepare(kind)?;
            started(setting, &server)
        },
    },
    Figure {
        name: "start-10k",
        about: "start to first acknowledged record with 10,000 partitions",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[Goal::own("acknowledged_ms", Bound::AtMost(300.0))],
        run: |setting, kind| {
            let mut server = setting.start(kind)?;
            setting.create_many(&server, setting.sized(10_000, 500))?;
            setting.create(&server, "bench", 6)?;
            server.stop()?;
            started(setting, &server)
        },
    },
    Figure {
        name: "start-killed",
        about: "start to first acknowledged record after SIGKILL under load (20 GB on the disk)",
        driver: Driver::Load,
        rivals: &[Kind::Kafka],
        headline: &HEADLINE,
        goals: &[Goal::own("acknowledged_ms", Bound::AtMost(1000.0))],
        run: killed,
    },
];

/// The first start of a generated certificate costs more than any later one, so it counts.
pub(super) fn started(setting: &Setting, server: &Server) -> Result<Metrics> {
    setting.load(server, "start").starting().run()
}

fn killed(setting: &Setting, kind: Kind) -> Result<Metrics> {
    let mut server = setting.start(kind)?;
    let bytes = setting.sized(setting.recovery_bytes, 64 << 20);
    setting.fill(&server, "bench", bytes)?;
    // It dies with work under way, so that there is a torn tail to deal with.
    let client = setting
        .load(&server, "produce")
        .set("--batch-bytes", 256 << 10);
    let under_way = client.spawn()?;
    thread::sleep(Duration::from_millis(setting.sized(1000, 200)));
    server.signal("KILL")?;
    drop(under_way);
    server.kill()?;
    let mut metrics = started(setting, &server)?;
    #[expect(clippy::cast_precision_loss, reason = "gigabytes for people")]
    metrics.set("filled_gb", bytes as f64 / 1e9);
    Ok(metrics)
}
