//! One Tidegate process: its configuration, start, stop, crash and what it says of itself.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde::Deserialize;

use crate::clock::Deadline;
use crate::endpoint::{Endpoint, Login};
use crate::process::Process;

/// How long a start may take, recovery included.
const START_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The password of every truststore the broker makes: it guards nothing secret.
const TRUSTSTORE_PASSWORD: &str = "changeit";

/// What a scenario wants of the broker's configuration beyond the listeners.
#[derive(Clone)]
pub(crate) struct Configuration {
    /// The namespace of the listeners that every broker here has.
    pub(crate) namespace: String,
    /// Lines of `[admin]`.
    pub(crate) admin: String,
    /// Lines of `[limits]`.
    pub(crate) limits: String,
    /// The file's other tables, `[[namespace]]` above all.
    pub(crate) tables: String,
    pub(crate) listeners: Vec<ExtraListener>,
}

/// A listener beside the two that every broker here has.
#[derive(Clone)]
pub(crate) struct ExtraListener {
    pub(crate) name: &'static str,
    pub(crate) security: &'static str,
    pub(crate) namespace: &'static str,
}

impl Default for Configuration {
    fn default() -> Self {
        let tables = "[[namespace]]\nname = \"dev\"\n".to_owned();
        Self {
            namespace: "dev".to_owned(),
            admin: String::new(),
            limits: String::new(),
            tables,
            listeners: Vec::new(),
        }
    }
}

pub(crate) struct Broker {
    binary: PathBuf,
    folder: PathBuf,
    configuration: Configuration,
    process: Process,
    runtime: Runtime,
}

/// What a ready broker writes to its data directory.
#[derive(Deserialize, Clone, Default)]
struct Runtime {
    admin: String,
    #[serde(default)]
    listener: Vec<Listener>,
}

#[derive(Deserialize, Clone)]
struct Listener {
    name: String,
    address: String,
}

impl Broker {
    /// Starts a broker with its data, configuration and log below `folder`.
    pub(crate) fn start(
        binary: &Path,
        folder: &Path,
        configuration: Configuration,
    ) -> Result<Self> {
        let folder = folder.join("broker");
        fs::create_dir_all(&folder)?;
        let runtime = Runtime::default();
        let process = launch(binary, &folder, &configuration, &runtime)?;
        let mut broker = Self {
            binary: binary.to_owned(),
            folder,
            configuration,
            process,
            runtime,
        };
        broker.await_ready()?;
        Ok(broker)
    }

