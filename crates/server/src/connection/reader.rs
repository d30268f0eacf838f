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
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::{
    End, Intake, Session,
    budget::{Account, Reserved, SMALL_BYTES_MAX, Share, Waiting},
    connection::Shared,
    frame_memory::Trace,
    pace::Pace,
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
/// Memory that is asked for at once when what a frame was given is full.
const STEP_BYTES_MAX: usize = 4 << 20;

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
    /// Since when it waits for memory, not for the client.
    pub(super) waits_since: Option<Instant>,
    /// Since when the frame has been given more memory than there is.
    pub(super) exceeds_since: Option<Instant>,
}

/// What a reader has to do with, beside its stream.
pub(super) struct Surroundings<'a, S> {
    pub(super) session: &'a S,
    pub(super) shared: &'a Shared,
    pub(super) account: &'a Account,
    pub(super) now: Instant,
}

/// A frame's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) began: Instant,
    pub(super) last_byte: Instant,
    pub(super) pace: Pace,
}

#[derive(Default)]
enum State {
    #[default]
    Head,
    /// The length is known and good; memory for it is short.
    Reserving {
        length: usize,
        waiting: Waiting,
    },
    Body(Body),
    /// So much is yet to come of a frame that is not held.
    Passing(usize),
}

/// A frame that comes in. Its share grows with it.
struct Body {
    length: usize,
    bytes: BytesMut,
    share: Share,
    /// Its share is full, and memory for more is short.
    more: Option<Waiting>,
}

impl Body {
    fn is_whole(&self) -> bool {
        self.bytes.len() == self.length
    }

    /// How far it may grow.
    fn granted(&self) -> usize {
        if self.length <= SMALL_BYTES_MAX {
            return self.length;
        }
        self.share.bytes().min(self.length)
    }

    /// As much again as it has.
    fn next_step(&self) -> usize {
        self.bytes.len().clamp(FIRST_PIECE_BYTES, STEP_BYTES_MAX)
    }
}

/// What has come in.
pub(super) enum Arrival {
    Frame(Frame),
    /// Some of a frame that is not held.
    Piece {
        bytes: Bytes,
        is_last: bool,
    },
}

/// A whole frame, with the memory reserved for it.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) trace: Trace,
    pub(super) share: Share,
}

