//! What one thread has measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::run::{Counters, Run};

/// What latencies are told apart between: 100 ns and ten minutes.
const LEAST_NS: u64 = 100;
const MOST_NS: u64 = 600_000_000_000;

/// Latencies and faults of one thread.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) run: Arc<Run>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) produce: Histogram<u64>,
    pub(crate) fetch: Histogram<u64>,
    pub(crate) end_to_end: Histogram<u64>,
    /// How often each error code came, and other faults by name.
    pub(crate) faults: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        let bounds = || Histogram::new_with_bounds(LEAST_NS, MOST_NS, 3);
        let histogram = || bounds().expect("bounds and digits are allowed");
        Self {
            run,
            counters: Arc::default(),
            produce: histogram(),
            fetch: histogram(),
            end_to_end: histogram(),
            faults: BTreeMap::new(),
        }
    }

    pub(crate) fn error_code(&mut self, what: &str, code: i16) {
        if code != 0 {
            self.fault(format!("{what}: error {code}"));
        }
    }

    pub(crate) fn fault(&mut self, what: String) {
        self.faults(what, 1);
    }

    /// Notes as many faults of one name.
    pub(crate) fn faults(&mut self, what: String, count: u64) {
        self.counters.errors.add(count);
        *self.faults.entry(what).or_default() += count;
    }

    /// Adds another thread's measurements.
    pub(crate) fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.produce, &other.produce),
            (&mut self.fetch, &other.fetch),
            (&mut self.end_to_end, &other.end_to_end),
        ];
        for (mine, theirs) in pairs {
            mine.add(theirs).expect("histograms have the same bounds");
        }
        for (what, count) in &other.faults {
            *self.faults.entry(what.clone()).or_default() += count;
        }
    }
}
