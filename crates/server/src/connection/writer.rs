//! Replies on their way out: several in one vectored write, never joined; records that lie in files
//! are sent from there.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use model::Piece;

use crate::{budget::Share, stream::Stream};

/// Chunks in one write.
const SLICES_MAX: usize = 64;
/// An empty queue keeps room for at most so many entries.
const KEPT_ENTRIES_MAX: usize = 16;

/// One connection's outgoing side.
#[derive(Default)]
pub(super) struct Writer {
    chunks: VecDeque<Piece>,
    /// What is still to be written of each reply, with its memory.
    replies: VecDeque<(usize, Share)>,
    /// Bytes that wait to be written.
    pub(super) bytes: usize,
    /// Written, but perhaps still in a buffer of the TLS layer.
    unflushed: bool,
}

impl Writer {
    /// Whether everything has left.
    pub(super) fn is_idle(&self) -> bool {
        self.bytes == 0 && !self.unflushed
    }

    /// Takes a reply of so many bytes.
    pub(super) fn push(&mut self, chunks: Vec<Piece>, bytes: usize, share: Share) {
        if bytes == 0 {
            return;
        }
        self.chunks
            .extend(chunks.into_iter().filter(|chunk| !chunk.is_empty()));
        self.replies.push_back((bytes, share));
        self.bytes += bytes;
    }

    /// Writes what the socket takes; ready with the number of bytes when it took some, with 0 when
    /// the last were flushed.
    pub(super) fn poll_write<I: Stream>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
    ) -> Poll<io::Result<usize>> {
        if self.bytes > 0 {
            let written = match self.chunks.front() {
                Some(Piece::File(range)) => ready!(io.poll_send_file(context, range))?,
                _ => ready!(self.poll_write_memory(context, io))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
            self.unflushed = true;
            return Poll::Ready(Ok(written));
        }
        ready!(Pin::new(io).poll_flush(context))?;
        self.unflushed = false;
        Poll::Ready(Ok(0))
    }

    /// Writes the chunks up to the first that is in a file.
    fn poll_write_memory<I: Stream>(
        &self,
        context: &mut Context<'_>,
        io: &mut I,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let chunks = self.chunks.iter().map_while(Piece::memory);
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        Pin::new(io).poll_write_vectored(context, slices)
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        let mut left = written;
        while let Some(chunk) = self.chunks.front_mut() {
            if left < chunk.len() {
                match chunk {
                    Piece::Memory(bytes) => bytes.advance(left),
                    Piece::File(range) => range.advance(left),
                }
                break;
            }
            left -= chunk.len();
            self.chunks.pop_front();
        }
        let mut left = written;
        while let Some((remaining, _)) = self.replies.front_mut() {
            if left < *remaining {
                *remaining -= left;
                break;
            }
            left -= *remaining;
            self.replies.pop_front();
        }
        if self.chunks.is_empty() {
            self.chunks.shrink_to(KEPT_ENTRIES_MAX);
            self.replies.shrink_to(KEPT_ENTRIES_MAX);
        }
    }
}
