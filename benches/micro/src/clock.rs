//! A clock that stands still, so that nothing falls due while a run is counted.

use std::{future::pending, time::Instant};

use hub::{Clock, clock::Sleep};
use model::{Now, Timestamp};

/// Gives one moment for ever.
pub(crate) struct StillClock(Now);

impl StillClock {
    pub(crate) fn new() -> Self {
        Self(start())
    }
}

impl Clock for StillClock {
    fn now(&self) -> Now {
        self.0
    }

    fn sleep_until(&self, _deadline: Instant) -> Sleep {
        Box::pin(pending())
    }
}

/// A moment to count from.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made any other way; nothing depends on its value"
)]
pub(crate) fn start() -> Now {
    Now {
        monotonic: Instant::now(),
        wall: Timestamp(1_700_000_000_000),
    }
}
