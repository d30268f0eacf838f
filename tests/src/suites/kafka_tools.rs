//! Kafka's own command line tools.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::clock::Deadline;
use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "tools",
    scenarios: &[
        Scenario::new(
            "kafka-topics creates, lists, describes, alters, deletes",
            topics,
        ),
        Scenario::new("the console producer and consumer agree", console),
        Scenario::new(
            "kafka-consumer-groups lists, describes, resets, deletes",
            groups,
        ),
        Scenario::new("kafka-configs alters and describes", configs),
        Scenario::new("kafka-get-offsets and kafka-delete-records agree", offsets),
        Scenario::new("the performance tests run", performance),
        Scenario::new("kafka-broker-api-versions prints the ranges", api_versions),
        Scenario::new("the tools run over SASL_SSL", with_login),
    ],
};

/// One virtual machine that runs the tools, each told of the same broker.
pub(super) struct Tools {
    process: Process,
    bootstrap: String,
    properties: PathBuf,
    deadline: Deadline,
}

/// What a tool printed, and how it ended.
struct Printed {
    status: i32,
    text: String,
}

impl Tools {
    pub(super) fn start(stage: &mut Stage<'_>, endpoint: &Endpoint) -> Result<Self> {
        let project = stage.tools.java_project("kafka-tools")?;
        let mut command: Command = stage.tools.java()?.with(project);
        let source = "clients/java/kafka-tools/Tools.java";
        command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(source));
        let properties = stage.folder().join("tools.properties");
        fs::write(&properties, endpoint.java_file(&[""]))?;
        Ok(Self {
            process: stage.start(command, "tools")?,
            bootstrap: endpoint.bootstrap.clone(),
            properties,
            deadline: stage.deadline(),
        })
    }

    /// Runs a tool that must end well, and returns what it printed.
    pub(super) fn run(&mut self, tool: &str, arguments: &[&str]) -> Result<String> {
        self.run_with_input(tool, "", arguments)
    }

    fn run_with_input(&mut self, tool: &str, input: &str, arguments: &[&str]) -> Result<String> {
        let printed = self.attempt(tool, input, arguments)?;
        let Printed { status, text } = printed;
        ensure!(
            status == 0,
            "{tool} {arguments:?} ended with {status}: {text}"
        );
        Ok(text)
    }

    fn attempt(&mut self, tool: &str, input: &str, arguments: &[&str]) -> Result<Printed> {
        let properties = self.properties.display().to_string();
        let input = input.replace('\n', "\\n");
        let mut line = vec![tool, &input, "--bootstrap-server", &self.bootstrap];
        line.extend(["--command-config", &properties]);
        line.extend(arguments);
        self.process.say(&line.join("\t"))?;
        let mut text = String::new();
        loop {
            let line = self
                .process
                .line(self.deadline)?
                .context("the tools ended")?;
            if let Some(status) = line.strip_prefix("--- exit ") {
                return Ok(Printed {
                    status: status.parse()?,
                    text,
                });
            }
            text += &line;
            text.push('\n');
        }
    }
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
pub(super) const PRODUCER_PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const CONSUMER_PERFORMANCE: &str = "org.apache.kafka.tools.ConsumerPerformance";
const API_VERSIONS: &str = "org.apache.kafka.tools.BrokerApiVersionsCommand";

/// The tools for a plaintext listener, and the name of a topic that doesn't exist yet.
fn plain(stage: &mut Stage<'_>) -> Result<(Tools, String)> {
    stage.tools.java_project("kafka-tools")?;
    let endpoint = stage.plain()?;
    Ok((Tools::start(stage, &endpoint)?, stage.name("tools")))
}

fn topics(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    topics_round(&mut tools, &topic)
}

fn topics_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 3)?;
    let again = tools.attempt(TOPICS, "", &["--create", "--topic", topic])?;
    ensure!(
        again.status == 1 && again.text.contains("already exists"),
        "{}",
        again.text
    );
    let list = tools.run(TOPICS, &["--list"])?;
    ensure!(
        list.lines().any(|line| line == topic),
        "not in the list: {list}"
    );

    let described = tools.run(TOPICS, &["--describe", "--topic", topic])?;
    for part in ["PartitionCount: 3", "ReplicationFactor: 1", "Partition: 2"] {
        ensure!(described.contains(part), "no {part} in {described}");
    }
    ensure!(
        !described.contains("Leader: none"),
        "a partition has no leader: {described}"
    );
    tools.run(TOPICS, &["--alter", "--topic", topic, "--partitions", "6"])?;
    let described = tools.run(TOPICS, &["--describe", "--topic", topic])?;
    ensure!(
        described.contains("PartitionCount: 6"),
        "not grown: {described}"
    );
    let shrink = tools.attempt(
        TOPICS,
        "",
        &["--alter", "--topic", topic, "--partitions", "2"],
    )?;
    ensure!(shrink.status == 1, "shrunk: {}", shrink.text);

    tools.run(TOPICS, &["--delete", "--topic", topic])?;
    let gone = tools.attempt(TOPICS, "", &["--describe", "--topic", topic])?;
    ensure!(
        gone.status == 1 && gone.text.contains("does not exist"),
        "{}",
        gone.text
    );
    Ok(())
}

