//! A histogram of durations or sizes that many threads may fill at once.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Buckets; the last has no upper bound.
const BUCKETS: usize = 28;

/// Counts in buckets whose bounds double. Durations are kept in microseconds: 1 us to 67 s.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramView {
    /// Upper bounds with the count of values at or below each, as Prometheus wants them.
    pub buckets: Vec<(u64, u64)>,
    pub sum: u64,
    pub count: u64,
}

impl Histogram {
    /// Takes note of a duration.
    pub fn record(&self, span: Duration) {
        self.record_value(u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
    }

    /// Takes note of a number.
    pub fn record_value(&self, value: u64) {
        let bits = 64 - value.saturating_sub(1).leading_zeros();
        let index = usize::try_from(bits).unwrap_or(BUCKETS).min(BUCKETS - 1);
        if let Some(count) = self.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// The counts as they stand; values that come in meanwhile may be missed.
    #[must_use]
    pub fn view(&self) -> HistogramView {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(BUCKETS);
        for (index, bucket) in self.counts.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            if index + 1 < BUCKETS {
                buckets.push((1 << index, count));
            }
        }
        HistogramView {
            buckets,
            sum: self.sum.load(Ordering::Relaxed),
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_at_or_below_their_bound() {
        let histogram = Histogram::default();
        for value in [0, 1, 2, 3, 4, 5, u64::MAX / 2] {
            histogram.record_value(value);
        }
        let view = histogram.view();
        assert_eq!(view.buckets[..4], [(1, 2), (2, 3), (4, 5), (8, 6)]);
        assert_eq!(view.count, 7);
    }
}
