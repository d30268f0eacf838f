//! One connection, from its first frame to its end. One task owns it and polls its three sides in
//! turn:
//!
//! ```text
//!            read: not while muted, full, or over its share of memory
//! socket --> Reader --frame--> Session::dispatch --> replies (in order) --> Writer --> socket
//! ```

mod deadlines;
mod pending;
mod reader;
mod timer;
mod turns;
mod writer;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesOrdered};
use model::Piece;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use self::{
    pending::{HeldReply, Pending, PendingReply},
    reader::{Arrival, Frame, Reader, Surroundings},
    timer::Timer,
    turns::Turns,
    writer::Writer,
};
use crate::{
    End, Limits, Reply, Session, Staged,
    budget::{Account, Flow, LargeMemory, Pool, Reserved, Share, Tenants},
    clock,
    frame_memory::{FrameMemory, Trace},
    frontend::ReplyFuture,
    pace::Pace,
    stream::Stream,
    workers::LargeWork,
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
    pub(crate) tenants: Tenants,
    pub(crate) frames: FrameMemory,
    pub(crate) large: LargeWork,
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            incoming: Pool::new(limits.incoming_bytes_max, Flow::Incoming),
            outgoing: Pool::new(limits.outgoing_bytes_max, Flow::Outgoing),
            tenants: Tenants::default(),
            frames: FrameMemory::default(),
            large: LargeWork::default(),
            limits,
        }
    }
}

/// A connection over any stream: TCP, or TLS over it.
pub(crate) struct Connection<I, S> {
    io: I,
    session: S,
    shared: Arc<Shared>,
    /// To whom its memory is counted.
    tenant: u64,
    account: Account,
    reader: Reader,
    replies: FuturesOrdered<Pending>,
    turns: Turns,
    held: Option<HeldReply>,
    writer: Writer,
    /// Nothing more is read; what is under way ends, then the connection does, for this reason.
    ending: Option<End>,
    /// A request has decided the connection's end; none after it is taken.
    decided: bool,
    /// The last request is a large one, and none after it is taken until its reply is there.
    awaits_large: bool,
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
    /// Of what is being written.
    pace: Pace,
    timer: Timer,
    /// Received and sent so far.
    moved_bytes: u64,
}

