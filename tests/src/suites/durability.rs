//! What was acknowledged is there after a crash, at its offset, once.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::process::Process;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "durability",
    scenarios: &[
        Scenario::new("acknowledged by all survives SIGKILL, once", all_survives),
        Scenario::new("acknowledged by one survives SIGKILL", one_survives),
        Scenario::new(
            "topics, data and offsets survive a clean stop and a crash",
            offsets_survive,
        ),
    ],
};

const CRASHES: usize = 3;
/// Acknowledgements to wait for between two crashes.
const BETWEEN_CRASHES: usize = 300;

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    #[serde(alias = "message")]
    Acknowledged {
        partition: u32,
        offset: u64,
        value: String,
    },
    Stopped,
}

/// Values by place.
type Messages = BTreeMap<(u32, u64), String>;

fn all_survives(stage: &mut Stage<'_>) -> Result<()> {
    let read = crash_under_load(stage, "all")?;
    let values: BTreeSet<&String> = read.values().collect();
    ensure!(
        values.len() == read.len(),
        "{} duplicates",
        read.len() - values.len()
    );
    Ok(())
}

fn one_survives(stage: &mut Stage<'_>) -> Result<()> {
    crash_under_load(stage, "1").map(drop)
}

/// Crashes the broker again and again while a producer sends; returns all that can be read then.
fn crash_under_load(stage: &mut Stage<'_>, acks: &str) -> Result<Messages> {
    let python = stage.tools.python()?;
    stage.own_broker()?;
    let endpoint = stage.plain()?;
    let topic = stage.name("stream");
    let mut create = python.program("topic.py");
    create.arg("3");
    stage.check(endpoint.equip(create, &topic, ""), "topic.py")?;
    let mut program = python.program("stream.py");
    program.arg(acks);
    let mut producer = stage.start(endpoint.equip(program, &topic, ""), "stream.py")?;
    let mut acknowledged = Messages::new();
    for _ in 0..CRASHES {
        let enough = acknowledged.len() + BETWEEN_CRASHES;
        listen(stage, &mut producer, &mut acknowledged, enough)?;
        stage.own_broker()?.crash()?;
        stage.own_broker()?.restart()?;
    }
    let enough = acknowledged.len() + BETWEEN_CRASHES;
    listen(stage, &mut producer, &mut acknowledged, enough)?;
    producer.say("stop")?;
    listen(stage, &mut producer, &mut acknowledged, usize::MAX)?;
    stage.own_broker()?.crash()?;
    stage.own_broker()?.restart()?;

    let reader = endpoint.equip(python.program("read_all.py"), &topic, "");
    let mut reader = stage.start(reader, "read_all.py")?;
    let mut read = Messages::new();
    listen(stage, &mut reader, &mut read, usize::MAX)?;
    for (place, value) in &acknowledged {
        let found = read.get(place);
        ensure!(
            found == Some(value),
            "acknowledged {value} at {place:?}, found {found:?}"
        );
    }
    let mut next = BTreeMap::new();
    for (partition, offset) in read.keys() {
        let expected = next.entry(partition).or_insert(0);
        ensure!(
            offset == expected,
            "partition {partition} has {offset} for {expected}"
        );
        *expected += 1;
    }
    Ok(read)
}

/// Listens until so many messages are known or the program has ended well.
fn listen(
    stage: &Stage<'_>,
    program: &mut Process,
    messages: &mut Messages,
    enough: usize,
) -> Result<()> {
    while messages.len() < enough {
        let line = program
            .line(stage.deadline())?
            .context("the program ended")?;
        match serde_json::from_str(&line).with_context(|| format!("read {line}"))? {
            Event::Acknowledged {
                partition,
                offset,
                value,
            } => {
                if let Some(other) = messages.insert((partition, offset), value) {
                    bail!("{partition}:{offset} was given twice, first to {other}");
                }
            }
            Event::Stopped => return Ok(()),
        }
    }
    Ok(())
}

fn offsets_survive(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    stage.own_broker()?;
    let endpoint = stage.plain()?;
    let (topic, group) = (stage.name("kept"), stage.name("group"));
    let run = |stage: &mut Stage<'_>, file: &str, arguments: &[&str]| {
        let mut program = python.program(file);
        program.args(arguments);
        stage
            .check(endpoint.equip(program, &topic, &group), file)
            .map(drop)
    };
    run(stage, "topic.py", &["3"])?;
    run(stage, "produce.py", &["3", "0", "20"])?;
    run(stage, "offsets.py", &["write"])?;
    stage.own_broker()?.crash()?;
    stage.own_broker()?.restart()?;
    run(stage, "offsets.py", &["read"])?;
    run(stage, "produce.py", &["3", "20", "20"])?;
    stage.own_broker()?.stop()?;
    stage.own_broker()?.restart()?;
    run(stage, "offsets.py", &["read"])?;
    // The offsets of the new messages follow those of the old ones, or produce.py complains.
    run(stage, "produce.py", &["3", "40", "20"])?;
    let reader = endpoint.equip(python.program("read_all.py"), &topic, &group);
    let mut reader = stage.start(reader, "read_all.py")?;
    let mut read = Messages::new();
    listen(stage, &mut reader, &mut read, usize::MAX)?;
    ensure!(read.len() == 180, "{} messages are left of 180", read.len());
    Ok(())
}
