//! The image, built from the binary under test and run as a container.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::endpoint::Endpoint;
use crate::scenario::{Scenario, Suite};
use crate::skip::Skip;
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "container",
    scenarios: &[Scenario::new(
        "the image serves, stops and finds its data again",
        image,
    )],
};

const IMAGE_BYTES_MAX: u64 = 15 * 1024 * 1024;
/// Where a binary names its loader, if it has one.
const HEAD_BYTES: u64 = 4096;
/// The user that the image runs as.
const USER: u32 = 10_001;
/// Seconds between a clean stop's signal and the end by force.
const STOP_LIMIT_S: &str = "30";

/// podman and buildah with a store of the scenario's own.
struct Engine {
    store: Vec<String>,
    container: String,
    started: bool,
}

fn image(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    stage.tools.containers()?;
    let context = context(stage)?;
    let mut engine = Engine::new(stage);
    build(stage, &engine, &context)?;
    let size = engine.podman(&["image", "inspect", "--format", "{{.Size}}", "tidegate"]);
    let size: u64 = stage
        .run(size, "podman")?
        .concat()
        .trim()
        .parse()
        .context("a size")?;
    ensure!(size <= IMAGE_BYTES_MAX, "the image has {size} bytes");

    let endpoint = run(stage, &mut engine)?;
    let topic = stage.name("container");
    let program = |file: &str, arguments: &[&str]| {
        let mut command = python.program(file);
        command.args(arguments);
        endpoint.equip(command, &topic, &topic)
    };
    stage.check(program("topic.py", &["3"]), "topic.py")?;
    stage.check(program("produce.py", &["3", "0", "10"]), "produce.py")?;
    let health = engine.podman(&["healthcheck", "run", &engine.container]);
    stage.run(health, "podman")?;

    stage.run(
        engine.podman(&["stop", "--time", STOP_LIMIT_S, &engine.container]),
        "podman",
    )?;
    let code = engine.podman(&[
        "inspect",
        "--format",
        "{{.State.ExitCode}}",
        &engine.container,
    ]);
    let code = stage.run(code, "podman")?.concat();
    ensure!(code.trim() == "0", "the container ended with {code}");
    stage.run(engine.podman(&["start", &engine.container]), "podman")?;
    await_port(stage, &engine, &endpoint.bootstrap)?;
    // It complains unless the offsets follow those of before.
    stage.check(program("produce.py", &["3", "10", "10"]), "produce.py")?;
    let lines = stage.run(program("read_all.py", &[]), "read_all.py")?;
    let read = lines
        .iter()
        .filter(|line| line.contains("\"message\""))
        .count();
    ensure!(read == 60, "{read} messages are there, not 60");
    Ok(())
}

/// A folder that stands for the build stage: the binary, stripped, and an empty data directory.
fn context(stage: &mut Stage<'_>) -> Result<PathBuf> {
    let binary = stage.binary()?;
    // The name of the loader that a dynamic binary asks the kernel for stands beside its headers.
    // Further back it proves nothing: the static C library holds it too.
    let mut head = Vec::new();
    fs::File::open(binary)?
        .take(HEAD_BYTES)
        .read_to_end(&mut head)?;
    let dynamic = head.windows(7).any(|window| window == b"ld-linu");
    if dynamic {
        bail!(Skip(
            "the binary is not static; `cargo xtask test` builds one".to_owned()
        ));
    }
    let context = stage.folder().join("context");
    fs::create_dir_all(context.join("image/data"))?;
    let mut strip = Command::new("strip");
    strip
        .arg("-o")
        .arg(context.join("image/tidegate"))
        .arg(binary);
    stage.run(strip, "strip")?;
    fs::set_permissions(
        context.join("image/tidegate"),
        PermissionsExt::from_mode(0o755),
    )?;
    Ok(context)
}

fn build(stage: &mut Stage<'_>, engine: &Engine, context: &Path) -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")?;
    let mut command = Command::new("buildah");
    command
        .args(&engine.store)
        .args(["build", "--isolation", "chroot", "--format", "docker"]);
    command.arg(format!("--build-context=build={}", context.display()));
    command
        .arg("--file")
        .arg(workspace.join("docker/Dockerfile"));
    command
        .args(["--tag", "tidegate"])
        .arg(workspace.join("docker"));
    stage.run(command, "buildah").map(drop)
}

/// Runs the image with a mounted folder for its data and a mapped port that it advertises.
fn run(stage: &mut Stage<'_>, engine: &mut Engine) -> Result<Endpoint> {
    let data = stage.folder().join("volume");
    fs::create_dir_all(&data)?;
    chown(&data, Some(USER), Some(USER)).context("give the volume to the image's user")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let bootstrap = format!("127.0.0.1:{port}");
    let listener = format!(
        "[{{name = 'kafka', address = '0.0.0.0:9092', security = 'plaintext', \
         advertised = '{bootstrap}'}}]"
    );
    let mut command = engine.podman(&["--runtime", "runc", "run", "--detach"]);
    command.args(["--name", &engine.container]);
    // Without limits of its own it asks for more than a guest may give.
    command.args([
        "--ulimit",
        "nofile=20000:20000",
        "--ulimit",
        "nproc=1000:1000",
    ]);
    command
        .arg("--volume")
        .arg(format!("{}:/data", data.display()));
    command.arg("--publish").arg(format!("{bootstrap}:9092"));
    command
        .arg("--env")
        .arg(format!("TIDEGATE__LISTENER={listener}"));
    command.arg("tidegate");
    engine.started = true;
    stage.run(command, "podman")?;
    await_port(stage, engine, &bootstrap)?;
    Ok(Endpoint {
        bootstrap,
        login: None,
    })
}

/// Waits until the broker in the container says that it is ready. The port alone says little: the
/// mapping accepts connections before the broker does.
fn await_port(stage: &mut Stage<'_>, engine: &Engine, bootstrap: &str) -> Result<()> {
    let ready = || -> Result<bool> {
        let mut command = engine.podman(&["exec", &engine.container, "/tidegate", "health"]);
        Ok(command.output().context("run podman")?.status.success())
    };
    while !ready()? {
        if stage.deadline().passed() {
            stage.run(engine.podman(&["logs", &engine.container]), "podman-logs")?;
            bail!("the container was not ready in time");
        }
    }
    let address = bootstrap.parse()?;
    TcpStream::connect_timeout(&address, Duration::from_secs(5)).context("connect from outside")?;
    Ok(())
}

impl Engine {
    fn new(stage: &Stage<'_>) -> Self {
        let folder = |name: &str| stage.folder().join(name).display().to_string();
        let store = [
            ("--root", folder("store")),
            ("--runroot", folder("run")),
            ("--storage-driver", "vfs".to_owned()),
        ];
        Self {
            store: store
                .into_iter()
                .flat_map(|(key, value)| [key.to_owned(), value])
                .collect(),
            container: stage.name("container"),
            started: false,
        }
    }

    fn podman(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.args(&self.store).args(arguments);
        command
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.started {
            // Whatever state it is in; there is no one to tell of a failure.
            self.podman(&["rm", "--force", "--time", "1", &self.container])
                .output()
                .ok();
        }
    }
}
