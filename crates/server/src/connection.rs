//! One connection, from its first frame to its end. One task owns it and polls its three sides in
//! turn:
//!
//! ```text
//!            read: not while muted, full, or over its share of memory
//! socket --> Reader --frame--> Session::dispatch --> replies (in order) --> Writer --> socket
//! ```

mod reader;
mod timer;
mod writer;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use model::Piece;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use self::{
    reader::{Frame, Reader},
    timer::Timer,
    writer::Writer,
};
use crate::{
    End, Limits, Reply, Session, Staged,
    budget::{Pool, Reserved, Share, Waiting},
    clock,
    frame_memory::FrameMemory,
    stream::Stream,
};

/// A connection that has moved so much lets others of its thread have their turn: a client that reads as
/// quickly as we write would keep the thread for as long as there is something to send.
const TURN_BYTES: u64 = 512 << 10;

/// What connections share with each other.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) incoming: Pool,
    pub(crate) outgoing: Pool,
    pub(crate) frames: FrameMemory,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            incoming: Pool::new(limits.incoming_bytes_max),
            outgoing: Pool::new(limits.outgoing_bytes_max),
            frames: FrameMemory::default(),
            limits,
        }
    }
}

/// A connection over any stream: TCP, or TLS over it.
pub(crate) struct Connection<I, S> {
    io: I,
    session: S,
    shared: Arc<Shared>,
    reader: Reader,
    replies: FuturesOrdered<Pending>,
    /// A finished reply for which the outgoing memory is short.
    held: Option<(Reply, usize, Waiting)>,
    writer: Writer,
    /// Nothing more is read; what is under way ends, then the connection does, for this reason.
    ending: Option<End>,
    /// A request has decided the connection's end; none after it is taken.
    decided: bool,
    muted_until: Option<Instant>,
    /// When the client must have logged in; none once it has.
    login_until: Option<Instant>,
    /// The last look at the socket was withheld, for our reasons, not the client's.
    paused: bool,
    /// The login was found ended while nothing was owed: the client may still begin a new one.
    lapsed: bool,
    /// When something last arrived or left.
    last_activity: Instant,
    last_write: Instant,
    timer: Timer,
    /// Received and sent so far.
    moved_bytes: u64,
}

/// A request whose reply has a place in the order.
struct Pending {
    reply: PendingReply,
    /// The memory of the request, while it is in use.
    share: Option<Share>,
}

enum PendingReply {
    Ready(Option<Reply>),
    Later(Pin<Box<dyn Future<Output = Reply> + Send>>),
}

impl Future for Pending {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        let reply = match &mut self.reply {
            PendingReply::Ready(reply) => Poll::Ready(reply.take().unwrap_or_default()),
            PendingReply::Later(future) => future.as_mut().poll(context),
        };
        if reply.is_ready() {
            self.share = None;
        }
        reply
    }
}

impl<I: Stream, S: Session> Connection<I, S> {
    /// A connection that was accepted at `opened`.
    pub(crate) fn new(io: I, session: S, shared: Arc<Shared>, opened: Instant) -> Self {
        let now = clock::now().monotonic;
        let login_until = session
            .awaits_login()
            .then(|| opened + shared.limits.login_timeout);
        let timer = Timer::new(now + shared.limits.idle_timeout);
        Self {
            io,
            session,
            shared,
            reader: Reader::default(),
            replies: FuturesOrdered::new(),
            held: None,
            writer: Writer::default(),
            ending: None,
            decided: false,
            muted_until: None,
            login_until,
            paused: false,
            lapsed: false,
            last_activity: now,
            last_write: now,
            timer,
            moved_bytes: 0,
        }
    }

    /// Who is at the other end, for the log.
    pub(crate) fn describe(&self) -> String {
        self.session.describe()
    }

    /// Reads no more; [`Self::run`] ends when the replies that are owed have left.
    pub(crate) fn drain(&mut self) {
        self.ending.get_or_insert(End::Drained);
    }

    /// Serves until the connection ends. May be dropped and called again: all state is in `self`.
    pub(crate) async fn run(&mut self) -> End {
        poll_fn(|context| self.poll(context)).await
    }