fn create(tools: &mut Tools, topic: &str, partitions: u32) -> Result<()> {
    let partitions = partitions.to_string();
    let arguments = ["--create", "--topic", topic, "--partitions", &partitions];
    let created = tools.run(TOPICS, &arguments)?;
    ensure!(created.contains("Created topic"), "{created}");
    Ok(())
}

fn console(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    console_round(&mut tools, &topic)
}

fn console_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 3)?;
    produce(tools, topic)?;
    let mut printed = consume(tools, topic, &["--from-beginning"])?;
    printed.sort();
    ensure!(printed == ["a\t1", "b\t2", "c\t3"], "consumed {printed:?}");
    Ok(())
}

/// Sends three messages with keys.
fn produce(tools: &mut Tools, topic: &str) -> Result<()> {
    let keys = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "key.separator=:",
    ];
    let mut arguments = vec!["--topic", topic];
    arguments.extend(keys);
    tools.run_with_input(PRODUCER, "a:1\nb:2\nc:3\n", &arguments)?;
    Ok(())
}

/// Reads three messages, and returns the lines with keys.
fn consume(tools: &mut Tools, topic: &str, more: &[&str]) -> Result<Vec<String>> {
    let mut arguments = vec![
        "--topic",
        topic,
        "--max-messages",
        "3",
        "--timeout-ms",
        "30000",
    ];
    arguments.extend(["--formatter-property", "print.key=true"]);
    arguments.extend(more);
    let text = tools.run(CONSUMER, &arguments)?;
    Ok(text
        .lines()
        .filter(|line| line.contains('\t'))
        .map(str::to_owned)
        .collect())
}

fn groups(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    groups_round(&mut tools, &topic)
}

fn groups_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 1)?;
    produce(tools, topic)?;
    let group = format!("{topic}-group");
    consume(tools, topic, &["--from-beginning", "--group", &group])?;
    produce(tools, topic)?;

    let list = tools.run(GROUPS, &["--list"])?;
    ensure!(
        list.lines().any(|line| line == group),
        "not in the list: {list}"
    );
    let state = tools.run(GROUPS, &["--describe", "--state", "--group", &group])?;
    ensure!(state.contains("Empty"), "{state}");
    let described = tools.run(GROUPS, &["--describe", "--group", &group])?;
    ensure!(
        row(&described, topic)?[3..6] == ["3", "6", "3"],
        "no lag of 3: {described}"
    );

    let reset = [
        "--reset-offsets",
        "--execute",
        "--group",
        &group,
        "--topic",
        topic,
    ];
    let mut to_earliest = reset.to_vec();
    to_earliest.push("--to-earliest");
    tools.run(GROUPS, &to_earliest)?;
    let described = tools.run(GROUPS, &["--describe", "--group", &group])?;
    ensure!(
        row(&described, topic)?[3..6] == ["0", "6", "6"],
        "not reset: {described}"
    );
    let mut shifted = reset.to_vec();
    shifted.extend(["--shift-by", "4"]);
    tools.run(GROUPS, &shifted)?;
    let described = tools.run(GROUPS, &["--describe", "--group", &group])?;
    ensure!(
        row(&described, topic)?[3..6] == ["4", "6", "2"],
        "not shifted: {described}"
    );

    let deleted = tools.run(GROUPS, &["--delete", "--group", &group])?;
    ensure!(deleted.contains("was successful"), "{deleted}");
    let list = tools.run(GROUPS, &["--list"])?;
    ensure!(
        !list.lines().any(|line| line == group),
        "still in the list: {list}"
    );
    Ok(())
}

/// The words of the line about a topic: group, topic, partition, current offset, end, lag.
fn row<'a>(described: &'a str, topic: &str) -> Result<Vec<&'a str>> {
    let rows = described
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut rows = rows.filter(|words| words.len() >= 6 && words[1] == topic);
    rows.next()
        .with_context(|| format!("no line for {topic} in {described}"))
}

fn configs(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    configs_round(&mut tools, &topic)
}

