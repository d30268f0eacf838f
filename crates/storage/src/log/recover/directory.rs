//! The directory before and beside the extents: its lock and marks, the manifest, what files there are.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    io,
};

use super::UNCLEAN;
use crate::{
    ExtentSequence, OpenError, Options, Position,
    disk::{Disk, read_file, replace_file},
    entry::{EXTENT_HEADER_BYTES, ExtentHeader},
    extent::{
        EXTENT_BYTES_MAX, EXTENT_BYTES_MIN, LOG_DIR, free_path, log_path, parse_free_name,
        parse_index_name, parse_log_name,
    },
    log::{scan::ExtentScan, spares::is_no_space},
    manifest::{MANIFEST, Manifest, ManifestError},
    mark::Mark,
};

pub(super) const QUARANTINE_DIR: &str = "quarantine";
const LOCK: &str = "lock";
/// Extents are multiples of this, so that holes and entries line up.
const EXTENT_BYTES_STEP: u64 = 4096;

/// Takes the directory for this process and marks it as open; gives whether it was marked before.
pub(super) fn take_directory(disk: &dyn Disk, options: &mut Options) -> Result<bool, OpenError> {
    let (min, max) = (EXTENT_BYTES_MIN, EXTENT_BYTES_MAX);
    let bytes = options.extent_bytes;
    if bytes < min || bytes > max {
        return Err(OpenError::ExtentBytes { bytes, min, max });
    }
    options.extent_bytes -= bytes % EXTENT_BYTES_STEP;
    disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked,
        _ => failed("lock", LOCK)(error),
    })?;
    for dir in [LOG_DIR, QUARANTINE_DIR] {
        disk.make_dir(dir).map_err(failed("make", dir))?;
    }
    let was_unclean = read_file(disk, UNCLEAN).map_err(failed("read", UNCLEAN))?;
    if was_unclean.is_none() {
        let marked = match replace_file(disk, "", UNCLEAN, b"open or crashed\n") {
            // Its presence is what counts, and an empty file needs no block.
            Err(error) if is_no_space(&error) => replace_file(disk, "", UNCLEAN, b""),
            marked => marked,
        };
        marked.map_err(failed("write", UNCLEAN))?;
    }
    Ok(was_unclean.is_some())
}

/// What the folder of extents holds.
pub(super) struct Listed {
    pub(super) sequences: BTreeSet<ExtentSequence>,
    pub(super) free: BTreeSet<ExtentSequence>,
}

/// Lists extents and freed ones; of these only as many are kept as may be, and no index whose
/// extent is gone.
pub(super) fn list_extents(disk: &dyn Disk, options: &Options) -> Result<Listed, OpenError> {
    let names = disk.list(LOG_DIR).map_err(failed("list", LOG_DIR))?;
    let parsed = |parse: fn(&str) -> Option<ExtentSequence>| -> BTreeSet<ExtentSequence> {
        names.iter().filter_map(|name| parse(name)).collect()
    };
    let mut listed = Listed {
        sequences: parsed(parse_log_name),
        free: parsed(parse_free_name),
    };
    while listed.free.len() > options.reused_extents_max {
        let Some(surplus) = listed.free.pop_first() else {
            break;
        };
        let path = free_path(surplus);
        disk.remove(&path).map_err(failed("remove", &path))?;
    }
    let is_gone = |extent: ExtentSequence| !listed.sequences.contains(&extent);
    for name in &names {
        if parse_index_name(name).is_some_and(is_gone) {
            let path = format!("{LOG_DIR}/{name}");
            disk.remove(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(listed)
}

/// The manifest and whether it is damaged, or gone although extents were deleted since.
pub(super) fn read_manifest(
    disk: &dyn Disk,
    first: Option<ExtentSequence>,
) -> Result<(Manifest, bool), OpenError> {
    let bytes = read_file(disk, MANIFEST).map_err(failed("read", MANIFEST))?;
    match bytes.map(Manifest::decode) {
        None => Ok((Manifest::default(), first.is_some_and(|first| first.0 > 1))),
        Some(Ok(manifest)) => Ok((manifest, false)),
        Some(Err(ManifestError::Damaged)) => {
            tracing::error!("the manifest is damaged: scanning the whole log");
            Ok((Manifest::default(), true))
        }
        Some(Err(ManifestError::Newer { version })) => Err(OpenError::Version {
            file: MANIFEST.to_owned(),
            version,
        }),
    }
}

/// What stands in more than one place, from wherever it is sound.
pub(super) struct KnownTwice {
    pub(super) salt: Option<u32>,
    /// The mark's: the manifest and the entries say more or less.
    pub(super) synced: Position,
}

/// The salt of the entries and the position that was synced. The manifest's salt goes first.
///
/// # Errors
/// Files hold entries, and nothing says any more how to prove them.
pub(super) fn find_known(
    disk: &dyn Disk,
    sequences: &BTreeSet<ExtentSequence>,
    of_manifest: Option<u32>,
) -> Result<KnownTwice, OpenError> {
    let marked = Mark::read(disk).map_err(failed("read", "synced"))?;
    // Another log's mark, copied beside this one, says nothing of it.
    let marked = marked.filter(|marked| of_manifest.is_none_or(|salt| salt == marked.salt));
    let mut known = KnownTwice {
        salt: of_manifest,
        synced: marked.map_or_else(Position::default, |marked| marked.synced),
    };
    let mut holds_bytes = false;
    for &extent in sequences {
        if known.salt.is_some() {
            break;
        }
        let path = log_path(extent);
        let mut scan = ExtentScan::open(disk, extent).map_err(failed("read", &path))?;
        match scan.header() {
            ExtentHeader::Sound { salt, .. } => known.salt = Some(salt),
            ExtentHeader::Newer { .. } => {}
            ExtentHeader::Damaged => {
                let written = scan.written_after(EXTENT_HEADER_BYTES);
                holds_bytes |= written.map_err(failed("read", &path))? > 0;
            }
        }
    }
    known.salt = known.salt.or_else(|| marked.map(|marked| marked.salt));
    if known.salt.is_none() && holds_bytes {
        return Err(OpenError::Unproved);
    }
    Ok(known)
}

/// A number that clients cannot know.
pub(super) fn new_salt() -> u32 {
    let random = RandomState::new().build_hasher().finish();
    u32::try_from(random >> 32).unwrap_or(0)
}

pub(super) fn failed(
    action: &'static str,
    file: &str,
) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let file = file.to_owned();
    move |source| OpenError::Io {
        action,
        file,
        source,
    }
}
