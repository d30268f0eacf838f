//! Entries: what an extent is made of, and the checks that every byte read back must pass.
//!
//! Everything is little-endian and 8-byte aligned; batches inside keep Kafka's own form.
//!
//! ```text
//! extent     0 magic           u64    "TIDELOG1"
//!            8 crc             u32    CRC-32C of bytes 12 to 64
//!           12 version         u32
//!           16 sequence        u32    the extent's number, as in its name
//!           20 salt            u32    seeds the checksums of entries; no client ever sees it, so
//!                                     no record can pass for an entry
//!           24 reused          u32    1 where the file was another extent's before: its bytes are
//!                                     still there behind the last entry, and between them none
//!           28 reserved        36 bytes of zeros
//!           64 entries, one after another, the last one of kind 4; zeros where none was written
//!
//! entry      0 magic           u32
//!            4 crc             u32    CRC-32C, seeded with the salt, of bytes 8 to 64 and of the
//!                                     61-byte head of each batch (a batch's own CRC-32C covers
//!                                     the rest, so a payload is never read twice)
//!            8 version         u8
//!            9 kind            u8     1 batches, 2 trim, 3 remove, 4 end of the extent
//!           10 batch_count     u16
//!           12 body_bytes      u32    the batches, without the padding to 8 bytes that follows
//!           16 log id          u64    whose entry it is; 0 in kind 4
//!           24 base_offset     i64    first offset; the new start in kind 2
//!           32 next_offset     i64    offset after the last one
//!           40 max_timestamp   i64
//!           48 position        u64    the entry's own: extent in the upper half, byte in the lower
//!           56 synced          u64    position known to be synced when this was made
//!           64 batches of one partition, one after another; padding
//! ```

use bytes::{Buf, BufMut};
use model::{
    LogId, Offset, Timestamp,
    batch::{BATCH_HEADER_BYTES, BatchHeader},
};

use crate::{ExtentSequence, Position};

/// Bytes of an extent's own header.
pub(crate) const EXTENT_HEADER_BYTES: u32 = 64;
/// Bytes of an entry before its batches.
pub(crate) const ENTRY_HEADER_BYTES: u32 = 64;
/// Entries begin at multiples of this.
pub(crate) const ALIGNMENT: u32 = 8;

const HEADER_LEN: usize = ENTRY_HEADER_BYTES as usize;
/// Bytes of an entry of one batch before the batch's records.
pub(crate) const LONE_HEADS_BYTES: usize = HEADER_LEN + BATCH_HEADER_BYTES;
const EXTENT_MAGIC: u64 = u64::from_le_bytes(*b"TIDELOG1");
const EXTENT_VERSION: u32 = 1;
pub(crate) const ENTRY_MAGIC: u32 = u32::from_le_bytes(*b"tgE1");
const ENTRY_VERSION: u8 = 1;
/// Where the checksummed part of an entry header begins.
const CRC_START: usize = 8;
/// Where the checksummed part of a batch begins: its `attributes`.
const BATCH_CRC_START: usize = 21;

/// What an entry says. Persisted: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Batches = 1,
    Trim = 2,
    Remove = 3,
    End = 4,
}

impl EntryKind {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Batches),
            2 => Some(Self::Trim),
            3 => Some(Self::Remove),
            4 => Some(Self::End),
            _ => None,
        }
    }
}

/// An entry's header, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryHeader {
    pub(crate) kind: EntryKind,
    pub(crate) batch_count: u16,
    pub(crate) body_bytes: u32,
    pub(crate) id: LogId,
    pub(crate) base: Offset,
    pub(crate) next: Offset,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) position: Position,
    pub(crate) synced: Position,
}

/// How far an entry's bytes can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryFault {
    /// Nothing is known: the header, or a batch's head, is not what was written.
    Header,
    /// The header and the batches' heads are sound, some batch's records are not.
    Payload,
}

/// Rounds up to where the next entry may begin.
pub(crate) const fn aligned(bytes: u32) -> u32 {
    bytes.next_multiple_of(ALIGNMENT)
}

impl EntryHeader {
    /// A header without batches, to be placed.
    pub(crate) const fn control(kind: EntryKind, id: LogId, base: Offset, next: Offset) -> Self {
        Self {
            kind,
            batch_count: 0,
            body_bytes: 0,
            id,
            base,
            next,
            max_timestamp: Timestamp::NONE,
            position: Position {
                extent: ExtentSequence(0),
                byte: 0,
            },
            synced: Position {
                extent: ExtentSequence(0),
                byte: 0,
            },
        }
    }

    /// Bytes up to the next entry.
    pub(crate) const fn total_bytes(&self) -> u32 {
        aligned(ENTRY_HEADER_BYTES.saturating_add(self.body_bytes))
    }

