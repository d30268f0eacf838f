//! The index of a sealed extent: its entries by partition and offset, rebuildable from the extent.
//!
//! ```text
//!  0 magic        u64   "TIDEIDX1"
//!  8 crc          u32   CRC-32C of all that follows
//! 12 version      u32
//! 16 sequence     u32   the extent's number
//! 20 entry_count  u32
//! 24 entries, by log id, then by base offset, each of 40 bytes:
//!       0 log id u64, 8 base i64, 16 next i64, 24 max timestamp i64, 32 byte u32, 36 bytes u32
//! ```

use bytes::{Buf, BufMut};
use model::{LogId, Offset, Timestamp};

use crate::{ExtentSequence, Position, disk::Mapped, partition::EntryRef};

const MAGIC: u64 = u64::from_le_bytes(*b"TIDEIDX1");
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
const ENTRY_BYTES: usize = 40;

/// A sealed extent's index, proved sound when it was opened.
pub(crate) struct Index {
    extent: ExtentSequence,
    bytes: Mapped,
    count: usize,
}

/// The bytes of an index over `entries`, which need not be in order.
pub(crate) fn encode(extent: ExtentSequence, mut entries: Vec<(LogId, EntryRef)>) -> Vec<u8> {
    entries.sort_unstable_by_key(|(id, at)| (*id, at.base));
    let mut out = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES);
    out.put_u64_le(MAGIC);
    out.put_u32_le(0);
    out.put_u32_le(VERSION);
    out.put_u32_le(extent.0);
    out.put_u32_le(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for (id, at) in &entries {
        out.put_u64_le(id.0);
        out.put_i64_le(at.base.0);
        out.put_i64_le(at.next.0);
        out.put_i64_le(at.max_timestamp.0);
        out.put_u32_le(at.position.byte);
        out.put_u32_le(at.bytes);
    }
    let crc = crc32c::crc32c(out.get(12..).unwrap_or_default());
    if let Some(slot) = out.get_mut(8..12) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    out
}

impl Index {
    /// Proves the bytes; `None` when they are not a sound index of `extent` (rebuild it then).
    pub(crate) fn open(extent: ExtentSequence, bytes: Mapped) -> Option<Self> {
        let mut header = bytes.get(..HEADER_BYTES)?;
        let (magic, crc) = (header.get_u64_le(), header.get_u32_le());
        let (version, sequence) = (header.get_u32_le(), header.get_u32_le());
        let count = usize::try_from(header.get_u32_le()).ok()?;
        let whole = count.checked_mul(ENTRY_BYTES)?.checked_add(HEADER_BYTES)?;
        let sound = magic == MAGIC
            && version == VERSION
            && sequence == extent.0
            && bytes.len() == whole
            && crc32c::crc32c(bytes.get(12..)?) == crc;
        sound.then_some(Self {
            extent,
            bytes,
            count,
        })
    }

    /// Every entry, by partition and offset.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (LogId, EntryRef)> {
        (0..self.count).map_while(|at| self.entry(at))
    }

    /// Entries of `id` from the one that holds `offset` on, else from the first after it.
    pub(crate) fn entries_from(&self, id: LogId, offset: Offset) -> impl Iterator<Item = EntryRef> {
        // Bisects for the first entry of `id`, or a later partition, that ends after `offset`.
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let before = self
                .entry(middle)
                .is_some_and(|(at_id, at)| at_id < id || (at_id == id && at.next <= offset));
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low..self.count)
            .map_while(|at| self.entry(at))
            .take_while(move |(at_id, _)| *at_id == id)
            .map(|(_, at)| at)
    }

    fn entry(&self, at: usize) -> Option<(LogId, EntryRef)> {
        let start = HEADER_BYTES + at * ENTRY_BYTES;
        let mut bytes = self.bytes.get(start..start + ENTRY_BYTES)?;
        let id = LogId(bytes.get_u64_le());
        let at = EntryRef {
            base: Offset(bytes.get_i64_le()),
            next: Offset(bytes.get_i64_le()),
            max_timestamp: Timestamp(bytes.get_i64_le()),
            position: Position {
                extent: self.extent,
                byte: bytes.get_u32_le(),
            },
            bytes: bytes.get_u32_le(),
        };
        Some((id, at))
    }
}
