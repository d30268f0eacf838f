//! The table of cases, and one file for each part of the path.

mod batches;
mod groups;
mod logs;
mod quotas;
mod sessions;
mod structure;

use anyhow::Result;

use crate::{Bench, Case};

pub(crate) fn all() -> Vec<Case> {
    let parts: [&[Case]; 6] = [
        structure::CASES,
        batches::CASES,
        logs::CASES,
        groups::CASES,
        quotas::CASES,
        sessions::CASES,
    ];
    parts.concat()
}

/// A case without anything to put back.
struct Plain<F>(F);

impl<F: FnMut()> Bench for Plain<F> {
    fn run(&mut self) {
        (self.0)();
    }
}

/// Makes a case of a closure.
#[expect(clippy::unnecessary_wraps, reason = "the form that every case has")]
fn plain(run: impl FnMut() + 'static) -> Result<Box<dyn Bench>> {
    Ok(Box::new(Plain(run)))
}
