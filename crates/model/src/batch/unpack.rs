//! Reads a compressed block piece by piece: what a walk looks at, without the block's unpacked whole.

use std::{
    cell::RefCell,
    io::{self, Read},
};

use zstd::zstd_safe::{DCtx, DParameter, ResetDirective};

use super::{
    Compression,
    compression::{XERIAL_HEADER_BYTES, XERIAL_MAGIC},
};

/// Windows of zstd up to this size are kept by the thread that unpacks: what its levels up to 19 use.
const ZSTD_WINDOW_LOG_KEPT: u32 = 23;
/// Windows of zstd above this size are refused, as zstd itself does unless told otherwise; up to it
/// they are given back after the block, and the system provides only what is written to.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// A snappy copy of three bytes gives 64: no block unpacks to more than this many times its size.
const SNAPPY_RATIO_MAX: usize = 22;
/// Scratch memory of a thread above this size is given back after the block.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

thread_local! {
    static ZSTD: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
    static SNAPPY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lets `read` read what `block` unpacks to, of which it takes as much as it wants.
pub(super) fn read_block<T>(
    codec: Compression,
    block: &[u8],
    read: impl FnOnce(&mut dyn Read) -> T,
) -> io::Result<T> {
    match codec {
        Compression::None => Ok(read(&mut &*block)),
        Compression::Gzip => Ok(read(&mut flate2::bufread::MultiGzDecoder::new(block))),
        Compression::Lz4 => Ok(read(&mut lz4_flex::frame::FrameDecoder::new(block))),
        Compression::Zstd => read_zstd(block, read),
        Compression::Snappy => SNAPPY.with_borrow_mut(|chunk| {
            let done = read(&mut Snappy::new(block, chunk)?);
            chunk.clear();
            chunk.shrink_to(SCRATCH_BYTES_KEPT);
            Ok(done)
        }),
    }
}

/// The thread's context serves every ordinary frame; one with a larger window gets its own.
fn read_zstd<T>(block: &[u8], read: impl FnOnce(&mut dyn Read) -> T) -> io::Result<T> {
    if zstd_window_bytes(block).is_some_and(|bytes| bytes > 1 << ZSTD_WINDOW_LOG_KEPT) {
        return read_zstd_in(&mut DCtx::create(), ZSTD_WINDOW_LOG_MAX, block, read);
    }
    ZSTD.with_borrow_mut(|kept| {
        let context = kept.get_or_insert_with(DCtx::create);
        read_zstd_in(context, ZSTD_WINDOW_LOG_KEPT, block, read)
    })
}

fn read_zstd_in<T>(
    context: &mut DCtx<'static>,
    window_log_max: u32,
    block: &[u8],
    read: impl FnOnce(&mut dyn Read) -> T,
) -> io::Result<T> {
    let failed = |_| io::Error::other("zstd's context");
    // What an earlier block left behind when it broke off.
    context.reset(ResetDirective::SessionOnly).map_err(failed)?;
    let parameter = DParameter::WindowLogMax(window_log_max);
    context.set_parameter(parameter).map_err(failed)?;
    Ok(read(&mut zstd::stream::read::Decoder::with_context(
        block, context,
    )))
}

/// The memory that the first frame of a zstd block asks for (RFC 8878, 3.1.1.1).
fn zstd_window_bytes(block: &[u8]) -> Option<u64> {
    const MAGIC_BYTES: usize = 4;
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let (&descriptor, rest) = block.get(MAGIC_BYTES..)?.split_first()?;
    if descriptor & SINGLE_SEGMENT == 0 {
        let window = *rest.first()?;
        let base = 1_u64 << (10 + u32::from(window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The window is the content itself, whose size follows the dictionary's id.
    let rest = rest.get(*[0, 1, 2, 4].get(usize::from(descriptor & 3))?..)?;
    let size = |len: usize| {
        let bytes = rest.get(..len)?.iter().rev();
        Some(bytes.fold(0_u64, |size, &byte| size << 8 | u64::from(byte)))
    };
    match descriptor >> 6 {
        0 => size(1),
        1 => size(2).map(|size| size + 256),
        2 => size(4),
        _ => size(8),
    }
}

/// Snappy as librdkafka writes it (one raw block), or as Java does (xerial's chunks): unpacked chunk
/// by chunk, because a chunk has no end that could be told from within.
struct Snappy<'a> {
    rest: &'a [u8],
    is_framed: bool,
    chunk: &'a mut Vec<u8>,
    taken: usize,
}

impl<'a> Snappy<'a> {
    fn new(block: &'a [u8], chunk: &'a mut Vec<u8>) -> io::Result<Self> {
        let is_framed = block.starts_with(&XERIAL_MAGIC);
        let rest = if is_framed {
            let chunks = block.get(XERIAL_HEADER_BYTES..);
            chunks.ok_or(io::ErrorKind::UnexpectedEof)?
        } else {
            block
        };
        chunk.clear();
        Ok(Self {
            rest,
            is_framed,
            chunk,
            taken: 0,
        })
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let chunk = if self.is_framed {
            let (length, after) = self
                .rest
                .split_first_chunk::<4>()
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            let length = usize::try_from(i32::from_be_bytes(*length)).map_err(io::Error::other)?;
            let chunk = after.split_at_checked(length);
            let (chunk, after) = chunk.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.rest = after;
            chunk
        } else {
            std::mem::take(&mut self.rest)
        };
        let claimed = snap::raw::decompress_len(chunk)?;
        if claimed > chunk.len().saturating_mul(SNAPPY_RATIO_MAX) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.chunk.resize(claimed, 0);
        self.taken = 0;
        let unpacked = snap::raw::Decoder::new().decompress(chunk, self.chunk)?;
        self.chunk.truncate(unpacked);
        Ok(())
    }
}

impl Read for Snappy<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.chunk.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.next_chunk()?;
        }
        let mut left = self.chunk.get(self.taken..).unwrap_or_default();
        let read = left.read(out)?;
        self.taken += read;
        Ok(read)
    }
}
