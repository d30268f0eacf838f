//! How quickly something must move at least, on average: what only trickles holds its place and its
//! memory for as long as it likes.

use std::time::{Duration, Instant};

/// What has moved of a frame, or of replies, since it was last found to move well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    began: Instant,
    bytes: u64,
}

/// The least that counts as moving.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeastPace {
    /// How long nothing at all may move.
    pub(crate) grace: Duration,
    /// 0 asks for none.
    pub(crate) bytes_per_second: u64,
}

impl Pace {
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            began: now,
            bytes: 0,
        }
    }

    /// So many bytes have moved. What moved long ago and quickly excuses nothing later.
    pub(crate) fn moved(&mut self, bytes: usize, least: LeastPace, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let enough = least.bytes_per_second.saturating_mul(least.grace.as_secs());
        if self.bytes >= enough {
            *self = Self::begin(now);
        }
    }

    /// When it was too slow, if no more moves; none where no pace is asked for.
    pub(crate) fn deadline(&self, least: LeastPace) -> Option<Instant> {
        let millis = self.bytes.saturating_mul(1_000);
        let earned = millis.checked_div(least.bytes_per_second)?;
        Some(self.began + least.grace + Duration::from_millis(earned))
    }
}
