//! A disk that is full or damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::bad_input::{create, fetch, produce};
use crate::broker::Configuration;
use crate::raw::{Batch, Raw};
use crate::scenario::{Scenario, Suite};
use crate::skip::Skip;
use crate::stage::Stage;

pub(super) const SUITE: Suite = Suite {
    name: "disk",
    scenarios: &[
        Scenario::new(
            "a full disk refuses writes, serves reads and heals by itself",
            full,
        ),
        Scenario::new(
            "a broker starts on a full disk, serves reads and heals by itself",
            started_full,
        ),
        Scenario::new(
            "a failed sync ends the process with a status of its own",
            failed_sync,
        ),
        Scenario::new(
            "a damaged file is reported and serves no wrong byte",
            damaged,
        ),
    ],
};

const KAFKA_STORAGE_ERROR: i16 = 56;
const DISK_BYTES: u64 = 128 << 20;
/// A file that is removed to make space again.
const BALLAST_BYTES: usize = 48 << 20;

/// A small file system of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Path) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!(Skip("needs root, to mount a small disk".to_owned()));
        }
        fs::create_dir_all(place)?;
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "tmpfs"])
            .arg(place);
        let output = command.output().context("run mount")?;
        if !output.status.success() {
            bail!(Skip(format!(
                "no tmpfs: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )));
        }
        Ok(Self(place.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: the broker may still be there, and there is no one to tell of a failure.
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.0)
            .output()
            .ok();
    }
}

fn full(stage: &mut Stage<'_>) -> Result<()> {
    stage.binary()?;
    let place = stage.folder().join("broker/data");
    let _disk = Disk::mount(&place)?;
    let ballast = place.join("ballast");
    fs::write(&ballast, vec![0; BALLAST_BYTES])?;
    let storage = "[storage]\nfree_space_min = \"16MiB\"\nextent_size = \"4MiB\"\n";
    let mut configuration = Configuration::default();
    configuration.tables += storage;
    let bootstrap = stage.configured(configuration)?.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(
        create(&mut raw, "filled")? == 0,
        "the topic was not created"
    );
    let batch = Batch::large().bytes();
    let mut stored = 0;
    let code = loop {
        let (code, _) = produce(&mut raw, "filled", &batch)?;
        if code != 0 {
            break code;
        }
        stored += 1;
        ensure!(
            stored * batch.len() < 2 * BALLAST_BYTES * 2,
            "the disk is never full"
        );
    };
    ensure!(
        code == KAFKA_STORAGE_ERROR,
        "a full disk is answered with {code}"
    );
    ensure!(fetch(&mut raw, "filled", 0, 0)? == 0, "reads are refused");
    fs::remove_file(&ballast)?;
    loop {
        let (code, offset) = produce(&mut raw, "filled", &Batch::good(1).bytes())?;
        if code == 0 {
            ensure!(
                offset == i64::try_from(stored)?,
                "the offset is {offset}, not {stored}"
            );
            return Ok(());
        }
        ensure!(
            !stage.deadline().passed(),
            "space is there, writes are refused with {code}"
        );
    }
}

fn started_full(stage: &mut Stage<'_>) -> Result<()> {
    stage.binary()?;
    let place = stage.folder().join("broker/data");
    let _disk = Disk::mount(&place)?;
    let mut configuration = Configuration::default();
    configuration.tables += "[storage]\nfree_space_min = \"16MiB\"\nextent_size = \"4MiB\"\n";
    let deadline = stage.deadline();
    let broker = stage.configured(configuration)?;
    let bootstrap = broker.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(create(&mut raw, "kept")? == 0, "the topic was not created");
    let batch = Batch::good(1).bytes();
    ensure!(produce(&mut raw, "kept", &batch)?.0 == 0, "a good batch");
    broker.crash()?;
    // All but what the broker's own small files need.
    let ballast = place.join("ballast");
    fs::write(&ballast, vec![0; usize::try_from(DISK_BYTES)? - (14 << 20)])?;
    broker.restart()?;
    let page = broker.page("/readyz")?;
    ensure!(page.contains("the disk is full"), "/readyz says {page}");
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(fetch(&mut raw, "kept", 0, 0)? == 0, "reads are refused");
    let (code, _) = produce(&mut raw, "kept", &batch)?;
    ensure!(
        code == KAFKA_STORAGE_ERROR,
        "writes are answered with {code}"
    );
    fs::remove_file(&ballast)?;
    while produce(&mut raw, "kept", &batch)?.0 != 0 {
        ensure!(!deadline.passed(), "there is room, writes are refused");
    }
    ensure!(
        broker.metric("tidegate_disk_full", "")? == 0.0,
        "it says that it is full"
    );
    broker.stop()
}

/// Lets every sync of a process fail, for as long as it lives.
struct FailingSyncs(std::process::Child);

impl FailingSyncs {
    fn of(process: u32) -> Result<Self> {
        let tracer = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &process.to_string()])
            .args(["-e", "trace=fdatasync,fsync"])
            .args(["-e", "inject=fdatasync,fsync:error=EIO"])
            .spawn();
        match tracer {
            Ok(child) => Ok(Self(child)),
            Err(_) => bail!(Skip("needs strace, to let a sync fail".to_owned())),
        }
    }
}

