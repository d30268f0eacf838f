//! Builds batches: for internal logs, the client and tests.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Attributes, BATCH_HEADER_BYTES, BATCH_LENGTH_PREFIX_BYTES, BatchHeader, CRC_START,
    varint::{varint_len, write_varint, write_varlong},
};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// One record to be added.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Gathers uncompressed records into one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    records: BytesMut,
    count: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    producer: (ProducerId, ProducerEpoch, Sequence),
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self {
            records: BytesMut::new(),
            count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            producer: (ProducerId::NONE, ProducerEpoch(-1), Sequence(-1)),
        }
    }
}

impl BatchBuilder {
    /// Marks the batch as an idempotent producer's.
    #[must_use]
    pub const fn producer(
        mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: Sequence,
    ) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// Whether nothing was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the batch were it built as it is.
    #[must_use]
    pub fn total_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// Adds one record at the end.
    pub fn push(&mut self, record: NewRecord<'_>) {
        if self.count == 0 {
            self.base_timestamp = record.timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        let mut body = BytesMut::new();
        body.put_i8(0);
        write_varlong(&mut body, record.timestamp.0 - self.base_timestamp.0);
        write_varint(&mut body, self.count);
        put_nullable(&mut body, record.key);
        put_nullable(&mut body, record.value);
        write_varint(&mut body, len_i32(record.headers.len()));
        for (key, value) in record.headers {
            put_nullable(&mut body, Some(key.as_bytes()));
            put_nullable(&mut body, *value);
        }
        let len = len_i32(body.len());
        self.records.reserve(varint_len(len) + body.len());
        write_varint(&mut self.records, len);
        self.records.put(body);
        self.count += 1;
    }

    /// The finished batch, at offset 0 and without an epoch: as a client sends it.
    #[must_use]
    pub fn build(self) -> Bytes {
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let total = BATCH_HEADER_BYTES + self.records.len();
        let mut header = BatchHeader {
            base_offset: Offset::ZERO,
            batch_length: len_i32(total - BATCH_LENGTH_PREFIX_BYTES),
            leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: self.count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            records_count: self.count,
        };
        let encoded = header.encode();
        let head_crc = crc32c::crc32c(encoded.get(CRC_START..).unwrap_or_default());
        header.crc = crc32c::crc32c_append(head_crc, &self.records);
        let mut out = BytesMut::with_capacity(total);
        out.put_slice(&header.encode());
        out.put(self.records);
        out.freeze()
    }
}

fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => write_varint(out, -1),
        Some(bytes) => {
            write_varint(out, len_i32(bytes.len()));
            out.put_slice(bytes);
        }
    }
}

/// Our own batches are far below 2 GiB; a larger one is a bug of ours.
fn len_i32(len: usize) -> i32 {
    let len = i32::try_from(len);
    assert!(len.is_ok(), "a batch of ours is larger than 2 GiB");
    len.unwrap_or(i32::MAX)
}
