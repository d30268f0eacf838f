//! The record batch, format 2: checked by its structure, stored and served verbatim.
//!
//! ```text
//!  0 base_offset            i64   set by the broker; outside the checksum
//!  8 batch_length           i32   bytes after this field
//! 12 partition_leader_epoch i32   set by the broker; outside the checksum
//! 16 magic                  i8    2
//! 17 crc                    u32   CRC-32C of everything from `attributes` on
//! 21 attributes             i16   codec (0-2), LogAppendTime (3), transactional (4), control (5),
//!                                 delete horizon (6)
//! 23 last_offset_delta      i32
//! 27 base_timestamp         i64
//! 35 max_timestamp          i64
//! 43 producer_id            i64
//! 51 producer_epoch         i16
//! 53 base_sequence          i32
//! 57 records_count          i32
//! 61 records                      one compressed block, or records one after another
//! ```

mod build;
pub mod compression;
mod contents;
mod header;
mod recompress;
mod record;
mod unpack;
mod varint;
mod walk;

pub use build::{BatchBuilder, NewRecord};
pub use contents::{
    BREACHES_NAMED_MAX, Breach, Breaches, Contents, RecordRules, TimeBounds, UNPACKED_BYTES_ALWAYS,
    UNPACKED_BYTES_MAX, UNPACKED_RATIO_MAX, unpacked_bytes_max,
};
pub use header::{Attributes, BatchError, BatchHeader, Compression, TimestampType};
pub use recompress::{Levels, RecompressError};
pub use record::{Header, Record, RecordError, Records};

use bytes::Bytes;

/// Bytes before the first record.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes of `base_offset` and `batch_length`, which `batch_length` does not count.
pub const BATCH_LENGTH_PREFIX_BYTES: usize = 12;
/// Where the checksummed part begins.
const CRC_START: usize = 21;

/// One batch whose structure has been proved: lengths, checksum, count, offset deltas, codec.
#[derive(Clone, Debug)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
    /// What a walk over the records found; none while a block is unopened.
    contents: Option<Contents>,
}

impl Batch {
    /// Checks that `bytes` are exactly one sound batch as a client may send it.
    ///
    /// Records of an uncompressed batch are walked (lengths and offset deltas, nothing decoded);
    /// inside a compressed block only the header's claims can be compared with each other, until
    /// [`Batch::open`] walks that, too.
    ///
    /// # Errors
    /// What is wrong with the bytes, always the sender's fault.
    pub fn check(bytes: Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        if header.total_bytes() != bytes.len() {
            return Err(BatchError::Length {
                claimed: header.total_bytes(),
                actual: bytes.len(),
            });
        }
        let computed = crc32c::crc32c(bytes.get(CRC_START..).unwrap_or_default());
        if computed != header.crc {
            return Err(BatchError::Crc {
                claimed: header.crc,
                computed,
            });
        }
        header.check_counts()?;
        let contents = if header.attributes.compression()? == Compression::None {
            let records = bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
            Some(contents::of_plain(&header, records)?)
        } else {
            None
        };
        Ok(Self {
            header,
            bytes,
            contents,
        })
    }

    /// The header as the sender wrote it.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch as the sender wrote it.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Gives the batch its place: the broker's two fields are set, the rest is shared, not copied.
    #[must_use]
    pub fn stamp(&self, base_offset: crate::Offset, epoch: crate::LeaderEpoch) -> StampedBatch {
        let header = BatchHeader {
            base_offset,
            leader_epoch: epoch,
            ..self.header
        };
        self.with_header(header)
    }

    /// As [`Batch::stamp`], with the broker's time for every record (`LogAppendTime`). The time
    /// stands inside the checksum, so this reads the whole batch once more.
    #[must_use]
    pub fn stamp_with_time(
        &self,
        base_offset: crate::Offset,
        epoch: crate::LeaderEpoch,
        now: crate::Timestamp,
    ) -> StampedBatch {
        let mut header = BatchHeader {
            base_offset,
            leader_epoch: epoch,
            ..self.header
        };
        header.attributes = header.attributes.with_log_append_time();
        header.max_timestamp = now;
        header.crc = self.checksum(&header);
        self.with_header(header)
    }

    /// The batch with another largest timestamp in its header; copies the batch, because the time
    /// stands inside the checksum and in front of the records.
    #[must_use]
    pub fn with_max_timestamp(&self, max_timestamp: crate::Timestamp) -> Self {
        let mut header = BatchHeader {
            max_timestamp,
            ..self.header
        };
        header.crc = self.checksum(&header);
        Self {
            header,
            bytes: self.with_header(header).to_bytes(),
            contents: self.contents,
        }
    }

    /// The checksum of this batch's records under another header.
    fn checksum(&self, header: &BatchHeader) -> u32 {
        let encoded = header.encode();
        let checksummed_head = encoded.get(CRC_START..).unwrap_or_default();
        let head_crc = crc32c::crc32c(checksummed_head);
        let body = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        crc32c::crc32c_append(head_crc, body)
    }

    fn with_header(&self, header: BatchHeader) -> StampedBatch {
        StampedBatch {
            header,
            head: header.encode(),
            body: self.bytes.slice(BATCH_HEADER_BYTES.min(self.bytes.len())..),
        }
    }

    /// The records, for those who must look inside an uncompressed batch.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default())
    }
}

/// A batch with its offset and epoch: what goes to disk, in two pieces so that nothing is copied.
#[derive(Clone, Debug)]
pub struct StampedBatch {
    pub header: BatchHeader,
    pub head: [u8; BATCH_HEADER_BYTES],
    pub body: Bytes,
}

impl StampedBatch {
    /// Bytes on disk and on the wire.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// Both pieces as one buffer: a copy, for tests and small internal batches.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut all = Vec::with_capacity(self.total_bytes());
        all.extend_from_slice(&self.head);
        all.extend_from_slice(&self.body);
        all.into()
    }
}

/// Iterates over the batches that lie one after another in `bytes`, as far as they are whole.
///
/// Checks lengths only: for bytes that were checked when they came in.
pub fn split(bytes: Bytes) -> impl Iterator<Item = (BatchHeader, Bytes)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let header = BatchHeader::parse(&rest).ok()?;
        (header.total_bytes() <= rest.len()).then(|| (header, rest.split_to(header.total_bytes())))
    })
}

#[cfg(test)]
mod tests;
