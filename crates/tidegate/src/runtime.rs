//! `<data dir>/runtime.toml`: where the running broker can be reached. Written once it serves,
//! removed when it ends in order; what a killed one leaves is recognised by its process id.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    files::{self, Readers},
    settings::Security,
};

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runtime {
    pub(crate) pid: u32,
    /// `ip:port` of metrics and health.
    pub(crate) admin: String,
    /// The configuration file in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<PathBuf>,
    #[serde(default)]
    pub(crate) listener: Vec<RunningListener>,
}

/// A listener with the port that it really has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningListener {
    pub(crate) name: String,
    /// The configuration's word.
    pub(crate) security: String,
    pub(crate) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
}

impl RunningListener {
    pub(crate) fn security(&self) -> Option<Security> {
        Security::from_word(&self.security)
    }
}

impl Runtime {
    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("runtime.toml")
    }

    pub(crate) fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("write runtime.toml")?;
        files::write(&Self::path(data_dir), text.as_bytes(), Readers::Everyone)
    }

    pub(crate) fn remove(data_dir: &Path) {
        // Without it the next start writes a new one all the same.
        drop(std::fs::remove_file(Self::path(data_dir)));
    }

    /// What a running broker wrote; `None` if none runs on this data directory.
    pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(data_dir);
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(None);
        };
        let runtime: Self = toml::from_str(&text)
            .with_context(|| format!("{} is not as Tidegate writes it", path.display()))?;
        let alive = Path::new("/proc").join(runtime.pid.to_string()).exists();
        Ok(alive.then_some(runtime))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(pid: u32) -> Runtime {
        Runtime {
            pid,
            admin: "127.0.0.1:9600".to_owned(),
            config: None,
            listener: vec![RunningListener {
                name: "kafka".to_owned(),
                security: "sasl_tls".to_owned(),
                address: "127.0.0.1:9093".to_owned(),
                namespace: Some("dev".to_owned()),
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_while_the_process_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Runtime::read(dir.path()).unwrap(), None);
        let written = runtime(std::process::id());
        written.write(dir.path()).unwrap();
        assert_eq!(Runtime::read(dir.path()).unwrap(), Some(written));
        // No process can have this id: it is beyond the kernel's largest.
        runtime(u32::MAX).write(dir.path()).unwrap();
        assert_eq!(Runtime::read(dir.path()).unwrap(), None);
    }
}
