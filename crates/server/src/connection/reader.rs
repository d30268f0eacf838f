//! Frames out of a byte stream: judged before memory is spent on them, read in pieces so that a
//! lying length costs nothing, and without a buffer while the connection is idle.

use std::{
    cmp::Ordering,
    future::Future,
    io,
    mem::{self, MaybeUninit},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::{
    End, Session,
    budget::{Reserved, Share, Waiting},
    connection::Shared,
    frame_memory::Trace,
    sniff,
};

/// Bytes read at once while no large frame is under way; lives on the stack.
const SCRATCH_BYTES: usize = 8 * 1024;
/// The prefix and the first bytes of a frame, by which it is judged.
const HEAD_BYTES: usize = 12;
const PREFIX_BYTES: usize = 4;
/// What a large frame's buffer holds at first, as long as its connection has sent no larger one.
const FIRST_PIECE_BYTES: usize = 64 * 1024;
/// Later it holds so many times what has arrived: a frame of 1 MiB is moved once, by its first
/// sixteenth, and memory that was only claimed is never touched.
const GROWTH: usize = 16;
/// What a connection has sent before it may claim at once, up to this: nothing is moved then.
const TRUSTED_BYTES_MAX: usize = 2 << 20;

/// One connection's incoming side.
#[derive(Default)]
pub(super) struct Reader {
    /// Bytes that arrived beyond the frame they came with; empty, without memory, when idle.
    ahead: BytesMut,
    state: State,
    /// Whether the first bytes have been found to be no other protocol's.
    sniffed: bool,
    /// The largest frame that has come in whole.
    largest: usize,
    /// When the frame under way began, and when its last byte came.
    pub(super) under_way: Option<Times>,
}

/// A frame's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) began: Instant,
    pub(super) last_byte: Instant,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    /// The length is known and good; memory for it is short.
    Reserving { length: usize, waiting: Waiting },
    Body {
        length: usize,
        body: BytesMut,
        share: Share,
    },
}

/// A whole frame, with the memory reserved for it.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) trace: Trace,
    pub(super) share: Share,
}

impl Reader {
    /// Whether the reader waits for memory, not for the client.
    pub(super) fn is_reserving(&self) -> bool {
        matches!(self.state, State::Reserving { .. })
    }

