//! Time as an argument: nothing below `server` reads a clock.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// Milliseconds since the Unix epoch, as Kafka carries it; -1 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What the protocol says where no timestamp is known.
    pub const NONE: Self = Self(-1);

    /// The timestamp `span` later; saturates.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One reading of both clocks: deadlines count on the first, records carry the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub monotonic: Instant,
    pub wall: Timestamp,
}

impl Now {
    /// The same reading, `span` later: how a test moves time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self {
            monotonic: self.monotonic + span,
            wall: self.wall.plus(span),
        }
    }
}
