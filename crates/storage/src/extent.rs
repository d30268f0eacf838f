//! Extents: their names, their states, and who still needs their bytes.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use model::LogId;

use crate::{
    ExtentSequence,
    disk::{Disk, DiskFile},
    entry::EXTENT_HEADER_BYTES,
    index::Index,
    locked::lock,
    log::Known,
    partition::EntryRef,
};

pub(crate) const LOG_DIR: &str = "log";
/// Below this an extent would be mostly headers; above, positions and recovery get unwieldy.
pub(crate) const EXTENT_BYTES_MIN: u64 = 4096;
pub(crate) const EXTENT_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn log_path(extent: ExtentSequence) -> String {
    format!("{LOG_DIR}/{:010}.log", extent.0)
}

/// A freed extent's file, kept for another one.
pub(crate) fn free_path(extent: ExtentSequence) -> String {
    format!("{LOG_DIR}/{:010}.free", extent.0)
}

pub(crate) fn index_name(extent: ExtentSequence) -> String {
    format!("{:010}.index", extent.0)
}

pub(crate) fn index_path(extent: ExtentSequence) -> String {
    format!("{LOG_DIR}/{}", index_name(extent))
}

/// The number of an extent file, if the name is one.
pub(crate) fn parse_log_name(name: &str) -> Option<ExtentSequence> {
    parse_name(name, ".log")
}

/// The former number of a freed extent's file, if the name is one.
pub(crate) fn parse_free_name(name: &str) -> Option<ExtentSequence> {
    parse_name(name, ".free")
}

/// The number of the extent whose index a file is or was to become, if the name is of one.
pub(crate) fn parse_index_name(name: &str) -> Option<ExtentSequence> {
    parse_name(name.strip_suffix(".new").unwrap_or(name), ".index")
}

fn parse_name(name: &str, suffix: &str) -> Option<ExtentSequence> {
    let digits = name.strip_suffix(suffix)?;
    let sequence = digits.parse().ok()?;
    (digits.len() == 10 && sequence > 0).then_some(ExtentSequence(sequence))
}

/// An extent that is being filled or was just filled.
pub(crate) struct OpenExtent {
    pub(crate) sequence: ExtentSequence,
    /// What it begins with; written already.
    pub(crate) header: [u8; EXTENT_HEADER_BYTES as usize],
    pub(crate) file: Arc<dyn DiskFile>,
    /// The file was another extent's before: its pages may still be on their way to a reader.
    pub(crate) is_reused: bool,
}

/// A filled extent whose index is to be written.
pub(crate) struct FilledExtent {
    pub(crate) sequence: ExtentSequence,
    pub(crate) entries: Vec<(LogId, EntryRef)>,
}

/// What is known of every extent but the one being filled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ExtentFacts {
    /// Bytes of entries that a partition still refers to. Negative for a while when something
    /// in an extent dies before the extent is filled.
    pub(crate) live_bytes: i64,
    /// Something in it died since holes were last punched.
    pub(crate) has_new_dead: bool,
}

/// All extents. The lock is taken after a partition's and the queue's, never before.
#[derive(Default)]
pub(crate) struct ExtentSet {
    facts: Mutex<BTreeMap<ExtentSequence, ExtentFacts>>,
    filled: Mutex<VecDeque<FilledExtent>>,
    sealed_through: AtomicU32,
    /// The first extent that the next start will scan; all before may be deleted when dead.
    scan_from: AtomicU32,
}

impl ExtentSet {
    pub(crate) fn sealed_through(&self) -> ExtentSequence {
        ExtentSequence(self.sealed_through.load(Ordering::Acquire))
    }

    pub(crate) fn set_sealed_through(&self, extent: ExtentSequence) {
        self.sealed_through.store(extent.0, Ordering::Release);
    }

    pub(crate) fn scan_from(&self) -> ExtentSequence {
        ExtentSequence(self.scan_from.load(Ordering::Acquire))
    }

    pub(crate) fn set_scan_from(&self, extent: ExtentSequence) {
        self.scan_from.store(extent.0, Ordering::Release);
    }

    /// Adds an extent, or what is live in it.
    pub(crate) fn add_live(&self, extent: ExtentSequence, bytes: u64) {
        let mut facts = lock(&self.facts);
        let fact = facts.entry(extent).or_default();
        fact.live_bytes = fact.live_bytes.saturating_add_unsigned(bytes);
    }

    /// Takes note that bytes of an extent are not needed any more.
    pub(crate) fn release(&self, extent: ExtentSequence, bytes: u64) {
        let mut facts = lock(&self.facts);
        let fact = facts.entry(extent).or_default();
        fact.live_bytes = fact.live_bytes.saturating_sub_unsigned(bytes);
        fact.has_new_dead = true;
    }

