//! The clock as an argument: `server` gives the real one, tests a number that they move.

use std::{future::Future, pin::Pin, time::Instant};

use model::Now;

/// A wait that the clock ends.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the time comes from, and how to wait for it.
pub trait Clock: Send + Sync + 'static {
    /// One reading of both clocks.
    fn now(&self) -> Now;

    /// Completes when the monotonic clock has reached `deadline`.
    fn sleep_until(&self, deadline: Instant) -> Sleep;
}
