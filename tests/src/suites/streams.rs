//! Programs that are built on Kafka's clients: Kafka Streams and Kafka Connect.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::scenario::{Scenario, Suite};
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "streams",
    scenarios: &[
        Scenario::new(
            "Kafka Streams maps, counts and restores its counts",
            streams,
        ),
        Scenario::new(
            "Kafka Connect carries a file to a file, once, over SASL_SSL",
            connect,
        ),
    ],
};

fn streams(stage: &mut Stage<'_>) -> Result<()> {
    let project = stage.tools.java_project("kafka-tools")?;
    let endpoint = stage.plain()?;
    let properties = stage.folder().join("client.properties");
    fs::write(&properties, endpoint.java_file(&[""]))?;
    let mut command = stage.tools.java()?.with(project);
    let source = "clients/java/kafka-tools/Streams.java";
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(source));
    command.arg(properties).arg(stage.folder().join("state"));
    let name = stage.name("streams");
    stage.check(endpoint.equip(command, &name, &name), "streams")?;
    Ok(())
}

/// The lines of a file in the order of their coming; none before it is there.
fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn connect(stage: &mut Stage<'_>) -> Result<()> {
    stage.tools.java_project("kafka-tools")?;
    let endpoint = stage.secure()?;
    let (source, sink) = (
        stage.folder().join("in.txt"),
        stage.folder().join("out.txt"),
    );
    let mut written = String::new();
    for round in 1..=2 {
        // The second round finds, by its committed offsets, what the first one left.
        let mut worker = start_connect(stage, &endpoint, &source, &sink)?;
        for line in 1..=2 {
            let line = format!("round {round}, line {line}\n");
            written += &line;
            let mut file = File::options().create(true).append(true).open(&source)?;
            file.write_all(line.as_bytes())?;
            while lines(&sink).len() < written.lines().count() {
                ensure!(
                    !worker.ended_within(Duration::from_millis(50))?,
                    "the worker ended by itself"
                );
                ensure!(!stage.deadline().passed(), "{:?} arrived", lines(&sink));
            }
        }
        worker.signal(Signal::TERM)?;
        worker.wait(stage.deadline())?;
    }
    let arrived = lines(&sink);
    ensure!(
        arrived.iter().eq(written.lines()),
        "{arrived:?} arrived of {written:?}"
    );
    Ok(())
}

/// A worker of its own with one connector that reads the file and one that writes the other.
fn start_connect(
    stage: &mut Stage<'_>,
    endpoint: &Endpoint,
    source: &Path,
    sink: &Path,
) -> Result<Process> {
    let topic = stage.name("connect");
    let folder = stage.folder().to_owned();
    // The worker's own clients, then those of its connectors.
    let clients = endpoint.java_file(&["", "producer.", "consumer.", "admin."]);
    let converter = "org.apache.kafka.connect.storage.StringConverter";
    let worker = format!(
        "bootstrap.servers={}\nkey.converter={converter}\nvalue.converter={converter}\n\
         offset.storage.file.filename={}\noffset.flush.interval.ms=200\n\
         listeners=http://127.0.0.1:0\nplugin.discovery=service_load\n\
         consumer.auto.offset.reset=earliest\n{clients}",
        endpoint.bootstrap,
        folder.join("offsets").display(),
    );
    let source = format!(
        "name={topic}-source\nconnector.class=FileStreamSource\nfile={}\ntopic={topic}\n",
        source.display()
    );
    let sink = format!(
        "name={topic}-sink\nconnector.class=FileStreamSink\nfile={}\ntopics={topic}\n",
        sink.display()
    );
    let project = stage.tools.java_project("kafka-tools")?;
    let mut command: Command = stage.tools.java()?.with(project);
    command.arg("org.apache.kafka.connect.cli.ConnectStandalone");
    for (name, text) in [("worker", worker), ("source", source), ("sink", sink)] {
        let file = folder.join(format!("{name}.properties"));
        fs::write(&file, text)?;
        command.arg(file);
    }
    stage.start(command, "connect")
}
