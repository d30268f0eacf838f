//! Opening: the manifest is read, the extents after it are scanned, the torn tail is cut.
//!
//! For every stretch of bytes that is not sound the question is whether it was ever known to be
//! synced. The answer is the largest position that any sound entry, or the manifest, calls synced:
//! below it the bytes are damaged, kept aside and reported, and the scan goes on behind them;
//! above it they are an interrupted write, and the log ends there.

mod rebuild;

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, IoSlice},
    sync::{
        Arc, Condvar, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
};

use model::{LogId, Offset};

use self::rebuild::Rebuild;
use super::{
    Core, Counters,
    append::{Queue, Spares},
    checkpoint::UNCLEAN,
    scan::{ExtentScan, Found},
    staging::Staging,
    sync::Unsynced,
    write::{STEP_BYTES_MAX, TailCache},
};
use crate::{
    Damage, ExtentSequence, OpenError, Options, Position, Recovery,
    disk::{Disk, read_file, replace_file},
    entry::{ENTRY_HEADER_BYTES, EXTENT_HEADER_BYTES, EntryHeader, EntryKind, ExtentHeader},
    extent::{
        Cache, EXTENT_BYTES_MAX, EXTENT_BYTES_MIN, ExtentSet, LOG_DIR, Opened, log_path,
        parse_log_name,
    },
    manifest::{MANIFEST, Manifest, ManifestError},
    partition::PartitionTable,
};

const QUARANTINE_DIR: &str = "quarantine";
const LOCK: &str = "lock";
/// Extents are multiples of this, so that holes and entries line up.
const EXTENT_BYTES_STEP: u64 = 4096;

/// Recovery under way.
struct Opening<'a> {
    disk: &'a dyn Disk,
    salt: Option<u32>,
    /// Largest position that something sound calls synced, as far as was looked.
    synced: Position,
    rebuild: Rebuild,
    damages: Vec<Damage>,
    /// Without a manifest, zeros inside an extent may be holes that were punched.
    holes_expected: bool,
}

/// How the walk through one extent ended.
enum Walked {
    /// The log goes on in the next extent.
    On,
    /// The log ends here.
    Cut { at: u32 },
}

impl Core {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        mut options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        let was_unclean = take_directory(&*disk, &mut options)?;
        let sequences = list_extents(&*disk)?;
        let (manifest, manifest_damaged) = read_manifest(&*disk, sequences.first().copied())?;
        let mut opening = Opening {
            disk: &*disk,
            salt: (manifest.scan_from.0 > 0).then_some(manifest.salt),
            synced: manifest.synced,
            rebuild: Rebuild::new(&manifest, manifest_damaged),
            damages: Vec::new(),
            holes_expected: manifest_damaged,
        };
        if manifest_damaged {
            opening.damages.push(Damage::Manifest);
        }
        let last = opening.scan(&sequences, manifest.scan_from)?;
        let next = last.next().max(manifest.scan_from);
        let salt = opening.salt.unwrap_or_else(new_salt);
        let mut damages = opening.damages;
        let rebuilt = opening.rebuild.finish(&sequences, &mut damages);
        let extents = ExtentSet::default();
        for &extent in sequences.iter().filter(|&&extent| extent <= last) {
            extents.add_live(extent, 0);
        }
        for (extent, bytes) in rebuilt.live {
            extents.add_live(extent, bytes);
        }
        extents.set_sealed_through(ExtentSequence(manifest.scan_from.0.saturating_sub(1)));
        extents.set_scan_from(manifest.scan_from);
        for filled in rebuilt.filled {
            extents.push_filled(filled);
        }
        let partitions = PartitionTable::default();
        for partition in rebuilt.partitions {
            partitions.insert_absent(partition.id, || partition);
        }
        let recovery = Recovery {
            clean: !was_unclean && damages.is_empty(),
            partitions: rebuilt.recovered,
            damages,
        };
        let core = Self::assemble(disk, options, salt, next);
        let core = Self {
            partitions,
            extents,
            ..core
        };
        Ok((core, recovery))
    }

    /// An idle log without partitions, about to fill the extent `next`.
    fn assemble(disk: Arc<dyn Disk>, options: Options, salt: u32, next: ExtentSequence) -> Self {
        let durable = Position {
            extent: next,
            byte: 0,
        };
        Self {
            salt,
            partitions: PartitionTable::default(),
            extents: ExtentSet::default(),
            opened: Opened {
                files: Cache::new(options.descriptors_max),
                indexes: Cache::new(options.indexes_max),
            },
            queue: Mutex::new(Queue::default()),
            queue_filled: Condvar::new(),
            spares: Mutex::new(Spares::starting_at(next)),
            writer: Mutex::new(Staging::new(STEP_BYTES_MAX)),
            tail: Mutex::new(TailCache::default()),
            unsynced: Mutex::new(Unsynced::default()),
            unsynced_filled: Condvar::new(),
            syncer: Mutex::new(()),
            upkeep: Mutex::new(true),
            upkeep_wanted: Condvar::new(),
            upkeeping: Mutex::new(()),
            checkpointing: Mutex::new(()),
            durable: AtomicU64::new(durable.pack()),
            closed: OnceLock::new(),
            ending: AtomicBool::new(false),
            no_space: AtomicBool::new(false),
            reported_damages: Mutex::new(BTreeSet::new()),
            counters: Counters::default(),
            options,
            disk,
        }
    }
}

