//! The one place of the runner that reads the clock.

use std::time::{Duration, Instant};

#[expect(
    clippy::disallowed_methods,
    reason = "the runner limits real processes by real time"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A moment until which something may take.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self(now() + limit)
    }

    /// What is left; zero once it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(now())
    }

    pub(crate) fn passed(self) -> bool {
        self.left().is_zero()
    }
}
