//! A real client as the load: librdkafka, which most languages' clients stand on. Sends at full
//! speed or at a set rate, reads what is there, or both with the time between.
//!
//! Prints what the load generator prints, without the server's cost: that is measured outside.

#![expect(clippy::disallowed_methods, reason = "a load reads the clock")]

mod consuming;
mod latency;
mod options;
mod producing;
mod topic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Parser;
use serde_json::{Value, json};

use options::{Mode, Options};

/// How long readers may take to see the last of what was sent.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let options = Options::parse();
    let report = match options.mode {
        Mode::Produce => producing::produce(&options, &Course::default())?,
        Mode::Consume => consuming::consume(&options)?,
        Mode::EndToEnd => end_to_end(&options)?,
    };
    println!("{report}");
    Ok(())
}

/// What who sends and who reads tell each other.
struct Course {
    clock: Instant,
    /// The reader knows where it begins.
    is_ready: AtomicBool,
    /// Where the measured time begins.
    from_ns: AtomicU64,
    /// Records acknowledged in the end.
    expected: AtomicU64,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            clock: Instant::now(),
            is_ready: AtomicBool::new(false),
            from_ns: AtomicU64::new(u64::MAX),
            expected: AtomicU64::new(u64::MAX),
        }
    }
}

impl Course {
    fn now_ns(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }
}

/// Sends on one thread and reads on another, by one clock.
fn end_to_end(options: &Options) -> Result<Value> {
    let course = Arc::new(Course::default());
    let reader = {
        let (options, course) = (options.clone(), Arc::clone(&course));
        thread::spawn(move || consuming::follow(&options, &course))
    };
    while !course.is_ready.load(Ordering::Acquire) && !reader.is_finished() {
        thread::yield_now();
    }
    let sent = producing::produce(options, &course);
    let records = sent.as_ref().ok().and_then(|sent| sent["records"].as_u64());
    let expected = &course.expected;
    expected.store(records.unwrap_or(0), Ordering::Release);
    let (latencies, missing) = reader
        .join()
        .map_err(|_| anyhow!("the reader panicked"))??;
    let mut report = sent?;
    report["end_to_end_ms"] = latency::quantiles(&latencies);
    if missing > 0 {
        report["faults"]["records acknowledged and never seen"] = json!(missing);
    }
    Ok(report)
}
