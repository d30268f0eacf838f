//! Opening: the manifest is read, the extents after it are scanned, the torn tail is cut.
//!
//! For every stretch of bytes that is not sound the question is whether it was ever known to be
//! synced. The answer is the largest position that any sound entry, or the manifest, calls synced:
//! below it the bytes are damaged, kept aside and reported, and the scan goes on behind them;
//! above it they are an interrupted write, and the log ends there.

mod directory;
mod rebuild;
mod tail;

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Condvar, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
};

use self::{
    directory::{
        Listed, QUARANTINE_DIR, failed, find_known, list_extents, new_salt, read_manifest,
        take_directory,
    },
    rebuild::Rebuild,
};
use super::{
    Core, Counters,
    append::Queue,
    catch_up::CatchUp,
    checkpoint::UNCLEAN,
    cold_cache::ColdCache,
    gate::Gate,
    lend::Loans,
    scan::{ExtentScan, Found},
    spares::{Spares, is_no_space},
    staging::Staging,
    sync::Unsynced,
    upkeep::Wanted,
    write::{STEP_BYTES_MAX, TailCache},
};
use crate::{
    Damage, ExtentSequence, OpenError, Options, Position, Recovery,
    disk::{Disk, replace_file},
    entry::{EXTENT_HEADER_BYTES, ExtentHeader},
    extent::{Cache, ExtentSet, Opened, log_path},
    manifest::Manifest,
    mark::Mark,
    partition::PartitionTable,
};