    /// The next frame.
    pub(super) fn poll_frame<I: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        session: &impl Session,
        shared: &Shared,
        now: Instant,
    ) -> Poll<Result<Frame, End>> {
        loop {
            match &mut self.state {
                State::Head => match self.judge(session)? {
                    Some(length) => self.begin_body(length, shared),
                    None => ready!(self.poll_ahead(context, io, now))?,
                },
                State::Reserving { length, waiting } => {
                    let length = *length;
                    let share = ready!(waiting.as_mut().poll(context)).ok_or(End::Drained)?;
                    self.take_ahead(length, share, shared);
                    // The wait was ours, not the client's.
                    self.restart_clock(now);
                }
                State::Body { length, body, .. } if body.len() == *length => {
                    return Poll::Ready(Ok(self.finish(shared, now)));
                }
                State::Body { .. } => ready!(self.poll_body(context, io, now))?,
            }
        }
    }

    /// The length of the frame that the bytes ahead begin, once there are enough to judge it.
    fn judge(&mut self, session: &impl Session) -> Result<Option<usize>, End> {
        let Some((prefix, rest)) = self.ahead.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        if !self.sniffed {
            sniff::on_plaintext(*prefix)?;
            self.sniffed = true;
        }
        let first = rest.get(..HEAD_BYTES - PREFIX_BYTES).unwrap_or(rest);
        let length = session.frame_length(*prefix, first).map_err(End::Refused)?;
        let enough = first.len() >= length.min(HEAD_BYTES - PREFIX_BYTES);
        Ok(enough.then_some(length))
    }

    fn begin_body(&mut self, length: usize, shared: &Shared) {
        match shared.incoming.reserve(length) {
            Reserved::Now(share) => self.take_ahead(length, share, shared),
            Reserved::Later(waiting) => self.state = State::Reserving { length, waiting },
        }
    }

    /// Begins the body with what has arrived of it already. No two frames share memory: whoever
    /// holds a part of one would hold the other.
    fn take_ahead(&mut self, length: usize, share: Share, shared: &Shared) {
        let mut arrived = mem::take(&mut self.ahead);
        arrived.advance(PREFIX_BYTES);
        let body = match arrived.len().cmp(&length) {
            Ordering::Equal => arrived,
            Ordering::Greater => {
                let body = BytesMut::from(arrived.get(..length).unwrap_or_default());
                arrived.advance(length);
                self.ahead = arrived;
                body
            }
            Ordering::Less => {
                let trusted = self.largest.clamp(FIRST_PIECE_BYTES, TRUSTED_BYTES_MAX);
                let mut body = shared.frames.take(length.min(trusted));
                body.extend_from_slice(&arrived);
                body
            }
        };
        self.state = State::Body {
            length,
            body,
            share,
        };
    }

    fn finish(&mut self, shared: &Shared, now: Instant) -> Frame {
        let State::Body { body, share, .. } = mem::take(&mut self.state) else {
            unreachable!("only a body can be finished");
        };
        self.under_way = None;
        self.largest = self.largest.max(body.len());
        if !self.ahead.is_empty() {
            self.restart_clock(now);
        }
        let (bytes, trace) = shared.frames.finish(body);
        Frame {
            bytes,
            trace,
            share,
        }
    }

    fn restart_clock(&mut self, now: Instant) {
        self.under_way = Some(Times {
            began: now,
            last_byte: now,
        });
    }

    /// Reads what there is of heads and small frames.
    fn poll_ahead<I: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        now: Instant,
    ) -> Poll<Result<(), End>> {
        let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        let result = ready!(Pin::new(io).poll_read(context, &mut buffer));
        self.check(result.map(|()| buffer.filled().len()))?;
        if self.ahead.is_empty() {
            self.restart_clock(now);
        }
        self.touch(now);
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Reads more of the body, straight into its own memory.
    fn poll_body<I: AsyncRead + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        now: Instant,
    ) -> Poll<Result<(), End>> {
        let State::Body { length, body, .. } = &mut self.state else {
            unreachable!("only a body is read on");
        };
        let missing = *length - body.len();
        if body.capacity() == body.len() {
            let piece = body.len().saturating_mul(GROWTH - 1).max(FIRST_PIECE_BYTES);
            body.reserve(piece.min(missing));
        }
        // The capacity may exceed the frame; the next frame's bytes must not end up in this one.
        let mut room = body.limit(missing);
        let result = ready!(pin!(io.read_buf(&mut room)).poll(context));
        self.check(result)?;
        self.touch(now);
        Poll::Ready(Ok(()))
    }

    /// What a read of so many bytes means; none at all is the end of the stream.
    fn check(&self, read: io::Result<usize>) -> Result<(), End> {
        match read {
            Ok(1..) => Ok(()),
            // TLS clients often hang up without saying so.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(End::Broken(error)),
            Ok(0) | Err(_) => {
                let in_frame = !self.ahead.is_empty() || matches!(self.state, State::Body { .. });
                Err(if in_frame {
                    End::ClientClosedInFrame
                } else {
                    End::ClientClosed
                })
            }
        }
    }

    /// Time in which the client was not listened to does not count against its frame.
    pub(super) fn resume_clock(&mut self, now: Instant) {
        if self.under_way.is_some() {
            self.restart_clock(now);
        }
    }

    fn touch(&mut self, now: Instant) {
        if let Some(times) = &mut self.under_way {
            times.last_byte = now;
        }
    }
}

#[cfg(test)]
mod tests;
