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
fn the_files_that_documents_show_are_there() {
    let mut offences = Vec::new();
    for name in sources::names_in("docs") {
        let path = format!("docs/{name}");
        let Ok(text) = fs::read_to_string(sources::root().join(&path)) else {
            continue;
        };
        for target in text.split("](").skip(1) {
            let target = target.split([')', '#']).next().unwrap_or_default();
            let is_here = target.is_empty() || target.contains("://");
            if !is_here && !sources::root().join("docs").join(target).exists() {
                offences.push(format!("{path}: {target} is not there"));
            }
        }
    }
    check(&offences);
}
