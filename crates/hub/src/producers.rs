//! How many idempotent producers all partitions together remember: each is remembered in every
//! partition it writes to, so a bound per partition bounds nothing where there are many.
//!
//! An append only counts; above the bound the housekeeper forgets those that were idle longest,
//! wherever they are, down to nine tenths. What is forgotten is taken at its word, as after
//! `producer_expiry`: only a batch that is repeated after so long would be taken for a new one.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use model::Timestamp;
use tokio::sync::Notify;

/// The sum over all partitions, and its bound.
#[derive(Debug)]
pub(crate) struct ProducerTotal {
    count: AtomicUsize,
    max: AtomicUsize,
    forgotten: AtomicU64,
    /// There are too many.
    pub(crate) surplus: Notify,
}

impl Default for ProducerTotal {
    /// Without a bound: for logs that have no producers.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl ProducerTotal {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            count: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
            forgotten: AtomicU64::new(0),
            surplus: Notify::new(),
        }
    }

    /// Puts another bound in force.
    pub(crate) fn bound(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
        if self.is_surplus() {
            self.surplus.notify_one();
        }
    }

    /// A partition remembers another number of producers than before.
    pub(crate) fn changed(&self, before: usize, after: usize) {
        if after > before {
            self.count.fetch_add(after - before, Ordering::Relaxed);
            if self.is_surplus() {
                self.surplus.notify_one();
            }
        } else if after < before {
            self.count.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn is_surplus(&self) -> bool {
        self.count() > self.max.load(Ordering::Relaxed)
    }

    /// Producers forgotten because there were too many.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    pub(crate) fn note_forgotten(&self, count: usize) {
        self.forgotten.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The time before which the last activity must lie for a producer to be forgotten, given those
    /// of all: so that nine tenths of the bound are left.
    pub(crate) fn forgotten_before(&self, mut active: Vec<Timestamp>) -> Option<Timestamp> {
        let max = self.max.load(Ordering::Relaxed);
        let surplus = active.len().checked_sub(max - max / 10)?;
        if surplus == 0 {
            return None;
        }
        let (_, last, _) = active.select_nth_unstable(surplus - 1);
        Some(Timestamp(last.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idlest_go_down_to_nine_tenths() {
        let total = ProducerTotal::new(10);
        let times = |count: i64| (0..count).rev().map(Timestamp).collect::<Vec<_>>();
        assert_eq!(total.forgotten_before(times(9)), None);
        assert_eq!(total.forgotten_before(times(12)), Some(Timestamp(3)));
        assert_eq!(total.forgotten_before(Vec::new()), None);
    }

    #[test]
    fn the_sum_follows_the_partitions() {
        let total = ProducerTotal::new(2);
        total.changed(0, 2);
        assert!(!total.is_surplus());
        total.changed(0, 1);
        assert!(total.is_surplus());
        total.changed(2, 0);
        assert_eq!(total.count(), 1);
    }
}