    /// The position after the entry.
    pub(crate) const fn end(&self) -> Position {
        Position {
            extent: self.position.extent,
            byte: self.position.byte.saturating_add(self.total_bytes()),
        }
    }

    /// Encodes the header over the heads of its batches.
    pub(crate) fn encode<'a>(
        &self,
        salt: u32,
        heads: impl Iterator<Item = &'a [u8; BATCH_HEADER_BYTES]>,
    ) -> [u8; HEADER_LEN] {
        let mut encoded = [0; HEADER_LEN];
        let mut out = encoded.as_mut_slice();
        out.put_u32_le(ENTRY_MAGIC);
        out.put_u32_le(0);
        out.put_u8(ENTRY_VERSION);
        out.put_u8(self.kind as u8);
        out.put_u16_le(self.batch_count);
        out.put_u32_le(self.body_bytes);
        out.put_u64_le(self.id.0);
        out.put_i64_le(self.base.0);
        out.put_i64_le(self.next.0);
        out.put_i64_le(self.max_timestamp.0);
        out.put_u64_le(self.position.pack());
        out.put_u64_le(self.synced.pack());
        let mut crc = crc32c::crc32c_append(salt, encoded.get(CRC_START..).unwrap_or_default());
        for head in heads {
            crc = crc32c::crc32c_append(crc, head);
        }
        if let Some(slot) = encoded.get_mut(4..8) {
            slot.copy_from_slice(&crc.to_le_bytes());
        }
        encoded
    }

    /// Decodes what may be a header; nothing in it is proved yet but its magic and kind.
    pub(crate) fn peek(bytes: &[u8]) -> Option<Self> {
        let mut rest: &[u8] = bytes.get(..HEADER_LEN)?;
        if rest.get_u32_le() != ENTRY_MAGIC {
            return None;
        }
        let _crc = rest.get_u32_le();
        if rest.get_u8() != ENTRY_VERSION {
            return None;
        }
        Some(Self {
            kind: EntryKind::from_code(rest.get_u8())?,
            batch_count: rest.get_u16_le(),
            body_bytes: rest.get_u32_le(),
            id: LogId(rest.get_u64_le()),
            base: Offset(rest.get_i64_le()),
            next: Offset(rest.get_i64_le()),
            max_timestamp: Timestamp(rest.get_i64_le()),
            position: Position::unpack(rest.get_u64_le()),
            synced: Position::unpack(rest.get_u64_le()),
        })
    }

    /// Reads the entry that begins at `position`, which is the first byte of `bytes`.
    ///
    /// Proves the header and the batches' heads; not the records ([`EntryHeader::check_payload`]).
    pub(crate) fn read(bytes: &[u8], position: Position, salt: u32) -> Option<Self> {
        let header = Self::peek(bytes)?;
        if header.position != position {
            return None;
        }
        let mut crc = crc32c::crc32c_append(salt, bytes.get(CRC_START..HEADER_LEN)?);
        let mut count = 0_u16;
        for batch in header.batches(bytes) {
            crc = crc32c::crc32c_append(crc, batch.bytes.get(..BATCH_HEADER_BYTES)?);
            count = count.checked_add(1)?;
        }
        let claimed = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?);
        let whole = header.kind != EntryKind::Batches
            || header
                .batches(bytes)
                .map(|batch| batch.bytes.len())
                .sum::<usize>()
                == usize::try_from(header.body_bytes).ok()?;
        (crc == claimed && count == header.batch_count && whole).then_some(header)
    }

    /// As [`EntryHeader::read`] for an entry of one batch, without its records.
    pub(crate) fn read_lone(
        heads: &[u8; LONE_HEADS_BYTES],
        position: Position,
        salt: u32,
    ) -> Option<LoneEntry> {
        let header = Self::peek(heads)?;
        let batch = BatchHeader::parse(heads.get(HEADER_LEN..)?).ok()?;
        let crc = crc32c::crc32c_append(salt, heads.get(CRC_START..)?);
        let claimed = u32::from_le_bytes(*heads.get(4..8)?.first_chunk()?);
        let is_lone = header.kind == EntryKind::Batches && header.batch_count == 1;
        let is_whole = usize::try_from(header.body_bytes) == Ok(batch.total_bytes());
        let is_sound = crc == claimed && header.position == position;
        (is_sound && is_lone && is_whole).then_some(LoneEntry { header, batch })
    }

    /// Proves the records of every batch against the batch's own checksum.
    pub(crate) fn check_payload(&self, bytes: &[u8]) -> Result<(), EntryFault> {
        for batch in self.batches(bytes) {
            let covered = batch.bytes.get(BATCH_CRC_START..).unwrap_or_default();
            if crc32c::crc32c(covered) != batch.header.crc {
                return Err(EntryFault::Payload);
            }
        }
        Ok(())
    }

    /// The batches in the entry that `bytes` begin with, as far as they are whole.
    pub(crate) fn batches<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = BatchSlice<'a>> {
        let len = usize::try_from(self.body_bytes).unwrap_or(usize::MAX);
        let end = HEADER_LEN.saturating_add(len);
        let mut rest = bytes.get(HEADER_LEN..end).unwrap_or_default();
        let mut start = HEADER_LEN;
        std::iter::from_fn(move || {
            let header = BatchHeader::parse(rest).ok()?;
            let (batch, after) = rest.split_at_checked(header.total_bytes())?;
            let slice = BatchSlice {
                header,
                start,
                bytes: batch,
            };
            start += batch.len();
            rest = after;
            Some(slice)
        })
    }
}

