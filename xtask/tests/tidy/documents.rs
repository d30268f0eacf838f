//! What documents say of numbers and files is so.

use std::fs;

use toml::Value;

use crate::{check, sources};

const PERFORMANCE: &str = "docs/performance.md";
const BASELINE: &str = "benches/micro/baseline.toml";

fn read(path: &str) -> String {
    fs::read_to_string(sources::root().join(path)).expect("a file of the workspace")
}

/// A number as the document writes it.
fn with_commas(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[test]
fn the_table_of_steps_has_the_counts_of_the_baseline() {
    let baseline: Value = toml::from_str(&read(BASELINE)).unwrap();
    let counts = baseline["instructions"].as_table().unwrap();
    let document = read(PERFORMANCE);
    let mut offences = Vec::new();
    for (case, count) in counts {
        let count = with_commas(count.as_integer().unwrap());
        let named = format!("| `{case}` |");
        match document.lines().find(|line| line.contains(&named)) {
            None => offences.push(format!("{PERFORMANCE}: no row for `{case}`: {count}")),
            Some(row) if !row.contains(&format!("{named} {count} |")) => {
                offences.push(format!("{PERFORMANCE}: `{case}` is {count} in {BASELINE}"));
            }
            Some(_) => {}
        }
    }
    check(&offences);
}

#[test]
fn the_table_of_results_is_the_newest_that_was_printed() {
    let folders = sources::names_in("benches/results");
    let newest = folders.iter().max().expect("results");
    let summary = read(&format!("benches/results/{newest}/summary.md"));
    let is_there = read(PERFORMANCE).contains(&summary);
    let offence = format!("{PERFORMANCE} has not what {newest}/summary.md has");
    check(&Vec::from_iter((!is_there).then_some(offence)));
}

#[test]
fn the_files_that_documents_show_are_there() {
    let mut offences = Vec::new();
    for folder in ["docs", "docs/adr", "benches"] {
        for name in sources::names_in(folder) {
            let path = format!("{folder}/{name}");
            if let Ok(text) = fs::read_to_string(sources::root().join(&path)) {
                offences.extend(missing(folder, &text).map(|target| format!("{path}: {target}")));
            }
        }
    }
    check(&offences);
}

/// The files of this folder that a text links to and that are not there.
fn missing<'a>(folder: &'a str, text: &'a str) -> impl Iterator<Item = &'a str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|target| target.split([')', '#']).next());
    targets.filter(move |target| {
        let is_elsewhere = target.is_empty() || target.contains("://");
        !is_elsewhere && !sources::root().join(folder).join(target).exists()
    })
}
