//! What Prometheus is told, against what clients did.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::broker::Configuration;
use crate::clock;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "metrics",
    scenarios: &[
        Scenario::new(
            "a group's lag is shown in records and in seconds",
            group_lag,
        ),
        Scenario::new(
            "10,000 partitions are scraped within 100 ms",
            many_partitions,
        ),
    ],
};

const HOUR_S: f64 = 3600.0;

fn group_lag(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    let endpoint = stage.own_broker()?.plain()?;
    let name = stage.name("lag");
    let command = endpoint.equip(python.program("lag.py"), &name, &name);
    let mut client = stage.start(command, "lag.py")?;
    let labels = format!("consumer_group=\"{name}\",entity_name=\"{name}\",partition=\"0\"");
    // Half of ten messages are read; those left are an hour old, and older than that only by as
    // much as this scenario may take.
    let shown = stage.limit().as_secs_f64();
    for (records, least_s, most_s) in [(5.0, HOUR_S, HOUR_S + shown), (0.0, 0.0, 0.0)] {
        let line = client.line(stage.deadline())?.context("lag.py ended")?;
        ensure!(line.contains("committed"), "lag.py says {line}");
        let broker = stage.own_broker()?;
        let lag = broker.metric("tidegate_consumer_lag_records", &labels)?;
        ensure!((lag - records).abs() < 0.5, "{lag} records behind");
        let lag = broker.metric("tidegate_consumer_lag_seconds", &labels)?;
        ensure!(
            (least_s..=most_s).contains(&lag),
            "{lag} seconds behind, not {least_s} to {most_s}"
        );
        client.say("on")?;
    }
    let (status, _) = client.finish(stage.deadline())?;
    ensure!(status.success(), "lag.py ended with {status}");
    Ok(())
}

/// Event hubs with so many partitions each.
const EVENT_HUBS: usize = 10;
const PARTITIONS_EACH: usize = 1000;
const SCRAPE_LIMIT: Duration = Duration::from_millis(100);
/// An odd number, so that one of them is in the middle.
const SCRAPES: usize = 9;

fn many_partitions(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    // The dearest that there is: series of each partition, which are an option, and a group that
    // is behind on each.
    let configuration = Configuration {
        admin: "metrics_per_partition = true\n".to_owned(),
        ..Configuration::default()
    };
    let endpoint = stage.configured(configuration)?.plain()?;
    let mut command = python.program("many.py");
    command.args([EVENT_HUBS.to_string(), PARTITIONS_EACH.to_string()]);
    stage.check(endpoint.equip(command, "many", "behind"), "many.py")?;
    let text = stage.own_broker()?.scrape()?;
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    for series in [
        "partition_high_watermark",
        "consumer_lag_records",
        "consumer_lag_seconds",
    ] {
        let count = count(&format!("tidegate_{series}{{"));
        ensure!(
            count == EVENT_HUBS * PARTITIONS_EACH,
            "{count} series of {series}"
        );
    }
    let median = median_scrape(stage)?;
    ensure!(median < SCRAPE_LIMIT, "the median scrape takes {median:?}");
    Ok(())
}

/// The median time of some scrapes: a machine that does other things too delays single ones.
fn median_scrape(stage: &mut Stage<'_>) -> Result<Duration> {
    let broker = stage.own_broker()?;
    let mut times = Vec::new();
    for _ in 0..SCRAPES {
        let start = clock::now();
        broker.scrape()?;
        times.push(clock::now() - start);
    }
    times.sort();
    Ok(times[SCRAPES / 2])
}
