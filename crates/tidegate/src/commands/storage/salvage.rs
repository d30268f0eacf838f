//! `tidegate storage salvage`: saves what can be saved of a damaged directory into a new one.
//!
//! The damaged directory is only read. First comes what would be lost, then, where it is wished, a
//! copy of the directory, as far as the disk gives it, which is opened once to set aside what is
//! damaged and to write what exists anew.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use hub::salvage::SalvagePlan;
use model::NamespaceName;
use server::clock::SystemClock;
use storage::{Damage, VerifyEvent};

use super::{Names, describe, names, weight};
use crate::{
    arguments::SalvageArguments,
    files,
    output::{self, Style, paint},
};

/// What is read at once; what of it the disk does not give is asked for block by block.
const CHUNK_BYTES: usize = 1 << 20;
const BLOCK_BYTES: usize = 4096;
/// Damage that is listed one by one, at most, in the first report.
const LISTED_MAX: usize = 1_000;

/// Whether nothing is lost.
pub(super) fn run(arguments: &SalvageArguments) -> anyhow::Result<bool> {
    let SalvageArguments {
        dir,
        new_dir,
        write,
        namespace,
    } = arguments;
    ensure!(
        !new_dir.exists(),
        "{} exists already: salvage writes into a new directory only",
        new_dir.display()
    );
    // Held until the end: nobody serves from the directory meanwhile.
    let _unused = check_unused(dir)?;
    let unnamed = NamespaceName::from(namespace.as_str());
    let names = names(dir);
    report_damage(dir, &names)?;
    let plan = SalvagePlan::of(dir, &unnamed)?;
    report_plan(&plan)?;
    if !write {
        output::line("nothing was written: --write makes the new directory")?;
        return Ok(plan.metadata_is_whole && plan.adopted.is_empty());
    }
    let unread = copy_directory(dir, new_dir)?;
    let damages = hub::salvage::salvage(new_dir, plan, Arc::new(SystemClock))?;
    report_loss(&damages, unread, &names)?;
    output::line(&format!(
        "written: start the broker with --data-dir {}; {} is as it was",
        new_dir.display(),
        dir.display()
    ))?;
    let is_loss = |damage: &Damage| !matches!(damage, Damage::TornTail { .. });
    Ok(unread == 0 && !damages.iter().any(is_loss))
}

/// Takes the directory's lock, if there is one, without changing its file.
fn check_unused(dir: &Path) -> anyhow::Result<Option<File>> {
    let lock = match File::open(dir.join("lock.pid")) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("open lock.pid"),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => {
            bail!("{} is in use: stop its broker first", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).context("lock lock.pid"),
    }
}

fn report_damage(dir: &Path, names: &Names) -> anyhow::Result<()> {
    let colours = output::colours();
    let mut listed = 0;
    let mut failed = None;
    let summary = storage::verify(dir, &mut |event: VerifyEvent| {
        if let Some(style) = weight(&event) {
            listed += 1;
            if listed <= LISTED_MAX {
                let line = paint(style, &describe(&event, names), colours);
                failed = output::line(&line).err().or_else(|| failed.take());
            }
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if listed > LISTED_MAX {
        output::line(&format!("and {} more", listed - LISTED_MAX))?;
    }
    output::line(&super::sums(&summary))
}

fn report_plan(plan: &SalvagePlan) -> anyhow::Result<()> {
    let colours = output::colours();
    let state = if plan.metadata_is_whole {
        "what exists is whole".to_owned()
    } else {
        let text = "of what exists some may be lost: event hubs created or changed last, and \
                    deletions, which are undone then";
        paint(Style::Bad, text, colours)
    };
    output::line(&state)?;
    for name in &plan.renamed {
        output::line(&format!(
            "a namespace lost its name and is called {name}: its cluster id is new"
        ))?;
    }
    for adopted in &plan.adopted {
        output::line(&format!("  {adopted}"))?;
    }
    output::line(&format!("{} event hubs are saved", plan.event_hubs))
}

fn report_loss(damages: &[Damage], unread: u64, names: &Names) -> anyhow::Result<()> {
    if unread > 0 {
        output::line(&format!("{unread} bytes could not be read from the disk"))?;
    }
    for damage in damages {
        let line = match damage {
            Damage::LostOffsets { id, from, until } => {
                let name = names
                    .get(id)
                    .map_or_else(String::new, |name| format!(" ({name})"));
                format!("  lost: log {id}{name}, offsets {from} up to {until}")
            }
            Damage::TornTail { at, bytes } => {
                format!("  cut: {bytes} bytes at {at} that were never synced")
            }
            Damage::Quarantined { at, bytes } => {
                format!("  set aside in quarantine/: {bytes} bytes at {at}")
            }
            Damage::MissingExtent { extent } => {
                format!("  lost: the file {}", super::file_name(*extent))
            }
            Damage::LostEnd {
                found,
                synced,
                bytes,
            } => format!("  lost: {bytes} bytes between {found} and {synced}"),
            Damage::Manifest => "  lost: the checkpoint; all files were read instead".to_owned(),
        };
        output::line(&line)?;
    }
    Ok(())
}

/// Copies what a broker needs of a directory; gives how many bytes could not be read.
fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<u64> {
    files::make_directory(to)?;
    let mut unread = 0;
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        let entries = fs::read_dir(&from).with_context(|| format!("list {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                files::make_directory(&target)?;
                folders.push((path, target));
            } else if kind.is_file() && is_needed(&path) {
                let copied = copy_file(&path, &target);
                unread += copied.with_context(|| format!("copy {}", path.display()))?;
            }
        }
    }
    Ok(unread)
}

/// Locks, leftovers and freed files stay behind.
fn is_needed(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let is_one = |names: &[&str]| name.is_some_and(|name| names.contains(&name));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_one(&["lock", "lock.pid", "runtime.toml"])
        && !extension.is_some_and(|extension| ["free", "new"].contains(&extension))
}

/// Copies a file with its rights; blocks that the disk does not give are zeros in the copy.
fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    let source = File::open(from)?;
    let about = source.metadata()?;
    let mut target = File::create_new(to)?;
    target.set_permissions(about.permissions())?;
    let mut unread = 0;
    let mut at = 0;
    while at < about.len() {
        let left = usize::try_from(about.len() - at).unwrap_or(usize::MAX);
        let mut chunk = vec![0; CHUNK_BYTES.min(left)];
        if source.read_exact_at(&mut chunk, at).is_err() {
            unread += read_blocks(&source, &mut chunk, at);
        }
        target.write_all(&chunk)?;
        at += chunk.len() as u64;
    }
    target.sync_all()?;
    Ok(unread)
}

fn read_blocks(source: &File, chunk: &mut [u8], at: u64) -> u64 {
    let mut unread = 0;
    for (index, block) in (0_u64..).zip(chunk.chunks_mut(BLOCK_BYTES)) {
        let place = at + index * BLOCK_BYTES as u64;
        if source.read_exact_at(block, place).is_err() {
            block.fill(0);
            unread += block.len() as u64;
        }
    }
    unread
}
