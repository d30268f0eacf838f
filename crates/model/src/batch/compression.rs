//! Unpacks a compressed block of records, never beyond what the caller allows.
//!
//! The sender chose the bytes: a block of a few kilobytes may unpack to gigabytes, so each codec is
//! read through a cap instead of into a buffer of the size that the block claims.

use std::io::{self, Read};

use thiserror::Error;

use super::Compression;

/// What snappy-java (xerial) writes before its chunks: this magic, a version, the least version.
pub(super) const XERIAL_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
pub(super) const XERIAL_HEADER_BYTES: usize = 16;

/// Why a block was not unpacked; the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecompressError {
    #[error("the block unpacks to more than {cap} bytes")]
    TooLarge { cap: usize },
    #[error("the block is not sound {codec:?}")]
    Damaged { codec: Compression },
}

/// Unpacks `block`, at most to `cap` bytes.
///
/// # Errors
/// The block is damaged or unpacks to more.
pub fn decompress(
    codec: Compression,
    block: &[u8],
    cap: usize,
) -> Result<Vec<u8>, DecompressError> {
    match codec {
        Compression::None if block.len() > cap => Err(DecompressError::TooLarge { cap }),
        Compression::None => Ok(block.to_vec()),
        Compression::Gzip => read_capped(codec, flate2::read::MultiGzDecoder::new(block), cap),
        Compression::Lz4 => read_capped(codec, lz4_flex::frame::FrameDecoder::new(block), cap),
        Compression::Zstd => {
            let reader = zstd::stream::read::Decoder::with_buffer(block)
                .map_err(|_| DecompressError::Damaged { codec })?;
            read_capped(codec, reader, cap)
        }
        Compression::Snappy => snappy(block, cap),
    }
}

fn read_capped(
    codec: Compression,
    reader: impl Read,
    cap: usize,
) -> Result<Vec<u8>, DecompressError> {
    let limit = u64::try_from(cap).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    let read: io::Result<usize> = reader.take(limit).read_to_end(&mut out);
    match read {
        Err(_) => Err(DecompressError::Damaged { codec }),
        Ok(_) if out.len() > cap => Err(DecompressError::TooLarge { cap }),
        Ok(_) => Ok(out),
    }
}

/// Snappy as librdkafka writes it (one raw block), or as Java does (xerial's chunks).
fn snappy(block: &[u8], cap: usize) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    if !block.starts_with(&XERIAL_MAGIC) {
        snappy_block(block, cap, &mut out)?;
        return Ok(out);
    }
    let damaged = DecompressError::Damaged {
        codec: Compression::Snappy,
    };
    let mut rest = block.get(XERIAL_HEADER_BYTES..).ok_or(damaged)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(damaged)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| damaged)?;
        let (chunk, after) = after.split_at_checked(length).ok_or(damaged)?;
        snappy_block(chunk, cap, &mut out)?;
        rest = after;
    }
    Ok(out)
}

fn snappy_block(block: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), DecompressError> {
    let damaged = |_| DecompressError::Damaged {
        codec: Compression::Snappy,
    };
    let claimed = snap::raw::decompress_len(block).map_err(damaged)?;
    if claimed > cap.saturating_sub(out.len()) {
        return Err(DecompressError::TooLarge { cap });
    }
    let unpacked = snap::raw::Decoder::new()
        .decompress_vec(block)
        .map_err(damaged)?;
    out.extend_from_slice(&unpacked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const CODECS: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    fn packed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Compression::None => bytes.to_vec(),
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap()
            }
            Compression::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            Compression::Lz4 => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap()
            }
            Compression::Zstd => zstd::stream::encode_all(bytes, 3).unwrap(),
        }
    }

    fn xerial(chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = XERIAL_MAGIC.to_vec();
        out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for chunk in chunks {
            let block = packed(Compression::Snappy, chunk);
            out.extend_from_slice(&i32::try_from(block.len()).unwrap().to_be_bytes());
            out.extend_from_slice(&block);
        }
        out
    }

    #[test]
    fn every_codec_gives_back_what_went_in_up_to_the_cap_exactly() {
        let bytes = b"tide ".repeat(2000);
        for codec in CODECS {
            let block = packed(codec, &bytes);
            assert_eq!(
                decompress(codec, &block, bytes.len()),
                Ok(bytes.clone()),
                "{codec:?}"
            );
            let cap = bytes.len() - 1;
            let error = decompress(codec, &block, cap).unwrap_err();
            assert_eq!(error, DecompressError::TooLarge { cap }, "{codec:?}");
        }
    }

    #[test]
    fn bytes_of_other_programs_are_read() {
        // printf 'hello kafka' | gzip -n | xxd; a single literal of 11 bytes in snappy's format.
        let gzip = [
            0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8,
            0x4e, 0x4c, 0xcb, 0x4e, 0x04, 0, 0xd1, 0x75, 0x81, 0x6c, 0x0b, 0, 0, 0,
        ];
        let snappy = *b"\x0b\x28hello kafka";
        assert_eq!(
            decompress(Compression::Gzip, &gzip, 100).as_deref(),
            Ok(b"hello kafka".as_slice())
        );
        assert_eq!(
            decompress(Compression::Snappy, &snappy, 100).as_deref(),
            Ok(b"hello kafka".as_slice())
        );
    }

    #[test]
    fn xerial_chunks_are_joined_and_share_one_cap() {
        let block = xerial(&[b"hello ", b"kafka"]);
        assert_eq!(
            decompress(Compression::Snappy, &block, 11).as_deref(),
            Ok(b"hello kafka".as_slice())
        );
        assert_eq!(
            decompress(Compression::Snappy, &block, 10),
            Err(DecompressError::TooLarge { cap: 10 })
        );
        let (_, cut) = block.split_last().unwrap();
        assert_eq!(
            decompress(Compression::Snappy, cut, 100),
            Err(DecompressError::Damaged {
                codec: Compression::Snappy
            })
        );
    }

    #[test]
    fn a_bomb_is_refused_without_being_unpacked() {
        let zeros = vec![0; 64 << 20];
        for codec in CODECS {
            let block = packed(codec, &zeros);
            let error = decompress(codec, &block, 1 << 20).unwrap_err();
            assert_eq!(
                error,
                DecompressError::TooLarge { cap: 1 << 20 },
                "{codec:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_any_codec_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            codec in proptest::sample::select(CODECS.as_slice()),
        ) {
            let _unpacked = decompress(codec, &bytes, 1000);
        }
    }
}
