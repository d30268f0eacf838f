//! Throughput units as debt token buckets: says how long the caller has to wait, never no.
//!
//! ```text
//!                     +-- ingress: bytes bucket, events bucket
//! charge -> [`Meter`]-+-- egress:  bytes bucket, events bucket  -> wait = the longest debt
//!                     +-- auto-inflate watches the ingress      -> units change
//! ```
//!
//! A charge is always taken, even beyond what is left: the debt is what the next callers wait for,
//! so that over time the rate holds whatever the size of a request. Pure: time is an argument,
//! arithmetic is in whole nanoseconds, no sibling crate is known.

#![deny(clippy::indexing_slicing)]

mod bucket;
mod inflate;
mod meter;
mod units;

pub use inflate::{AutoInflate, Reason, UnitsChange};
pub use meter::{Charge, Direction, Meter, Usage};
pub use units::{Units, UnitsError};
