//! Packs a batch's records with another codec, where a topic asks for one.
//!
//! The block is unpacked and packed again as a whole: the records inside keep every byte, so only
//! the codec, the length and the checksum of the header change.

use std::io::{self, Write};

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{
    BATCH_HEADER_BYTES, BATCH_LENGTH_PREFIX_BYTES, Batch, BatchError, BatchHeader, CRC_START,
    Compression,
    compression::{DecompressError, XERIAL_MAGIC, decompress},
    record::{self, RecordError},
};

/// Uncompressed bytes in one chunk of xerial's snappy framing, as snappy-java writes them.
const XERIAL_CHUNK_BYTES: usize = 32 << 10;
/// Version and least version of xerial's framing.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];

/// How hard the codecs try, where they have levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// 1 to 9; `None` is the codec's default.
    pub gzip: Option<u32>,
    pub zstd: i32,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            gzip: None,
            zstd: 3,
        }
    }
}

/// Why a batch was not packed again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecompressError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Unpack(#[from] DecompressError),
    /// The block does not hold the records that the header promises.
    #[error(transparent)]
    Records(#[from] RecordError),
    #[error("the block can't be packed with {0:?}")]
    Pack(Compression),
}

impl Batch {
    /// The same records packed with `codec`; the batch itself if it is so already. A block that
    /// would unpack to more than `unpacked_bytes_max` is refused.
    ///
    /// # Errors
    /// The sender's fault, but for [`RecompressError::Pack`].
    pub fn recompress(
        &self,
        codec: Compression,
        levels: Levels,
        unpacked_bytes_max: usize,
    ) -> Result<Self, RecompressError> {
        let from = self.header.attributes.compression()?;
        if from == codec {
            return Ok(self.clone());
        }
        let packed = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        let block = decompress(from, packed, unpacked_bytes_max)?;
        record::walk(&block, self.header.records_count, &mut |_| ())?;
        let body = compress(codec, levels, block).map_err(|_| RecompressError::Pack(codec))?;
        Ok(self.with_block(codec, &body))
    }

    pub(super) fn with_block(&self, codec: Compression, body: &[u8]) -> Self {
        let total = BATCH_HEADER_BYTES + body.len();
        let batch_length = i32::try_from(total - BATCH_LENGTH_PREFIX_BYTES).unwrap_or(i32::MAX);
        let attributes = self.header.attributes.with_compression(codec);
        let mut header = BatchHeader {
            batch_length,
            attributes,
            ..self.header
        };
        let encoded = header.encode();
        let head_crc = crc32c::crc32c(encoded.get(CRC_START..).unwrap_or_default());
        header.crc = crc32c::crc32c_append(head_crc, body);
        let mut bytes = BytesMut::with_capacity(total);
        bytes.put_slice(&header.encode());
        bytes.put_slice(body);
        Self {
            header,
            bytes: bytes.freeze(),
            contents: self.contents,
        }
    }
}

pub(super) fn compress(codec: Compression, levels: Levels, block: Vec<u8>) -> io::Result<Bytes> {
    let packed = match codec {
        Compression::None => block,
        Compression::Gzip => {
            let level = levels
                .gzip
                .map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
            out.write_all(&block)?;
            out.finish()?
        }
        Compression::Snappy => xerial(&block)?,
        Compression::Lz4 => {
            let info =
                lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            out.write_all(&block)?;
            out.finish()?
        }
        Compression::Zstd => zstd::stream::encode_all(block.as_slice(), levels.zstd)?,
    };
    Ok(packed.into())
}

/// Snappy in the framing that every Kafka client reads.
fn xerial(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = XERIAL_MAGIC.to_vec();
    out.extend_from_slice(&XERIAL_VERSIONS);
    for chunk in block.chunks(XERIAL_CHUNK_BYTES) {
        let packed = snap::raw::Encoder::new().compress_vec(chunk)?;
        let len = u32::try_from(packed.len()).map_err(io::Error::other)?;
        out.put_u32(len);
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Timestamp,
        batch::{BatchBuilder, NewRecord},
    };

    const CODECS: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    fn sample() -> Batch {
        let mut builder = BatchBuilder::default();
        for index in 0..500_i64 {
            let value = format!("value number {index} of a block larger than one snappy chunk");
            let value = value.repeat(3);
            builder.push(NewRecord {
                timestamp: Timestamp(1_700_000_000_000 + index),
                key: Some(b"key"),
                value: Some(value.as_bytes()),
                headers: &[],
            });
        }
        Batch::check(builder.build()).unwrap()
    }

    #[test]
    fn every_codec_gives_the_same_records_back() {
        let original = sample();
        for from in CODECS {
            for to in CODECS {
                let levels = Levels::default();
                let packed = original.recompress(from, levels, usize::MAX).unwrap();
                let again = packed.recompress(to, levels, 1 << 20).unwrap();
                Batch::check(again.bytes().clone()).unwrap();
                assert_eq!(again.header().attributes.compression(), Ok(to));
                let back = again
                    .recompress(Compression::None, levels, 1 << 20)
                    .unwrap();
                assert_eq!(back.bytes(), original.bytes(), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_block_that_unpacks_too_far_is_refused() {
        let packed = sample()
            .recompress(Compression::Zstd, Levels::default(), 1 << 20)
            .unwrap();
        let refused = packed
            .recompress(Compression::Gzip, Levels::default(), 1000)
            .unwrap_err();
        assert_eq!(
            refused,
            RecompressError::Unpack(DecompressError::TooLarge { cap: 1000 })
        );
    }
}
