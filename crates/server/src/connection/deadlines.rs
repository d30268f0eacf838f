//! What a connection, and who is at its other end, have how long for.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::Connection;
use crate::{
    End, Session,
    pace::{LeastPace, Pace},
    stream::Stream,
};

/// Of the time that others wait for memory a frame that exceeds it has this part.
const EXCEEDING_PART: u32 = 3;

impl<I: Stream, S: Session> Connection<I, S> {
    /// Ends the connection when a deadline has passed, else wakes for the next one.
    pub(super) fn poll_timer(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<End> {
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
        let too_slow = |pace: &Pace, least: LeastPace, end: fn(u64) -> End| {
            let deadline = pace.deadline(least)?;
            Some((deadline, Some(end(least.bytes_per_second))))
        };
        let trickling = (!self.writer.is_idle()).then(|| {
            too_slow(
                &self.pace,
                limits.least_pace_of_replies(),
                End::RepliesTrickle,
            )
        });
        let waits_since = [
            self.reader.waits_since,
            self.held.as_ref().map(|held| held.since),
        ];
        let waits_since = waits_since.into_iter().flatten().min();
        let short = waits_since.map(|since| {
            let limit = limits.memory_timeout;
            stall(since, limit, End::MemoryShort)
        });
        let waits_for_client = !self.paused && self.reader.waits_since.is_none();
        let frame = self.reader.under_way.filter(|_| waits_for_client);
        let stalled = frame.map(|times| {
            let limit = limits.frame_stall_timeout;
            stall(times.last_byte, limit, End::FrameStalled)
        });
        let slow = frame.map(|times| stall(times.began, limits.frame_timeout, End::FrameTooSlow));
        let trickles = frame.map(|times| {
            too_slow(
                &times.pace,
                limits.least_pace_of_frames(),
                End::FrameTrickles,
            )
        });
        let is_idle = waits_for_client && frame.is_none() && self.replies.is_empty();
        let idle = is_idle.then(|| stall(self.last_activity, limits.idle_timeout, End::Idle));
        [
            writing,
            trickling.flatten(),
            muted,
            lapse,
            login,
            short,
            self.exceeds_until(now),
            stalled,
            slow,
            trickles.flatten(),
            idle,
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(deadline, _)| *deadline)
        // A reply is being worked on, or memory is short: the client owes nothing.
        .unwrap_or((now + limits.idle_timeout, None))
    }

    /// A frame that was given more memory than there is must not keep others waiting for long.
    fn exceeds_until(&self, now: Instant) -> Option<(Instant, Option<End>)> {
        let limit = self.shared.limits.memory_timeout / EXCEEDING_PART;
        let until = self.reader.exceeds_since? + limit;
        if until <= now && !self.shared.incoming.is_short() {
            return Some((now + limit, None));
        }
        Some((until, Some(End::HeldUpOthers(limit))))
    }
}
