//! Reads responses without decoding them: error codes, and batches by their headers.

use load::reader::Reader;
use model::batch::{BATCH_HEADER_BYTES, BATCH_LENGTH_PREFIX_BYTES};

use crate::payload::MARK;
use crate::template::Stamp;

/// The correlation id of a response with a flexible header; the rest is the body.
pub(crate) fn header(frame: &[u8]) -> Option<(i32, Reader<'_>)> {
    let mut reader = Reader::new(frame);
    let id = reader.i32()?;
    reader.tags()?;
    Some((id, reader))
}

/// Calls `each` with the error code of every partition of a Produce response, version 11.
pub(crate) fn produced(mut body: Reader<'_>, mut each: impl FnMut(i16)) -> Option<()> {
    for _ in 0..body.length()? {
        body.compact()?;
        for _ in 0..body.length()? {
            let _index = body.i32()?;
            each(body.i16()?);
            // Base offset, append time, log start offset.
            body.take(8 + 8 + 8)?;
            for _ in 0..body.length()? {
                body.i32()?;
                body.compact()?;
                body.tags()?;
            }
            body.compact()?;
            body.tags()?;
        }
        body.tags()?;
    }
    Some(())
}

/// What a Fetch response, version 12, holds of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched<'a> {
    pub(crate) partition: i32,
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    pub(crate) records: &'a [u8],
}

/// Calls `each` with every partition of a Fetch response; returns the response's own error code.
pub(crate) fn fetched<'a>(mut body: Reader<'a>, mut each: impl FnMut(Fetched<'a>)) -> Option<i16> {
    let _throttle_ms = body.i32()?;
    let error_code = body.i16()?;
    let _session = body.i32()?;
    for _ in 0..body.length()? {
        body.compact()?;
        for _ in 0..body.length()? {
            each(partition(&mut body)?);
        }
        body.tags()?;
    }
    Some(error_code)
}

fn partition<'a>(body: &mut Reader<'a>) -> Option<Fetched<'a>> {
    let partition = body.i32()?;
    let error_code = body.i16()?;
    let high_watermark = body.i64()?;
    // Last stable offset, log start offset.
    body.take(8 + 8)?;
    for _ in 0..body.length()? {
        body.take(8 + 8)?;
        body.tags()?;
    }
    let _preferred_replica = body.i32()?;
    let records = body.compact()?;
    body.tags()?;
    Some(Fetched {
        partition,
        error_code,
        high_watermark,
        records,
    })
}

/// One whole batch of a Fetch response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchedBatch<'a> {
    pub(crate) base_offset: i64,
    pub(crate) last_offset_delta: i32,
    pub(crate) bytes: &'a [u8],
}

impl FetchedBatch<'_> {
    pub(crate) fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta) + 1
    }

    /// Records at `offset` and later: a fetch may begin in the middle of a batch.
    pub(crate) fn records_from(&self, offset: i64) -> u64 {
        u64::try_from(self.next_offset() - self.base_offset.max(offset)).unwrap_or(0)
    }

    pub(crate) fn checksum_holds(&self) -> bool {
        let claimed = self.bytes.get(17..).and_then(<[u8]>::first_chunk);
        let body = self.bytes.get(21..).unwrap_or_default();
        claimed.is_some_and(|claimed| u32::from_be_bytes(*claimed) == crc32c::crc32c(body))
    }
}

/// The whole batches in a partition's records; the last one may be cut and is left out.
pub(crate) fn batches(mut records: &[u8]) -> impl Iterator<Item = FetchedBatch<'_>> {
    std::iter::from_fn(move || {
        let mut head = Reader::new(records);
        let base_offset = head.i64()?;
        let length = usize::try_from(head.i32()?).ok()?;
        let (bytes, rest) = records.split_at_checked(BATCH_LENGTH_PREFIX_BYTES + length)?;
        head.take(4 + 1 + 4 + 2)?;
        let last_offset_delta = head.i32()?;
        records = rest;
        Some(FetchedBatch {
            base_offset,
            last_offset_delta,
            bytes,
        })
    })
}

/// The time in the batch's first value, if it is one of ours that carries it.
pub(crate) fn first_stamp(batch: &[u8]) -> Option<Stamp> {
    let mut record = Reader::new(batch.get(BATCH_HEADER_BYTES..)?);
    let _length = record.zigzag()?;
    let _attributes = record.i8()?;
    let _timestamp = record.zigzag()?;
    let _offset = record.zigzag()?;
    if let Ok(key) = usize::try_from(record.zigzag()?) {
        record.take(key)?;
    }
    let _value_length = record.zigzag()?;
    if record.take(MARK.len())? != MARK {
        return None;
    }
    Some(Stamp {
        intended_ns: record.array().map(u64::from_be_bytes)?,
        stride_ns: record.array().map(u32::from_be_bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
    use kafka_protocol::messages::produce_response::{
        PartitionProduceResponse, TopicProduceResponse,
    };
    use kafka_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse};
    use model::Timestamp;
    use wire::codec::encode_response;

    use super::*;
    use crate::payload::{Codec, batch};

    #[test]
    fn produce_errors_are_found() {
        let partition = |code| PartitionProduceResponse::default().with_error_code(code);
        let topic = TopicProduceResponse::default()
            .with_partition_responses(vec![partition(0), partition(7)]);
        let response = ProduceResponse::default().with_responses(vec![topic]);
        let frame = encode_response::<ProduceRequest>(11, 9, &response).unwrap();
        let bytes = frame.into_bytes().unwrap();
        let (id, body) = header(&bytes[4..]).unwrap();
        let mut codes = Vec::new();
        produced(body, |code| codes.push(code)).unwrap();
        assert_eq!((id, codes), (9, vec![0, 7]));
    }

    #[test]
    fn fetched_batches_are_counted_and_a_cut_one_is_left_out() {
        let one = batch(Codec::None, 3, 100, false, Timestamp(1)).unwrap();
        let records: Bytes = [&one[..], &one[..], &one[..90]].concat().into();
        let partition = PartitionData::default()
            .with_partition_index(5)
            .with_high_watermark(44)
            .with_records(Some(records));
        let topic = FetchableTopicResponse::default().with_partitions(vec![partition]);
        let response = FetchResponse::default().with_responses(vec![topic]);
        let frame = encode_response::<FetchRequest>(12, 1, &response).unwrap();
        let bytes = frame.into_bytes().unwrap();
        let (_, body) = header(&bytes[4..]).unwrap();
        let mut seen = Vec::new();
        let code = fetched(body, |part| {
            assert_eq!((part.partition, part.high_watermark), (5, 44));
            for batch in batches(part.records) {
                assert!(batch.checksum_holds());
                seen.push((batch.records_from(1), batch.next_offset()));
            }
        });
        assert_eq!((code, seen), (Some(0), vec![(2, 3), (2, 3)]));
    }
}
