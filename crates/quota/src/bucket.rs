//! A token bucket that may go into debt.
//!
//! ```text
//! level (tokens x 10^9)
//!   capacity = one second's rate   what an idle namespace may take at once
//!   0                              nobody waits at or above
//!   below 0                        debt: wait = -level / rate
//! ```

use std::time::{Duration, Instant};

const NANOS: i128 = 1_000_000_000;
/// No debt is larger than what this many seconds pay back: longer than the largest request takes at
/// one unit, so that nobody gains by it, and an end for whoever has to wait.
pub(crate) const DEBT_SECONDS_MAX: u64 = 300;

/// Tokens are kept in billionths, so that a nanosecond refills a whole number of them and nothing
/// is ever rounded away.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u64,
    level: i128,
    settled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(per_second: u64, now: Instant) -> Self {
        Self {
            per_second,
            level: capacity(per_second),
            settled: now,
        }
    }

    /// Takes the tokens, if need be on credit, and says how long until the credit is paid back.
    pub(crate) fn charge(&mut self, tokens: u64, now: Instant) -> Duration {
        self.settle(now);
        self.level = self
            .level
            .saturating_sub(i128::from(tokens).saturating_mul(NANOS))
            .max(-capacity(self.per_second) * i128::from(DEBT_SECONDS_MAX));
        self.wait()
    }

    /// How long, as of the last charge, until nobody has to wait.
    pub(crate) fn wait(&self) -> Duration {
        if self.level >= 0 {
            return Duration::ZERO;
        }
        let rate = i128::from(self.per_second);
        // Rounded up, so that whoever waits finds the debt paid.
        let nanos = (-self.level + rate - 1) / rate;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Changes the rate from now on; what was earned at the old rate stays.
    pub(crate) fn set_rate(&mut self, per_second: u64, now: Instant) {
        self.settle(now);
        self.per_second = per_second;
        self.level = self.level.min(capacity(per_second));
    }

    /// Whether half a second's rate or more lies unused.
    pub(crate) fn is_relaxed(&mut self, now: Instant) -> bool {
        self.settle(now);
        self.level >= capacity(self.per_second) / 2
    }

    /// Credits the time since the last settlement. A clock that steps back credits nothing.
    fn settle(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.settled);
        self.settled = self.settled.max(now);
        let nanos = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX);
        let earned = nanos.saturating_mul(i128::from(self.per_second));
        self.level = self
            .level
            .saturating_add(earned)
            .min(capacity(self.per_second));
    }
}

fn capacity(per_second: u64) -> i128 {
    i128::from(per_second) * NANOS
}
