//! Go: the programs of `tests/clients/go`, built with a module and a build cache of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{program, step};

pub(crate) struct Go {
    binaries: PathBuf,
}

impl Go {
    /// Runs one of the programs in `tests/clients/go/cmd`.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.binaries.join(name))
    }
}

pub(super) fn install(folder: &Path, sources: &Path) -> Result<Go> {
    let go = program("go")?;
    let binaries = folder.join("bin/");
    // No stamp: with its caches, Go itself knows best what is up to date.
    let mut build = Command::new(go);
    build
        .args(["build", "-C"])
        .arg(sources.join("go"))
        .args(["-trimpath", "-o"])
        .arg(&binaries)
        .arg("./...")
        .env("GOMODCACHE", folder.join("modules"))
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-modcacherw -mod=readonly");
    std::fs::create_dir_all(&binaries)?;
    step(build, "go build", folder)?;
    Ok(Go { binaries })
}
