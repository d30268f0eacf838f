//! What was measured as text: a section for people, and files that stay.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::figures::matrix::{is_of_cell, metric, names};
use super::metrics::Spread;
use super::outcome::Outcome;
use super::server::Kind;

/// What the tables show beside a figure's headline, by the ends of the names, in this order; the
/// JSON holds the rest.
const SHOWN: [&[&str]; 5] = [
    &["records_per_s", "mb_per_s", "over_plain"],
    &["p50_ms", "p99_ms", "p99_9_ms", "p99_99_ms", "max_ms"],
    &["slowest_sync_ms", "syncs_per_s", "disk_flushes_per_s"],
    &["stolen_s", "most_stolen_ms"],
    &[
        "cpu_s_per_gb",
        "cpu_s_per_million_records",
        "cpu_s",
        "rss_anon_mib",
        "rss_peak_mib",
        "faults",
    ],
];

/// What the whole device moved: in the cost of no server alone.
const IN_JSON_ONLY: [&str; 2] = ["disk_read_mb_per_s", "disk_write_mb_per_s"];

/// A figure as Markdown: a line for each number, with the medians of each server and the ratios
/// with their spread.
pub(super) fn section(outcome: &Outcome) -> String {
    let mut text = format!("## {}\n\n{}.\n\n| |", outcome.name, outcome.about);
    let servers = outcome.servers();
    for server in &servers {
        write!(text, " {server} |").ok();
    }
    for rival in outcome.ratios.keys() {
        write!(text, " tidegate / {rival} |").ok();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(servers.len() + outcome.ratios.len()));
    for metric in shown(outcome) {
        write!(text, "\n| {} |", metric.replace('_', " ")).ok();
        for server in &servers {
            let spread = outcome.spread(server, metric);
            let median = spread.map_or_else(String::new, |spread| number(spread.median));
            write!(text, " {median} |").ok();
        }
        for ratios in outcome.ratios.values() {
            let ratio = ratios.get(metric).map_or_else(String::new, ratio);
            write!(text, " {ratio} |").ok();
        }
    }
    text.push('\n');
    text.push_str(&cells(outcome));
    for goal in &outcome.goals {
        let measured = goal
            .measured
            .as_ref()
            .map_or_else(|| "not measured".to_owned(), ratio);
        let holds = verdict(goal.holds);
        write!(
            text,
            "\n- {}: {measured}, goal {}: **{holds}**",
            goal.what, goal.bound
        )
        .ok();
    }
    text.push('\n');
    text
}

/// What is told of each cell of a matrix, and what of its ratio to a rival's.
const CELL: [&str; 9] = [
    "records_per_s",
    "mb_per_s",
    "cpu_s_per_gb",
    "cpu_s_per_million_records",
    "produce_p50_ms",
    "produce_p99_ms",
    "produce_p99_9_ms",
    "syncs_per_s",
    "faults",
];
const CELL_RATIOS: [&str; 3] = ["records_per_s", "cpu_s_per_gb", "produce_p99_ms"];

/// A matrix as a table: a line for each cell with Tidegate's medians, then the ratios.
fn cells(outcome: &Outcome) -> String {
    let measured = outcome.metrics();
    let is_measured = |cell: &String| measured.contains(&*metric(cell, "records_per_s"));
    let names: Vec<String> = names().filter(is_measured).collect();
    if names.is_empty() {
        return String::new();
    }
    let mut head = "\n| cell |".to_owned();
    for name in CELL {
        write!(head, " {} |", name.replace('_', " ")).ok();
    }
    for rival in outcome.ratios.keys() {
        for name in CELL_RATIOS {
            write!(head, " {} / {rival} |", name.replace('_', " ")).ok();
        }
    }
    let columns = CELL.len() + outcome.ratios.len() * CELL_RATIOS.len();
    let mut text = format!("{head}\n|---|{}", "---|".repeat(columns));
    for cell in names {
        write!(text, "\n| {cell} |").ok();
        for name in CELL {
            let spread = outcome.spread(Kind::Tidegate.name(), &metric(&cell, name));
            let median = spread.map_or_else(String::new, |spread| number(spread.median));
            write!(text, " {median} |").ok();
        }
        for ratios in outcome.ratios.values() {
            for name in CELL_RATIOS {
                let found = ratios.get(&metric(&cell, name));
                write!(text, " {} |", found.map_or_else(String::new, ratio)).ok();
            }
        }
    }
    text.push('\n');
    text
}

/// The numbers of a figure that its table shows: the headline first.
fn shown(outcome: &Outcome) -> Vec<&str> {
    let measured = outcome.metrics();
    // How long a fetch takes is only a question where something is there to be read.
    let is_followed = measured.contains("end_to_end_p50_ms");
    let headline = outcome.headline.iter().map(String::as_str);
    let mut shown: Vec<&str> = headline.filter(|name| measured.contains(name)).collect();
    let rest = measured
        .iter()
        .filter(|name| !(is_followed && name.starts_with("fetch_")))
        .filter(|name| !IN_JSON_ONLY.contains(name) && !is_of_cell(name))
        .filter(|name| !outcome.headline.iter().any(|known| known == **name));
    let mut rest: Vec<_> = rest
        .filter_map(|name| Some((place(name)?, *name)))
        .collect();
    rest.sort_unstable();
    shown.extend(rest.into_iter().map(|(_, name)| name));
    shown
}

