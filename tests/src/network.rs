//! A network of a scenario's own, in which packets can be made to vanish.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::Process;
use crate::skip::Skip;
use crate::stage::Stage;

/// A network namespace of Linux, there as long as this is.
pub(crate) struct Network {
    namespace: File,
    /// Holds the namespace; ends with us.
    _holder: Process,
}

impl Network {
    pub(crate) fn new(stage: &mut Stage<'_>) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!(Skip("needs root, for a network of its own".into()));
        }
        if Command::new("iptables").arg("--version").output().is_err() {
            bail!(Skip("no iptables".into()));
        }
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && echo up && exec cat",
        ]);
        let mut holder = stage.start(command, "network")?;
        let line = holder.line(stage.deadline())?;
        ensure!(line.as_deref() == Some("up"), "the network isn't up");
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id()))?;
        Ok(Self {
            namespace,
            _holder: holder,
        })
    }

    /// Runs something inside: its sockets and its child processes are in this network.
    pub(crate) fn inside<T: Send>(&self, run: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = self.namespace.as_fd();
        let entered = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace, kind).context("enter the network")?;
            run()
        };
        // A thread can't find its way back, so it is one of its own.
        let ended = thread::scope(|scope| scope.spawn(entered).join());
        match ended {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// From inside: no packet to or from this port arrives any more, and no one is told.
pub(crate) fn cut(bootstrap: &str) -> Result<()> {
    let (_, port) = bootstrap
        .rsplit_once(':')
        .context("an address has a port")?;
    for side in ["--dport", "--sport"] {
        let mut command = Command::new("iptables");
        command.args(["-A", "INPUT", "-p", "tcp", side, port, "-j", "DROP"]);
        let output = command.output().context("run iptables")?;
        let trouble = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "iptables: {}", trouble.trim());
    }
    Ok(())
}
