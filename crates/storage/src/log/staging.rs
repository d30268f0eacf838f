//! Where entries are put together for the disk: whole blocks in aligned memory, used again and again.
//!
//! ```text
//! memory: | carried: the last block's bytes so far | new entries ... | zeros to the block's end |
//!         ^ at a block's boundary in the extent                                                 ^
//! ```
//!
//! The last block of a write is seldom full. It is written with zeros behind its bytes, kept, and
//! written again with the next entries: its durable bytes stay the same, so a torn write can't
//! harm them.

use std::io;

use crate::{
    ExtentSequence,
    disk::{BLOCK_BYTES, DiskFile},
    extent::OpenExtent,
};

/// The log's staging memory, and what it knows of the extent being written.
pub(super) struct Staging {
    memory: Vec<u8>,
    /// Of the memory: its first byte aligned for the disk.
    aligned_at: usize,
    capacity: usize,
    extent: Option<ExtentSequence>,
    /// In the extent: where the memory's first byte belongs.
    at: u64,
    len: usize,
}

impl Staging {
    /// Takes `bytes` and one block to carry in one write. The memory is touched when it is used.
    pub(super) const fn new(bytes: usize) -> Self {
        Self {
            memory: Vec::new(),
            aligned_at: 0,
            capacity: bytes.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES,
            extent: None,
            at: 0,
            len: 0,
        }
    }

    /// Makes `extent` the one that is written. A new one is written from its header on.
    pub(super) fn begin(&mut self, extent: &OpenExtent) {
        if self.extent == Some(extent.sequence) {
            return;
        }
        if self.memory.is_empty() {
            self.memory = vec![0; self.capacity + BLOCK_BYTES];
            self.aligned_at = self.memory.as_ptr().align_offset(BLOCK_BYTES);
        }
        self.extent = Some(extent.sequence);
        self.at = 0;
        self.len = 0;
        self.take(&extent.header);
    }

    /// The extent's byte that comes next.
    pub(super) const fn position(&self) -> u64 {
        self.at + self.len as u64
    }

    /// Adds bytes; writes when the memory is full.
    pub(super) fn push(&mut self, file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.take(rest);
            rest = rest.get(taken..).unwrap_or_default();
            if self.len == self.capacity {
                self.write(file)?;
            }
        }
        Ok(())
    }

    /// Copies what there is room for.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity - self.len);
        let from = self.aligned_at + self.len;
        let room = self.memory.get_mut(from..from + taken);
        let room = room.expect("the memory was made for the capacity");
        room.copy_from_slice(bytes.get(..taken).unwrap_or_default());
        self.len += taken;
        taken
    }

    /// Writes what is there and carries the last block if it isn't full.
    pub(super) fn write(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        let Self {
            aligned_at, len, ..
        } = *self;
        let whole = len.next_multiple_of(BLOCK_BYTES);
        let blocks = self.memory.get_mut(aligned_at..aligned_at + whole);
        let blocks = blocks.expect("the capacity is in whole blocks");
        if let Some(padding) = blocks.get_mut(len..) {
            padding.fill(0);
        }
        file.write_blocks(self.at, blocks)?;
        let carried = len % BLOCK_BYTES;
        let full = len - carried;
        blocks.copy_within(full..full + carried, 0);
        self.at += full as u64;
        self.len = carried;
        Ok(())
    }
}
