//! Scenarios at the crate's border, with a virtual clock.

use std::time::Instant;

use model::{Now, Timestamp};

mod admin;
mod codec;
mod joining;
mod memory;
mod offsets;
mod properties;
mod reach;
mod restart;
mod scale;
mod script;
mod sessions;
mod static_members;
mod syncing;

/// An origin for virtual time: only differences to it count.
#[expect(
    clippy::disallowed_methods,
    reason = "an Instant cannot be made any other way; tests move on from it by hand"
)]
pub(crate) fn start() -> Now {
    Now {
        monotonic: Instant::now(),
        wall: Timestamp(1_000_000),
    }
}