impl Opening<'_> {
    /// Scans the extents from `scan_from` on; gives the last one that belongs to the log.
    fn scan(
        &mut self,
        sequences: &BTreeSet<ExtentSequence>,
        scan_from: ExtentSequence,
    ) -> Result<ExtentSequence, OpenError> {
        let mut last = ExtentSequence(scan_from.0.saturating_sub(1));
        for &extent in sequences.range(scan_from..) {
            if self.is_behind_a_gap(last, extent, sequences) {
                self.drop_extents(sequences, extent)?;
                break;
            }
            let scan = ExtentScan::open(self.disk, extent);
            let mut scan = scan.map_err(|error| failed("read", &log_path(extent))(error))?;
            match scan.header() {
                ExtentHeader::Sound { salt, .. } => {
                    self.salt.get_or_insert(salt);
                }
                ExtentHeader::Newer { version } => {
                    let file = log_path(extent);
                    return Err(OpenError::Version { file, version });
                }
                ExtentHeader::Damaged => {}
            }
            scan.set_salt(self.salt.unwrap_or(0));
            self.rebuild.begin_extent(extent);
            let after = sequences.range(extent.next()..);
            let later: Vec<ExtentSequence> = after.copied().collect();
            match self.walk(&mut scan, &later)? {
                Walked::On => {
                    self.sync(extent)?;
                    last = extent;
                }
                Walked::Cut { at } => {
                    let is_empty = at <= EXTENT_HEADER_BYTES;
                    self.report_tail(&scan, at, &later);
                    // First what follows goes, then the extent is ended: the other way round a crash
                    // between the two would leave entries behind the end for good.
                    let drop_from = if is_empty { extent } else { extent.next() };
                    self.drop_extents(sequences, drop_from)?;
                    if is_empty {
                        self.rebuild.abandon_extent();
                    } else {
                        self.cut(extent, at, scan.bytes.len())?;
                        last = extent;
                    }
                    break;
                }
            }
        }
        Ok(last)
    }

    /// Whether `extent` does not follow `last` and nothing says that what is between was synced.
    fn is_behind_a_gap(
        &mut self,
        last: ExtentSequence,
        extent: ExtentSequence,
        sequences: &BTreeSet<ExtentSequence>,
    ) -> bool {
        if extent == last.next() || self.holes_expected {
            return false;
        }
        for &later in sequences.range(extent..) {
            if let Ok(mut scan) = ExtentScan::open(self.disk, later) {
                scan.set_salt(self.salt.unwrap_or(0));
                self.look_ahead(&mut scan);
            }
        }
        let gap = last.next();
        let gap_start = Position {
            extent: gap,
            byte: EXTENT_HEADER_BYTES,
        };
        if gap_start >= self.synced {
            return true;
        }
        self.damages.push(Damage::MissingExtent { extent: gap });
        false
    }

    /// Walks the entries of one extent.
    fn walk(
        &mut self,
        scan: &mut ExtentScan,
        later: &[ExtentSequence],
    ) -> Result<Walked, OpenError> {
        loop {
            match scan.next() {
                Found::End(header) => {
                    self.synced = self.synced.max(header.synced);
                    return Ok(Walked::On);
                }
                Found::Entry(header) => {
                    self.synced = self.synced.max(header.synced);
                    let bytes = scan.from(header.position.byte);
                    self.rebuild.apply(&header, bytes);
                }
                Found::Unsound { from, until, known } => {
                    if !self.was_synced(scan, from, later) {
                        return Ok(Walked::Cut { at: from });
                    }
                    self.quarantine(scan, from, until)?;
                    if let Some(header) = known {
                        self.rebuild.lose(&header);
                    }
                }
                Found::Rest { from } => {
                    if !self.was_synced(scan, from, later) {
                        return Ok(Walked::Cut { at: from });
                    }
                    let end = u32::try_from(scan.bytes.len()).unwrap_or(u32::MAX);
                    self.quarantine(scan, from, end)?;
                    return Ok(Walked::On);
                }
            }
        }
    }

    /// Whether something sound says that the byte was synced. Looks ahead, to the end of the log.
    fn was_synced(&mut self, scan: &mut ExtentScan, byte: u32, later: &[ExtentSequence]) -> bool {
        let position = Position {
            extent: scan.extent,
            byte,
        };
        if position < self.synced {
            return true;
        }
        let resume = scan.position();
        scan.seek(byte);
        self.look_ahead(scan);
        scan.seek(resume);
        for &extent in later {
            if position < self.synced {
                break;
            }
            if let Ok(mut scan) = ExtentScan::open(self.disk, extent) {
                scan.set_salt(self.salt.unwrap_or(0));
                self.look_ahead(&mut scan);
            }
        }
        position < self.synced
    }

    fn look_ahead(&mut self, scan: &mut ExtentScan) {
        loop {
            match scan.next() {
                Found::Entry(header)
                | Found::End(header)
                | Found::Unsound {
                    known: Some(header),
                    ..
                } => self.synced = self.synced.max(header.synced),
                Found::Unsound { known: None, .. } => {}
                Found::Rest { .. } => return,
            }
            if scan.is_at_end() {
                return;
            }
        }
    }

    /// Keeps damaged bytes aside and reports them.
    fn quarantine(&mut self, scan: &ExtentScan, from: u32, until: u32) -> Result<(), OpenError> {
        let len = usize::try_from(until.saturating_sub(from)).unwrap_or(0);
        let bytes = scan.from(from).get(..len).unwrap_or_default();
        if self.holes_expected && scan.is_zero(from, until) {
            return Ok(());
        }
        let name = format!("{:010}-{from}", scan.extent.0);
        replace_file(self.disk, QUARANTINE_DIR, &name, bytes)
            .map_err(|error| failed("quarantine", &name)(error))?;
        let at = Position {
            extent: scan.extent,
            byte: from,
        };
        tracing::error!(%at, bytes = len, "synced bytes are damaged: moved to quarantine");
        self.damages.push(Damage::Quarantined {
            at,
            bytes: u64::from(until.saturating_sub(from)),
        });
        Ok(())
    }

    fn report_tail(&mut self, scan: &ExtentScan, at: u32, later: &[ExtentSequence]) {
        let torn = scan.written_after(at);
        let dropped = later.iter().any(|&extent| {
            let scan = ExtentScan::open(self.disk, extent);
            scan.is_ok_and(|scan| scan.written_after(EXTENT_HEADER_BYTES) > 0)
        });
        if torn > 0 || dropped {
            let at = Position {
                extent: scan.extent,
                byte: at,
            };
            tracing::warn!(%at, bytes = torn, "cut a torn tail that was never known to be synced");
            self.damages.push(Damage::TornTail { at, bytes: torn });
        }
    }

    /// Ends the extent at `at`: nothing behind it can ever be taken for an entry.
    fn cut(&self, extent: ExtentSequence, at: u32, len: usize) -> Result<(), OpenError> {
        let path = log_path(extent);
        let position = Position { extent, byte: at };
        let header = EntryHeader {
            position,
            synced: position,
            ..EntryHeader::control(EntryKind::End, LogId(0), Offset(0), Offset(0))
        };
        let encoded = header.encode(self.salt.unwrap_or(0), std::iter::empty());
        let behind = u64::from(at) + u64::from(ENTRY_HEADER_BYTES);
        let rest = u64::try_from(len)
            .unwrap_or(u64::MAX)
            .saturating_sub(behind);
        let ended = self.disk.open(&path).and_then(|file| {
            file.sync_data()?;
            file.punch(u64::from(at), rest + u64::from(ENTRY_HEADER_BYTES))?;
            file.sync_data()?;
            file.write_at(u64::from(at), &[IoSlice::new(&encoded)])?;
            file.sync_data()
        });
        ended.map_err(|error| failed("cut", &path)(error))
    }

    /// Entries that were found valid may not have been synced yet.
    fn sync(&self, extent: ExtentSequence) -> Result<(), OpenError> {
        let path = log_path(extent);
        let synced = self.disk.open(&path).and_then(|file| file.sync_data());
        synced.map_err(|error| failed("sync", &path)(error))
    }

    fn drop_extents(
        &self,
        sequences: &BTreeSet<ExtentSequence>,
        from: ExtentSequence,
    ) -> Result<(), OpenError> {
        // The last one first, so that a crash on the way leaves no gap.
        for &extent in sequences.range(from..).rev() {
            let path = log_path(extent);
            let removed = self.disk.remove(&path);
            removed.map_err(|error| failed("remove", &path)(error))?;
        }
        self.disk.sync_dir(LOG_DIR).map_err(failed("sync", LOG_DIR))
    }
}

/// Takes the directory for this process and marks it as open; gives whether it was marked before.
fn take_directory(disk: &dyn Disk, options: &mut Options) -> Result<bool, OpenError> {
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
    let marked = replace_file(disk, "", UNCLEAN, b"open or crashed\n");
    marked.map_err(failed("write", UNCLEAN))?;
    Ok(was_unclean.is_some())
}

fn list_extents(disk: &dyn Disk) -> Result<BTreeSet<ExtentSequence>, OpenError> {
    let names = disk.list(LOG_DIR).map_err(failed("list", LOG_DIR))?;
    Ok(names
        .iter()
        .filter_map(|name| parse_log_name(name))
        .collect())
}

/// The manifest and whether it is damaged, or gone although extents were deleted since.
fn read_manifest(
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

/// A number that clients cannot know.
fn new_salt() -> u32 {
    let random = RandomState::new().build_hasher().finish();
    u32::try_from(random >> 32).unwrap_or(0)
}

fn failed(action: &'static str, file: &str) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io {
        action,
        file: file.to_owned(),
        source,
    }
}
