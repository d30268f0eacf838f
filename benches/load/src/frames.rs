//! The bytes that have arrived on one connection, cut into frames where they lie.

use std::io::{self, ErrorKind};

/// Room made at least for a read.
const READ_BYTES_MIN: usize = 16 << 10;
/// The largest frame a peer may announce: a mistake in framing must not take all memory.
const FRAME_BYTES_MAX: usize = 256 << 20;
const LENGTH_BYTES: usize = 4;

/// A buffer that bytes are read into and frames are taken from, without copying them.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
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
            Some(frame) => (LENGTH_BYTES + frame).saturating_sub(self.end - self.start),
            None => 0,
        };
        self.make_room(missing.max(READ_BYTES_MIN));
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let offered = room.len();
        let count = read(room)?;
        self.end += count;
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
        let begin = self.start + LENGTH_BYTES;
        let end = begin + bytes;
        if end > self.end {
            return Ok(None);
        }
        self.start = end;
        Ok(self.buffer.get_mut(begin..end))
    }

    fn frame_bytes(&self) -> io::Result<Option<usize>> {
        let held = self.buffer.get(self.start..self.end).unwrap_or_default();
        let Some(prefix) = held.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        match usize::try_from(i32::from_be_bytes(*prefix)) {
            Ok(bytes) if bytes <= FRAME_BYTES_MAX => Ok(Some(bytes)),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "frame length")),
        }
    }

    fn make_room(&mut self, wanted: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end >= wanted {
            return;
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() - self.end < wanted {
            self.buffer.resize(self.end + wanted, 0);
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
