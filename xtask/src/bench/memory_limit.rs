//! A limit on a server's memory, its part of the page cache included: a control group of its own.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::server::Server;

/// Where groups are made, and the file that holds a group's limit: version 1, then 2.
const HIERARCHIES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
];

/// Gone when it is dropped, if the server has ended by then.
pub(super) struct MemoryGroup {
    folder: PathBuf,
    limit: &'static str,
}

/// Whether this machine lets us make such a group.
pub(super) fn is_possible() -> bool {
    MemoryGroup::new().is_ok()
}

impl MemoryGroup {
    pub(super) fn new() -> Result<Self> {
        let name = format!("tidegate-bench-{}", std::process::id());
        let make = |(top, limit)| {
            let folder = PathBuf::from(top).join(&name);
            fs::create_dir_all(&folder).ok()?;
            let group = Self { folder, limit };
            group.folder.join(limit).exists().then_some(group)
        };
        let mut groups = HIERARCHIES.into_iter().filter_map(make);
        groups.next().context("make a control group for memory")
    }

    /// From now on the server has so many bytes, and what is above is taken from it.
    pub(super) fn hold(&self, server: &Server, bytes: u64) -> Result<()> {
        let pid = server.pid().context("a server that runs")?;
        fs::write(self.folder.join(self.limit), bytes.to_string())?;
        fs::write(self.folder.join("cgroup.procs"), pid.to_string())?;
        Ok(())
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Best effort: an empty group that stays costs nothing.
        fs::remove_dir(&self.folder).ok();
    }
}