    /// Starts again on the same data and, so that clients find it, on the same ports.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.process = launch(
            &self.binary,
            &self.folder,
            &self.configuration,
            &self.runtime,
        )?;
        self.await_ready()
    }

    /// Puts other tables into its configuration file and tells it to look.
    pub(crate) fn reload(&mut self, tables: &str) -> Result<()> {
        tables.clone_into(&mut self.configuration.tables);
        let text = configuration_file(&self.configuration, &self.runtime);
        fs::write(self.configuration_file(), text)?;
        self.process.signal(Signal::HUP)
    }

    /// Ends it as an operator would, and sees that it ends well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)?;
        let status = self.process.wait(Deadline::after(STOP_LIMIT))?;
        ensure!(status.success(), "the broker ended with {status}");
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn crash(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Waits until it ends by itself; gives its status.
    pub(crate) fn ended(&mut self, limit: Duration) -> Result<std::process::ExitStatus> {
        self.process.wait(Deadline::after(limit))
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What the admin listener says at a path, its head included.
    pub(crate) fn page(&self, path: &str) -> Result<String> {
        http_get(&self.runtime.admin, path)
    }

    pub(crate) fn log(&self) -> Result<String> {
        fs::read_to_string(self.process.log()).context("read the broker's log")
    }

    pub(crate) fn configuration_file(&self) -> PathBuf {
        self.folder.join("tidegate.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The plaintext listener.
    pub(crate) fn plain(&self) -> Result<Endpoint> {
        self.listener("local")
    }

    /// A listener of this name, to be used without login.
    pub(crate) fn listener(&self, name: &str) -> Result<Endpoint> {
        Ok(Endpoint {
            bootstrap: self.address(name)?.to_owned(),
            login: None,
        })
    }

    /// The listener with TLS and login, for the namespace of this name or the only one.
    pub(crate) fn secure(&self, namespace: Option<&str>) -> Result<Endpoint> {
        let address = self.address("public")?;
        let (_, port) = address.rsplit_once(':').context("an address has a port")?;
        let data_dir = self.data_dir();
        Ok(Endpoint {
            // A name that the certificate holds, as a person would write it.
            bootstrap: format!("localhost:{port}"),
            login: Some(Login {
                ca_file: data_dir.join("tls/ca.pem"),
                truststore: data_dir.join("tls/truststore.p12"),
                truststore_password: TRUSTSTORE_PASSWORD.to_owned(),
                connection_string: self.connection_string(namespace)?,
            }),
        })
    }

    /// The sum of a metric's series whose labels hold `label`.
    pub(crate) fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let text = self.scrape()?;
        let mut sum = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let series_name = series.split('{').next().unwrap_or(series);
            if series_name == name && series.contains(label) {
                let value: f64 = value.parse().with_context(|| format!("read {line}"))?;
                sum = Some(sum.unwrap_or(0.0) + value);
            }
        }
        sum.with_context(|| format!("no metric {name} with {label}"))
    }

    /// All metrics, as Prometheus gets them.
    pub(crate) fn scrape(&self) -> Result<String> {
        http_get(&self.runtime.admin, "/metrics")
    }

    /// The memory that the process has, as the kernel counts it.
    pub(crate) fn memory_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("no VmRSS")?;
        Ok(kib.parse::<u64>()? * 1024)
    }

    /// Runs another command of the binary on this broker's data directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .arg("--data-dir")
            .arg(self.data_dir())
            .output()
            .context("run tidegate")?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let trouble = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "tidegate {arguments:?}: {} {trouble}",
            output.status
        );
        Ok(text)
    }

    pub(crate) fn connection_string(&self, namespace: Option<&str>) -> Result<String> {
        let file = self.configuration_file().display().to_string();
        let mut arguments = vec!["connection-string", "--config", &file];
        if let Some(namespace) = namespace {
            arguments.extend(["--namespace", namespace]);
        }
        self.command(&arguments)
    }

    fn address(&self, name: &str) -> Result<&str> {
        let listener = self
            .runtime
            .listener
            .iter()
            .find(|listener| listener.name == name);
        Ok(&listener
            .with_context(|| format!("the broker has no listener {name}"))?
            .address)
    }

    fn await_ready(&mut self) -> Result<()> {
        let file = self.data_dir().join("runtime.toml");
        let deadline = Deadline::after(START_LIMIT);
        loop {
            let text = fs::read_to_string(&file).unwrap_or_default();
            // A crash leaves the file of the process before; only ours counts.
            let ours = format!("pid = {}", self.process.id());
            if text.lines().any(|line| line.trim() == ours)
                && let Ok(runtime) = toml::from_str(&text)
            {
                self.runtime = runtime;
                return Ok(());
            }
            if self.process.ended_within(Duration::from_millis(20))? {
                let log = self.log()?;
                bail!(
                    "the broker ended at its start: {}",
                    log.lines().last().unwrap_or_default()
                );
            }
            ensure!(
                !deadline.passed(),
                "the broker was not ready within {START_LIMIT:?}"
            );
        }
    }
}

fn launch(
    binary: &Path,
    folder: &Path,
    configuration: &Configuration,
    last: &Runtime,
) -> Result<Process> {
    let file = folder.join("tidegate.toml");
    fs::write(&file, configuration_file(configuration, last))?;
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--config")
        .arg(&file)
        .arg("--data-dir")
        .arg(folder.join("data"));
    command.current_dir(folder);
    // The log is on the standard error; the banner for people would only bury it.
    let (log, output) = (folder.join("broker.log"), folder.join("banner"));
    Process::logged_apart(command, "tidegate", &log, &output)
}

/// The configuration's text, with the ports of the last run where there was one.
fn configuration_file(configuration: &Configuration, last: &Runtime) -> String {
    let address = |name: &str| {
        let known = last.listener.iter().find(|listener| listener.name == name);
        known
            .map_or("127.0.0.1:0", |listener| &listener.address)
            .to_owned()
    };
    let admin_address = if last.admin.is_empty() {
        "127.0.0.1:0"
    } else {
        &last.admin
    };
    // As every test broker of Kafka has it: a group forms at once.
    let Configuration { admin, limits, .. } = configuration;
    let mut text = format!(
        "[admin]\naddress = \"{admin_address}\"\n{admin}\n\
         [limits]\nrebalance_delay = \"0s\"\n{limits}"
    );
    let mut listener = |name: &str, security: &str, namespace: &str| {
        text += &format!(
            "\n[[listener]]\nname = \"{name}\"\nprotocol = \"kafka\"\nsecurity = \"{security}\"\n\
             address = \"{}\"\nnamespace = \"{namespace}\"\n",
            address(name)
        );
    };
    listener("local", "plaintext", &configuration.namespace);
    listener("public", "sasl_tls", &configuration.namespace);
    for extra in &configuration.listeners {
        listener(extra.name, extra.security, extra.namespace);
    }
    text + "\n" + &configuration.tables
}

/// One HTTP request, with a connection of its own.
pub(crate) fn http_get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).context("connect to the admin listener")?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut reply = Vec::new();
    stream
        .read_to_end(&mut reply)
        .context("read the admin listener's reply")?;
    let reply = String::from_utf8_lossy(&reply).into_owned();
    ensure!(
        reply.starts_with("HTTP/1.1 200"),
        "{path}: {}",
        reply.lines().next().unwrap_or("")
    );
    Ok(reply)
}