    /// As [`Self::run`] while it stays where it is, which is asked with how much it has received and
    /// sent so far; none when it shall go on elsewhere.
    pub(crate) async fn run_while(&mut self, stays: impl Fn(u64) -> bool) -> Option<End> {
        poll_fn(|context| match self.poll(context) {
            Poll::Ready(end) => Poll::Ready(Some(end)),
            Poll::Pending if stays(self.moved_bytes) => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// Has the runtime around wake it from now on.
    pub(crate) fn settle(&mut self) -> std::io::Result<()> {
        self.timer.settle();
        self.io.settle()
    }

    /// Closes the stream so that what was written last arrives: a socket closed with unread bytes
    /// would cut it off, so those are drained for a while.
    pub(crate) async fn close(mut self: Box<Self>) {
        let linger = self.shared.limits.linger;
        let polite = async {
            self.io.shutdown().await?;
            let mut scratch = [0; 512];
            while self.io.read(&mut scratch).await? > 0 {}
            std::io::Result::Ok(())
        };
        // Whether the other end was polite too changes nothing.
        drop(timeout(linger, polite).await);
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        let before = self.moved_bytes;
        if let Some(end) = self.lapse() {
            return Poll::Ready(end);
        }
        loop {
            if self.moved_bytes - before >= TURN_BYTES {
                // Sockets are looked at before it is this one's turn again.
                let _woken_then = pin!(tokio::task::yield_now()).poll(context);
                return Poll::Pending;
            }
            let now = clock::now().monotonic;
            let mut progress = false;
            // All that are ready leave in one call.
            while self.poll_replies(context, now) {
                progress = true;
            }
            progress |= match self.poll_write(context, now) {
                Ok(progress) => progress,
                Err(end) => return Poll::Ready(end),
            };
            if self.is_finished()
                && let Some(end) = self.ending.take()
            {
                return Poll::Ready(end);
            }
            progress |= match self.poll_read(context, now) {
                Ok(progress) => progress,
                Err(end) => return Poll::Ready(end),
            };
            if !progress {
                return self.poll_timer(context, now).map(|end| {
                    // A connection that ends anyway ends for its first reason.
                    self.ending.take().unwrap_or(end)
                });
            }
        }
    }

    /// Ends with a login that ends while something is owed to it: whatever waits, waited on its
    /// strength. Where nothing is owed the client is told at its next request, which may be a login.
    fn lapse(&mut self) -> Option<End> {
        let Some(reason) = self.session.lapse(clock::now().monotonic) else {
            self.lapsed = false;
            return None;
        };
        let is_new = !std::mem::replace(&mut self.lapsed, true);
        (is_new && self.owes()).then_some(End::Lapsed(reason))
    }

    fn owes(&self) -> bool {
        !self.replies.is_empty() || self.held.is_some() || !self.writer.is_idle()
    }

    /// Moves the next finished reply, in order, to the writer.
    fn poll_replies(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        if let Some((_, _, waiting)) = &mut self.held {
            let Poll::Ready(share) = waiting.as_mut().poll(context) else {
                return false;
            };
            if let (Some((reply, bytes, _)), Some(share)) = (self.held.take(), share) {
                self.send(reply, bytes, share, now);
            }
            return true;
        }
        let full = self.writer.bytes >= self.shared.limits.outgoing_bytes_per_connection_max;
        if full || self.replies.is_empty() {
            return false;
        }
        match self.replies.poll_next_unpin(context) {
            Poll::Ready(Some(reply)) => {
                self.take_reply(reply, now);
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    fn take_reply(&mut self, reply: Reply, now: Instant) {
        let bytes = reply.chunks.iter().map(Piece::len).sum();
        // What stays in its file takes no memory of ours.
        let held = reply.chunks.iter().filter_map(Piece::memory);
        match self.shared.outgoing.reserve(held.map(Bytes::len).sum()) {
            Reserved::Now(share) => self.send(reply, bytes, share, now),
            Reserved::Later(waiting) => self.held = Some((reply, bytes, waiting)),
        }
    }

    fn send(&mut self, reply: Reply, bytes: usize, share: Share, now: Instant) {
        if self.writer.is_idle() {
            self.last_write = now;
        }
        self.last_activity = now;
        self.writer.push(reply.chunks, bytes, share);
        self.mute(reply.mute, now);
        if let Some(reason) = reply.close {
            // Later requests get no reply: their order ends here.
            self.replies = FuturesOrdered::new();
            self.ending = Some(End::Refused(reason));
        }
    }

    /// Reads nothing for so long, and no shorter than was said before.
    fn mute(&mut self, wait: Duration, now: Instant) {
        if !wait.is_zero() {
            let until = now + wait;
            self.muted_until = Some(self.muted_until.map_or(until, |muted| muted.max(until)));
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let mut progress = false;
        let before = self.moved_bytes;
        while !self.writer.is_idle() && self.moved_bytes - before < TURN_BYTES {
            match self.writer.poll_write(context, &mut self.io) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(End::Broken(error)),
                Poll::Ready(Ok(written)) => {
                    self.moved_bytes += written as u64;
                    self.last_write = now;
                    self.last_activity = now;
                    progress = true;
                }
            }
        }
        Ok(progress)
    }

    /// Reads and dispatches one frame, if the connection may be read at all.
    fn poll_read(&mut self, context: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        if !self.may_read(now) {
            self.paused = true;
            return Ok(false);
        }
        if std::mem::take(&mut self.paused) {
            self.last_activity = now;
            self.reader.resume_clock(now);
        }
        let Self {
            reader,
            io,
            session,
            shared,
            ..
        } = self;
        let frame = match reader.poll_frame(context, io, session, shared, now) {
            Poll::Pending => return Ok(false),
            Poll::Ready(frame) => frame,
        };
        match frame {
            Ok(frame) => self.dispatch(frame, now),
            // Nobody is left to answer, or it was no frame; what is owed before it still goes out.
            Err(end @ End::Refused(_)) => self.ending = Some(end),
            Err(end) => return Err(end),
        }
        Ok(true)
    }

    fn may_read(&mut self, now: Instant) -> bool {
        if self.muted_until.is_some_and(|until| until <= now) {
            self.muted_until = None;
        }
        let limits = &self.shared.limits;
        self.ending.is_none()
            && !self.decided
            && self.muted_until.is_none()
            && self.held.is_none()
            && self.replies.len() < limits.requests_in_flight_max
            && self.writer.bytes < limits.outgoing_bytes_per_connection_max
    }

    fn dispatch(&mut self, frame: Frame, now: Instant) {
        self.last_activity = now;
        let Frame {
            bytes,
            trace,
            share,
        } = frame;
        self.moved_bytes += bytes.len() as u64;
        let in_order = self.replies.is_empty() && self.held.is_none();
        let staged = self.session.dispatch(bytes, clock::now());
        self.decided = staged.decides();
        if self.login_until.is_some() && !self.session.awaits_login() {
            self.login_until = None;
        }
        let pause = self.session.take_pause();
        self.mute(pause, now);
        let (reply, share) = match staged {
            Staged::Silent => return,
            Staged::Ready(reply) if in_order => return self.take_reply(reply, now),
            Staged::Ready(reply) => (PendingReply::Ready(Some(reply)), None),
            // Whoever waits without holding on to its request keeps no memory from the others.
            Staged::Later(future) => {
                let share = (!trace.is_gone()).then_some(share);
                (PendingReply::Later(future), share)
            }
            Staged::Queued(future) => {
                let share = self.shared.incoming.make_large(share);
                (PendingReply::Later(future), Some(share))
            }
            Staged::Close(reason) => {
                let reply = Reply {
                    close: Some(reason),
                    ..Reply::default()
                };
                (PendingReply::Ready(Some(reply)), None)
            }
        };
        self.replies.push_back(Pending { reply, share });
    }

    /// Whether an ending connection owes nothing any more.
    fn is_finished(&self) -> bool {
        self.ending.is_some() && !self.owes()
    }

    /// Ends the connection when a deadline has passed, else wakes for the next one.
    fn poll_timer(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<End> {
        let (deadline, end) = self.deadline(now);
        if let Some(end) = end
            && deadline <= now
        {
            return Poll::Ready(end);
        }
        if self.timer.ring_at(context, deadline).is_ready() {
            // It rang for this very deadline: look at everything again.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The next deadline, and the end that it means if it means one.
    fn deadline(&self, now: Instant) -> (Instant, Option<End>) {
        let limits = &self.shared.limits;
        let stall = |since: Instant, limit: Duration, end: fn(Duration) -> End| {
            (since + limit, Some(end(limit)))
        };
        let writing = (!self.writer.is_idle()).then(|| {
            let limit = limits.write_stall_timeout;
            stall(self.last_write, limit, End::WriteStalled)
        });
        let muted = self.muted_until.map(|until| (until, None));
        let expires = self.session.expires().filter(|_| !self.lapsed);
        let lapse = expires.map(|until| (until, None));
        let login = self
            .login_until
            .map(|until| (until, Some(End::LoginTooSlow(limits.login_timeout))));
        let waits_for_client = !self.paused && !self.reader.is_reserving();
        let frame = self.reader.under_way.filter(|_| waits_for_client);
        let stalled = frame.map(|times| {
            let limit = limits.frame_stall_timeout;
            stall(times.last_byte, limit, End::FrameStalled)
        });
        let slow = frame.map(|times| stall(times.began, limits.frame_timeout, End::FrameTooSlow));
        let is_idle = waits_for_client && frame.is_none() && self.replies.is_empty();
        let idle = is_idle.then(|| stall(self.last_activity, limits.idle_timeout, End::Idle));
        [writing, muted, lapse, login, stalled, slow, idle]
            .into_iter()
            .flatten()
            .min_by_key(|(deadline, _)| *deadline)
            // A reply is being worked on, or memory is short: the client owes nothing.
            .unwrap_or((now + limits.idle_timeout, None))
    }
}

#[cfg(test)]
mod tests;
