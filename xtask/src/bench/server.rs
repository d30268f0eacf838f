//! The servers that are measured: ours, Kafka in two settings, and the floor.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::kafka::{Kafka, Ports};
use super::places::Places;
use anyhow::{Context, Result, bail};
use gauge::{Sample, SyncSource};

const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const LINES_SHOWN: usize = 5;
const POLL: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Tidegate,
    Kafka,
    KafkaSynced,
    Floor,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::Kafka => "kafka",
            Self::KafkaSynced => "kafka-synced",
            Self::Floor => "floor",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [Self::Tidegate, Self::Kafka, Self::KafkaSynced, Self::Floor];
        all.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn is_kafka(self) -> bool {
        matches!(self, Self::Kafka | Self::KafkaSynced)
    }
}

/// A server of a kind, with a folder, ports and, most of the time, a process.
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) folder: PathBuf,
    ports: [u16; 4],
    places: Places,
    class_path: String,
    child: Option<Child>,
}

impl Server {
    /// Makes everything ready for the first start, in an empty folder.
    pub(super) fn prepare(kind: Kind, places: &Places) -> Result<Self> {
        // Two benches may run at once, for whatever that is worth.
        let name = format!("{}-{}", kind.name(), std::process::id());
        let folder = places.data.join(name);
        remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let class_path = match kind.is_kafka() {
            true => places.class_path("kafka-broker")?,
            false => String::new(),
        };
        let server = Self {
            kind,
            folder,
            ports: free_ports()?,
            places: places.clone(),
            class_path,
            child: None,
        };
        match kind {
            Kind::Kafka | Kind::KafkaSynced => {
                let [plain, secure, controller, _] = server.ports;
                let ports = Ports {
                    plain,
                    secure,
                    controller,
                };
                server.kafka().prepare(&ports, kind == Kind::KafkaSynced)?;
            }
            Kind::Tidegate => {
                fs::write(server.folder.join("tidegate.toml"), server.configuration())?;
            }
            Kind::Floor => {}
        }
        Ok(server)
    }

    fn kafka(&self) -> Kafka {
        Kafka {
            class_path: self.class_path.clone(),
            folder: self.folder.clone(),
        }
    }

    fn configuration(&self) -> String {
        let [plain, secure, admin, _] = self.ports;
        let folder = self.folder.display();
        format!(
            "[storage]\ndata_dir = \"{folder}/data\"\n\n\
             [admin]\naddress = \"127.0.0.1:{admin}\"\n\n\
             [log]\nfilter = \"warn\"\n\n\
             [[namespace]]\nname = \"bench\"\n\n\
             [[listener]]\nname = \"plain\"\nsecurity = \"plaintext\"\n\
             address = \"127.0.0.1:{plain}\"\n\n\
             [[listener]]\nname = \"secure\"\nsecurity = \"sasl_tls\"\n\
             address = \"127.0.0.1:{secure}\"\n"
        )
    }

    /// The command that starts it.
    pub(super) fn command(&self) -> Command {
        match self.kind {
            Kind::Kafka | Kind::KafkaSynced => self.kafka().command(),
            Kind::Tidegate => {
                let mut command = Command::new(&self.places.tidegate);
                let file = self.folder.join("tidegate.toml");
                command.arg("serve").arg("--config").arg(file);
                command
            }
            Kind::Floor => {
                let mut command = Command::new(&self.places.floor);
                command.args(["--listen", &self.plain()]).arg("--data-dir");
                command.arg(self.folder.join("data"));
                command
            }
        }
    }

    /// Starts it and waits until its port takes connections.
    pub(super) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = self.command();
        command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().with_context(|| format!("{command:?}"))?;
        let started = Instant::now();
        while TcpStream::connect(self.plain()).is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended at its start: {status}", self.kind.name());
            }
            if started.elapsed() > START_LIMIT {
                child.kill()?;
                bail!("{} did not start", self.kind.name());
            }
            thread::sleep(POLL);
        }
        self.child = Some(child);
        Ok(())
    }

    /// Ends it as an operator would.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let started = Instant::now();
        while child.try_wait()?.is_none() {
            if started.elapsed() > STOP_LIMIT {
                child.kill()?;
                child.wait()?;
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    pub(super) fn signal(&self, name: &str) -> Result<()> {
        if let Some(pid) = self.pid() {
            let mut kill = Command::new("kill");
            kill.args(["-s", name, &pid.to_string()]).status()?;
        }
        Ok(())
    }

    /// Ends it as a crash would.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What the kernel says of it now.
    pub(super) fn sample(&self) -> Result<Sample> {
        Ok(Sample::thorough(self.pid().context("a server that runs")?))
    }

    pub(super) fn plain(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The address under TLS, by a name that the certificate holds.
    pub(super) fn secure(&self) -> String {
        format!("localhost:{}", self.ports[1])
    }

    fn admin(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// By what a client trusts it and logs in.
    pub(super) fn login(&self) -> Result<Login> {
        let (ca, user, password) = match self.kind {
            Kind::Kafka | Kind::KafkaSynced => ("ca.pem", "bench", "bench".to_owned()),
            Kind::Floor => bail!("the floor speaks plaintext only"),
            Kind::Tidegate => {
                let mut command = Command::new(&self.places.tidegate);
                command.arg("connection-string").arg("--config");
                command.arg(self.folder.join("tidegate.toml"));
                let output = command.output()?;
                let text = String::from_utf8(output.stdout)?;
                let string = text.trim().to_owned();
                ("data/tls/ca.pem", "$ConnectionString", string)
            }
        };
        Ok(Login {
            ca: self.folder.join(ca).display().to_string(),
            user: user.to_owned(),
            password,
        })
    }

    /// Who tells of the syncs, where the server runs and counts them: ours in its metrics, the floor
    /// in its output.
    pub(super) fn sync_source(&self) -> Option<SyncSource> {
        self.child.as_ref()?;
        match self.kind {
            Kind::Kafka | Kind::KafkaSynced => None,
            Kind::Tidegate => Some(SyncSource::Admin(self.admin())),
            Kind::Floor => Some(SyncSource::Log(self.log())),
        }
    }

    /// Tidegate's metrics.
    pub(super) fn scrape(&self) -> Result<String> {
        gauge::scrape(&self.admin()).context("scrape the admin port")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The ends of the server's and its clients' logs: why something failed.
    pub(super) fn last_words(&self) -> String {
        let end = |name: &str| {
            let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(LINES_SHOWN).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!(
            "client: {}\nserver: {}",
            end("client.log"),
            end("server.log")
        )
    }
}

/// A certificate authority's file, and who logs in.
pub(super) struct Login {
    pub(super) ca: String,
    pub(super) user: String,
    pub(super) password: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Best effort: the next run begins with an empty folder all the same.
        self.kill().ok();
        remove(&self.folder).ok();
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// Ports that were free a moment ago.
fn free_ports() -> Result<[u16; 4]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?, bind()?];
    let mut ports = [0; 4];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
