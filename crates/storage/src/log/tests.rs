//! Claims about the log as a whole, on a simulated disk taken step by step and on the real one.
#![expect(clippy::indexing_slicing, reason = "tests look at known places")]

mod border;
mod catch_up;
mod cold;
mod damage;
mod faults;
mod lend;
mod pending;
mod real;
mod reuse;
mod search;
mod support;
mod threads;
mod verify;
mod world;
