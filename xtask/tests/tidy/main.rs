//! The architecture's invariants as tests: what must be absent is looked for, with the remedy in
//! the message. `docs/architecture.md` lists them.

mod documents;
mod edges;
mod places;
mod shipped;
mod sources;

use sources::Source;

/// Lines of a file, tests not counted, past which it must be split.
const FILE_LINES_MAX: usize = 1_000;

fn check(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    let silent = |source: &&Source| !source.text.starts_with("//!");
    let offences: Vec<String> = sources::rust()
        .iter()
        .filter(silent)
        .map(|source| format!("{}: begin with a `//!` line", source.path))
        .collect();
    check(&offences);
}

#[test]
fn no_file_outgrows_the_wall() {
    let offences: Vec<String> = sources::rust()
        .iter()
        .filter(|source| source.production().lines().count() > FILE_LINES_MAX)
        .map(|source| format!("{}: over {FILE_LINES_MAX} lines, split it", source.path))
        .collect();
    check(&offences);
}

#[test]
fn modules_are_files_of_their_own_name() {
    let offences: Vec<String> = sources::rust()
        .iter()
        .filter(|source| source.path.ends_with("/mod.rs"))
        .map(|source| format!("{}: name it after the module", source.path))
        .collect();
    check(&offences);
}

#[test]
fn decisions_are_numbered_once() {
    let mut numbers: Vec<String> = sources::names_in("docs/adr")
        .into_iter()
        .filter_map(|name| name.get(..4).map(str::to_owned))
        .filter(|number| number.chars().all(|digit| digit.is_ascii_digit()))
        .collect();
    numbers.sort();
    let expected: Vec<String> = (1..=numbers.len())
        .map(|number| format!("{number:04}"))
        .collect();
    assert_eq!(
        numbers, expected,
        "decision records are numbered 0001, 0002, ... without gaps"
    );
}

#[test]
fn nothing_unfinished_is_committed() {
    let marks = [
        "todo!(",
        "unimplemented!(",
        "FIXME",
        "#[ignore",
        "#[should_panic",
    ];
    let offences: Vec<String> = sources::rust()
        .iter()
        .filter(|source| !source.path.starts_with("xtask/tests/tidy"))
        .flat_map(|source| source.find(&marks))
        .collect();
    check(&offences);
}
