//! A figure measured: its rounds, the ratios to the rivals, and what became of its goals.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::figure::{Bound, Figure, Goal};
use super::machine::Machine;
use super::metrics::{Metrics, Spread};
use super::server::Kind;

/// One run of each server, by the server's name.
pub(super) type Round = BTreeMap<String, Metrics>;

/// What is kept of a figure.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) headline: Vec<String>,
    pub(super) machine: Machine,
    /// The measured part of each run.
    pub(super) seconds: f64,
    pub(super) goals: Vec<Verdict>,
    /// By rival and metric: Tidegate's number over the rival's, round by round.
    pub(super) ratios: BTreeMap<String, BTreeMap<String, Spread>>,
    pub(super) rounds: Vec<Round>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Verdict {
    pub(super) what: String,
    pub(super) bound: String,
    /// Absent where the rival wasn't run.
    pub(super) measured: Option<Spread>,
    /// Of the median.
    pub(super) holds: Option<bool>,
}

impl Outcome {
    pub(super) fn new(
        figure: &Figure,
        machine: &Machine,
        seconds: f64,
        rounds: Vec<Round>,
    ) -> Self {
        let mut outcome = Self {
            name: figure.name.to_owned(),
            about: figure.about.to_owned(),
            headline: figure
                .headline
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            machine: machine.clone(),
            seconds,
            goals: Vec::new(),
            ratios: BTreeMap::new(),
            rounds,
        };
        outcome.ratios = outcome.all_ratios();
        outcome.goals = figure
            .goals
            .iter()
            .map(|goal| outcome.verdict(goal))
            .collect();
        outcome
    }

    /// The servers that were run, Tidegate first.
    pub(super) fn servers(&self) -> Vec<&str> {
        let names = self.rounds.iter().flat_map(BTreeMap::keys);
        let names: BTreeSet<&str> = names.map(String::as_str).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_by_key(|name| *name != Kind::Tidegate.name());
        names
    }

    /// The names of all numbers that any server gave.
    pub(super) fn metrics(&self) -> BTreeSet<&str> {
        let runs = self.rounds.iter().flat_map(BTreeMap::values);
        runs.flat_map(Metrics::iter).map(|(name, _)| name).collect()
    }

    /// A server's numbers of one name, over all rounds without faults of it; its faults over all.
    pub(super) fn spread(&self, server: &str, metric: &str) -> Option<Spread> {
        let counts = |run: &&Metrics| metric == FAULTS || is_sound(run);
        let value = |round: &Round| round.get(server).filter(counts)?.value(metric);
        Spread::of(self.rounds.iter().filter_map(value).collect())
    }

    fn all_ratios(&self) -> BTreeMap<String, BTreeMap<String, Spread>> {
        let rivals = self.servers().into_iter().skip(1);
        let ratios = |rival: &str| (rival.to_owned(), self.ratios_to(rival));
        rivals.map(ratios).collect()
    }

    fn ratios_to(&self, rival: &str) -> BTreeMap<String, Spread> {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for round in &self.rounds {
            let pair = round.get(Kind::Tidegate.name()).zip(round.get(rival));
            let Some((ours, theirs)) = pair else {
                continue;
            };
            if !is_sound(ours) || !is_sound(theirs) {
                continue;
            }
            for (metric, value) in ours.iter() {
                let theirs = theirs.value(metric).filter(|theirs| *theirs > 0.0);
                let ratio = theirs.map(|theirs| value / theirs);
                values.entry(metric).or_default().extend(ratio);
            }
        }
        let spread = |(metric, values): (&str, _)| Some((metric.to_owned(), Spread::of(values)?));
        values.into_iter().filter_map(spread).collect()
    }

    fn verdict(&self, goal: &Goal) -> Verdict {
        let measured = match goal.against {
            None => self.spread(Kind::Tidegate.name(), goal.metric),
            Some(rival) => {
                let ratios = self.ratios.get(rival.name());
                ratios.and_then(|ratios| ratios.get(goal.metric)).copied()
            }
        };
        let what = match goal.against {
            None => goal.metric.to_owned(),
            Some(rival) => format!("{} / {}", goal.metric, rival.name()),
        };
        let bound = match goal.bound {
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::AtMost(most) => format!("<= {most}"),
        };
        Verdict {
            what,
            bound,
            measured,
            holds: measured.map(|spread| goal.bound.holds(spread.median)),
        }
    }
}

const FAULTS: &str = "faults";

/// Whether nothing went wrong in a run: what one with faults measured proves nothing.
fn is_sound(run: &Metrics) -> bool {
    run.value(FAULTS).unwrap_or(0.0) == 0.0
}
