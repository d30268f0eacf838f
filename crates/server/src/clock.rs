//! The one place that reads the machine's clocks.

use std::time::{Instant, SystemTime};

use hub::clock::Sleep;
use model::{Now, Timestamp};

/// One reading of both clocks.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "everything else takes the time from here"
)]
pub fn now() -> Now {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    Now {
        // The machine's own, except where a test has tokio's clock stand still.
        monotonic: tokio::time::Instant::now().into_std(),
        wall: Timestamp(wall),
    }
}

/// The machine's clocks, for whoever takes the time as an argument.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl hub::Clock for SystemClock {
    fn now(&self) -> Now {
        now()
    }

    fn sleep_until(&self, deadline: Instant) -> Sleep {
        Box::pin(tokio::time::sleep_until(deadline.into()))
    }
}
