//! Node: a folder with the clients of npm beside copies of our programs, where `import` finds them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{at_least, copy_files, once, program, step};

pub(crate) struct Node {
    node: PathBuf,
    folder: PathBuf,
}

impl Node {
    /// Runs one of the programs in `tests/clients/node`.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(&self.node);
        command
            .arg(self.folder.join(name))
            .env("KAFKAJS_NO_PARTITIONER_WARNING", "1");
        command
    }
}

pub(super) fn install(folder: &Path, sources: &Path) -> Result<Node> {
    let node = program("node")?;
    at_least(&node, "--version", 20)?;
    let npm = program("npm")?;
    let sources = sources.join("node");
    copy_files(&sources, folder)?;
    once(
        folder,
        &fs::read_to_string(sources.join("package.json"))?,
        || {
            let mut command = Command::new(npm);
            command.args(["install", "--no-fund", "--no-audit", "--no-package-lock"]);
            step(command, "npm install", folder)
        },
    )?;
    Ok(Node {
        node,
        folder: folder.to_owned(),
    })
}
