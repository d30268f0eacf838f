//! Every key has its effect: it reaches the crate that obeys it, and a test there (or of the whole
//! binary) sets it and sees what changes. A key without such a test fails here.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::{lower, secrets::Secrets};

const TABLE: &str = include_str!("proofs.txt");

/// A line of the table.
struct Proof {
    key: &'static str,
    other: &'static str,
    /// None where the binary itself obeys.
    field: Option<&'static str>,
    word: &'static str,
    folder: &'static str,
    test: &'static str,
}

fn proofs() -> Vec<Proof> {
    TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [key, other, field, word, folder, test] = cells.try_into().expect(line);
            Proof {
                key,
                other,
                field: (field != "-").then_some(field),
                word,
                folder,
                test,
            }
        })
        .collect()
}

fn keys_of(table: &Table, path: &str, found: &mut BTreeSet<String>) {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    found.extend(table.keys.iter().map(|key| below(key.name)));
    for inner in table.tables {
        keys_of(inner, &below(inner.name), found);
    }
}

#[test]
fn every_key_has_a_proof_and_every_proof_a_key() {
    let mut keys = BTreeSet::new();
    keys_of(&ROOT, "", &mut keys);
    let proved: BTreeSet<String> = proofs().iter().map(|proof| proof.key.to_owned()).collect();
    let missing: Vec<_> = keys.difference(&proved).collect();
    assert!(
        missing.is_empty(),
        "write a test that sets each of these and sees its effect, and name it in proofs.txt: \
         {missing:?}"
    );
    let idle: Vec<_> = proved.difference(&keys).collect();
    assert!(idle.is_empty(), "no such keys: {idle:?}");
}

/// The tests' sources of a folder.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_proof_is_a_test_that_sets_what_it_proves() {
    for proof in proofs() {
        let mut found = Vec::new();
        sources(&repository(proof.folder), &mut found);
        let head = format!("fn {}(", proof.test);
        let is_there = found
            .iter()
            .any(|text| text.contains(&head) && text.contains(proof.word));
        assert!(
            is_there,
            "{}: no test {} beside {:?} in {}",
            proof.key, proof.test, proof.word, proof.folder
        );
    }
}

/// What a key cannot stand without.
fn companions(key: &str) -> &'static str {
    match key {
        "tls.certificate" => "key = \"x\"",
        "tls.key" => "certificate = \"x\"",
        "namespace.auto_inflate" => "throughput_units = 1\nmaximum_throughput_units = 9",
        "namespace.maximum_throughput_units" => "throughput_units = 1\nauto_inflate = true",
        "namespace.auto_deflate" | "namespace.over_quota" => {
            "throughput_units = 1\nauto_inflate = true\nmaximum_throughput_units = 9"
        }
        key if key.contains(".secondary_key") => "primary_key = \"x\"",
        _ => "",
    }
}

/// A configuration with the key's table, and with the key where there is a value.
fn configuration(key: &str, value: Option<&str>) -> String {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let own: &[(&str, &str)] = match table {
        "listener" => &[
            ("name", "\"plain\""),
            ("address", "\"127.0.0.1:0\""),
            ("security", "\"sasl_plaintext\""),
        ],
        "namespace" | "namespace.policy" | "namespace.event_hub" | "namespace.event_hub.policy" => {
            &[("name", "\"dev\"")]
        }
        _ => &[],
    };
    let mut lines: Vec<String> = own
        .iter()
        .filter(|(own, _)| value.is_none() || *own != name)
        .map(|(own, value)| format!("{own} = {value}"))
        .collect();
    if let Some(value) = value {
        lines.push(format!("{name} = {value}"));
        lines.push(companions(key).to_owned());
    }
    let head = match table {
        "" => String::new(),
        "listener" => "[[listener]]".to_owned(),
        "namespace" => "[[namespace]]".to_owned(),
        "namespace.policy" | "namespace.event_hub" => {
            format!("[[namespace]]\nname = \"dev\"\n[[{table}]]")
        }
        "namespace.event_hub.policy" => format!(
            "[[namespace]]\nname = \"dev\"\n[[namespace.event_hub]]\nname = \"h\"\n[[{table}]]"
        ),
        _ => format!("[{table}]"),
    };
    let behind = match table {
        "listener" => "[[namespace]]\nname = \"dev\"\n[[namespace]]\nname = \"second\"\n",
        _ => "",
    };
    format!("{head}\n{}\n{behind}", lines.join("\n"))
}

/// What the crates below are given.
fn given(settings: &Settings) -> String {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::ensure(dir.path(), settings).unwrap();
    let listeners: Vec<_> = settings.listeners.iter().map(lower::listener).collect();
    format!(
        "{:?} {:?} {:?} {listeners:?}",
        lower::hub_settings(settings, &secrets).unwrap(),
        lower::server_limits(settings),
        lower::kafka_limits(settings),
    )
}

/// Every value that stands for the field in the text.
fn values<'a>(field: &str, text: &'a str) -> Vec<&'a str> {
    let mark = format!(" {field}: ");
    let mut found: Vec<&str> = text.split(&mark).skip(1).collect();
    for value in &mut found {
        *value = value.split(": ").next().unwrap_or(value);
    }
    found
}

#[test]
fn every_key_reaches_who_obeys_it() {
    for proof in proofs() {
        let before = load(&configuration(proof.key, None)).expect(proof.key);
        let after = load(&configuration(proof.key, Some(proof.other))).expect(proof.key);
        // There is but one protocol to choose.
        let is_read = format!("{before:?}") != format!("{after:?}");
        assert!(is_read || proof.key == "listener.protocol", "{}", proof.key);
        let Some(field) = proof.field else { continue };
        let (before, after) = (given(&before), given(&after));
        let was = values(field, &before);
        assert!(
            !was.is_empty() || proof.key.starts_with("namespace."),
            "{}",
            proof.key
        );
        assert_ne!(was, values(field, &after), "{}: {field} stays", proof.key);
    }
}
