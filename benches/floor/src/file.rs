//! The one file: preallocated, appended to at reserved places, synced.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::io::pwritev;

/// Allocated at a time, and kept ahead of the end.
const EXTENT_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    end: AtomicU64,
    allocated: AtomicU64,
}

impl LogFile {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).open(path);
        let file = Self {
            file: file.with_context(|| format!("create {}", path.display()))?,
            end: AtomicU64::new(0),
            allocated: AtomicU64::new(0),
        };
        file.allocate_ahead()?;
        Ok(file)
    }

    /// Writes all slices, one behind the other, at the end.
    pub(crate) fn append(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut at = self.end.fetch_add(bytes as u64, Ordering::Relaxed);
        while !slices.is_empty() {
            let written = pwritev(&self.file, slices, at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    /// Makes all that was appended durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    /// Keeps at least one extent allocated ahead of the end. Called by one thread only.
    pub(crate) fn allocate_ahead(&self) -> io::Result<()> {
        let end = self.end.load(Ordering::Relaxed);
        let mut allocated = self.allocated.load(Ordering::Relaxed);
        while allocated < end + EXTENT_BYTES {
            fallocate(&self.file, FallocateFlags::empty(), allocated, EXTENT_BYTES)?;
            allocated += EXTENT_BYTES;
        }
        self.allocated.store(allocated, Ordering::Relaxed);
        Ok(())
    }
}
