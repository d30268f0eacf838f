//! The one file: preallocated, appended to at reserved places, synced.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, OFlags, fallocate, fdatasync};
use rustix::io::{pwrite, pwritev};

/// Allocated at a time, and kept ahead of the end.
const EXTENT_BYTES: u64 = 64 << 20;
/// What a write past the page cache begins and ends at.
const BLOCK_BYTES: usize = 4096;

thread_local! {
    /// A request's blocks on their way to the disk.
    static BLOCKS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    is_direct: bool,
    end: AtomicU64,
    allocated: AtomicU64,
}

impl LogFile {
    pub(crate) fn create(path: &Path, is_buffered: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        if !is_buffered {
            options.custom_flags(i32::try_from(OFlags::DIRECT.bits())?);
        }
        let file = options.open(path);
        let file = Self {
            file: file.with_context(|| format!("create {}", path.display()))?,
            is_direct: !is_buffered,
            end: AtomicU64::new(0),
            allocated: AtomicU64::new(0),
        };
        file.allocate_ahead()?;
        Ok(file)
    }

    /// Writes all slices, one behind the other, at the end.
    pub(crate) fn append(&self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        if self.is_direct {
            return BLOCKS.with_borrow_mut(|blocks| self.append_blocks(blocks, slices));
        }
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

    /// Puts the slices together in aligned memory and writes whole blocks.
    fn append_blocks(&self, memory: &mut Vec<u8>, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        let whole = bytes.next_multiple_of(BLOCK_BYTES);
        if memory.len() < whole + BLOCK_BYTES {
            memory.resize(whole + BLOCK_BYTES, 0);
        }
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        let blocks = memory.get_mut(start..start + whole).unwrap_or_default();
        let mut rest = &mut *blocks;
        for slice in slices {
            let (here, after) = rest.split_at_mut(slice.len());
            here.copy_from_slice(slice);
            rest = after;
        }
        let mut at = self.end.fetch_add(whole as u64, Ordering::Relaxed);
        let mut rest = &*blocks;
        while !rest.is_empty() {
            let written = pwrite(&self.file, rest, at)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            at += written as u64;
            rest = rest.get(written..).unwrap_or_default();
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