fn configs_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 1)?;
    let entity = ["--entity-type", "topics", "--entity-name", topic];
    let alter = |tools: &mut Tools, change: &[&str]| {
        tools.attempt(CONFIGS, "", &[&["--alter"], &entity[..], change].concat())
    };
    let described = |tools: &mut Tools, all: &[&str]| {
        tools.run(CONFIGS, &[&["--describe"], &entity[..], all].concat())
    };
    let added = alter(
        tools,
        &[
            "--add-config",
            "retention.ms=86400000,max.message.bytes=65536",
        ],
    )?;
    ensure!(added.status == 0, "{}", added.text);
    let text = described(tools, &[])?;
    for part in [
        "retention.ms=86400000",
        "max.message.bytes=65536",
        "DYNAMIC_TOPIC_CONFIG",
    ] {
        ensure!(text.contains(part), "no {part} in {text}");
    }
    let removed = alter(tools, &["--delete-config", "retention.ms"])?;
    ensure!(removed.status == 0, "{}", removed.text);
    let text = described(tools, &["--all"])?;
    for part in [
        "retention.ms=604800000",
        "cleanup.policy=delete",
        "max.message.bytes=65536",
    ] {
        ensure!(text.contains(part), "no {part} in {text}");
    }
    let unknown = alter(tools, &["--add-config", "retention.mss=1"])?;
    ensure!(
        unknown.status != 0 && unknown.text.contains("retention.mss"),
        "{}",
        unknown.text
    );
    let invalid = alter(tools, &["--add-config", "retention.ms=soon"])?;
    ensure!(invalid.status != 0, "{}", invalid.text);
    let brokers = tools.run(
        CONFIGS,
        &["--describe", "--entity-type", "brokers", "--all"],
    )?;
    ensure!(brokers.contains("broker"), "{brokers}");
    Ok(())
}

fn offsets(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    offsets_round(&mut tools, &topic)
}

fn offsets_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 1)?;
    produce(tools, topic)?;
    let at =
        |tools: &mut Tools, time: &str| tools.run(OFFSETS, &["--topic", topic, "--time", time]);
    ensure!(
        at(tools, "latest")?.trim() == format!("{topic}:0:3"),
        "the end is not 3"
    );
    ensure!(
        at(tools, "earliest")?.trim() == format!("{topic}:0:0"),
        "the start is not 0"
    );
    ensure!(
        at(tools, "1")?.trim() == format!("{topic}:0:0"),
        "by time it is not 0"
    );
    let newest = at(tools, "max-timestamp")?;
    ensure!(
        newest.starts_with(&format!("{topic}:0:")),
        "by greatest time: {newest}"
    );

    let file = tools.properties.with_file_name("delete.json");
    let partition = serde_json::json!({"topic": topic, "partition": 0, "offset": 2});
    fs::write(
        &file,
        serde_json::json!({"partitions": [partition], "version": 1}).to_string(),
    )?;
    let file = file.display().to_string();
    let deleted = tools.run(DELETE_RECORDS, &["--offset-json-file", &file])?;
    ensure!(deleted.contains("low_watermark: 2"), "{deleted}");
    ensure!(
        at(tools, "earliest")?.trim() == format!("{topic}:0:2"),
        "the start is not 2"
    );
    ensure!(
        at(tools, "latest")?.trim() == format!("{topic}:0:3"),
        "the end moved"
    );
    Ok(())
}

fn performance(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, topic) = plain(stage)?;
    performance_round(&mut tools, &topic)
}

fn performance_round(tools: &mut Tools, topic: &str) -> Result<()> {
    create(tools, topic, 4)?;
    let sent = tools.run(
        PRODUCER_PERFORMANCE,
        &[
            "--topic",
            topic,
            "--num-records",
            "20000",
            "--record-size",
            "512",
            "--throughput",
            "-1",
        ],
    )?;
    ensure!(sent.contains("20000 records sent"), "{sent}");
    let read = tools.run(
        CONSUMER_PERFORMANCE,
        &[
            "--topic",
            topic,
            "--num-records",
            "20000",
            "--timeout",
            "30000",
        ],
    )?;
    let last = read
        .lines()
        .rfind(|line| line.contains(", "))
        .unwrap_or_default();
    let count: u64 = last
        .split(", ")
        .nth(4)
        .unwrap_or_default()
        .parse()
        .context("a count")?;
    ensure!(count >= 20000, "{read}");
    Ok(())
}

fn api_versions(stage: &mut Stage<'_>) -> Result<()> {
    let (mut tools, _) = plain(stage)?;
    api_versions_round(&mut tools)
}

fn api_versions_round(tools: &mut Tools) -> Result<()> {
    let text = tools.run(API_VERSIONS, &[])?;
    // A client must find these, and find one version it can use.
    for api in [
        "Produce(0): 0 to",
        "Fetch(1)",
        "Metadata(3)",
        "JoinGroup(11)",
        "CreateTopics(19)",
    ] {
        let line = text.lines().find(|line| line.contains(api));
        let line = line.with_context(|| format!("no {api} in {text}"))?;
        ensure!(line.contains("usable"), "not usable: {line}");
    }
    Ok(())
}

/// Each of the rounds above, with a connection string.
fn with_login(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.java_project("kafka-tools")?;
    let endpoint = stage.secure()?;
    let mut tools = Tools::start(stage, &endpoint)?;
    topics_round(&mut tools, &stage.name("topics"))?;
    console_round(&mut tools, &stage.name("console"))?;
    groups_round(&mut tools, &stage.name("groups"))?;
    configs_round(&mut tools, &stage.name("configs"))?;
    offsets_round(&mut tools, &stage.name("offsets"))?;
    performance_round(&mut tools, &stage.name("performance"))?;
    api_versions_round(&mut tools)
}
