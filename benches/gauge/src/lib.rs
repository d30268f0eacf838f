//! What the kernel says about a process and about the disk below a folder, and what a server says of
//! its syncs: the servers are measured from outside, by whoever drives them.

mod syncs;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

pub use syncs::{Between, SyncSource, Syncs, scrape};

/// A reading of `/proc/<pid>`; zero where the kernel doesn't say.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Sample {
    pub user_s: f64,
    pub system_s: f64,
    pub rss_anon_kib: u64,
    pub rss_file_kib: u64,
    pub rss_kib: u64,
    pub rss_peak_kib: u64,
    pub threads: u64,
    pub descriptors: u64,
    pub context_switches: u64,
    /// Calls that read or wrote, sockets included.
    pub read_calls: u64,
    pub write_calls: u64,
    /// Bytes of these calls, and those that went to or came from a disk.
    pub read_call_bytes: u64,
    pub write_call_bytes: u64,
    pub disk_read_bytes: u64,
    pub disk_write_bytes: u64,
}

impl Sample {
    /// Reads what `/proc` holds about a process.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let mut sample = Self::default();
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
        if let Ok(stat) = read("stat") {
            sample.set_times(&stat);
        }
        if let Ok(status) = read("status") {
            sample.rss_anon_kib = field(&status, "RssAnon:");
            sample.rss_file_kib = field(&status, "RssFile:");
            sample.rss_kib = field(&status, "VmRSS:");
            sample.rss_peak_kib = field(&status, "VmHWM:");
            sample.threads = field(&status, "Threads:");
        }
        if let Ok(io) = read("io") {
            sample.read_call_bytes = field(&io, "rchar:");
            sample.write_call_bytes = field(&io, "wchar:");
            sample.read_calls = field(&io, "syscr:");
            sample.write_calls = field(&io, "syscw:");
            sample.disk_read_bytes = field(&io, "read_bytes:");
            sample.disk_write_bytes = field(&io, "write_bytes:");
        }
        sample
    }

    /// As [`Sample::of`] with what takes a walk: open descriptors and switches of all threads.
    #[must_use]
    pub fn thorough(pid: u32) -> Self {
        let mut sample = Self::of(pid);
        let entries = |name: &str| fs::read_dir(format!("/proc/{pid}/{name}"));
        sample.descriptors = entries("fd").map_or(0, |entries| entries.count() as u64);
        for thread in entries("task").into_iter().flatten().flatten() {
            let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
            sample.context_switches += field(&status, "voluntary_ctxt_switches:")
                + field(&status, "nonvoluntary_ctxt_switches:");
        }
        sample
    }

    /// User and system time: the 14th and 15th field, behind a name that may hold blanks.
    fn set_times(&mut self, stat: &str) {
        let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let mut fields = rest.split(' ').skip(11).map(str::parse::<u64>);
        let ticks = rustix::param::clock_ticks_per_second();
        let mut seconds = || match fields.next() {
            Some(Ok(count)) => float(count) / float(ticks),
            _ => 0.0,
        };
        self.user_s = seconds();
        self.system_s = seconds();
    }

    #[must_use]
    pub fn cpu_s(&self) -> f64 {
        self.user_s + self.system_s
    }
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// What a block device has done: all its users together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    pub flushes: u64,
    pub reads: u64,
    pub writes: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
}

impl Disk {
    /// The device that holds `path`; nothing where it is none (tmpfs) or can't be told.
    #[must_use]
    pub fn below(path: &Path) -> Option<Self> {
        let device = fs::metadata(path).ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
        let numbers: Vec<u64> = stat
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
        // Fields as in the kernel's Documentation/block/stat.rst; a sector there has 512 bytes.
        Some(Self {
            reads: at(0),
            read_bytes: at(2) * 512,
            writes: at(4),
            write_bytes: at(6) * 512,
            flushes: at(15),
        })
    }
}

/// Processor time that the machine below this virtual one gave to others since the start, while there
/// was work here; nothing where the kernel doesn't say. It is told in hundredths of a second.
#[must_use]
pub fn stolen_s() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks = stat.lines().next()?.split_whitespace().nth(8)?;
    let ticks: u64 = ticks.parse().ok()?;
    Some(float(ticks) / float(rustix::param::clock_ticks_per_second()))
}

/// Bytes that may still be written to the file system that holds `path`.
#[must_use]
pub fn room(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |system| system.f_bavail * system.f_frsize)
}

/// A count as a number to divide by.
#[must_use]
pub fn float(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    let float = count as f64;
    float
}
