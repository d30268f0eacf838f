//! What one write is made of: whole blocks in aligned memory. Entries are written from where they
//! were put together; a few, and the blocks in which a run of them begins and ends, are copied.
//!
//! ```text
//! extent: | carried, copied | blocks of entries, shared | copied ... | zeros to the block's end |
//!         ^ at a block's boundary                                                               ^
//! ```
//!
//! The last block of a write is seldom full. It is written with zeros behind its bytes, kept, and
//! written again with the next entries: its durable bytes stay the same, so a torn write can't
//! harm them.

use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::{
    ExtentSequence,
    disk::{BLOCK_BYTES, DiskFile},
    extent::OpenExtent,
};

/// Fewer bytes are copied: each piece of a write has a cost of its own in the kernel.
const SHARED_BYTES_MIN: usize = 32 << 10;

/// The log's staging memory, and what it knows of the extent being written.
pub(super) struct Staging {
    memory: Vec<u8>,
    /// Of the memory: its first byte aligned for the disk.
    aligned_at: usize,
    capacity: usize,
    extent: Option<ExtentSequence>,
    /// The way of the next write.
    through_cache: bool,
    /// In the extent: where the next write begins.
    at: u64,
    /// Bytes in the memory.
    copied: usize,
    shared: Vec<Shared>,
    shared_bytes: usize,
}

/// Whole blocks in somebody else's memory.
struct Shared {
    /// Where they belong: behind so many bytes of the staging memory.
    behind: usize,
    blocks: Bytes,
}

impl Staging {
    /// Copies up to `bytes`, and one block to carry, in one write. The memory is touched when it is
    /// used.
    pub(super) const fn new(bytes: usize) -> Self {
        Self {
            memory: Vec::new(),
            aligned_at: 0,
            capacity: bytes.next_multiple_of(BLOCK_BYTES) + BLOCK_BYTES,
            extent: None,
            through_cache: false,
            at: 0,
            copied: 0,
            shared: Vec::new(),
            shared_bytes: 0,
        }
    }

    /// Makes `extent` the one that is written, past the system's cache or through it. A new one is
    /// written from its header on.
    pub(super) fn begin(&mut self, extent: &OpenExtent, through_cache: bool) {
        self.through_cache = through_cache;
        if self.extent == Some(extent.sequence) {
            return;
        }
        if self.memory.is_empty() {
            self.memory = vec![0; self.capacity + BLOCK_BYTES];
            self.aligned_at = self.memory.as_ptr().align_offset(BLOCK_BYTES);
        }
        self.extent = Some(extent.sequence);
        self.at = 0;
        self.copied = 0;
        self.copy(&extent.header);
    }

    /// The extent's byte that comes next.
    pub(super) const fn position(&self) -> u64 {
        self.at + (self.copied + self.shared_bytes) as u64
    }

    /// Adds entries; writes when the memory is full.
    pub(super) fn push(&mut self, file: &dyn DiskFile, entries: &Bytes) -> io::Result<()> {
        let mut done = 0;
        while done < entries.len() {
            let rest = entries.get(done..).unwrap_or_default();
            let to_boundary = self.copied.next_multiple_of(BLOCK_BYTES) - self.copied;
            let whole = rest.len() - rest.len() % BLOCK_BYTES;
            let in_step = rest.as_ptr().addr() % BLOCK_BYTES == 0;
            if to_boundary == 0 && in_step && whole >= SHARED_BYTES_MIN {
                self.share(entries.slice(done..done + whole));
                done += whole;
                continue;
            }
            let up_to = if to_boundary == 0 {
                rest.len()
            } else {
                to_boundary
            };
            done += self.copy(rest.get(..up_to).unwrap_or(rest));
            if self.copied == self.capacity {
                self.write(file)?;
            }
        }
        Ok(())
    }

    fn share(&mut self, blocks: Bytes) {
        self.shared_bytes += blocks.len();
        let behind = self.copied;
        self.shared.push(Shared { behind, blocks });
    }

    /// Copies what there is room for.
    fn copy(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.capacity - self.copied);
        let from = self.aligned_at + self.copied;
        let room = self.memory.get_mut(from..from + taken);
        let room = room.expect("the memory was made for the capacity");
        room.copy_from_slice(bytes.get(..taken).unwrap_or_default());
        self.copied += taken;
        taken
    }

    /// Writes what is there and carries the last block if it isn't full.
    pub(super) fn write(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        let Self {
            aligned_at, copied, ..
        } = *self;
        let whole = copied.next_multiple_of(BLOCK_BYTES);
        let own = self.memory.get_mut(aligned_at..aligned_at + whole);
        let own = own.expect("the capacity is in whole blocks");
        own.get_mut(copied..).unwrap_or_default().fill(0);
        let mut pieces = Vec::with_capacity(2 * self.shared.len() + 1);
        let mut from = 0;
        for Shared { behind, blocks } in &self.shared {
            pieces.push(IoSlice::new(own.get(from..*behind).unwrap_or_default()));
            pieces.push(IoSlice::new(blocks));
            from = *behind;
        }
        pieces.push(IoSlice::new(own.get(from..).unwrap_or_default()));
        pieces.retain(|piece| !piece.is_empty());
        if self.through_cache {
            file.write_at(self.at, &pieces)?;
        } else {
            file.write_blocks(self.at, &mut pieces)?;
        }
        let carried = copied % BLOCK_BYTES;
        let full = copied - carried;
        own.copy_within(full..copied, 0);
        self.at += (full + self.shared_bytes) as u64;
        self.copied = carried;
        self.shared.clear();
        self.shared_bytes = 0;
        Ok(())
    }
}
