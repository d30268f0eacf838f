//! Python: a virtual environment with the clients of PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{once, program, step};

/// The clients, and the codecs that kafka-python and aiokafka leave to other packages.
const PACKAGES: &[&str] = &[
    "confluent-kafka==2.16.1",
    "kafka-python==3.0.12",
    "aiokafka==0.14.0",
    "cramjam==2.14.0",
    "lz4==4.4.5",
    "python-snappy==0.7.3",
    "zstandard==0.25.0",
];

pub(crate) struct Python {
    interpreter: PathBuf,
    programs: PathBuf,
}

impl Python {
    /// Runs one of the programs in `tests/clients/python`.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(&self.interpreter);
        command
            .arg(self.programs.join(name))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

pub(super) fn install(folder: &Path, sources: &Path) -> Result<Python> {
    let python = program("python3")?;
    let venv = folder.join("venv");
    let interpreter = venv.join("bin/python");
    once(folder, &PACKAGES.join("\n"), || {
        let mut create = Command::new(&python);
        create.args(["-m", "venv", "--clear"]).arg(&venv);
        step(create, "python3 -m venv", folder)?;
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--only-binary", ":all:"])
            .args(PACKAGES);
        step(pip, "pip install", folder)
    })?;
    Ok(Python {
        interpreter,
        programs: sources.join("python"),
    })
}
