//! What all threads of one run share: the clock, the phase, the counts.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Nanoseconds since the run began, the same for all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    pub(crate) fn now_ns(self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The phases of a run: warming up, measured, draining, stopped.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) clock: Clock,
    window_start_ns: AtomicU64,
    window_end_ns: AtomicU64,
    draining: AtomicBool,
    stopped: AtomicBool,
    /// Connections that may still have to send what was due before the end.
    behind: AtomicUsize,
}

impl Run {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            window_start_ns: AtomicU64::new(u64::MAX),
            window_end_ns: AtomicU64::new(u64::MAX),
            draining: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            behind: AtomicUsize::new(0),
        }
    }

    pub(crate) fn measure_from_now(&self) {
        let now_ns = self.clock.now_ns();
        self.window_start_ns.store(now_ns, Ordering::Relaxed);
    }

    /// Nothing new is sent; what is under way, or was due before, may end.
    pub(crate) fn drain(&self) {
        let now_ns = self.clock.now_ns();
        self.window_end_ns.store(now_ns, Ordering::Relaxed);
        self.draining.store(true, Ordering::Relaxed);
    }

    /// So many connections more have a schedule to keep.
    pub(crate) fn expect_schedules(&self, connections: usize) {
        self.behind.fetch_add(connections, Ordering::Relaxed);
    }

    /// One of them has sent all that was due.
    pub(crate) fn schedule_kept(&self) {
        self.behind.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed) > 0
    }

    /// When the measured part ended; far away while it lasts.
    pub(crate) fn window_end_ns(&self) -> u64 {
        self.window_end_ns.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether what was begun at that time belongs to the measured part.
    pub(crate) fn is_measured(&self, since_ns: u64) -> bool {
        since_ns >= self.window_start_ns.load(Ordering::Relaxed)
            && since_ns < self.window_end_ns.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($name:ident),*) => {
        /// Counts of one thread, read by another while it runs.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Counter,)* }

        /// Counts at one moment, over all threads.
        #[derive(Clone, Copy, Debug, Default, serde::Serialize)]
        pub(crate) struct Counts { $(pub(crate) $name: u64,)* }

        impl Counters {
            pub(crate) fn add_to(&self, counts: &mut Counts) {
                $(counts.$name += self.$name.0.load(Ordering::Relaxed);)*
            }
        }

        impl Counts {
            pub(crate) fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name - earlier.$name,)* }
            }
        }
    };
}

counters!(
    sent_records,
    produced_requests,
    produced_records,
    refused_records,
    produced_wire_bytes,
    asked_fetches,
    fetches,
    empty_fetches,
    fetched_records,
    fetched_wire_bytes,
    errors
);

/// A count with one writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}
