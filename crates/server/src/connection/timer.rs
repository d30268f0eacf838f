//! One connection's alarm. It is moved only when it must ring earlier, so that activity costs nothing.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::{Sleep, sleep_until};

/// Rings at the earliest deadline, or before it for one that has moved away since.
pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    at: Instant,
}

impl Timer {
    pub(super) fn new(at: Instant) -> Self {
        let sleep = Box::pin(sleep_until(at.into()));
        Self { sleep, at }
    }

    /// Has the runtime around ring it from now on.
    pub(super) fn settle(&mut self) {
        *self = Self::new(self.at);
    }

    /// Wakes the task at the deadline.
    pub(super) fn ring_at(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline < self.at {
            self.arm(deadline);
        }
        while self.sleep.as_mut().poll(context).is_ready() {
            if self.at >= deadline {
                return Poll::Ready(());
            }
            self.arm(deadline);
        }
        Poll::Pending
    }

    fn arm(&mut self, deadline: Instant) {
        self.at = deadline;
        self.sleep.as_mut().reset(deadline.into());
    }
}
