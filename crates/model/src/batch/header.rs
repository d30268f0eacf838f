//! The batch header: 61 bytes, read without trusting a single one.

use thiserror::Error;

use super::{
    BATCH_HEADER_BYTES, BATCH_LENGTH_PREFIX_BYTES, compression::DecompressError,
    record::RecordError,
};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

const MAGIC: i8 = 2;
/// Where `magic` stands in every message format, so that an old format is named and not garbled.
const MAGIC_OFFSET: usize = 16;

/// Why bytes are no acceptable batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    #[error("batch of {actual} bytes is shorter than its header")]
    Short { actual: usize },
    #[error("batch claims {claimed} bytes where there are {actual}")]
    Length { claimed: usize, actual: usize },
    #[error("batch length {0} is negative or smaller than the header")]
    BadLength(i32),
    #[error("message format {0} is not supported")]
    Magic(i8),
    #[error("checksum is {claimed:#010x} in the header, {computed:#010x} over the bytes")]
    Crc { claimed: u32, computed: u32 },
    #[error("records count {count} does not match last offset delta {last_offset_delta}")]
    Count { count: i32, last_offset_delta: i32 },
    #[error("compression codec {0} is unknown")]
    Codec(i16),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Block(#[from] DecompressError),
}

/// How a batch's records are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Whose clock a batch's timestamps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// The batch's attribute bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;

    /// # Errors
    /// A codec number that Kafka does not know.
    pub const fn compression(self) -> Result<Compression, BatchError> {
        match self.0 & 0x07 {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            codec => Err(BatchError::Codec(codec)),
        }
    }

    #[must_use]
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Control batches carry transaction markers; clients may not send them.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    #[must_use]
    pub(super) const fn with_compression(self, codec: Compression) -> Self {
        let number = match codec {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        };
        Self(self.0 & !0x07 | number)
    }

    #[must_use]
    pub(super) const fn with_log_append_time(self) -> Self {
        Self(self.0 | Self::LOG_APPEND_TIME)
    }
}

/// The header's fields, in their order on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    pub batch_length: i32,
    pub leader_epoch: LeaderEpoch,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: i32,
    pub base_timestamp: Timestamp,
    pub max_timestamp: Timestamp,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: Sequence,
    pub records_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; proves the length field sane, nothing more.
    ///
    /// # Errors
    /// Too few bytes, an impossible length, or another message format.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let magic = bytes.get(MAGIC_OFFSET).map(|&byte| byte.cast_signed());
        if let Some(magic) = magic
            && magic != MAGIC
        {
            return Err(BatchError::Magic(magic));
        }
        let Some(head) = bytes.first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(BatchError::Short {
                actual: bytes.len(),
            });
        };
        let header = Self {
            base_offset: Offset(i64::from_be_bytes(field(head, 0))),
            batch_length: i32::from_be_bytes(field(head, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(head, 12))),
            crc: u32::from_be_bytes(field(head, 17)),
            attributes: Attributes(i16::from_be_bytes(field(head, 21))),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: Timestamp(i64::from_be_bytes(field(head, 27))),
            max_timestamp: Timestamp(i64::from_be_bytes(field(head, 35))),
            producer_id: ProducerId(i64::from_be_bytes(field(head, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(head, 51))),
            base_sequence: Sequence(i32::from_be_bytes(field(head, 53))),
            records_count: i32::from_be_bytes(field(head, 57)),
        };
        let least = BATCH_HEADER_BYTES - BATCH_LENGTH_PREFIX_BYTES;
        match usize::try_from(header.batch_length) {
            Ok(length) if length >= least => Ok(header),
            _ => Err(BatchError::BadLength(header.batch_length)),
        }
    }

    /// The header as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut head = [0; BATCH_HEADER_BYTES];
        put(&mut head, 0, self.base_offset.0.to_be_bytes());
        put(&mut head, 8, self.batch_length.to_be_bytes());
        put(&mut head, 12, self.leader_epoch.0.to_be_bytes());
        put(&mut head, 16, MAGIC.to_be_bytes());
        put(&mut head, 17, self.crc.to_be_bytes());
        put(&mut head, 21, self.attributes.0.to_be_bytes());
        put(&mut head, 23, self.last_offset_delta.to_be_bytes());
        put(&mut head, 27, self.base_timestamp.0.to_be_bytes());
        put(&mut head, 35, self.max_timestamp.0.to_be_bytes());
        put(&mut head, 43, self.producer_id.0.to_be_bytes());
        put(&mut head, 51, self.producer_epoch.0.to_be_bytes());
        put(&mut head, 53, self.base_sequence.0.to_be_bytes());
        put(&mut head, 57, self.records_count.to_be_bytes());
        head
    }

    /// Bytes of the whole batch, its length field's own prefix included.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        BATCH_LENGTH_PREFIX_BYTES + usize::try_from(self.batch_length).unwrap_or(0)
    }

    /// The offset of the batch's last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset after the batch's last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().plus(1)
    }

    /// Whether the batch comes from an idempotent producer.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.producer_id != ProducerId::NONE
    }

    /// The sequence of the batch's last record.
    #[must_use]
    pub fn last_sequence(&self) -> Sequence {
        self.base_sequence.plus(self.last_offset_delta)
    }

    /// A client's batch is dense: its count is its last offset delta plus one, and at least one.
    pub(super) fn check_counts(&self) -> Result<(), BatchError> {
        let (count, last_offset_delta) = (self.records_count, self.last_offset_delta);
        if count < 1 || last_offset_delta.checked_add(1) != Some(count) {
            return Err(BatchError::Count {
                count,
                last_offset_delta,
            });
        }
        Ok(())
    }
}

fn field<const N: usize>(head: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    head.get(at..)
        .and_then(|tail| tail.first_chunk())
        .copied()
        .unwrap_or([0; N])
}

fn put<const N: usize>(head: &mut [u8; BATCH_HEADER_BYTES], at: usize, value: [u8; N]) {
    if let Some(slot) = head.get_mut(at..).and_then(|tail| tail.first_chunk_mut()) {
        *slot = value;
    }
}
