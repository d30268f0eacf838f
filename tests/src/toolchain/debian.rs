//! Debian's packages: kcat with its old librdkafka, and what builds and runs containers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{program, step};
use crate::skip::Skip;

pub(super) fn install_kcat(folder: &Path) -> Result<PathBuf> {
    debian(folder, &["kcat"], &["kcat"])?;
    program("kcat")
}

pub(super) fn install_containers(folder: &Path) -> Result<()> {
    debian(
        folder,
        &["buildah", "podman", "runc"],
        &["buildah", "podman", "runc"],
    )
}

/// Sees that these programs are there, and asks apt-get for their packages where that is allowed.
fn debian(folder: &Path, programs: &[&str], packages: &[&str]) -> Result<()> {
    let missing = || programs.iter().find(|name| program(name).is_err());
    let Some(first) = missing() else {
        return Ok(());
    };
    if !rustix::process::geteuid().is_root() || program("apt-get").is_err() {
        return Err(Skip(format!("no {first}")).into());
    }
    let install = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        step(command, "apt-get install", folder)
    };
    if install().is_err() {
        let mut update = Command::new("apt-get");
        update.arg("update");
        step(update, "apt-get update", folder)?;
        install()?;
    }
    missing().map_or(Ok(()), |name| Err(Skip(format!("no {name}")).into()))
}
