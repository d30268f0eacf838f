//! Throughput units hold a producer back, and lose nothing.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::kafka_tools::{PRODUCER_PERFORMANCE, Tools};
use crate::broker::Configuration;
use crate::endpoint::Endpoint;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "units",
    scenarios: &[
        Scenario::lasting(
            180,
            "1 unit holds librdkafka at 1 MB/s of 5 offered",
            librdkafka,
        ),
        Scenario::lasting(
            180,
            "1 unit holds Java's producer at 1 MB/s of 5 offered",
            java,
        ),
        Scenario::lasting(180, "auto-inflate lets 4 MB/s of 5 through", auto_inflate),
    ],
};

/// What one unit lets in, in a second.
const UNIT_BYTES: f64 = 1_048_576.0;
const MESSAGE_BYTES: usize = 10_240;
/// 5 MiB of such messages.
const MESSAGES_PER_SECOND: usize = 512;
/// Enough to last for 30 s and what comes before, at one unit.
const MESSAGES_ONE_UNIT: usize = 4096;
/// Enough to last for 14 s at four units.
const MESSAGES_FOUR_UNITS: usize = 6144;
/// How far from its units a rate may be.
const TOLERANCE: f64 = 0.05;

/// What `rate.py` tells.
#[derive(Deserialize)]
struct Rate {
    between: usize,
    total: usize,
}

fn librdkafka(stage: &mut Stage<'_>) -> Result<()> {
    let (endpoint, topic) = limited(stage, "throughput_units = 1\n")?;
    load(stage, &endpoint, &topic, MESSAGES_ONE_UNIT)?;
    held(stage, &endpoint, &topic, (3, 33), 1.0, MESSAGES_ONE_UNIT)
}

fn java(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.java_project("kafka-tools")?;
    let (endpoint, topic) = limited(stage, "throughput_units = 1\n")?;
    let mut tools = Tools::start(stage, &endpoint)?;
    let sizes = [MESSAGES_ONE_UNIT, MESSAGE_BYTES, MESSAGES_PER_SECOND];
    let [count, size, rate] = sizes.map(|size| size.to_string());
    let printed = tools.run(
        PRODUCER_PERFORMANCE,
        &[
            "--topic",
            &topic,
            "--num-records",
            &count,
            "--record-size",
            &size,
            "--throughput",
            &rate,
        ],
    )?;
    ensure!(
        !printed.contains("xception"),
        "the producer saw an error: {printed}"
    );
    held(stage, &endpoint, &topic, (3, 33), 1.0, MESSAGES_ONE_UNIT)
}

fn auto_inflate(stage: &mut Stage<'_>) -> Result<()> {
    let units = "throughput_units = 1\nauto_inflate = true\nmaximum_throughput_units = 4\n";
    let (endpoint, topic) = limited(stage, units)?;
    load(stage, &endpoint, &topic, MESSAGES_FOUR_UNITS)?;
    held(stage, &endpoint, &topic, (4, 13), 4.0, MESSAGES_FOUR_UNITS)?;
    let broker = stage.own_broker()?;
    let units = broker.metric("tidegate_throughput_units", "dev")?;
    ensure!((units - 4.0).abs() < 0.01, "{units} units are in force");
    let log = broker.log()?;
    ensure!(
        log.contains("Scaled-up EventHub TUs"),
        "the log says nothing of the scaling"
    );
    Ok(())
}

/// A broker whose namespace has these units, and a topic that keeps the time of each append.
fn limited(stage: &mut Stage<'_>, units: &str) -> Result<(Endpoint, String)> {
    let python = stage.tools.python()?;
    let tables = format!("[[namespace]]\nname = \"dev\"\n{units}");
    let configuration = Configuration {
        tables,
        ..Configuration::default()
    };
    let endpoint = stage.configured(configuration)?.plain()?;
    let topic = stage.name("units");
    let mut command = python.program("topic.py");
    command.args(["4", "message.timestamp.type=LogAppendTime"]);
    stage.check(endpoint.equip(command, &topic, ""), "topic.py")?;
    Ok((endpoint, topic))
}

fn load(stage: &mut Stage<'_>, endpoint: &Endpoint, topic: &str, messages: usize) -> Result<()> {
    let mut command = stage.tools.python()?.program("load.py");
    command.args([messages, MESSAGE_BYTES, MESSAGES_PER_SECOND].map(|size| size.to_string()));
    stage
        .check(endpoint.equip(command, topic, ""), "load.py")
        .map(drop)
}

/// Between two moments, in seconds after the first append, the rate was that of so many units.
fn held(
    stage: &mut Stage<'_>,
    endpoint: &Endpoint,
    topic: &str,
    (start, end): (u32, u32),
    units: f64,
    messages: usize,
) -> Result<()> {
    let mut command = stage.tools.python()?.program("rate.py");
    command.args([start * 1000, end * 1000].map(|moment| moment.to_string()));
    let lines = stage.check(endpoint.equip(command, topic, ""), "rate.py")?;
    let line = lines
        .iter()
        .find(|line| line.contains("\"rate\""))
        .context("no rate")?;
    let rate: Rate = serde_json::from_str(line).with_context(|| format!("read {line}"))?;
    ensure!(
        rate.total == messages,
        "{} of {messages} messages are stored",
        rate.total
    );
    let bytes = f64::from(u32::try_from(rate.between * MESSAGE_BYTES)?);
    let found = bytes / f64::from(end - start) / UNIT_BYTES;
    ensure!(
        (found / units - 1.0).abs() <= TOLERANCE,
        "{found:.3} units went in where {units} are allowed"
    );
    let label = format!("entity_name=\"{topic}\"");
    let broker = stage.own_broker()?;
    let counted = broker.metric("tidegate_incoming_bytes_total", &label)?;
    let stored = f64::from(u32::try_from(messages * MESSAGE_BYTES)?);
    ensure!(
        (counted / stored - 1.0).abs() < 0.02,
        "{counted} bytes counted of {stored}"
    );
    let throttled = broker.metric("tidegate_throttled_requests_total", "dev")?;
    ensure!(throttled > 0.0, "no request was throttled");
    Ok(())
}
