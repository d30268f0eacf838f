//! The operator's contract: the command line, starts, stops, reloads and the second process.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::broker::Configuration;
use crate::raw::{Raw, Request};
use crate::scenario::{Scenario, Suite};
use crate::skip::Skip;
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "operator",
    scenarios: &[
        Scenario::new("tidegate alone serves and prints what to paste", alone),
        Scenario::new(
            "event hubs are created, listed, shown, grown, deleted",
            event_hubs,
        ),
        Scenario::new(
            "events and groups go by the command line, over SASL_SSL",
            events,
        ),
        Scenario::new(
            "doctor and health know a running broker from a stopped one",
            health,
        ),
        Scenario::new(
            "a second process on the data directory is refused",
            second_process,
        ),
        Scenario::new("SIGHUP brings new units into force", reload),
        Scenario::new(
            "SIGTERM doesn't wait for who only waits: a long poll, a rebalance",
            stop_with_waiters,
        ),
        Scenario::new(
            "a data directory that isn't writable is refused",
            not_writable,
        ),
    ],
};

/// Where a command looks for its broker.
struct Line {
    binary: std::path::PathBuf,
    target: Vec<String>,
}

/// What a command printed, on both streams, and whether it ended well.
struct Printed {
    success: bool,
    text: String,
}

impl Line {
    /// Commands for the running broker of the scenario's data directory.
    fn local(stage: &mut Stage<'_>) -> Result<Self> {
        let binary = stage.binary()?.to_owned();
        let data_dir = stage.own_broker()?.data_dir().display().to_string();
        Ok(Self {
            binary,
            target: vec!["--data-dir".to_owned(), data_dir],
        })
    }

    /// Commands as from another machine: an address, a connection string and the CA.
    fn remote(stage: &mut Stage<'_>) -> Result<Self> {
        let endpoint = stage.secure()?;
        let login = endpoint.login.context("a listener with login")?;
        let ca_file = login.ca_file.display().to_string();
        let target = [
            ("--server", endpoint.bootstrap),
            ("--connection-string", login.connection_string),
            ("--ca", ca_file),
        ];
        let target = target
            .into_iter()
            .flat_map(|(key, value)| [key.to_owned(), value])
            .collect();
        Ok(Self {
            binary: stage.binary()?.to_owned(),
            target,
        })
    }

    fn attempt(&self, arguments: &[&str]) -> Result<Printed> {
        let mut command = Command::new(&self.binary);
        let output = command
            .args(arguments)
            .args(&self.target)
            .output()
            .context("run tidegate")?;
        let streams = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&streams).into_owned();
        Ok(Printed {
            success: output.status.success(),
            text,
        })
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.attempt(arguments)?;
        ensure!(
            printed.success,
            "tidegate {arguments:?} failed: {}",
            printed.text
        );
        Ok(printed.text)
    }
}

fn alone(stage: &mut Stage<'_>) -> Result<()> {
    let binary = stage.binary()?;
    if !rustix::process::geteuid().is_root() {
        bail!(Skip(
            "needs root, for a network of its own: the default ports may be taken".into()
        ));
    }
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-c", "ip link set lo up && exec \"$0\""])
        .arg(binary);
    command.current_dir(stage.folder());
    let mut broker = stage.start(command, "tidegate")?;
    let mut printed = String::new();
    let parts = [
        "127.0.0.1:9092",
        "9093",
        "tidegate connection-string",
        "tls/ca.pem",
        "sasl.mechanism",
        "kcat",
    ];
    while !parts.iter().all(|part| printed.contains(part)) {
        let line = broker.line(stage.deadline());
        let line = line
            .ok()
            .flatten()
            .with_context(|| format!("only printed: {printed}"))?;
        ensure!(!line.contains('\x1b'), "colours in a pipe: {line:?}");
        printed += &line;
        printed.push('\n');
    }
    ensure!(
        !printed.contains("SharedAccessKey="),
        "a secret in a pipe: {printed}"
    );
    ensure!(
        stage.folder().join("tidegate-data/secrets.toml").is_file(),
        "no secrets.toml"
    );
    broker.signal(Signal::TERM)?;
    let status = broker.wait(stage.deadline())?;
    ensure!(status.success(), "ended with {status}");
    Ok(())
}

