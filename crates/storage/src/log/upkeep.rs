//! What happens behind the appends: extents are prepared, sealed, punched and deleted.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, atomic::Ordering},
};

use model::LogId;

use super::Core;
use crate::{
    ExtentSequence,
    disk::replace_file,
    extent::{FilledExtent, LOG_DIR, index_name, index_path, log_path},
    index::{self, Index},
    locked::lock,
    partition::EntryRef,
};

/// Holes are punched in whole blocks of this size; smaller dead ranges stay until all is dead.
const HOLE_BYTES_MIN: u64 = 64 << 10;
const BLOCK_BYTES: u64 = 4096;

/// Says whether there is work for the upkeep thread.
pub(super) struct Wanted {
    pub(super) is_wanted: Mutex<bool>,
    pub(super) changed: Condvar,
}

impl Wanted {
    /// At first there is: extents are to be prepared.
    pub(super) const fn new() -> Self {
        Self {
            is_wanted: Mutex::new(true),
            changed: Condvar::new(),
        }
    }

    /// There is something to do.
    pub(super) fn call(&self) {
        *lock(&self.is_wanted) = true;
        self.changed.notify_one();
    }
}

impl Core {
    /// Does whatever is due. Errors are logged and left for the next time.
    pub(super) fn step_upkeep(&self) {
        let _upkeeping = lock(&self.upkeeping);
        if self.closed.get().is_some() {
            return;
        }
        self.roll_dead();
        let floor_bytes = self.options.free_space_floor_bytes;
        if !self.prepare(self.options.extents_ahead, floor_bytes) && !lock(&self.queue).is_begun() {
            // After a start on a full disk not even the first append has anywhere to go.
            self.no_space.store(true, Ordering::Relaxed);
        }
        while let Some(filled) = self.extents.pop_filled() {
            let extent = filled.sequence;
            if let Err(error) = self.seal(&filled) {
                tracing::error!(%error, extent = extent.0, "write index");
                self.extents.push_filled_front(filled);
                break;
            }
        }
        let reflected = self.extents.scan_from();
        for extent in self.extents.take_dead(reflected) {
            if self.loans.awaits(extent) {
                self.extents.add_live(extent, 0);
                continue;
            }
            if let Err(error) = self.delete(extent) {
                tracing::error!(%error, extent = extent.0, "delete extent");
                self.extents.add_live(extent, 0);
            }
        }
        for extent in self.extents.take_new_dead(reflected) {
            // What lives in it may be lent again and again: then it waits for other work.
            if self.loans.holds(extent) {
                self.extents.release(extent, 0);
                continue;
            }
            if let Err(error) = self.punch(extent) {
                tracing::warn!(%error, extent = extent.0, "punch holes into extent");
            }
        }
    }

    /// Writes a filled extent's index; from then on its entries are found there.
    fn seal(&self, filled: &FilledExtent) -> io::Result<()> {
        let extent = filled.sequence;
        let encoded = index::encode(extent, filled.entries.clone());
        replace_file(&*self.disk, LOG_DIR, &index_name(extent), &encoded)?;
        self.extents.set_sealed_through(extent);
        let mut ids: Vec<LogId> = filled.entries.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            if let Some(partition) = self.partitions.find(id) {
                partition.lock().prune(extent);
            }
        }
        Ok(())
    }

    /// The log goes first: while it is there, a reader may build the index again.
    fn delete(&self, extent: ExtentSequence) -> io::Result<()> {
        if !self.keep_free(extent)? {
            self.remove_if_there(&log_path(extent))?;
        }
        self.remove_if_there(&index_path(extent))?;
        self.opened.files.forget(extent);
        self.opened.indexes.forget(extent);
        self.opened.known.forget(extent);
        Ok(())
    }

    fn remove_if_there(&self, path: &str) -> io::Result<()> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The index of a sealed extent; built again from the extent when it is missing or damaged.
    pub(super) fn index(&self, extent: ExtentSequence) -> io::Result<Arc<Index>> {
        self.opened.indexes.find_or_open(extent, || {
            if let Some(index) = self.map_index(extent) {
                return Ok(index);
            }
            // One at a time: a file that may be mapped is not written again.
            let _rebuilding = lock(&self.rebuilding);
            if let Some(index) = self.map_index(extent) {
                return Ok(index);
            }
            let entries = self.scan_entries(extent)?;
            tracing::warn!(
                extent = extent.0,
                "index is missing or damaged: built again"
            );
            self.put_index(extent, &index::encode(extent, entries))?;
            let index = self.map_index(extent);
            index.ok_or_else(|| io::ErrorKind::InvalidData.into())
        })
    }

    fn map_index(&self, extent: ExtentSequence) -> Option<Arc<Index>> {
        let mapped = self.disk.map(&index_path(extent)).ok()?;
        Index::open(extent, mapped).map(Arc::new)
    }

    /// Writes an index that was built again, unless its extent was freed on the way: whoever frees
    /// it looks for an index after the log is gone, so one of the two removes it.
    pub(super) fn put_index(&self, extent: ExtentSequence, encoded: &[u8]) -> io::Result<()> {
        replace_file(&*self.disk, LOG_DIR, &index_name(extent), encoded)?;
        match self.disk.open(&log_path(extent)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.remove_if_there(&index_path(extent))?;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Gives the dead ranges of a sealed extent back to the file system: what no crash brings back.
    fn punch(&self, extent: ExtentSequence) -> io::Result<()> {
        let index = self.index(extent)?;
        let mut live: Vec<EntryRef> = Vec::new();
        let mut current: Option<(LogId, Option<model::Offset>)> = None;
        for (id, at) in index.entries() {
            let start = match current {
                Some((known, start)) if known == id => start,
                _ => {
                    let partition = self.partitions.find_or_leaving(id);
                    let start = partition.map(|partition| partition.lock().durable_start);
                    current = Some((id, start));
                    start
                }
            };
            if start.is_some_and(|start| at.next > start) {
                live.push(at);
            }
        }
        live.sort_unstable_by_key(|at| at.position);
        let file = self.opened.file(&*self.disk, extent)?;
        let mut dead_from = BLOCK_BYTES;
        let end = self.options.extent_bytes.min(file.bytes()?);
        let starts = live.iter().map(|at| u64::from(at.position.byte));
        let ends = live
            .iter()
            .map(|at| u64::from(at.position.byte) + u64::from(at.bytes));
        // The last block stays: it holds the entry that ends the extent.
        let tail = end.saturating_sub(BLOCK_BYTES);
        for (live_start, live_end) in starts.zip(ends).chain([(tail, end)]) {
            let from = dead_from.next_multiple_of(BLOCK_BYTES);
            let until = live_start - live_start % BLOCK_BYTES;
            if until > from && until - from >= HOLE_BYTES_MIN {
                file.punch(from, until - from)?;
            }
            dead_from = dead_from.max(live_end);
        }
        Ok(())
    }
}
