//! Looks through a data directory without changing it: for the operator's `verify` and `dump`.

use std::{io, path::Path};

use model::{LogId, Offset, Timestamp};
use thiserror::Error;

use crate::{
    ExtentSequence, Position, Snapshot,
    disk::{Disk, RealDisk, read_file},
    entry::{EXTENT_HEADER_BYTES, EntryHeader, EntryKind, ExtentHeader},
    extent::{LOG_DIR, index_path, parse_log_name},
    index::Index,
    log::{ExtentScan, Found},
    manifest::{MANIFEST, Manifest},
    mark::Mark,
};

/// What was found, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyEvent {
    Manifest {
        partitions: u64,
        /// The first extent that a start would scan.
        scan_from: ExtentSequence,
        synced: Position,
    },
    NoManifest,
    ManifestDamaged,
    /// An extent begins.
    Extent {
        extent: ExtentSequence,
        bytes: u64,
    },
    ExtentHeaderDamaged {
        extent: ExtentSequence,
    },
    /// A sound entry: header, batches' heads and records.
    Entry(EntryFacts),
    /// Bytes that are not what was written. With `known` their header is sound.
    Damaged {
        at: Position,
        bytes: u64,
        known: Option<EntryFacts>,
    },
    /// Zeros between entries: given back to the file system.
    Hole {
        at: Position,
        bytes: u64,
    },
    /// Bytes behind the last entry of the log: an interrupted write, or one going on right now.
    Tail {
        at: Position,
        bytes: u64,
    },
    /// The log ends at `found` and is known to have been synced to `synced`.
    LostEnd {
        found: Position,
        synced: Position,
    },
    /// A sealed extent's index is absent, damaged or disagrees; it will be built again.
    IndexUnsound {
        extent: ExtentSequence,
    },
}

/// One entry's facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFacts {
    pub kind: EntryFactsKind,
    pub id: LogId,
    pub at: Position,
    pub bytes: u32,
    pub batches: u16,
    /// First offset; of a trim the new start.
    pub base: Offset,
    pub next: Offset,
    pub max_timestamp: Timestamp,
}

