//! What documents say of numbers and files is so.

use std::fs;

use crate::{check, sources};

const PERFORMANCE: &str = "docs/performance.md";
fn read(path: &str) -> String {
    fs::read_to_string(sources::root().join(path)).expect("a file of the workspace")
}

#[test]
fn the_ratios_are_those_of_the_newest_results() {
    let folders = sources::names_in("benches/results");
    let newest = folders.iter().max().expect("results");
    let summary = read(&format!("benches/results/{newest}/summary.md"));
    let document = read(PERFORMANCE);
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert!(!rows.is_empty(), "{PERFORMANCE} shows no results");
    let unknown = rows
        .iter()
        .filter(|row| !summary.lines().any(|line| line == **row));
    let offences: Vec<String> = unknown
        .map(|row| format!("{PERFORMANCE}: not in {newest}/summary.md: {row}"))
        .collect();
    check(&offences);
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