/// An entry of one batch, by its heads.
pub(crate) struct LoneEntry {
    pub(crate) header: EntryHeader,
    pub(crate) batch: BatchHeader,
}

impl LoneEntry {
    /// Where the records end, counted from the entry's first byte.
    pub(crate) fn records_end(&self) -> usize {
        HEADER_LEN + self.batch.total_bytes()
    }
}

/// The batch's checksum as far as its head goes: the records follow.
pub(crate) fn crc_of_head(heads: &[u8; LONE_HEADS_BYTES]) -> u32 {
    let covered = heads.get(HEADER_LEN + BATCH_CRC_START..);
    crc32c::crc32c(covered.unwrap_or_default())
}

/// A batch inside an entry.
pub(crate) struct BatchSlice<'a> {
    pub(crate) header: BatchHeader,
    /// Where it begins, counted from the entry's first byte.
    pub(crate) start: usize,
    pub(crate) bytes: &'a [u8],
}

/// The header of an extent.
pub(crate) fn encode_extent_header(
    sequence: ExtentSequence,
    salt: u32,
    is_reused: bool,
) -> [u8; 64] {
    let mut encoded = [0; 64];
    let mut out = encoded.as_mut_slice();
    out.put_u64_le(EXTENT_MAGIC);
    out.put_u32_le(0);
    out.put_u32_le(EXTENT_VERSION);
    out.put_u32_le(sequence.0);
    out.put_u32_le(salt);
    out.put_u32_le(u32::from(is_reused));
    let crc = crc32c::crc32c(encoded.get(12..).unwrap_or_default());
    if let Some(slot) = encoded.get_mut(8..12) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    encoded
}

/// What the first bytes of an extent file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExtentHeader {
    Sound {
        sequence: ExtentSequence,
        salt: u32,
        is_reused: bool,
    },
    /// Sound, but of a format that this program does not know.
    Newer {
        version: u32,
    },
    Damaged,
}

impl ExtentHeader {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let Some(header) = bytes.get(..64) else {
            return Self::Damaged;
        };
        let mut rest = header;
        let magic = rest.get_u64_le();
        let crc = rest.get_u32_le();
        if magic != EXTENT_MAGIC || crc32c::crc32c(rest) != crc {
            return Self::Damaged;
        }
        let version = rest.get_u32_le();
        if version != EXTENT_VERSION {
            return Self::Newer { version };
        }
        Self::Sound {
            sequence: ExtentSequence(rest.get_u32_le()),
            salt: rest.get_u32_le(),
            is_reused: rest.get_u32_le() != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_entry_round_trips_and_any_flipped_bit_is_noticed() {
        let position = Position {
            extent: ExtentSequence(3),
            byte: 128,
        };
        let header = EntryHeader {
            position,
            ..EntryHeader::control(EntryKind::Trim, LogId(9), Offset(5), Offset(7))
        };
        let encoded = header.encode(77, std::iter::empty());
        assert_eq!(EntryHeader::read(&encoded, position, 77), Some(header));
        assert_eq!(
            EntryHeader::read(&encoded, position, 78),
            None,
            "salt counts"
        );
        for bit in 0..encoded.len() * 8 {
            let mut bad = encoded;
            if let Some(byte) = bad.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert_eq!(EntryHeader::read(&bad, position, 77), None, "bit {bit}");
        }
    }

    #[test]
    fn extent_headers_tell_damage_from_newer_formats() {
        let good = encode_extent_header(ExtentSequence(4), 5, true);
        let sound = ExtentHeader::Sound {
            sequence: ExtentSequence(4),
            salt: 5,
            is_reused: true,
        };
        assert_eq!(ExtentHeader::read(&good), sound);
        assert_eq!(ExtentHeader::read(&good[..63]), ExtentHeader::Damaged);
        let mut newer = good;
        newer[12] = 9;
        let crc = crc32c::crc32c(&newer[12..]);
        newer[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(
            ExtentHeader::read(&newer),
            ExtentHeader::Newer { version: 9 }
        );
    }
}
