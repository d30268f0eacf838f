//! A disk that is full or damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

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
