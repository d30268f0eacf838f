//! What waits to be sent on one connection: small requests gathered, large ones shared.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// Pieces given to one write.
const SLICES_MAX: usize = 64;

/// A queue of bytes in order.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    chunks: VecDeque<Bytes>,
    /// Copied small pieces that are not yet a chunk.
    gathered: BytesMut,
}

impl Outgoing {
    /// Adds a copy of `bytes` and returns it, to be changed.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> &mut [u8] {
        let at = self.gathered.len();
        self.gathered.extend_from_slice(bytes);
        self.gathered.get_mut(at..).unwrap_or_default()
    }

    /// Adds bytes without copying them.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        self.settle();
        if !bytes.is_empty() {
            self.chunks.push_back(bytes);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.gathered.is_empty()
    }

    /// Gives the bytes to `write` until none is left or it takes no more.
    pub(crate) fn drain(
        &mut self,
        mut write: impl FnMut(&mut [IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.settle();
        while !self.chunks.is_empty() {
            let chunks = self.chunks.iter().take(SLICES_MAX);
            let mut slices: Vec<IoSlice<'_>> = chunks.map(|chunk| IoSlice::new(chunk)).collect();
            let count = write(&mut slices)?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.advance(count);
        }
        Ok(())
    }

    fn settle(&mut self) {
        if !self.gathered.is_empty() {
            self.chunks.push_back(self.gathered.split().freeze());
        }
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.chunks.front_mut() {
            if front.len() > count {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }

    /// All of it in one piece.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut all: Vec<u8> = self.chunks.iter().flatten().copied().collect();
        all.extend_from_slice(&self.gathered);
        all
    }
}
