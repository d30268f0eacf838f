//! Where the tasks work: the workspace, what is built, what is installed; and how cargo is called.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// How the broker is linked where it ships; the image is built by the same file.
const STATIC: &str = ".cargo/static.toml";

/// The folders that the tasks work in.
pub(crate) struct Folders {
    pub(crate) workspace: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) clients: PathBuf,
}

impl Folders {
    pub(crate) fn find() -> Result<Self> {
        // Cargo says it to what it runs. The same text at compile time could be another clone's,
        // where two share a target folder.
        let package = env::var_os("CARGO_MANIFEST_DIR").context("run me as `cargo xtask`")?;
        let workspace = Path::new(&package).parent().context("a workspace")?;
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
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.workspace);
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Builds packages as the broker is shipped, linked statically; false if they don't build.
    pub(crate) fn build_static(&self, profile: &str, packages: &[&str]) -> Result<bool> {
        let mut command = self.cargo(&["build", "--config", STATIC, "--profile", profile]);
        for package in packages {
            command.args(["--package", package]);
        }
        // Either would replace the flags, and the broker would not be the one that ships.
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
            command.env_remove(variable);
        }
        Ok(command.status().context("start cargo")?.success())
    }

    /// Where [`Folders::build_static`] leaves a program.
    pub(crate) fn built_static(&self, profile: &str, program: &str) -> Result<PathBuf> {
        // Cargo's profile and its folder have the same name, but for this one.
        let folder = if profile == "dev" { "debug" } else { profile };
        Ok(self.target.join(host()?).join(folder).join(program))
    }
}

/// The name that Rust gives this machine's kind.
fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}