    /// Bytes that died in an extent before it was filled.
    pub(crate) fn dead_bytes(&self, unfilled: ExtentSequence) -> u64 {
        let facts = lock(&self.facts);
        let live_bytes = facts.get(&unfilled).map_or(0, |fact| fact.live_bytes);
        live_bytes.min(0).unsigned_abs()
    }

    pub(crate) fn push_filled(&self, extent: FilledExtent) {
        lock(&self.filled).push_back(extent);
    }

    pub(crate) fn pop_filled(&self) -> Option<FilledExtent> {
        lock(&self.filled).pop_front()
    }

    pub(crate) fn push_filled_front(&self, extent: FilledExtent) {
        lock(&self.filled).push_front(extent);
    }

    /// Extents below `before` that nobody needs; they are forgotten here.
    pub(crate) fn take_dead(&self, before: ExtentSequence) -> Vec<ExtentSequence> {
        let mut facts = lock(&self.facts);
        let dead: Vec<_> = facts
            .range(..before)
            .filter(|(_, fact)| fact.live_bytes <= 0)
            .map(|(&extent, _)| extent)
            .collect();
        for extent in &dead {
            facts.remove(extent);
        }
        dead
    }

    /// Extents below `before` in which something died; asking clears the mark.
    pub(crate) fn take_new_dead(&self, before: ExtentSequence) -> Vec<ExtentSequence> {
        let mut facts = lock(&self.facts);
        let marked = facts
            .range_mut(..before)
            .filter(|(_, fact)| fact.has_new_dead);
        marked
            .map(|(&extent, fact)| {
                fact.has_new_dead = false;
                extent
            })
            .collect()
    }

    /// Whether an extent in the range holds nothing that is needed any more.
    pub(crate) fn has_dead(&self, from: ExtentSequence, before: ExtentSequence) -> bool {
        let facts = lock(&self.facts);
        let mut range = facts.range(from..before.max(from));
        range.any(|(_, fact)| fact.live_bytes <= 0)
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.facts).len()
    }

    pub(crate) fn total_live_bytes(&self) -> u64 {
        let facts = lock(&self.facts);
        let live = facts.values().map(|fact| fact.live_bytes.max(0));
        live.map(i64::unsigned_abs).sum()
    }
}

/// Open things of extents, the least recently used closed when there are too many.
pub(crate) struct Cache<T> {
    max: usize,
    inner: Mutex<CacheInner<T>>,
}

struct CacheInner<T> {
    tick: u64,
    held: HashMap<ExtentSequence, (u64, T)>,
}

impl<T: Clone> Cache<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            inner: Mutex::new(CacheInner {
                tick: 0,
                held: HashMap::new(),
            }),
        }
    }

    /// What is held for `extent`.
    pub(crate) fn find(&self, extent: ExtentSequence) -> Option<T> {
        let mut inner = lock(&self.inner);
        inner.tick += 1;
        let tick = inner.tick;
        let (used, held) = inner.held.get_mut(&extent)?;
        *used = tick;
        Some(held.clone())
    }

    /// What is held for `extent`, else what `open` makes. Two callers may open at once; one wins.
    pub(crate) fn find_or_open<E>(
        &self,
        extent: ExtentSequence,
        open: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if let Some(held) = self.find(extent) {
            return Ok(held);
        }
        let opened = open()?;
        self.insert(extent, opened.clone());
        Ok(opened)
    }

    pub(crate) fn insert(&self, extent: ExtentSequence, value: T) {
        let mut inner = lock(&self.inner);
        inner.tick += 1;
        let tick = inner.tick;
        inner.held.insert(extent, (tick, value));
        while inner.held.len() > self.max {
            let oldest = inner.held.iter().min_by_key(|(_, (used, _))| *used);
            let Some(oldest) = oldest.map(|(&extent, _)| extent) else {
                break;
            };
            inner.held.remove(&oldest);
        }
    }

    pub(crate) fn forget(&self, extent: ExtentSequence) {
        lock(&self.inner).held.remove(&extent);
    }
}

/// Descriptors and indexes of extents, opened on demand.
pub(crate) struct Opened {
    pub(crate) files: Cache<Arc<dyn DiskFile>>,
    pub(crate) indexes: Cache<Arc<Index>>,
    /// What was read of the extents that `files` holds, or of a few more.
    pub(crate) known: Cache<Arc<Known>>,
}

impl Opened {
    pub(crate) fn file(
        &self,
        disk: &dyn Disk,
        extent: ExtentSequence,
    ) -> io::Result<Arc<dyn DiskFile>> {
        self.files.find_or_open(extent, || {
            let file = disk.open_for_blocks(&log_path(extent))?;
            file.expect_jumps();
            Ok(file)
        })
    }

    /// Keeps a file that was just made.
    pub(crate) fn keep(&self, extent: ExtentSequence, file: Arc<dyn DiskFile>) {
        file.expect_jumps();
        self.files.insert(extent, file);
    }
}