impl EntryFacts {
    const fn end(&self) -> Position {
        Position {
            extent: self.at.extent,
            byte: self.at.byte.saturating_add(self.bytes),
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFactsKind {
    Batches,
    Trim,
    Remove,
    End,
}

/// The sum of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifySummary {
    pub extents: u64,
    pub entries: u64,
    pub batches: u64,
    pub bytes: u64,
    /// Damaged places; a tail is not one.
    pub damages: u64,
}

/// Why a directory could not be looked through.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error("{0} is no data directory: it has no folder `log`")]
    NotADataDirectory(String),
    #[error("extent {extent} has format version {version}, newer than this program knows")]
    Version { extent: u32, version: u32 },
    #[error("read data directory")]
    Io(#[from] io::Error),
}

/// Reads every byte of the log in `dir` and tells `visit` what is there.
///
/// A log that is in use can be verified too; its end may then look torn.
///
/// # Errors
/// The directory is none of ours, or could not be read.
pub fn verify(
    dir: &Path,
    visit: &mut dyn FnMut(VerifyEvent),
) -> Result<VerifySummary, VerifyError> {
    verify_on(&open(dir)?, visit)
}

fn open(dir: &Path) -> Result<RealDisk, VerifyError> {
    if !dir.join(LOG_DIR).is_dir() {
        let name = dir.display().to_string();
        return Err(VerifyError::NotADataDirectory(name));
    }
    Ok(RealDisk::new(dir, false)?)
}

/// As [`verify`], on any disk.
///
/// # Errors
/// The directory could not be read.
pub fn verify_on(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(VerifyEvent),
) -> Result<VerifySummary, VerifyError> {
    walk(disk, visit, &mut |_, _| {})
}

/// Sees a sound entry and its batches.
type Batches<'a> = dyn FnMut(&EntryHeader, &[u8]) + 'a;

fn walk(
    disk: &dyn Disk,
    visit: &mut dyn FnMut(VerifyEvent),
    batches: &mut Batches<'_>,
) -> Result<VerifySummary, VerifyError> {
    let mut verifier = Verifier {
        disk,
        visit,
        batches,
        summary: VerifySummary::default(),
        end: Position::default(),
    };
    let manifest = verifier.manifest()?;
    let names = disk.list(LOG_DIR)?;
    let mut extents: Vec<_> = names
        .iter()
        .filter_map(|name| parse_log_name(name))
        .collect();
    extents.sort_unstable();
    // Read before the entries: a log in use goes on meanwhile.
    let marked = Mark::read(disk)?;
    let mut salt = manifest.as_ref().map(|manifest| manifest.salt);
    salt = salt.or_else(|| marked.map(|marked| marked.salt));
    let of_mark = marked.filter(|marked| salt == Some(marked.salt));
    let of_manifest = manifest.as_ref().map(|manifest| manifest.synced);
    let synced = of_manifest.max(of_mark.map(|marked| marked.synced));
    let scan_from = manifest.map_or(ExtentSequence(0), |manifest| manifest.scan_from);
    for &extent in &extents {
        let mut scan = ExtentScan::open(disk, extent)?;
        verifier.summary.extents += 1;
        verifier.tell(VerifyEvent::Extent {
            extent,
            bytes: u64::from(scan.file_bytes()),
        });
        match scan.header() {
            ExtentHeader::Sound { salt: own, .. } => _ = salt.get_or_insert(own),
            ExtentHeader::Newer { version } => {
                let extent = extent.0;
                return Err(VerifyError::Version { extent, version });
            }
            ExtentHeader::Damaged => {
                verifier.tell(VerifyEvent::ExtentHeaderDamaged { extent });
            }
        }
        scan.set_salt(salt.unwrap_or(0));
        let entries = verifier.extent(&mut scan)?;
        if extent < scan_from {
            verifier.index(extent, entries);
        }
    }
    let found = verifier.end;
    if let Some(synced) = synced.filter(|&synced| is_before(found, synced)) {
        verifier.tell(VerifyEvent::LostEnd { found, synced });
    }
    Ok(verifier.summary)
}

/// Whether what ends at `found` lacks anything before `synced`. An extent that was begun holds its
/// own header before anything else.
fn is_before(found: Position, synced: Position) -> bool {
    let is_next = synced.extent == found.extent.next() && synced.byte <= EXTENT_HEADER_BYTES;
    found < synced && !is_next
}

/// Gives the batches of one partition, entry by entry in the order of the log, to `visit`: all that
/// is sound, also what was trimmed and not yet given back.
///
/// A log that is in use can be read too.
///
/// # Errors
/// The directory is none of ours, or could not be read.
pub fn read_batches(
    dir: &Path,
    id: LogId,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<(), VerifyError> {
    let nothing = &mut |_| {};
    let mut batches = |header: &EntryHeader, body: &[u8]| {
        if header.id == id && header.kind == EntryKind::Batches {
            visit(body);
        }
    };
    walk(&open(dir)?, nothing, &mut batches).map(drop)
}

/// What the checkpoint keeps of a partition, if the manifest is sound.
///
/// # Errors
/// The directory is none of ours, or could not be read.
pub fn read_snapshot(dir: &Path, id: LogId) -> Result<Option<Snapshot>, VerifyError> {
    let disk = open(dir)?;
    let manifest = read_file(&disk, MANIFEST)?.and_then(|bytes| Manifest::decode(bytes).ok());
    let partitions = manifest.map_or_else(Vec::new, |manifest| manifest.partitions);
    let mut found = partitions
        .into_iter()
        .filter(|partition| partition.id == id);
    Ok(found.next().and_then(|partition| partition.snapshot))
}

struct Verifier<'a> {
    disk: &'a dyn Disk,
    visit: &'a mut dyn FnMut(VerifyEvent),
    batches: &'a mut Batches<'a>,
    summary: VerifySummary,
    /// Where the last sound entry ends.
    end: Position,
}

impl Verifier<'_> {
    fn tell(&mut self, event: VerifyEvent) {
        match &event {
            VerifyEvent::Entry(facts) => {
                self.summary.entries += 1;
                self.summary.batches += u64::from(facts.batches);
                self.summary.bytes += u64::from(facts.bytes);
                self.end = facts.end();
            }
            VerifyEvent::ManifestDamaged
            | VerifyEvent::ExtentHeaderDamaged { .. }
            | VerifyEvent::Damaged { .. }
            | VerifyEvent::LostEnd { .. }
            | VerifyEvent::IndexUnsound { .. } => self.summary.damages += 1,
            VerifyEvent::Manifest { .. }
            | VerifyEvent::NoManifest
            | VerifyEvent::Extent { .. }
            | VerifyEvent::Hole { .. }
            | VerifyEvent::Tail { .. } => {}
        }
        (self.visit)(event);
    }

    fn manifest(&mut self) -> Result<Option<Manifest>, VerifyError> {
        let Some(bytes) = read_file(self.disk, MANIFEST)? else {
            self.tell(VerifyEvent::NoManifest);
            return Ok(None);
        };
        let manifest = Manifest::decode(bytes).ok();
        self.tell(
            manifest
                .as_ref()
                .map_or(VerifyEvent::ManifestDamaged, |manifest| {
                    VerifyEvent::Manifest {
                        partitions: u64::try_from(manifest.partitions.len()).unwrap_or(u64::MAX),
                        scan_from: manifest.scan_from,
                        synced: manifest.synced,
                    }
                }),
        );
        Ok(manifest)
    }

    /// Walks one extent; gives how many entries hold batches.
    fn extent(&mut self, scan: &mut ExtentScan) -> io::Result<u64> {
        let extent = scan.extent;
        let mut with_batches = 0;
        loop {
            match scan.next()? {
                Found::Entry(header) => {
                    with_batches += u64::from(header.kind == EntryKind::Batches);
                    let body = scan.body(&header);
                    (self.batches)(&header, body);
                    self.tell(VerifyEvent::Entry(facts(&header)));
                }
                Found::End(header) => {
                    self.tell(VerifyEvent::Entry(facts(&header)));
                    return Ok(with_batches);
                }
                Found::Unsound { from, until, known } => {
                    let at = Position { extent, byte: from };
                    let bytes = u64::from(until.saturating_sub(from));
                    let known = known.as_ref().map(facts);
                    let is_hole = known.is_none() && scan.is_zero(from, until)?;
                    self.tell(if is_hole {
                        VerifyEvent::Hole { at, bytes }
                    } else {
                        VerifyEvent::Damaged { at, bytes, known }
                    });
                }
                Found::Rest { from } => {
                    let bytes = scan.written_after(from)?;
                    if bytes > 0 {
                        let at = Position { extent, byte: from };
                        self.tell(VerifyEvent::Tail { at, bytes });
                    }
                    return Ok(with_batches);
                }
            }
        }
    }

    fn index(&mut self, extent: ExtentSequence, with_batches: u64) {
        let mapped = self.disk.map(&index_path(extent)).ok();
        let index = mapped.and_then(|bytes| Index::open(extent, bytes));
        // Holes leave fewer entries in the extent than the index has, never more.
        let is_sound = index.is_some_and(|index| {
            u64::try_from(index.entries().count()).unwrap_or(u64::MAX) >= with_batches
        });
        if !is_sound {
            self.tell(VerifyEvent::IndexUnsound { extent });
        }
    }
}

fn facts(header: &EntryHeader) -> EntryFacts {
    EntryFacts {
        kind: match header.kind {
            EntryKind::Batches => EntryFactsKind::Batches,
            EntryKind::Trim => EntryFactsKind::Trim,
            EntryKind::Remove => EntryFactsKind::Remove,
            EntryKind::End => EntryFactsKind::End,
        },
        id: header.id,
        at: header.position,
        bytes: header.total_bytes(),
        batches: header.batch_count,
        base: header.base,
        next: header.next,
        max_timestamp: header.max_timestamp,
    }
}
