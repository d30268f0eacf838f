//! What was measured as text: a section for people, and files that stay.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::metrics::Spread;
use super::outcome::Outcome;
use super::plot;

/// What the tables show, in this order, where it was measured; the JSON holds the rest.
const SHOWN: [&str; 17] = [
    "records_per_s",
    "mb_per_s",
    "produce_p50_ms",
    "produce_p99_ms",
    "produce_p99_9_ms",
    "end_to_end_p50_ms",
    "end_to_end_p99_ms",
    "end_to_end_p99_9_ms",
    "end_to_end_max_ms",
    "cpu_s_per_gb",
    "cpu_s_per_million_records",
    "rss_anon_mib",
    "rss_peak_mib",
    "syncs_per_s",
    "disk_flushes_per_s",
    "client_cpu_s",
    "faults",
];

/// A figure as Markdown: medians of each server, then ratios with their spread.
pub(super) fn section(outcome: &Outcome) -> String {
    let servers = outcome.servers();
    let shown = outcome.headline.iter().map(String::as_str);
    let rest = SHOWN
        .into_iter()
        .filter(|name| !outcome.headline.iter().any(|h| h == name));
    let columns: Vec<&str> = shown
        .chain(rest)
        .filter(|metric| {
            servers
                .iter()
                .any(|server| outcome.spread(server, metric).is_some())
        })
        .collect();
    let mut text = format!("## {}\n\n{}.\n\n| |", outcome.name, outcome.about);
    for column in &columns {
        write!(text, " {} |", column.replace('_', " ")).ok();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    for server in &servers {
        write!(text, "\n| {server} |").ok();
        for column in &columns {
            let spread = outcome.spread(server, column);
            let median = spread.map_or_else(String::new, |spread| number(spread.median));
            write!(text, " {median} |").ok();
        }
    }
    for (rival, ratios) in &outcome.ratios {
        write!(text, "\n| tidegate / {rival} |").ok();
        for column in &columns {
            let ratio = ratios.get(*column).map_or_else(String::new, ratio);
            write!(text, " {ratio} |").ok();
        }
    }
    text.push('\n');
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

/// Writes the figure's files, and the page over all figures in the folder.
pub(super) fn keep(outcome: &Outcome, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let json = serde_json::to_string_pretty(outcome)?;
    fs::write(folder.join(format!("{}.json", outcome.name)), json + "\n")?;
    plot::draw(outcome, &folder.join(format!("{}.svg", outcome.name)))?;
    fs::write(folder.join("README.md"), page(&all(folder)?))?;
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
    text.push_str("\n\n| Figure | Number | Goal | Measured | |\n|---|---|---|---|---|");
    for outcome in outcomes {
        for goal in &outcome.goals {
            let name = &outcome.name;
            let measured = goal.measured.as_ref().map_or_else(String::new, ratio);
            let holds = verdict(goal.holds);
            let (what, bound) = (goal.what.replace('_', " "), &goal.bound);
            write!(
                text,
                "\n| [{name}](#{name}) | {what} | {bound} | {measured} | {holds} |"
            )
            .ok();
        }
    }
    text.push('\n');
    for outcome in outcomes {
        let (pairs, seconds, name) = (outcome.rounds.len(), outcome.seconds, &outcome.name);
        write!(
            text,
            "\n{}\n{pairs} rounds of {seconds} s.\n\n![{name}]({name}.svg)\n",
            section(outcome)
        )
        .ok();
    }
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