/// Where a number stands: its group, what it is of, and its place in the group.
fn place(name: &str) -> Option<(usize, &str, usize)> {
    let mut found = None;
    for (group, ends) in SHOWN.iter().enumerate() {
        for (index, end) in ends.iter().enumerate() {
            if let Some(of) = name.strip_suffix(end)
                && (of.is_empty() || of.ends_with('_'))
            {
                found = Some((group, of, index));
            }
        }
    }
    found
}

/// Writes the figure's files, and the page over all figures in the folder.
pub(super) fn keep(outcome: &Outcome, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let json = serde_json::to_string_pretty(outcome)?;
    fs::write(folder.join(format!("{}.json", outcome.name)), json + "\n")?;
    let outcomes = all(folder)?;
    fs::write(folder.join("README.md"), page(&outcomes))?;
    fs::write(folder.join("summary.md"), summary(&outcomes))?;
    Ok(())
}

/// What lies in a folder of results: figures may be measured one by one.
fn all(folder: &Path) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path)?;
            let outcome = serde_json::from_str::<Outcome>(&text);
            outcomes.push(outcome.with_context(|| format!("read {}", path.display()))?);
        }
    }
    let place = |name: &str| super::figures::all().position(|figure| figure.name == name);
    outcomes.sort_by_key(|outcome| place(&outcome.name));
    Ok(outcomes)
}

fn page(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "# What was measured\n\nPrinted by `cargo xtask bench`. Medians over all rounds; ratios \
         are taken round by round and given as median (min to max). Client and servers share \
         the machine.\n",
    );
    // Figures measured apart may have been measured on different states of the code.
    let machines: BTreeSet<String> = outcomes.iter().map(|o| o.machine.line()).collect();
    for machine in machines {
        write!(text, "\n- {machine}").ok();
    }
    text.push_str("\n\n");
    text.push_str(&summary(outcomes));
    for outcome in outcomes {
        let (pairs, seconds) = (outcome.rounds.len(), outcome.seconds);
        write!(
            text,
            "\n{}\n{pairs} rounds of {seconds} s.\n",
            section(outcome)
        )
        .ok();
    }
    text
}

/// What was to be reached, and the most important numbers of each figure: `docs/performance.md` has
/// the same.
fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| Figure | Number | Goal | Measured | Tidegate itself | Rounds | |\n\
         |---|---|---|---|---|---|---|",
    );
    for outcome in outcomes {
        let (name, rounds) = (&outcome.name, outcome.rounds.len());
        for goal in &outcome.goals {
            let measured = goal.measured.as_ref().map_or_else(String::new, ratio);
            let own = goal.what.split_once(" / ").map(|(metric, _)| metric);
            let own = own.and_then(|metric| outcome.spread(Kind::Tidegate.name(), metric));
            let own = own.map_or_else(String::new, |own| number(own.median));
            let (what, bound) = (goal.what.replace('_', " "), &goal.bound);
            let holds = verdict(goal.holds);
            write!(
                text,
                "\n| `{name}` | {what} | {bound} | {measured} | {own} | {rounds} | {holds} |"
            )
            .ok();
        }
    }
    let rivals = [Kind::Kafka, Kind::KafkaSynced, Kind::Floor].map(Kind::name);
    text.push_str("\n\n| Figure | Number | Tidegate |");
    for rival in rivals {
        write!(text, " / {rival} |").ok();
    }
    text.push_str("\n|---|---|---|---|---|---|");
    for outcome in outcomes {
        for metric in &outcome.headline {
            let Some(own) = outcome.spread(Kind::Tidegate.name(), metric) else {
                continue;
            };
            let (name, what) = (&outcome.name, metric.replace('_', " "));
            write!(text, "\n| `{name}` | {what} | {} |", ratio(&own)).ok();
            for rival in rivals {
                let found = outcome.ratios.get(rival).and_then(|all| all.get(metric));
                write!(text, " {} |", found.map_or_else(String::new, ratio)).ok();
            }
        }
    }
    text.push('\n');
    text
}

fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "open",
    }
}

fn ratio(spread: &Spread) -> String {
    let Spread { min, median, max } = *spread;
    format!("{} ({} to {})", number(median), number(min), number(max))
}

/// A number as people read it: three digits that count, thousands apart.
pub(super) fn number(value: f64) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 || value == 0.0 => 2,
        value if value >= 0.01 => 3,
        _ => 5,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && digit.is_ascii_digit() && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() {
        grouped
    } else {
        format!("{grouped}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_by_group_then_by_what_they_are_of() {
        let mut names = [
            "faults",
            "tail_p99_ms",
            "cold_cpu_s_per_gb",
            "tail_p50_ms",
            "alone_p99_ms",
            "threads",
            "disk_mb_per_s",
        ];
        names.sort_unstable_by_key(|name| place(name));
        let expected = [
            "threads",
            "disk_mb_per_s",
            "alone_p99_ms",
            "tail_p50_ms",
            "tail_p99_ms",
            "faults",
            "cold_cpu_s_per_gb",
        ];
        assert_eq!(names, expected);
        assert_eq!(place("threads"), None);
    }

    #[test]
    fn numbers_keep_the_digits_that_count() {
        let numbers = [1_234_567.8, 123.4, 12.34, 1.234, 0.1234, 0.0, 0.000_12];
        let expected = [
            "1,234,568",
            "123",
            "12.3",
            "1.23",
            "0.123",
            "0.00",
            "0.00012",
        ];
        assert_eq!(numbers.map(number), expected);
    }
}
