//! Whether the threads still turn: each says so several times a second, and how late it was.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::{Histogram, HistogramOpts};
use tokio::time::sleep_until;

use crate::{
    clock,
    metrics::{Metrics, RegisterError},
};

/// How often each thread says that it turns.
const BEAT: Duration = Duration::from_millis(250);
/// A thread that has not turned for longer keeps its connections waiting: the broker is not ready.
const STALLED: Duration = Duration::from_secs(5);
/// Upper bounds in seconds. The timer itself is a millisecond late.
const BOUNDS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The threads' own word for it.
#[derive(Clone, Debug)]
pub struct Pulses(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    since: Instant,
    /// Milliseconds from then to each thread's last turn.
    turned: Vec<AtomicU64>,
    delay: OnceLock<Histogram>,
}

impl Pulses {
    pub(super) fn new(threads: usize) -> Self {
        Self(Arc::new(Inside {
            since: clock::now().monotonic,
            turned: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            delay: OnceLock::new(),
        }))
    }

    /// Has the delays measured from now on.
    ///
    /// # Errors
    /// Registered before.
    pub fn measure(&self, metrics: &Metrics) -> Result<(), RegisterError> {
        let options = HistogramOpts::new(
            "tidegate_worker_delay_seconds",
            "How late the threads of connections come to what is due: what one of their turns takes.",
        );
        let histogram = Histogram::with_opts(options.buckets(BOUNDS.to_vec()));
        let histogram = metrics.register(histogram)?;
        self.0.delay.get_or_init(|| histogram);
        Ok(())
    }

    /// Says again and again that the thread turns, for as long as it does.
    pub(super) async fn beat(self, thread: usize) {
        loop {
            let due = clock::now().monotonic + BEAT;
            sleep_until(due.into()).await;
            self.note(thread, due, clock::now().monotonic);
        }
    }

    fn note(&self, thread: usize, due: Instant, now: Instant) {
        if let Some(turned) = self.0.turned.get(thread) {
            turned.store(self.millis(now), Ordering::Relaxed);
        }
        if let Some(delay) = self.0.delay.get() {
            delay.observe(now.saturating_duration_since(due).as_secs_f64());
        }
    }

    /// A thread that does not turn any more, and for how long it has not.
    pub(crate) fn stalled(&self) -> Option<(usize, Duration)> {
        self.stalled_for(STALLED, clock::now().monotonic)
    }

    pub(crate) fn stalled_for(&self, limit: Duration, now: Instant) -> Option<(usize, Duration)> {
        let now = self.millis(now);
        let rests = self.0.turned.iter().enumerate().map(|(thread, turned)| {
            let rest = now.saturating_sub(turned.load(Ordering::Relaxed));
            (thread, Duration::from_millis(rest))
        });
        let longest = rests.max_by_key(|(_, rest)| *rest);
        longest.filter(|(_, rest)| *rest > limit)
    }

    fn millis(&self, now: Instant) -> u64 {
        let span = now.saturating_duration_since(self.0.since);
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_does_not_turn_is_named() {
        let metrics = Metrics::new("1", "c").unwrap();
        let pulses = Pulses::new(2);
        pulses.measure(&metrics).unwrap();
        let at = |seconds| pulses.0.since + Duration::from_secs(seconds);
        assert_eq!(pulses.stalled_for(STALLED, at(5)), None);
        pulses.note(0, at(4), at(4));
        pulses.note(1, at(3), at(6));
        assert_eq!(pulses.stalled_for(STALLED, at(9)), None);
        let stalled = Some((0, Duration::from_secs(6)));
        assert_eq!(pulses.stalled_for(STALLED, at(10)), stalled);
        let scrape = metrics.scrape();
        assert!(
            scrape.contains("tidegate_worker_delay_seconds_sum 3\n"),
            "{scrape}"
        );
    }
}