impl Drop for FailingSyncs {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn failed_sync(stage: &mut Stage<'_>) -> Result<()> {
    let deadline = stage.deadline();
    let broker = stage.own_broker()?;
    let bootstrap = broker.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(create(&mut raw, "t")? == 0, "the topic was not created");
    let batch = Batch::good(1).bytes();
    ensure!(produce(&mut raw, "t", &batch)?.0 == 0, "a good batch");
    let tracer = FailingSyncs::of(broker.id())?;
    // Until the tracer holds all threads, batches are taken as before.
    loop {
        match produce(&mut raw, "t", &batch) {
            Ok((0, _)) => ensure!(!deadline.passed(), "no sync failed"),
            Ok((code, _)) => {
                ensure!(code == KAFKA_STORAGE_ERROR, "answered with {code}");
                break;
            }
            Err(_) => break,
        }
    }
    let status = broker.ended(Duration::from_secs(20))?;
    ensure!(status.code() == Some(74), "the broker ended with {status}");
    drop(tracer);
    broker.restart()?;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(
        produce(&mut raw, "t", &batch)?.0 == 0,
        "it takes nothing again"
    );
    broker.stop()
}

fn damaged(stage: &mut Stage<'_>) -> Result<()> {
    let broker = stage.own_broker()?;
    let bootstrap = broker.plain()?.bootstrap;
    let mut raw = Raw::connect(&bootstrap)?;
    ensure!(
        create(&mut raw, "damaged")? == 0,
        "the topic was not created"
    );
    let batch = Batch::large().bytes();
    for _ in 0..20 {
        ensure!(produce(&mut raw, "damaged", &batch)?.0 == 0, "a good batch");
    }
    broker.stop()?;
    let (file, mut bytes, place) = value_on_disk(&broker.data_dir())?;
    bytes[place + 32] ^= 0xff;
    fs::write(&file, bytes)?;

    let verified = broker.command(&["storage", "verify"]);
    ensure!(verified.is_err(), "verify finds nothing: {verified:?}");
    let started = broker.restart();
    let log = broker.log()?;
    ensure!(!log.contains("panicked"), "it panicked");
    ensure!(
        log.contains("damage") || log.contains("corrupt"),
        "the damage isn't reported"
    );
    if started.is_ok() {
        let mut raw = Raw::connect(&bootstrap)?;
        // Whatever comes, none of it may be the byte that was flipped.
        let code = fetch(&mut raw, "damaged", 0, 0)?;
        ensure!(code != 0, "the damaged batch is served");
    }
    Ok(())
}

/// A file of the log, its bytes, and where in the middle of a record's value only a checksum can
/// tell a change.
fn value_on_disk(data_dir: &Path) -> Result<(PathBuf, Vec<u8>, usize)> {
    for entry in fs::read_dir(data_dir.join("log"))? {
        let file = entry?.path();
        let bytes = fs::read(&file)?;
        let place = bytes.windows(64).position(|window| window == [b'x'; 64]);
        if let Some(place) = place {
            return Ok((file, bytes, place));
        }
    }
    anyhow::bail!("no file of the log holds the value")
}
