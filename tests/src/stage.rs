//! What a scenario works with: a folder, a broker of its own, and client programs under its deadline.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tempfile::TempDir;

use crate::broker::{Broker, Configuration};
use crate::clock::Deadline;
use crate::endpoint::Endpoint;
use crate::oracle::Oracle;
use crate::process::Process;
use crate::skip::Skip;
use crate::toolchain::Toolchains;

/// What the suites are pointed at.
pub(crate) enum Target {
    /// A broker of its own for each scenario, from this binary.
    Tidegate(PathBuf),
    /// One Apache Kafka for all.
    Kafka(OnceLock<Result<Oracle, Skip>>),
    /// A broker that runs already, plaintext.
    Running(String),
}

/// What all scenarios share.
pub(crate) struct World {
    pub(crate) tools: Toolchains,
    pub(crate) target: Target,
}

/// The stage of one scenario.
pub(crate) struct Stage<'world> {
    pub(crate) tools: &'world Toolchains,
    target: &'world Target,
    /// Unlike any other scenario's, in this run or another: brokers may be shared.
    label: String,
    /// Ends before its folder goes.
    broker: Option<Broker>,
    folder: TempDir,
    limit: Duration,
    deadline: OnceCell<Deadline>,
    programs: usize,
}

impl<'world> Stage<'world> {
    pub(crate) fn new(world: &'world World, limit: Duration) -> Result<Self> {
        let folder = TempDir::with_prefix("tidegate-test-")?;
        let name = folder
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let label = name.replace('.', "-");
        Ok(Self {
            tools: &world.tools,
            target: &world.target,
            label,
            folder,
            limit,
            deadline: OnceCell::new(),
            broker: None,
            programs: 0,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// When the scenario must be done. The time runs from the first look at it, so that the
    /// installation of a toolchain doesn't count.
    pub(crate) fn deadline(&self) -> Deadline {
        *self.deadline.get_or_init(|| Deadline::after(self.limit))
    }

    /// How long the scenario may take.
    pub(crate) const fn limit(&self) -> Duration {
        self.limit
    }

    /// A name for a topic or a group that nothing else has.
    pub(crate) fn name(&self, word: &str) -> String {
        format!("{}-{word}", self.label)
    }

    /// A plaintext listener of the broker, which is started if it has to be.
    pub(crate) fn plain(&mut self) -> Result<Endpoint> {
        match self.target {
            Target::Tidegate(_) => self.own_broker()?.plain(),
            Target::Kafka(oracle) => Ok(started(oracle, self.tools)?.plain()),
            Target::Running(bootstrap) => Ok(Endpoint {
                bootstrap: bootstrap.clone(),
                login: None,
            }),
        }
    }

    /// A listener with TLS and login.
    pub(crate) fn secure(&mut self) -> Result<Endpoint> {
        match self.target {
            Target::Tidegate(_) => self.own_broker()?.secure(None),
            Target::Kafka(oracle) => Ok(started(oracle, self.tools)?.secure()),
            Target::Running(_) => bail!(Skip("the running broker is used in plaintext".to_owned())),
        }
    }

    /// A Tidegate of this scenario's own with this configuration.
    pub(crate) fn configured(&mut self, configuration: Configuration) -> Result<&mut Broker> {
        let Target::Tidegate(binary) = self.target else {
            bail!(Skip("is about Tidegate alone".to_owned()));
        };
        self.broker = None;
        let broker = Broker::start(binary, self.folder.path(), configuration)?;
        Ok(self.broker.insert(broker))
    }

    /// The Tidegate of this scenario, started with the defaults if none runs.
    pub(crate) fn own_broker(&mut self) -> Result<&mut Broker> {
        if self.broker.is_none() {
            return self.configured(Configuration::default());
        }
        self.broker
            .as_mut()
            .ok_or_else(|| Skip("no broker".to_owned()).into())
    }

    pub(crate) fn target(&self) -> &'world Target {
        self.target
    }

    /// The binary under test.
    pub(crate) fn binary(&self) -> Result<&'world Path> {
        match self.target {
            Target::Tidegate(binary) => Ok(binary),
            _ => bail!(Skip("is about Tidegate alone".to_owned())),
        }
    }

    /// Starts a program that is read and talked to while it runs.
    pub(crate) fn start(&mut self, command: Command, name: &str) -> Result<Process> {
        self.programs += 1;
        let log = self
            .folder
            .path()
            .join(format!("{:02}-{name}.log", self.programs));
        Process::piped(command, name, &log)
    }

    /// Runs a program to its end and returns what it printed; it must end well.
    pub(crate) fn run(&mut self, command: Command, name: &str) -> Result<Vec<String>> {
        let (status, lines) = self.start(command, name)?.finish(self.deadline())?;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(lines)
    }

    /// Runs one of our own client programs, which end with the line `ok`.
    pub(crate) fn check(&mut self, command: Command, name: &str) -> Result<Vec<String>> {
        let lines = self.run(command, name)?;
        ensure!(
            lines.last().is_some_and(|line| line == "ok"),
            "{name} did not end with ok"
        );
        Ok(lines)
    }

    /// The ends of all logs, the broker's first.
    pub(crate) fn log_ends(&self, lines_max: usize) -> String {
        let mut logs = vec![self.folder.path().join("broker/broker.log")];
        if let Ok(entries) = std::fs::read_dir(self.folder.path()) {
            logs.extend(entries.flatten().map(|entry| entry.path()));
        }
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        let mut text = String::new();
        for log in logs {
            let bytes = std::fs::read(&log).unwrap_or_default();
            let content = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = content.lines().collect();
            text += &format!("  {}:\n", log.file_name().unwrap_or_default().display());
            for line in &lines[lines.len().saturating_sub(lines_max)..] {
                text += &format!("    {line}\n");
            }
        }
        text
    }
}

fn started<'a>(
    oracle: &'a OnceLock<Result<Oracle, Skip>>,
    tools: &Toolchains,
) -> Result<&'a Oracle> {
    let outcome = oracle.get_or_init(|| Oracle::start(tools).map_err(|e| Skip(format!("{e:#}"))));
    outcome.as_ref().map_err(|skip| skip.clone().into())
}
