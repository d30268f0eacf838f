//! The clients' toolchains: each is installed once, into a folder of our own, when a scenario first
//! asks for it; one that can't be had is a skip with its name.

mod debian;
mod go;
mod java;

mod node;
mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Deadline;
use crate::process::Process;
use crate::skip::Skip;

pub(crate) use go::Go;
pub(crate) use java::Java;
pub(crate) use node::Node;
pub(crate) use python::Python;

/// An installation from cold, on a slow network and a small machine.
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

type Installed<T> = OnceLock<Result<T, Skip>>;

/// All toolchains, each installed or refused at most once.
pub(crate) struct Toolchains {
    folder: PathBuf,
    sources: PathBuf,
    python: Installed<Python>,
    node: Installed<Node>,
    go: Installed<Go>,
    java: Installed<Java>,
    kcat: Installed<PathBuf>,
    containers: Installed<()>,
    java_projects: [Installed<PathBuf>; java::PROJECTS.len()],
}

impl Toolchains {
    /// `folder` is where they are installed, `sources` is `tests/clients`.
    pub(crate) fn new(folder: PathBuf, sources: PathBuf) -> Self {
        Self {
            folder,
            sources,
            python: OnceLock::new(),
            node: OnceLock::new(),
            go: OnceLock::new(),
            java: OnceLock::new(),
            kcat: OnceLock::new(),
            containers: OnceLock::new(),
            java_projects: [const { OnceLock::new() }; java::PROJECTS.len()],
        }
    }

    pub(crate) fn python(&self) -> Result<&Python> {
        installed(&self.python, || {
            self.locked("python", |folder| python::install(folder, &self.sources))
        })
    }

    pub(crate) fn node(&self) -> Result<&Node> {
        installed(&self.node, || {
            self.locked("node", |folder| node::install(folder, &self.sources))
        })
    }

    pub(crate) fn go(&self) -> Result<&Go> {
        installed(&self.go, || {
            self.locked("go", |folder| go::install(folder, &self.sources))
        })
    }

    pub(crate) fn java(&self) -> Result<&Java> {
        installed(&self.java, java::find)
    }

    /// The folder of a Maven project with its libraries and, where it has any, its classes.
    pub(crate) fn java_project(&self, name: &str) -> Result<&PathBuf> {
        let index = java::PROJECTS.iter().position(|project| *project == name);
        let index = index.with_context(|| format!("no Maven project {name}"))?;
        self.java()?;
        installed(&self.java_projects[index], || {
            // Maven's repository is shared, so one project is installed at a time.
            self.locked("maven", |folder| java::install(folder, &self.sources, name))
        })
    }

    pub(crate) fn kcat(&self) -> Result<&PathBuf> {
        installed(&self.kcat, || self.locked("apt", debian::install_kcat))
    }

    /// buildah, podman and runc.
    pub(crate) fn containers(&self) -> Result<()> {
        installed(&self.containers, || {
            self.locked("apt", debian::install_containers)
        })
        .copied()
    }

    /// Installs all that can be; what can't is said later, by the scenario that needs it.
    pub(crate) fn prepare(&self) {
        let java = || {
            for project in java::PROJECTS {
                drop(self.java_project(project));
            }
        };
        let debian = || {
            drop(self.kcat());
            drop(self.containers());
        };
        std::thread::scope(|scope| {
            scope.spawn(|| drop(self.python()));
            scope.spawn(|| drop(self.node()));
            scope.spawn(|| drop(self.go()));
            scope.spawn(java);
            scope.spawn(debian);
        });
    }

    /// Runs an installation while no other process runs the same one.
    fn locked<T>(&self, name: &str, install: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).context("make the toolchain's folder")?;
        let lock = File::create(self.folder.join(format!("{name}.lock")))?;
        lock.lock().context("lock the toolchain's folder")?;
        install(&folder)
    }
}

fn installed<T>(place: &Installed<T>, install: impl FnOnce() -> Result<T>) -> Result<&T> {
    let outcome = place.get_or_init(|| install().map_err(|error| Skip(format!("{error:#}"))));
    outcome.as_ref().map_err(|skip| skip.clone().into())
}

/// Runs `install` unless `stamp` says that exactly this was installed before.
fn once(folder: &Path, stamp: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let file = folder.join("installed");
    if fs::read_to_string(&file).is_ok_and(|installed| installed == stamp) {
        return Ok(());
    }
    install()?;
    fs::write(file, stamp).context("write the stamp")
}

/// Runs one step of an installation; its failure ends with the last line it wrote.
fn step(mut command: Command, name: &str, folder: &Path) -> Result<()> {
    let log = folder.join(format!("{name}.log"));
    drop(fs::remove_file(&log));
    command.current_dir(folder);
    let status = Process::logged(command, name, &log)?.wait(Deadline::after(INSTALL_LIMIT))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(&log).unwrap_or_default();
    let last = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    Err(Skip(format!("{name} failed: {last}")).into())
}

/// The program of this name on the path; a skip without one.
fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|p| p.is_file());
    found.ok_or_else(|| Skip(format!("no {name}")).into())
}

/// A skip if the first number that a program says of its version is below `least`.
fn at_least(program: &Path, argument: &str, least: u32) -> Result<()> {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .context("ask for a version")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let number: String = said
        .chars()
        .skip_while(|character| !character.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    if number.parse().is_ok_and(|number: u32| number >= least) {
        return Ok(());
    }
    let name = program
        .file_name()
        .unwrap_or_default()
        .display()
        .to_string();
    Err(Skip(format!("{name} is older than {least}")).into())
}

/// Copies the files of a folder, not the folders in it.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
