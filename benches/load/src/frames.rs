//! The bytes that have arrived on one connection, cut into frames where they lie.

use std::io::{self, ErrorKind};

use crate::buffer::Buffer;

/// Room made at least for a read.
const READ_BYTES_MIN: usize = 16 << 10;
/// The largest frame a peer may announce: a mistake in framing must not take all memory.
const FRAME_BYTES_MAX: usize = 256 << 20;
const LENGTH_BYTES: usize = 4;

/// A buffer that bytes are read into and frames are taken from, without copying them.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Buffer,
}

impl Frames {
    /// Calls `read` once with room for the rest of the frame that has begun.
    ///
    /// # Errors
    /// What `read` says; [`ErrorKind::InvalidData`] for a frame of an impossible length.
    pub fn fill(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<Filled> {
        let missing = match self.frame_bytes()? {
            Some(frame) => (LENGTH_BYTES + frame).saturating_sub(self.buffer.held().len()),
            None => 0,
        };
        let room = self.buffer.room(missing.max(READ_BYTES_MIN));
        let offered = room.len();
        let count = read(room)?;
        self.buffer.add(count);
        Ok(Filled {
            count,
            full: count == offered,
        })
    }

    /// The next whole frame, its length prefix taken off.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] for a frame of an impossible length.
    pub fn next_frame(&mut self) -> io::Result<Option<&mut [u8]>> {
        let Some(bytes) = self.frame_bytes()? else {
            return Ok(None);
        };
        let whole = LENGTH_BYTES + bytes;
        if whole > self.buffer.held().len() {
            return Ok(None);
        }
        Ok(self.buffer.take(whole).get_mut(LENGTH_BYTES..))
    }

    fn frame_bytes(&self) -> io::Result<Option<usize>> {
        let Some(prefix) = self.buffer.held().first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        match usize::try_from(i32::from_be_bytes(*prefix)) {
            Ok(bytes) if bytes <= FRAME_BYTES_MAX => Ok(Some(bytes)),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "frame length")),
        }
    }
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    pub count: usize,
    /// The room was used up, so that there may be more to read.
    pub full: bool,
}
