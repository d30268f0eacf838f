//! `cargo xtask test`: unit, scenario and property tests, then real clients against a broker.
//!
//! Everything it says goes by as it happens; its own last line holds the sums.

#![expect(clippy::print_stdout, reason = "the report is this task's purpose")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: cargo xtask test [--only unit|world] [FILTER]...";

/// Which of the two halves to run, and which tests of them.
struct Plan {
    unit: bool,
    world: bool,
    filters: Vec<String>,
}

/// How many tests ended in which way.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// The folders that a task works in.
pub(crate) struct Folders {
    pub(crate) workspace: PathBuf,
    pub(crate) target: PathBuf,
    clients: PathBuf,
}

/// Runs the tests; the process ends with 1 if any failed.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let plan = Plan::parse(arguments)?;
    let folders = Folders::find()?;
    let mut summary = Summary::default();
    // Installing the clients is mostly waiting for the network, building isn't.
    let installation = if plan.world {
        Some(install_clients(&folders)?)
    } else {
        None
    };
    if plan.unit {
        summary = summary.plus(unit_tests(&folders, &plan.filters)?);
    }
    if let Some(mut installation) = installation {
        summary = summary.plus(world_tests(&folders, &plan.filters, &mut installation)?);
    }
    let Summary {
        passed,
        failed,
        skipped,
    } = summary;
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

impl Plan {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut plan = Self {
            unit: true,
            world: true,
            filters: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(&argument) = arguments.next() {
            match argument {
                "--only" => match arguments.next() {
                    Some(&"unit") => plan.world = false,
                    Some(&"world") => plan.unit = false,
                    _ => bail!(USAGE),
                },
                option if option.starts_with('-') => bail!(USAGE),
                filter => plan.filters.push(filter.to_owned()),
            }
        }
        Ok(plan)
    }
}

impl Folders {
    pub(crate) fn find() -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("a workspace")?;
        let folder = |variable: &str, default: PathBuf| {
            env::var_os(variable).map_or(Ok(default), std::path::absolute)
        };
        let target = folder("CARGO_TARGET_DIR", workspace.join("target"))?;
        let clients = folder("TIDEGATE_CLIENTS_DIR", target.join("clients"))?;
        Ok(Self {
            workspace: workspace.to_owned(),
            target,
            clients,
        })
    }

    /// Cargo, in the workspace.
    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.workspace);
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Builds a program as the broker's image has it: close to release, and static.
    pub(crate) fn build_fast(&self, package: &str, host: &str) -> Result<bool> {
        // With a target named, the flag spares build scripts and macros, which can't be static.
        let build = [
            "build",
            "--profile",
            "fast",
            "--package",
            package,
            "--target",
            host,
        ];
        let variable = host.to_uppercase().replace('-', "_");
        let mut command = self.cargo(&build);
        command.env(
            format!("CARGO_TARGET_{variable}_RUSTFLAGS"),
            "-C target-feature=+crt-static",
        );
        Ok(command.status().context("start cargo")?.success())
    }

    /// The runner of the world tests.
    fn runner(&self) -> Command {
        let mut command = Command::new(self.target.join("debug/tests"));
        command
            .current_dir(&self.workspace)
            .env("TIDEGATE_CLIENTS_DIR", &self.clients);
        command
    }
}

impl Summary {
    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Reads a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ..` or
    /// `3 passed, 0 failed, 1 skipped`.
    fn read(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ").map_or(line, |rest| {
            rest.split_once(". ").map_or(rest, |(_, counts)| counts)
        });
        let mut summary = Self::default();
        let mut found = 0;
        for part in counts.split([',', ';']) {
            let Some((count, word)) = part.trim().split_once(' ') else {
                continue;
            };
            let place = match word {
                "passed" => &mut summary.passed,
                "failed" => &mut summary.failed,
                "ignored" | "skipped" => &mut summary.skipped,
                _ => continue,
            };
            *place = count.parse().ok()?;
            found += 1;
        }
        (found == 3).then_some(summary)
    }
}

fn install_clients(folders: &Folders) -> Result<Child> {
    let built = folders.cargo(&["build", "--package", "tests"]).status()?;
    if !built.success() {
        bail!("the runner of the world tests doesn't build");
    }
    println!(
        "installing the clients into {} meanwhile",
        folders.clients.display()
    );
    folders
        .runner()
        .arg("--prepare")
        .stdin(Stdio::null())
        .spawn()
        .context("install the clients")
}

/// Runs `cargo test`, shows what it says and sums its results.
fn unit_tests(folders: &Folders, filters: &[String]) -> Result<Summary> {
    let mut command = folders.cargo(&["test", "--workspace", "--no-fail-fast", "--"]);
    let mut child = command
        .args(filters)
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut summary = Summary::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("read cargo's output")?;
        println!("{line}");
        if line.starts_with("test result: ") {
            summary = summary.plus(Summary::read(&line).context("read a test result")?);
        }
    }
    if !child.wait()?.success() && summary.failed == 0 {
        println!("cargo test did not get to its results: counted as one failure");
        summary.failed = 1;
    }
    Ok(summary)
}

/// Builds the broker and runs the clients against it.
fn world_tests(folders: &Folders, filters: &[String], installation: &mut Child) -> Result<Summary> {
    let failure = Summary {
        failed: 1,
        ..Summary::default()
    };
    let host = host()?;
    let built = folders.build_fast("tidegate", &host)?;
    // What couldn't be installed is said again by the scenario that needs it.
    installation.wait().context("wait for the clients")?;
    if !built {
        println!("the broker doesn't build: counted as one failure");
        return Ok(failure);
    }
    let sums = folders.target.join("world-summary");
    drop(fs::remove_file(&sums));
    std::io::stdout().flush()?;
    let mut runner = folders.runner();
    runner.arg("--summary").arg(&sums).args(filters);
    runner.env(
        "TIDEGATE_BIN",
        folders.target.join(host).join("fast/tidegate"),
    );
    runner.status().context("run the world tests")?;
    let text = fs::read_to_string(&sums).unwrap_or_default();
    Ok(Summary::read(text.trim()).unwrap_or(failure))
}

/// The name that Rust gives this machine's kind.
pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_results_are_read() {
        let expected = Some(Summary {
            passed: 3,
            failed: 1,
            skipped: 2,
        });
        let cargo =
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 9 filtered out";
        assert_eq!(Summary::read(cargo), expected);
        assert_eq!(Summary::read("3 passed, 1 failed, 2 skipped"), expected);
        assert_eq!(
            Summary::read("test result: ok. some passed; 1 failed; 2 ignored"),
            None
        );
        assert_eq!(Summary::read(""), None);
    }

    #[test]
    fn only_chooses_a_half_and_the_rest_are_filters() {
        let plan = Plan::parse(&["--only", "unit", "codec", "group"]).unwrap();
        assert!(plan.unit && !plan.world);
        assert_eq!(plan.filters, ["codec", "group"]);
        assert!(Plan::parse(&["--only", "everything"]).is_err());
        assert!(Plan::parse(&["--frobnicate"]).is_err());
    }
}
