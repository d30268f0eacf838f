//! A child process in a group of its own, killed with all its children when its owner lets go of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::clock::Deadline;

/// Lines that may wait for the scenario; a program that says more is held up, not lost.
const LINES_MAX: usize = 65_536;

pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    lines: Option<Receiver<String>>,
    stdin: Option<ChildStdin>,
    /// Says once that the child ended; it stays a zombie, so its id can't be another's.
    ended: Receiver<()>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts a program whose output goes to `log` and is not looked at while it runs.
    pub(crate) fn logged(command: Command, name: &str, log: &Path) -> Result<Self> {
        Self::logged_apart(command, name, log, log)
    }

    /// The same, with the standard output in a file of its own.
    pub(crate) fn logged_apart(
        mut command: Command,
        name: &str,
        log: &Path,
        output: &Path,
    ) -> Result<Self> {
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        command.stderr(open(log).context("open a log")?);
        command
            .stdout(open(output).context("open a log")?)
            .stdin(Stdio::null());
        Self::start(command, name, log)
    }

    /// Starts a program whose standard output is read line by line, and which can be talked to.
    pub(crate) fn piped(mut command: Command, name: &str, log: &Path) -> Result<Self> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .context("open a log")?;
        let mut copy = file.try_clone()?;
        command
            .stdout(Stdio::piped())
            .stderr(file)
            .stdin(Stdio::piped());
        let mut process = Self::start(command, name, log)?;
        process.stdin = process.child.stdin.take();
        let output = process
            .child
            .stdout
            .take()
            .context("the program has no output")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        process.lines = Some(lines);
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n') {
                let Ok(line) = line else { return };
                let line = String::from_utf8_lossy(&line).into_owned();
                if writeln!(copy, "{line}").is_err() || sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(process)
    }

    fn start(mut command: Command, name: &str, log: &Path) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let pid = Pid::from_child(&child);
        let (sender, ended) = sync_channel(1);
        thread::spawn(move || {
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), ended) {}
            // The receiver may be gone, with the process's owner.
            sender.send(()).ok();
        });
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            lines: None,
            stdin: None,
            ended,
            status: None,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Writes a line to the program's standard input.
    pub(crate) fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the program takes no input")?;
        writeln!(stdin, "{line}").with_context(|| format!("talk to {}", self.name))?;
        stdin
            .flush()
            .with_context(|| format!("talk to {}", self.name))
    }

    /// The next line of the program's output; none at its end.
    pub(crate) fn line(&mut self, deadline: Deadline) -> Result<Option<String>> {
        let lines = self
            .lines
            .as_ref()
            .context("the program's output isn't read")?;
        match lines.recv_timeout(deadline.left()) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("{} said nothing more in time", self.name),
        }
    }

    /// The next line if it comes within `limit`.
    pub(crate) fn line_within(&mut self, limit: Duration) -> Option<String> {
        self.lines.as_ref()?.recv_timeout(limit).ok()
    }

    /// Reads the rest of the output and waits for the end.
    pub(crate) fn finish(mut self, deadline: Deadline) -> Result<(ExitStatus, Vec<String>)> {
        self.stdin = None;
        let mut lines = Vec::new();
        while let Some(line) = self.line(deadline)? {
            lines.push(line);
        }
        Ok((self.wait(deadline)?, lines))
    }

    pub(crate) fn wait(&mut self, deadline: Deadline) -> Result<ExitStatus> {
        ensure!(
            self.ended_within(deadline.left())?,
            "{} did not end in time",
            self.name
        );
        self.status.context("a process that ended has a status")
    }

    /// Waits at most `limit` for the end, and says whether it came.
    pub(crate) fn ended_within(&mut self, limit: Duration) -> Result<bool> {
        if self.status.is_some() {
            return Ok(true);
        }
        if self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            return Ok(false);
        }
        self.status = Some(self.child.wait()?);
        Ok(true)
    }

    /// Sends a signal to the program and its children.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        if self.status.is_none() {
            kill_process_group(Pid::from_child(&self.child), signal)
                .with_context(|| format!("signal {}", self.name))?;
        }
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended_within(Duration::from_secs(10))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may be gone already, and a drop has no one to tell.
        drop(self.kill());
    }
}
