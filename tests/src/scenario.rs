//! A scenario: what it is called, how long it may take, and how it ended.

use std::time::Duration;

use anyhow::Result;

use crate::clock;
use crate::skip::Skip;
use crate::stage::{Stage, World};

/// Lines of each log that a failure shows.
const LOG_LINES_MAX: usize = 30;

/// One claim about the broker, shown with a real client.
pub(crate) struct Scenario {
    /// The claim.
    pub(crate) name: &'static str,
    pub(crate) limit: Duration,
    pub(crate) run: fn(&mut Stage<'_>) -> Result<()>,
}

/// Scenarios about the same programs.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) scenarios: &'static [Scenario],
}

pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Scenario {
    /// Most scenarios are done in seconds; the limit is for a machine that is busy.
    pub(crate) const fn new(name: &'static str, run: fn(&mut Stage<'_>) -> Result<()>) -> Self {
        Self::lasting(120, name, run)
    }

    pub(crate) const fn lasting(
        limit_s: u64,
        name: &'static str,
        run: fn(&mut Stage<'_>) -> Result<()>,
    ) -> Self {
        Self {
            name,
            limit: Duration::from_secs(limit_s),
            run,
        }
    }

    /// Runs it on a stage of its own, and says how long that took.
    pub(crate) fn play(&self, world: &World) -> (Outcome, Duration) {
        let start = clock::now();
        let outcome = match Stage::new(world, self.limit) {
            Err(error) => Outcome::Failed(format!("{error:#}\n")),
            Ok(mut stage) => match (self.run)(&mut stage) {
                Ok(()) => Outcome::Passed,
                Err(error) => match error.downcast_ref::<Skip>() {
                    Some(skip) => Outcome::Skipped(skip.to_string()),
                    None => {
                        Outcome::Failed(format!("{error:#}\n{}", stage.log_ends(LOG_LINES_MAX)))
                    }
                },
            },
        };
        (outcome, clock::now() - start)
    }
}
