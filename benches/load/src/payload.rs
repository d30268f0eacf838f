//! Record batches made in advance: values of a size, uncompressed or packed by a codec.

use std::io::Write;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::ValueEnum;
use model::Timestamp;
use model::batch::{Attributes, BATCH_HEADER_BYTES, BatchBuilder, BatchHeader, NewRecord};

/// Where a batch's first value carries the time it was meant to be sent: `MARK`, then nanoseconds
/// and the distance between this record's time and the next one's.
pub(crate) const MARK: [u8; 8] = *b"tidegate";
pub(crate) const STAMP_BYTES: usize = 12;
pub(crate) const MARKED_BYTES: usize = MARK.len() + STAMP_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// The number in a batch's attributes.
    fn number(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    fn pack(self, records: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::None => records.to_vec(),
            Self::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), <_>::default());
                out.write_all(records)?;
                out.finish()?
            }
            Self::Snappy => snap::raw::Encoder::new().compress_vec(records)?,
            Self::Lz4 => {
                let frame = lz4_flex::frame::FrameInfo::new()
                    .block_mode(lz4_flex::frame::BlockMode::Independent);
                let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
                out.write_all(records)?;
                out.finish()?
            }
            Self::Zstd => zstd::bulk::compress(records, 3)?,
        })
    }
}

/// One batch of `records` values of `record_bytes` each, at offset 0, as a client sends it.
pub(crate) fn batch(
    codec: Codec,
    records: usize,
    record_bytes: usize,
    producer: bool,
    now: Timestamp,
) -> Result<Bytes> {
    let mut value = vec![0; record_bytes];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut builder = BatchBuilder::default();
    if producer {
        // Places to patch: the real numbers come with each request.
        builder = builder.producer(
            model::ProducerId(0),
            model::ProducerEpoch(0),
            model::Sequence(0),
        );
    }
    for index in 0..records {
        random.fill(&mut value, codec);
        if index == 0
            && let Some(mark) = value.first_chunk_mut()
        {
            *mark = MARK;
        }
        builder.push(NewRecord {
            timestamp: now,
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    let plain = builder.build();
    if codec == Codec::None {
        return Ok(plain);
    }
    let header = BatchHeader::parse(&plain).context("a batch of ours")?;
    let body = codec.pack(&plain.slice(BATCH_HEADER_BYTES..))?;
    seal(header, codec, &body)
}

/// Puts a header with the right length and checksum in front of packed records.
fn seal(mut header: BatchHeader, codec: Codec, body: &[u8]) -> Result<Bytes> {
    const LENGTH_END: usize = 12;
    const CRC_START: usize = 21;
    header.attributes = Attributes(codec.number());
    header.batch_length = i32::try_from(BATCH_HEADER_BYTES - LENGTH_END + body.len())?;
    let head = header.encode();
    let crc = crc32c::crc32c(head.get(CRC_START..).context("a whole header")?);
    header.crc = crc32c::crc32c_append(crc, body);
    Ok([&header.encode(), body].concat().into())
}

/// A fixed sequence of pseudo-random numbers (xorshift): every run sends the same bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Bytes that can't be packed, or, where a codec is asked for, words that can.
    fn fill(&mut self, value: &mut [u8], codec: Codec) {
        const WORDS: [&[u8; 8]; 16] = [
            b"\"device\"",
            b":\"sensor",
            b"-000017\"",
            b",\"temper",
            b"ature\": ",
            b"21.503,\"",
            b"humidity",
            b"\": 48.1,",
            b"\"status\"",
            b": \"ok\", ",
            b"\"region\"",
            b": \"west-",
            b"europe\",",
            b" \"sequen",
            b"ce\": 123",
            b"456789}\n",
        ];
        for chunk in value.chunks_mut(8) {
            let random = self.next();
            let bytes = match WORDS.get((random >> 60) as usize) {
                // One chunk in four stays random, as identifiers and measurements are.
                Some(word) if codec != Codec::None && random & 3 != 0 => **word,
                _ => random.to_le_bytes(),
            };
            chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use model::batch::Batch;

    use super::*;

    #[test]
    fn every_codec_makes_a_sound_batch_of_the_right_count() {
        for codec in Codec::value_variants() {
            let bytes = batch(*codec, 7, 300, false, Timestamp(1)).unwrap();
            let batch = Batch::check(bytes).unwrap();
            assert_eq!(batch.header().records_count, 7);
            assert_eq!(
                batch.header().attributes.compression().unwrap() as i16,
                codec.number()
            );
        }
    }

    #[test]
    fn words_can_be_packed_and_plain_values_cannot() {
        let size = |codec| batch(codec, 16, 1024, false, Timestamp(1)).unwrap().len();
        assert!(size(Codec::Zstd) * 2 < size(Codec::None));
    }
}
