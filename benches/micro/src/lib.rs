//! Small pieces of the broker's path, each prepared once and run again and again: timed by
//! criterion (`benches/wall.rs`), counted in instructions by `cargo xtask instructions`.
//!
//! ```text
//! prepare -> Bench -> before, run, before, run, ..
//!                             ^ counted or timed
//! ```

mod cases;
mod clock;
mod data;

use anyhow::Result;

/// Runs between preparation and the first that counts: caches filled, lazy things made.
pub const WARM_UPS: u32 = 3;

/// Something prepared that can be run any number of times.
pub trait Bench {
    /// Puts things back to where a run starts from; not counted.
    fn before(&mut self) {}

    /// What is counted.
    fn run(&mut self);
}

/// Whose instructions a count takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// The caller's, whatever other threads do meanwhile.
    Caller,
    /// Everyone's from the start of a run to its end: for runs that wait for other threads.
    All,
}

impl Threads {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::All => "all",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Runs that are counted; a count is their mean, so that what differs from run to run, such as
    /// a table that grows, weighs little.
    pub runs: u32,
    pub threads: Threads,
    pub prepare: fn() -> Result<Box<dyn Bench>>,
}

impl Case {
    /// A case that needs one thread.
    pub(crate) const fn new(
        name: &'static str,
        runs: u32,
        prepare: fn() -> Result<Box<dyn Bench>>,
    ) -> Self {
        Self {
            name,
            runs,
            threads: Threads::Caller,
            prepare,
        }
    }

    /// The same, with what all other threads do for it.
    pub(crate) const fn on_all_threads(self) -> Self {
        Self {
            threads: Threads::All,
            ..self
        }
    }
}

/// Every case, in the order of the path.
#[must_use]
pub fn cases() -> Vec<Case> {
    cases::all()
}

/// The function that the counting tool watches: it is found by its name, which stands in the
/// binary for that reason.
#[inline(never)]
pub fn counted_region(bench: &mut dyn Bench) {
    bench.run();
    region_left();
}

/// Where the counts of all threads are taken: the tool sees a function entered more surely than
/// left.
#[inline(never)]
pub fn region_left() {
    std::hint::black_box(());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_runs() {
        for case in cases() {
            let mut bench =
                (case.prepare)().unwrap_or_else(|error| panic!("{}: {error}", case.name));
            for _ in 0..2 {
                bench.before();
                counted_region(&mut *bench);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases().len());
    }
}