impl Reader {
    /// The next frame, or a piece of one.
    pub(super) fn poll_frame<I: AsyncRead + Unpin, S: Session>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        around: &Surroundings<'_, S>,
    ) -> Poll<Result<Arrival, End>> {
        loop {
            match &mut self.state {
                State::Head => match self.judge(around.session)? {
                    Some(Intake::Whole(length)) => self.begin_body(length, around),
                    Some(Intake::Skimmed(length)) => {
                        self.ahead.advance(PREFIX_BYTES);
                        self.state = State::Passing(length);
                    }
                    None => ready!(self.poll_ahead(context, io, around))?,
                },
                State::Reserving { length, waiting } => {
                    let length = *length;
                    let share = ready!(waiting.poll_unpin(context)).ok_or(End::Drained)?;
                    self.granted(&share, around.now);
                    self.take_ahead(length, share, around.shared);
                }
                State::Body(body) if body.is_whole() => {
                    return Poll::Ready(Ok(Arrival::Frame(self.finish(around))));
                }
                State::Body(body) if body.bytes.len() >= body.granted() => {
                    ready!(self.poll_grant(context, around))?;
                }
                State::Body(_) => ready!(self.poll_body(context, io, around))?,
                State::Passing(left) if !self.ahead.is_empty() || *left == 0 => {
                    let left = *left;
                    return Poll::Ready(Ok(self.take_piece(left, around.now)));
                }
                State::Passing(_) => ready!(self.poll_ahead(context, io, around))?,
            }
        }
    }

    /// The length of the frame that the bytes ahead begin, once there are enough to judge it.
    fn judge(&mut self, session: &impl Session) -> Result<Option<Intake>, End> {
        let Some((prefix, rest)) = self.ahead.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        if !self.sniffed {
            sniff::on_plaintext(*prefix)?;
            self.sniffed = true;
        }
        let first = rest.get(..HEAD_BYTES - PREFIX_BYTES).unwrap_or(rest);
        let intake = session.frame_length(*prefix, first).map_err(End::Refused)?;
        let (Intake::Whole(length) | Intake::Skimmed(length)) = intake;
        let enough = first.len() >= length.min(HEAD_BYTES - PREFIX_BYTES);
        Ok(enough.then_some(intake))
    }

    /// Gives away what has arrived of a frame that is not held.
    fn take_piece(&mut self, left: usize, now: Instant) -> Arrival {
        let bytes = self.ahead.split_to(left.min(self.ahead.len())).freeze();
        let is_last = bytes.len() == left;
        if is_last {
            self.state = State::Head;
            self.under_way = None;
            if !self.ahead.is_empty() {
                self.restart_clock(now);
            }
        } else {
            self.state = State::Passing(left - bytes.len());
        }
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        Arrival::Piece { bytes, is_last }
    }

    fn begin_body<S>(&mut self, length: usize, around: &Surroundings<'_, S>) {
        let first = if length <= SMALL_BYTES_MAX {
            length
        } else {
            length.min(self.trusted())
        };
        let incoming = &around.shared.incoming;
        match incoming.reserve(around.account, first, length) {
            Reserved::Now(share) => self.take_ahead(length, share, around.shared),
            Reserved::Later(waiting) => {
                self.waits_since = Some(around.now);
                self.state = State::Reserving { length, waiting };
            }
        }
    }

    /// What the connection may claim before it has sent it.
    fn trusted(&self) -> usize {
        self.largest.clamp(FIRST_PIECE_BYTES, TRUSTED_BYTES_MAX)
    }

    /// Gets memory for more of the body.
    fn poll_grant<S>(
        &mut self,
        context: &mut Context<'_>,
        around: &Surroundings<'_, S>,
    ) -> Poll<Result<(), End>> {
        let State::Body(body) = &mut self.state else {
            unreachable!("only a body grows");
        };
        if body.more.is_none() {
            let needs = body.length - body.share.bytes();
            let incoming = &around.shared.incoming;
            match incoming.extend(&body.share, body.next_step(), needs) {
                Reserved::Now(share) => {
                    body.share.join(share);
                    return Poll::Ready(Ok(()));
                }
                Reserved::Later(waiting) => {
                    self.waits_since = Some(around.now);
                    body.more = Some(waiting);
                }
            }
        }
        let Some(waiting) = &mut body.more else {
            return Poll::Pending;
        };
        let share = ready!(waiting.poll_unpin(context)).ok_or(End::Drained)?;
        body.more = None;
        self.granted(&share, around.now);
        if let State::Body(body) = &mut self.state {
            body.share.join(share);
        }
        Poll::Ready(Ok(()))
    }

    /// The wait for memory is over. It was ours, not the client's.
    fn granted(&mut self, share: &Share, now: Instant) {
        self.waits_since = None;
        self.exceeds_since = share.exceeds().then_some(now).or(self.exceeds_since);
        self.restart_clock(now);
    }

    /// Begins the body with what has arrived of it already. No two frames share memory: whoever
    /// holds a part of one would hold the other.
    fn take_ahead(&mut self, length: usize, share: Share, shared: &Shared) {
        let mut arrived = mem::take(&mut self.ahead);
        arrived.advance(PREFIX_BYTES);
        let bytes = match arrived.len().cmp(&length) {
            Ordering::Equal => arrived,
            Ordering::Greater => {
                let body = BytesMut::from(arrived.get(..length).unwrap_or_default());
                arrived.advance(length);
                self.ahead = arrived;
                body
            }
            Ordering::Less => {
                let mut body = shared.frames.take(length.min(self.trusted()));
                body.extend_from_slice(&arrived);
                body
            }
        };
        self.state = State::Body(Body {
            length,
            bytes,
            share,
            more: None,
        });
    }

    fn finish<S>(&mut self, around: &Surroundings<'_, S>) -> Frame {
        let State::Body(Body { bytes, share, .. }) = mem::take(&mut self.state) else {
            unreachable!("only a body can be finished");
        };
        self.under_way = None;
        self.exceeds_since = None;
        self.largest = self.largest.max(bytes.len());
        if !self.ahead.is_empty() {
            self.restart_clock(around.now);
        }
        let (bytes, trace) = around.shared.frames.finish(bytes);
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
            pace: Pace::begin(now),
        });
    }

    /// Reads what there is of heads and small frames.
    fn poll_ahead<I: AsyncRead + Unpin, S>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        around: &Surroundings<'_, S>,
    ) -> Poll<Result<(), End>> {
        let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH_BYTES];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        let result = ready!(Pin::new(io).poll_read(context, &mut buffer));
        let count = self.check(result.map(|()| buffer.filled().len()))?;
        if self.under_way.is_none() {
            self.restart_clock(around.now);
        }
        self.arrived(count, around);
        self.ahead.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }

    /// Reads more of the body, straight into its own memory.
    fn poll_body<I: AsyncRead + Unpin, S>(
        &mut self,
        context: &mut Context<'_>,
        io: &mut I,
        around: &Surroundings<'_, S>,
    ) -> Poll<Result<(), End>> {
        let State::Body(body) = &mut self.state else {
            unreachable!("only a body is read on");
        };
        let missing = body.length - body.bytes.len();
        let granted = body.granted().saturating_sub(body.bytes.len());
        let bytes = &mut body.bytes;
        if bytes.capacity() == bytes.len() {
            let piece = bytes.len().saturating_mul(GROWTH - 1);
            bytes.reserve(piece.max(FIRST_PIECE_BYTES).min(missing));
        }
        // The capacity may exceed the frame; the next frame's bytes must not end up in this one.
        let mut room = bytes.limit(granted);
        let result = ready!(pin!(io.read_buf(&mut room)).poll(context));
        let count = self.check(result)?;
        self.arrived(count, around);
        Poll::Ready(Ok(()))
    }

    /// What a read of so many bytes means; none at all is the end of the stream.
    fn check(&self, read: io::Result<usize>) -> Result<usize, End> {
        match read {
            Ok(count @ 1..) => Ok(count),
            // TLS clients often hang up without saying so.
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(End::Broken(error)),
            Ok(0) | Err(_) => {
                let in_frame = !self.ahead.is_empty() || !matches!(self.state, State::Head);
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

    fn arrived<S>(&mut self, bytes: usize, around: &Surroundings<'_, S>) {
        if let Some(times) = &mut self.under_way {
            times.last_byte = around.now;
            let least = around.shared.limits.least_pace_of_frames();
            times.pace.moved(bytes, least, around.now);
        }
    }
}

#[cfg(test)]
mod tests;