impl<I: Stream, S: Session> Connection<I, S> {
    /// A connection that was accepted at `opened`.
    pub(crate) fn new(io: I, session: S, shared: Arc<Shared>, opened: Instant) -> Self {
        let now = clock::now().monotonic;
        let login_until = session
            .awaits_login()
            .then(|| opened + shared.limits.login_timeout);
        let tenant = session.tenant();
        let account = shared.tenants.account(tenant);
        let timer = Timer::new(now + shared.limits.idle_timeout);
        Self {
            io,
            session,
            shared,
            tenant,
            account,
            reader: Reader::default(),
            replies: FuturesOrdered::new(),
            turns: Turns::default(),
            held: None,
            writer: Writer::default(),
            ending: None,
            decided: false,
            awaits_large: false,
            muted_until: None,
            login_until,
            paused: false,
            lapsed: false,
            last_activity: now,
            last_write: now,
            pace: Pace::begin(now),
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
            self.begin_next(now);
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
        if let Some(held) = &mut self.held {
            let Poll::Ready(share) = held.waiting.poll_unpin(context) else {
                return false;
            };
            if let (Some(held), Some(share)) = (self.held.take(), share) {
                self.send(held.reply, held.bytes, share, now);
            }
            return true;
        }
        if self.is_full() || self.replies.is_empty() {
            return false;
        }
        match self.replies.poll_next_unpin(context) {
            Poll::Ready(Some(reply)) => {
                self.turns.take();
                self.awaits_large &= !self.replies.is_empty();
                self.take_reply(reply, now);
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    /// Whether so much waits to be written that nothing more is made ready.
    fn is_full(&self) -> bool {
        self.writer.bytes >= self.shared.limits.outgoing_bytes_per_connection_max
    }

    /// Lets the next reply begin that waits for its turn, once those before it have been taken.
    fn begin_next(&mut self, now: Instant) {
        if self.turns.is_next() && self.may_begin(now) {
            self.allow_reply();
            self.turns.begin();
        }
    }

    fn may_begin(&self, now: Instant) -> bool {
        let is_muted = self.muted_until.is_some_and(|until| until > now);
        self.held.is_none() && !self.is_full() && !is_muted
    }

    fn allow_reply(&mut self) {
        let room = self.shared.outgoing.allowance(&self.account);
        let allowance = self.turns.allowance(self.writer.is_idle(), room);
        self.session.allow_reply(allowance);
    }

    fn take_reply(&mut self, mut reply: Reply, now: Instant) {
        let bytes = reply.chunks.iter().map(Piece::len).sum();
        // What stays in its file takes no memory of ours.
        let in_memory = reply.chunks.iter().filter_map(Piece::memory);
        let in_memory = in_memory.map(Bytes::len).sum();
        // Without what a fetch has read the share suffices, else it is given back.
        let taken = reply
            .memory
            .take()
            .filter(|share| share.bytes() >= in_memory);
        if let Some(mut share) = taken {
            share.shrink(in_memory);
            return self.send(reply, bytes, share, now);
        }
        let outgoing = &self.shared.outgoing;
        match outgoing.reserve(&self.account, in_memory, in_memory) {
            Reserved::Now(share) => self.send(reply, bytes, share, now),
            Reserved::Later(waiting) => {
                self.held = Some(HeldReply {
                    reply,
                    bytes,
                    waiting,
                    since: now,
                });
            }
        }
    }

    fn send(&mut self, reply: Reply, bytes: usize, share: Share, now: Instant) {
        if self.writer.is_idle() {
            self.last_write = now;
            self.pace = Pace::begin(now);
        }
        self.last_activity = now;
        self.turns.sent(bytes);
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
                    let least = self.shared.limits.least_pace_of_replies();
                    self.pace.moved(written, least, now);
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
        let around = Surroundings {
            session: &self.session,
            shared: &self.shared,
            account: &self.account,
            now,
        };
        let frame = match self.reader.poll_frame(context, &mut self.io, &around) {
            Poll::Pending => return Ok(false),
            Poll::Ready(frame) => frame,
        };
        match frame {
            Ok(Arrival::Frame(frame)) => self.dispatch(frame, now),
            Ok(Arrival::Piece { bytes, is_last }) => self.skim(&bytes, is_last, now),
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
            && !self.awaits_large
            && self.muted_until.is_none()
            && self.held.is_none()
            && self.replies.len() < limits.requests_in_flight_max
            && !self.is_full()
    }

    fn dispatch(&mut self, frame: Frame, now: Instant) {
        self.last_activity = now;
        let Frame {
            bytes,
            trace,
            share,
        } = frame;
        self.moved_bytes += bytes.len() as u64;
        let staged = self.session.dispatch(bytes, clock::now());
        self.stage(staged, Some((trace, share)), now);
    }

    /// Has the front end take a piece of a frame that is not held, and answer the frame after its last.
    fn skim(&mut self, bytes: &[u8], is_last: bool, now: Instant) {
        self.last_activity = now;
        self.moved_bytes += bytes.len() as u64;
        if let Err(reason) = self.session.skim(bytes) {
            self.stage(Staged::Close(reason), None, now);
        } else if is_last {
            let staged = self.session.dispatch_skimmed(clock::now());
            self.stage(staged, None, now);
        }
    }

    /// Gives the reply of a request its place, with the memory of the request if any is held.
    fn stage(&mut self, staged: Staged, memory: Option<(Trace, Share)>, now: Instant) {
        let in_order = self.replies.is_empty() && self.held.is_none();
        self.decided = staged.decides();
        if self.login_until.is_some() && !self.session.awaits_login() {
            self.login_until = None;
        }
        self.note_tenant();
        let pause = self.session.take_pause();
        self.mute(pause, now);
        let (reply, share) = match staged {
            Staged::Silent => return,
            Staged::Ready(reply) if in_order => return self.take_reply(reply, now),
            Staged::Ready(reply) => (PendingReply::Ready(Some(reply)), None),
            // Whoever waits without holding on to its request keeps no memory from the others.
            Staged::Later(future) => {
                let held = memory.filter(|(trace, _)| !trace.is_gone());
                (PendingReply::Later(future), held.map(|(_, share)| share))
            }
            Staged::InTurn(future) => (self.in_turn(future, now), None),
            Staged::Queued(future) => {
                let incoming = &self.shared.incoming;
                let share = memory.map(|(_, share)| incoming.make_large(share));
                (PendingReply::Later(future), share)
            }
            Staged::Large(request) => {
                self.awaits_large = true;
                let replies = LargeMemory::new(&self.shared.outgoing, &self.account);
                let work = (request.0)(replies);
                let reply = self.shared.large.carry_out(work);
                let reply = async { reply.await.unwrap_or_default() };
                let share = memory.map(|(_, share)| share);
                (PendingReply::Later(Box::pin(reply)), share)
            }
            Staged::Close(reason) => {
                let reply = Reply {
                    close: Some(reason),
                    ..Reply::default()
                };
                (PendingReply::Ready(Some(reply)), None)
            }
        };
        self.turns.enter();
        self.replies.push_back(Pending { reply, share });
    }

    /// A reply that begins at once if all before it have been taken, else in its turn.
    fn in_turn(&mut self, reply: ReplyFuture, now: Instant) -> PendingReply {
        if self.replies.is_empty() && self.may_begin(now) {
            self.allow_reply();
            return PendingReply::Later(reply);
        }
        let comes = self.turns.wait();
        PendingReply::Later(Box::pin(async move {
            // Else the connection is gone, and nobody asks.
            drop(comes.await);
            reply.await
        }))
    }

    /// Counts what is taken from now on to whom the login belongs.
    fn note_tenant(&mut self) {
        let tenant = self.session.tenant();
        if tenant != self.tenant {
            self.tenant = tenant;
            self.account = self.shared.tenants.account(tenant);
        }
    }

    /// Whether an ending connection owes nothing any more.
    fn is_finished(&self) -> bool {
        self.ending.is_some() && !self.owes()
    }
}

#[cfg(test)]
mod tests;