fn event_hubs(stage: &mut Stage<'_>) -> Result<()> {
    let line = Line::local(stage)?;
    let list = || line.run(&["event-hub", "list"]);
    ensure!(
        !list()?.contains("orders"),
        "an event hub is there too early"
    );
    line.run(&[
        "event-hub",
        "create",
        "orders",
        "--partitions",
        "3",
        "--retention",
        "2d",
    ])?;
    ensure!(list()?.contains("orders"), "not in the list");
    let again = line.attempt(&["event-hub", "create", "orders"])?;
    ensure!(
        !again.success && again.text.contains("orders"),
        "created twice: {}",
        again.text
    );
    let shown = line.run(&["event-hub", "show", "orders"])?;
    ensure!(
        shown.contains("172800000") || shown.contains("2d"),
        "no retention in {shown}"
    );
    line.run(&["event-hub", "grow", "orders", "--partitions", "5"])?;
    let json = line.run(&["event-hub", "show", "orders", "--json"])?;
    let shown: serde_json::Value = serde_json::from_str(json.trim()).context("read the JSON")?;
    let partitions = shown["partitions"].as_array().context("no partitions")?;
    ensure!(partitions.len() == 5, "not grown: {json}");
    let shrunk = line.attempt(&["event-hub", "grow", "orders", "--partitions", "2"])?;
    ensure!(!shrunk.success, "shrunk: {}", shrunk.text);
    line.run(&["event-hub", "delete", "orders"])?;
    ensure!(!list()?.contains("orders"), "still in the list");
    let missing = line.attempt(&["event-hub", "show", "orders"])?;
    ensure!(
        !missing.success && missing.text.contains("orders"),
        "shown: {}",
        missing.text
    );
    Ok(())
}

fn events(stage: &mut Stage<'_>) -> Result<()> {
    let line = Line::remote(stage)?;
    line.run(&["event-hub", "create", "orders", "--partitions", "2"])?;
    line.run(&["produce", "orders", "one", "two", "three", "--key", "k"])?;
    let read = ["consume", "orders", "--from", "earliest", "--exit"];
    let mut values = read.to_vec();
    values.push("--values");
    let text = line.run(&values)?;
    let found: Vec<&str> = text
        .lines()
        .filter(|line| "one two three".contains(*line))
        .collect();
    ensure!(found == ["one", "two", "three"], "consumed {text}");
    let mut json = read.to_vec();
    json.extend(["--json", "--group", "readers"]);
    let text = line.run(&json)?;
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let events: Vec<serde_json::Value> = events.collect();
    ensure!(
        events.len() == 3 && events[0]["key"] == "k",
        "consumed {text}"
    );

    ensure!(
        line.run(&["group", "list"])?.contains("readers"),
        "the group isn't in the list"
    );
    ensure!(
        line.run(&["group", "show", "readers"])?.contains("orders"),
        "the group has no offsets"
    );
    line.run(&["group", "reset", "readers", "--to", "earliest"])?;
    let text = line.run(&json)?;
    ensure!(
        text.lines().filter(|line| line.contains("\"k\"")).count() == 3,
        "again: {text}"
    );
    line.run(&["group", "delete", "readers"])?;
    ensure!(
        !line.run(&["group", "list"])?.contains("readers"),
        "the group is still in the list"
    );
    Ok(())
}

fn health(stage: &mut Stage<'_>) -> Result<()> {
    let line = Line::local(stage)?;
    line.run(&["health"])?;
    line.run(&["doctor"])?;
    let string = line.run(&["connection-string"])?;
    ensure!(string.starts_with("Endpoint=sb://"), "{string}");
    stage.own_broker()?.stop()?;
    let left = stage.own_broker()?.data_dir().join("runtime.toml");
    ensure!(!left.exists(), "runtime.toml outlives a clean stop");
    ensure!(
        !line.attempt(&["health"])?.success,
        "a stopped broker is healthy"
    );
    let told = line.attempt(&["doctor"])?;
    ensure!(!told.success, "doctor finds nothing wrong: {}", told.text);
    ensure!(
        line.run(&["connection-string"])? == string,
        "another connection string once stopped"
    );
    Ok(())
}