/// Recovery under way.
struct Opening<'a> {
    disk: &'a dyn Disk,
    salt: Option<u32>,
    /// Largest position that something sound calls synced, as far as was looked.
    synced: Position,
    /// Where the last sound entry ends, as far as was walked.
    found: Position,
    rebuild: Rebuild,
    damages: Vec<Damage>,
    /// Without a manifest, zeros inside an extent may be holes that were punched.
    holes_expected: bool,
    /// Where the log ends if it was closed properly: nothing behind needs to be looked at.
    end: Option<Position>,
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
        let Listed { sequences, free } = list_extents(&*disk, &options)?;
        let (manifest, manifest_damaged) = read_manifest(&*disk, sequences.first().copied())?;
        let known_salt = (manifest.scan_from.0 > 0).then_some(manifest.salt);
        let known = find_known(&*disk, &sequences, known_salt)?;
        let mut opening = Opening {
            disk: &*disk,
            salt: known.salt,
            synced: manifest.synced.max(known.synced),
            found: sealed_end(&manifest),
            rebuild: Rebuild::new(&manifest, manifest_damaged),
            damages: Vec::new(),
            holes_expected: manifest_damaged,
            end: (!was_unclean && manifest.scan_from.0 > 0).then_some(manifest.synced),
        };
        if manifest_damaged {
            opening.damages.push(Damage::Manifest);
        }
        let last = opening.scan(&sequences, manifest.scan_from)?;
        let end = opening.found.max(Position {
            extent: last,
            byte: 0,
        });
        // Above every number that is or was in a file: what it left there must not come to life.
        let freed = free.last().map_or(ExtentSequence(0), |freed| freed.next());
        let next = last.next().max(manifest.scan_from).max(freed);
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
        let mark = Mark::open(&*disk, salt, end);
        let core = Self::assemble(disk, options, salt, Spares::new(next, free));
        let core = Self {
            partitions,
            extents,
            mark,
            ..core
        };
        Ok((core, recovery))
    }

    /// An idle log without partitions, about to fill the next of the spares.
    fn assemble(disk: Arc<dyn Disk>, options: Options, salt: u32, spares: Spares) -> Self {
        let durable = Position {
            extent: spares.next,
            byte: 0,
        };
        let upkeep = Arc::new(Wanted::new());
        Self {
            salt,
            partitions: PartitionTable::default(),
            extents: ExtentSet::default(),
            opened: Opened {
                // Each may be open twice: through the page cache, and past it.
                files: Cache::new(options.descriptors_max.div_ceil(2)),
                indexes: Cache::new(options.indexes_max),
                known: Cache::new(options.descriptors_max),
            },
            loans: Arc::new(Loans::new(Arc::clone(&upkeep))),
            queue: Mutex::new(Queue::default()),
            queue_filled: Condvar::new(),
            spares: Mutex::new(spares),
            writer: Mutex::new(Staging::new(STEP_BYTES_MAX)),
            tail: Mutex::new(TailCache::default()),
            streams: Mutex::default(),
            catch_up: CatchUp::new(options.catch_up_bytes),
            gate: Gate::new(options.cold_reads_beside_writers),
            cold: ColdCache::new(options.cold_cache_bytes),
            unsynced: Mutex::new(Unsynced::default()),
            unsynced_filled: Condvar::new(),
            syncer: Mutex::new(()),
            upkeep,
            upkeeping: Mutex::new(()),
            rebuilding: Mutex::new(()),
            checkpointing: Mutex::new(()),
            durable: AtomicU64::new(durable.pack()),
            mark: Mark::none(),
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
            let until = match self.end {
                Some(end) if end.extent < extent => {
                    self.drop_extents(sequences, extent)?;
                    break;
                }
                Some(end) if end.extent == extent => end.byte,
                _ => u32::MAX,
            };
            if self.is_behind_a_gap(last, extent, sequences)? {
                self.drop_extents(sequences, extent)?;
                break;
            }
            let mut scan = self.open_scan(extent, until)?;
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
            let later = self.from(sequences, extent.next());
            match self.walk(&mut scan, &later)? {
                Walked::On => {
                    self.sync(extent)?;
                    last = extent;
                }
                Walked::Cut { at } => {
                    let is_empty = at <= EXTENT_HEADER_BYTES;
                    self.report_tail(&mut scan, at, &later)?;
                    // First what follows goes, then the extent is ended: the other way round a crash
                    // between the two would leave entries behind the end for good.
                    let drop_from = if is_empty { extent } else { extent.next() };
                    self.drop_extents(sequences, drop_from)?;
                    if is_empty {
                        self.rebuild.abandon_extent();
                    } else {
                        self.cut(extent, at, scan.file_bytes())?;
                        last = extent;
                    }
                    break;
                }
            }
        }
        // With the manifest damaged too, nothing says that there was more.
        self.misses(last.next());
        Ok(last)
    }

    /// The extents from `extent` on that may say something about the log: none behind its end, if
    /// that is known. What was prepared there may be a former extent's, and worn out.
    fn from(
        &self,
        sequences: &BTreeSet<ExtentSequence>,
        extent: ExtentSequence,
    ) -> Vec<ExtentSequence> {
        let is_before_end =
            |&&later: &&ExtentSequence| self.end.is_none_or(|end| later <= end.extent);
        let later = sequences.range(extent..).take_while(is_before_end);
        later.copied().collect()
    }

    /// Whether `extent` does not follow `last` and nothing says that what is between was synced.
    fn is_behind_a_gap(
        &mut self,
        last: ExtentSequence,
        extent: ExtentSequence,
        sequences: &BTreeSet<ExtentSequence>,
    ) -> Result<bool, OpenError> {
        if extent == last.next() || self.holes_expected {
            return Ok(false);
        }
        for later in self.from(sequences, extent) {
            let mut scan = self.open_scan(later, u32::MAX)?;
            self.look_ahead(&mut scan)?;
        }
        Ok(!self.misses(last.next()))
    }

    /// Whether an extent that is not there held something that was known to be synced: reported.
    fn misses(&mut self, extent: ExtentSequence) -> bool {
        let start = Position {
            extent,
            byte: EXTENT_HEADER_BYTES,
        };
        let missing = start < self.synced;
        if missing {
            tracing::error!(
                file = log_path(extent),
                "a file with synced bytes is missing"
            );
            self.damages.push(Damage::MissingExtent { extent });
        }
        missing
    }

    /// An unreadable file ends the start: what it holds decides what may be cut.
    fn open_scan(&self, extent: ExtentSequence, until: u32) -> Result<ExtentScan, OpenError> {
        let scan = ExtentScan::open_until(self.disk, extent, until);
        let mut scan = scan.map_err(|error| failed("read", &log_path(extent))(error))?;
        scan.set_salt(self.salt.unwrap_or(0));
        Ok(scan)
    }

    /// Walks the entries of one extent.
    fn walk(
        &mut self,
        scan: &mut ExtentScan,
        later: &[ExtentSequence],
    ) -> Result<Walked, OpenError> {
        loop {
            match scan.next().map_err(cannot_read(scan))? {
                Found::End(header) => {
                    self.synced = self.synced.max(header.synced);
                    self.found = header.end();
                    return Ok(Walked::On);
                }
                Found::Entry(header) => {
                    self.synced = self.synced.max(header.synced);
                    self.found = header.end();
                    let bytes = scan.from(header.position.byte);
                    self.rebuild.apply(&header, bytes);
                }
                Found::Unsound { from, until, known } => {
                    if !self.was_synced(scan, from, later)? {
                        return Ok(Walked::Cut { at: from });
                    }
                    self.quarantine(scan, from, until)?;
                    if let Some(header) = known {
                        self.found = header.end();
                        self.rebuild.lose(&header);
                    }
                }
                Found::Rest { from } => {
                    if !self.was_synced(scan, from, later)? {
                        return Ok(Walked::Cut { at: from });
                    }
                    self.lose_rest(scan, from)?;
                    return Ok(Walked::On);
                }
            }
        }
    }

    /// Whether something sound says that the byte was synced. Looks ahead, to the end of the log.
    fn was_synced(
        &mut self,
        scan: &mut ExtentScan,
        byte: u32,
        later: &[ExtentSequence],
    ) -> Result<bool, OpenError> {
        let position = Position {
            extent: scan.extent,
            byte,
        };
        if position < self.synced {
            return Ok(true);
        }
        let resume = scan.position();
        scan.seek(byte);
        self.look_ahead(scan)?;
        scan.seek(resume);
        for &extent in later {
            if position < self.synced {
                break;
            }
            let mut scan = self.open_scan(extent, u32::MAX)?;
            self.look_ahead(&mut scan)?;
        }
        Ok(position < self.synced)
    }

    fn look_ahead(&mut self, scan: &mut ExtentScan) -> Result<(), OpenError> {
        loop {
            match scan.next().map_err(cannot_read(scan))? {
                Found::Entry(header)
                | Found::End(header)
                | Found::Unsound {
                    known: Some(header),
                    ..
                } => self.synced = self.synced.max(header.synced),
                Found::Unsound { known: None, .. } => {}
                Found::Rest { .. } => return Ok(()),
            }
            if scan.is_at_end() {
                return Ok(());
            }
        }
    }

    /// Keeps damaged bytes aside and reports them.
    fn quarantine(
        &mut self,
        scan: &mut ExtentScan,
        from: u32,
        until: u32,
    ) -> Result<(), OpenError> {
        if self.holes_expected && scan.is_zero(from, until).map_err(cannot_read(scan))? {
            return Ok(());
        }
        let bytes = scan.read(from, until).map_err(cannot_read(scan))?;
        let name = format!("{:010}-{from}", scan.extent.0);
        let at = Position {
            extent: scan.extent,
            byte: from,
        };
        match replace_file(self.disk, QUARANTINE_DIR, &name, &bytes) {
            Ok(()) => {
                tracing::error!(%at, bytes = bytes.len(), "synced bytes are damaged: copied to quarantine");
            }
            // They stay where they are, too: a full disk must not keep the rest from being read.
            Err(error) if is_no_space(&error) => {
                tracing::error!(%at, bytes = bytes.len(), %error, "synced bytes are damaged, and not copied to quarantine");
            }
            Err(error) => return Err(failed("quarantine", &name)(error)),
        }
        self.damages.push(Damage::Quarantined {
            at,
            bytes: u64::from(until.saturating_sub(from)),
        });
        Ok(())
    }
}

/// Where the last sealed extent ends, as far as the manifest says it.
fn sealed_end(manifest: &Manifest) -> Position {
    let sealed = Position {
        extent: ExtentSequence(manifest.scan_from.0.saturating_sub(1)),
        byte: 0,
    };
    let is_sealed = manifest.synced.extent < manifest.scan_from;
    sealed.max(if is_sealed { manifest.synced } else { sealed })
}

fn cannot_read(scan: &ExtentScan) -> impl FnOnce(io::Error) -> OpenError + use<> {
    failed("read", &log_path(scan.extent))
}

fn written_after(scan: &mut ExtentScan, byte: u32) -> Result<u64, OpenError> {
    scan.written_after(byte).map_err(cannot_read(scan))
}
