//! Extents prepared in advance, and files of freed ones that are used again.
//!
//! An overwrite of blocks that were written before changes no block map, which makes a small commit
//! quicker (ADR 0001). A freed extent's file is renamed to `<sequence>.free` and gets a new header
//! and name when it is wanted. Its old entries stay in it until they are overwritten; none passes
//! for a new one, because an entry's checksummed header names its own position, and no sequence is
//! given twice while a file that may hold it is kept.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
};

use super::Core;
use crate::{
    ExtentSequence,
    disk::{DiskFile, is_lasting},
    entry::encode_extent_header,
    extent::{LOG_DIR, OpenExtent, free_path, log_path},
    locked::lock,
};

/// Extents that wait to be filled.
pub(super) struct Spares {
    pub(super) next: ExtentSequence,
    /// In the order in which they will be filled.
    pub(super) ready: VecDeque<Arc<OpenExtent>>,
    /// Files of freed extents, by the number that they had. All below `next`.
    free: BTreeSet<ExtentSequence>,
}

impl Spares {
    pub(super) const fn new(next: ExtentSequence, free: BTreeSet<ExtentSequence>) -> Self {
        Self {
            next,
            ready: VecDeque::new(),
            free,
        }
    }
}

impl Core {
    /// Makes sure that `count` extents are ready; false when there is no space for them.
    pub(super) fn prepare(&self, count: usize, floor_bytes: u64) -> bool {
        let mut spares = lock(&self.spares);
        while spares.ready.len() < count {
            let sequence = spares.next;
            match self.make_extent(&mut spares, floor_bytes) {
                Ok(Some(extent)) => {
                    spares.ready.push_back(extent);
                    spares.next = sequence.next();
                }
                Ok(None) => return false,
                Err(error) => {
                    tracing::error!(%error, extent = sequence.0, "prepare extent");
                    if is_lasting(&error) {
                        self.mark_closed(&format!("prepare extent: {error}"));
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Makes the next extent's file with all its room; `None` when that would go below the floor.
    fn make_extent(
        &self,
        spares: &mut Spares,
        floor_bytes: u64,
    ) -> io::Result<Option<Arc<OpenExtent>>> {
        let (sequence, bytes) = (spares.next, self.options.extent_bytes);
        // A file that is used again can't be written through the cache.
        let is_new = self.catch_up.is_under_way() && self.has_free(bytes, floor_bytes)?;
        let reused = if is_new {
            None
        } else {
            self.reuse(spares, floor_bytes)?
        };
        let is_reused = reused.is_some();
        let file = match reused {
            Some(file) => file,
            None if !self.has_free(bytes, floor_bytes)? => return Ok(None),
            None => match self.disk.create(&log_path(sequence), bytes) {
                Ok(file) => file,
                Err(error) if is_no_space(&error) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let header = encode_extent_header(sequence, self.salt, is_reused);
        let begun = file
            .write_at(0, &[io::IoSlice::new(&header)])
            .and_then(|()| file.sync_data())
            .and_then(|()| self.disk.sync_dir(LOG_DIR));
        if let Err(error) = begun {
            // Callers hold the queue: what is in it hears of this when it has been written.
            self.mark_closed(&format!("prepare extent: {error}"));
            return Err(error);
        }
        self.opened.keep(sequence, Arc::clone(&file));
        Ok(Some(Arc::new(OpenExtent {
            sequence,
            header,
            file,
            is_reused,
        })))
    }

    /// Whether so many bytes can be taken without going below the floor. Taking none never does.
    fn has_free(&self, bytes: u64, floor_bytes: u64) -> io::Result<bool> {
        Ok(bytes == 0 || self.disk.free_bytes()? >= bytes.saturating_add(floor_bytes))
    }

    /// Gives the next extent a freed one's file: the first one whose holes can be filled above the
    /// floor. One that cannot be used is removed; where all of them lack space one after another
    /// is, until there is enough for another or for a new file.
    fn reuse(
        &self,
        spares: &mut Spares,
        floor_bytes: u64,
    ) -> io::Result<Option<Arc<dyn DiskFile>>> {
        loop {
            for freed in spares.free.clone() {
                match self.reuse_one(freed, spares.next, floor_bytes) {
                    Ok(None) => {}
                    Ok(Some(file)) => {
                        spares.free.remove(&freed);
                        return Ok(Some(file));
                    }
                    Err(error) => {
                        tracing::debug!(%error, extent = freed.0, "freed extent is not used again");
                        spares.free.remove(&freed);
                        self.remove_free(freed);
                    }
                }
            }
            if self.has_free(self.options.extent_bytes, floor_bytes)? {
                return Ok(None);
            }
            let Some(freed) = spares.free.pop_first() else {
                return Ok(None);
            };
            self.remove_free(freed);
        }
    }

    /// Gives `next` one freed extent's file; `None` where filling its holes takes too much.
    fn reuse_one(
        &self,
        freed: ExtentSequence,
        next: ExtentSequence,
        floor_bytes: u64,
    ) -> io::Result<Option<Arc<dyn DiskFile>>> {
        if !self.disk.replaces_pages() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let bytes = self.options.extent_bytes;
        let path = free_path(freed);
        let file = self.disk.open_for_blocks(&path)?;
        if file.bytes()? != bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let missing = bytes.saturating_sub(file.allocated_bytes()?);
        if !self.has_free(missing, floor_bytes)? {
            return Ok(None);
        }
        file.reserve(bytes)?;
        self.disk.rename(&path, &log_path(next))?;
        Ok(Some(file))
    }

    /// Keeps a freed extent's file for another one; false when there are enough, or little space.
    pub(super) fn keep_free(&self, extent: ExtentSequence) -> io::Result<bool> {
        let mut spares = lock(&self.spares);
        let floor_bytes = self.options.free_space_floor_bytes;
        let scarce = floor_bytes.saturating_add(self.options.extent_bytes);
        if spares.free.len() >= self.options.reused_extents_max
            || !self.disk.replaces_pages()
            || self.disk.free_bytes()? < scarce
        {
            return Ok(false);
        }
        assert!(extent < spares.next, "a kept file holds past extents only");
        match self.disk.rename(&log_path(extent), &free_path(extent)) {
            Ok(()) => _ = spares.free.insert(extent),
            // It went the last time, and something after it failed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn remove_free(&self, extent: ExtentSequence) {
        if let Err(error) = self.disk.remove(&free_path(extent)) {
            tracing::warn!(%error, extent = extent.0, "remove freed extent");
        }
    }
}

pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
