//! The hub as front ends call it, on a real log in a temporary directory, with a clock of ours.

mod epochs;
mod groups;
mod isolation;
mod produce_and_fetch;
mod support;
mod topics;
mod units;
