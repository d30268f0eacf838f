//! What the numbers were measured on, and making it ready: memory warmed, caches dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use gauge::Disk;
use serde::{Deserialize, Serialize};

const CHUNK_BYTES: usize = 64 << 20;
/// Read or written at a time where the disk's own speed is asked for.
const SEQUENTIAL_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;
/// A disk that has done nothing for so long has come to rest.
const DISK_REST: Duration = Duration::from_millis(500);
const DISK_LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    file_system: String,
    versions: Vec<String>,
    pub(super) commit: String,
    pub(super) date: String,
}

impl Machine {
    pub(super) fn look(workspace: &Path, data: &Path, kafka: &str) -> Self {
        let ask = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            said(command.args(arguments).current_dir(workspace))
        };
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("unknown", |text| text.trim_start_matches(['\t', ' ', ':']));
        let data = data.display().to_string();
        // What was measured before is no change of what is measured.
        let dirty = ["status", "--porcelain", "--", ".", ":!benches/results"];
        let dirty = ask("git", &dirty);
        let mut commit = ask("git", &["rev-parse", "--short=12", "HEAD"]);
        if !dirty.is_empty() {
            commit.push_str(" and changes");
        }
        Self {
            cpu: model.to_owned(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib("MemTotal:") / f64::from(1 << 20),
            kernel: ask("uname", &["-sr"]),
            file_system: ask("stat", &["-f", "-c", "%T", &data]),
            versions: vec![
                ask("rustc", &["--version"]),
                format!("Apache Kafka {kafka}"),
                ask("java", &["--version"])
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ],
            commit,
            date: ask("date", &["+%Y-%m-%d"]),
        }
    }

    pub(super) fn line(&self) -> String {
        format!(
            "{} ({} cores, {:.0} GiB), {}, {}; {}; commit {}; {}",
            self.cpu,
            self.cores,
            self.memory_gib,
            self.kernel,
            self.file_system,
            self.versions.join(", "),
            self.commit,
            self.date
        )
    }
}

/// What a program prints; nothing if it isn't there.
fn said(command: &mut Command) -> String {
    let output = command.stderr(std::process::Stdio::null()).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// A line of `/proc/meminfo`.
fn kib(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Touches memory and page cache, so that a virtual machine's host backs them before the run and
/// not in it, and gives them back. What was removed before, earlier runs' files among it, is gone
/// when this ends: a file system that discards blocks does so at a commit of its journal, and the
/// first server to sync something would wait for it.
pub(super) fn warm(folder: &Path, bytes: u64) -> Result<()> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "half of a machine's memory"
    )]
    let half = (kib("MemAvailable:") * 512.0) as u64;
    let mut rest = usize::try_from(bytes.min(half))?;
    let path = folder.join("warm");
    let mut file = File::create(&path)?;
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    while rest >= CHUNK_BYTES {
        let mut chunk = vec![0; CHUNK_BYTES];
        for page in chunk.chunks_mut(PAGE_BYTES) {
            page.fill(1);
        }
        file.write_all(&chunk)?;
        chunks.push(chunk);
        rest -= CHUNK_BYTES;
    }
    drop(chunks);
    // Removed before it is written back, it costs little disk.
    fs::remove_file(path)?;
    sync()
}

/// Writes out what the system still keeps for the disks.
fn sync() -> Result<()> {
    let status = Command::new("sync").status().context("run sync")?;
    anyhow::ensure!(status.success(), "sync failed");
    Ok(())
}

/// Waits until all that was written is on the disk below a folder and the disk has had nothing to do
/// for a moment; not for ever, since others may use it too.
pub(super) fn rest_disk(folder: &Path, limit: Duration) -> Result<()> {
    sync()?;
    let started = Instant::now();
    let (mut seen, mut since) = (Disk::below(folder), Instant::now());
    while since.elapsed() < DISK_REST && started.elapsed() < limit {
        thread::sleep(DISK_LOOK);
        let now = Disk::below(folder);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Empties the page cache; only root may.
pub(super) fn drop_caches() -> Result<()> {
    sync()?;
    fs::write("/proc/sys/vm/drop_caches", "3").context("drop the page cache (as root)")
}

/// The disk's own speed: MB/s at which the disk gives back a file of this size that isn't in memory.
/// The file stays.
pub(super) fn sequential_read(path: &Path, bytes: u64) -> Result<f64> {
    let mut file = File::create(path)?;
    let mut chunk = vec![1; SEQUENTIAL_BYTES];
    for number in 0..bytes / SEQUENTIAL_BYTES as u64 {
        // No two pieces alike, should the disk be clever.
        for (place, byte) in chunk.iter_mut().zip(number.to_le_bytes()) {
            *place = byte;
        }
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    drop_caches()?;
    let mut file = File::open(path)?;
    let started = Instant::now();
    let mut read: u64 = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => read += count as u64,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let mb = read as f64 / 1e6;
    Ok(mb / seconds)
}