fn second_process(stage: &mut Stage<'_>) -> Result<()> {
    let broker = stage.own_broker()?;
    let second = broker.command(&["serve", "--set", "listener=[]", "--admin", "127.0.0.1:0"]);
    let Err(error) = second else {
        bail!("a second process served the same data")
    };
    let text = format!("{error:#}");
    ensure!(text.contains("data"), "it doesn't say why: {text}");
    stage
        .own_broker()?
        .metric("tidegate_throughput_units", "")
        .map(drop)
}

/// A fetch that waits for a minute and a member whose rebalance does are let go at once.
fn stop_with_waiters(stage: &mut Stage<'_>) -> Result<()> {
    const STOP_MS_MAX: u64 = 1_000;
    let bootstrap = stage.own_broker()?.plain()?.bootstrap;
    let create = ["event-hub", "create", "waited-for", "--partitions", "1"];
    Line::local(stage)?.run(&create)?;

    let mut consumer = Raw::connect(&bootstrap)?;
    let fetch = Request::new(1, 4)
        .int32(-1)
        .int32(60_000)
        .int32(1)
        .int32(1 << 20)
        .raw(&[0])
        .int32(1)
        .string("waited-for")
        .int32(1)
        .int32(0)
        .int64(0)
        .int32(1 << 20);
    ensure!(consumer.say(&fetch.frame()), "the fetch isn't taken");
    let join = Request::new(11, 1)
        .string("waiters")
        .int32(30_000)
        .int32(60_000)
        .string("")
        .string("consumer")
        .int32(1)
        .string("range")
        .bytes(&[]);
    // The second member waits for the first to join again, which it never does.
    let mut first = Raw::connect(&bootstrap)?;
    let error = first.ask(&join)?.int16()?;
    ensure!(error == 0, "joining ended with error {error}");
    let mut second = Raw::connect(&bootstrap)?;
    ensure!(second.say(&join.frame()), "the join isn't taken");
    let line = Line::local(stage)?;
    while !line.run(&["group", "list"])?.contains("PreparingRebalance") {
        ensure!(!stage.deadline().passed(), "the member doesn't wait");
    }

    let broker = stage.own_broker()?;
    broker.stop()?;
    let log = broker.log()?;
    let took = log
        .lines()
        .filter_map(|line| line.rsplit_once("stopped took_ms="))
        .next_back();
    let (_, took) = took.context("the log doesn't say how long stopping took")?;
    let took: u64 = took.trim().parse().context("milliseconds")?;
    ensure!(took <= STOP_MS_MAX, "stopping took {took} ms");
    ensure!(!log.contains("were cut off"), "connections were cut off");
    Ok(())
}

fn reload(stage: &mut Stage<'_>) -> Result<()> {
    let namespace =
        |units: u32| format!("[[namespace]]\nname = \"dev\"\nthroughput_units = {units}\n");
    let configuration = Configuration {
        tables: namespace(2),
        ..Configuration::default()
    };
    let broker = stage.configured(configuration)?;
    let units = |stage: &mut Stage<'_>| {
        stage
            .own_broker()?
            .metric("tidegate_throughput_units", "dev")
    };
    broker.reload(&namespace(7))?;
    while (units(stage)? - 7.0).abs() > 0.01 {
        ensure!(
            !stage.deadline().passed(),
            "{} units are in force",
            units(stage)?
        );
    }
    Ok(())
}

fn not_writable(stage: &mut Stage<'_>) -> Result<()> {
    // A file in the place of a folder stops even root.
    let place = stage.folder().join("file");
    fs::write(&place, "no folder")?;
    let mut command = Command::new(stage.binary()?);
    command.args(["serve", "--admin", "127.0.0.1:0", "--set", "listener=[]"]);
    command.arg("--data-dir").arg(place.join("data"));
    let mut broker = stage.start(command, "tidegate")?;
    ensure!(
        broker.ended_within(Duration::from_secs(20))?,
        "it serves without a data directory"
    );
    let status = broker.wait(stage.deadline())?;
    ensure!(!status.success(), "it ended with {status}");
    let log = fs::read_to_string(broker.log())?;
    ensure!(
        log.contains("file/data") && !log.contains("panicked"),
        "it doesn't say why: {log}"
    );
    Ok(())
}
