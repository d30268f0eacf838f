//! The scenarios, by the programs they run.

mod bad_input;
mod connections;
mod consumer_groups;
mod container;
mod disk;
mod durability;
mod golang;
mod kafka_tools;
mod login;
mod metrics;
mod namespaces;
mod node;
mod operator;
mod python;
mod spring;
mod streams;
mod units;

use crate::runner::Entry;
use crate::scenario::Suite;

/// The longest first: they mostly wait, while others run beside them.
const SUITES: &[Suite] = &[
    units::SUITE,
    python::SUITE,
    consumer_groups::SUITE,
    spring::SUITE,
    streams::SUITE,
    kafka_tools::SUITE,
    golang::SUITE,
    node::SUITE,
    durability::SUITE,
    namespaces::SUITE,
    login::SUITE,
    bad_input::SUITE,
    connections::SUITE,
    metrics::SUITE,
    disk::SUITE,
    operator::SUITE,
    container::SUITE,
];

/// All scenarios whose full name holds one of the filters; without filters, all.
pub(crate) fn entries(filters: &[String]) -> Vec<Entry> {
    let all = SUITES
        .iter()
        .flat_map(|suite| suite.scenarios.iter().map(move |s| (suite, s)));
    let named = all.map(|(suite, scenario)| Entry {
        name: format!("{}: {}", suite.name, scenario.name),
        scenario,
    });
    named
        .filter(|entry| filters.is_empty() || filters.iter().any(|f| entry.name.contains(f)))
        .collect()
}
