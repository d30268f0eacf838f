//! Invariant 1: arrows point down. Each crate may depend on the crates of ours named here and no
//! others; a new edge needs a decision record.

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

use crate::{check, sources};

/// Crate, and the crates of ours it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("storage", &["model"]),
    ("coordinator", &["model"]),
    ("quota", &["model"]),
    ("auth", &["model"]),
    ("hub", &["model", "storage", "coordinator", "quota", "auth"]),
    ("wire", &["model"]),
    ("kafka", &["wire", "hub", "model"]),
    ("server", &["kafka", "hub", "model"]),
    ("client", &["wire", "model"]),
    (
        "tidegate",
        &[
            "auth",
            "client",
            "coordinator",
            "hub",
            "kafka",
            "model",
            "quota",
            "server",
            "storage",
            "wire",
        ],
    ),
];

/// The pure row: no runtime, no protocol, no sockets.
const PURE: &[&str] = &["model", "storage", "coordinator", "quota", "auth"];
const IMPURE: &[&str] = &[
    "tokio",
    "tokio-rustls",
    "rustls",
    "hyper",
    "futures-util",
    "kafka-protocol",
    "socket2",
];

#[test]
fn dependencies_follow_the_arrows() {
    let packages = packages();
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut offences = Vec::new();
    for (name, allowed) in EDGES {
        let used = dependencies(&packages, name);
        for used in used.iter().filter(|used| ours.contains(used.as_str())) {
            if !allowed.contains(&used.as_str()) {
                offences.push(format!("{name} may not depend on {used}"));
            }
        }
    }
    check(&offences);
}

#[test]
fn the_pure_row_knows_no_runtime_and_no_protocol() {
    let packages = packages();
    let mut offences = Vec::new();
    for name in PURE {
        for used in dependencies(&packages, name) {
            if IMPURE.contains(&used.as_str()) {
                offences.push(format!("{name} is pure and may not depend on {used}"));
            }
        }
    }
    check(&offences);
}

#[test]
fn every_crate_stands_in_the_table_of_edges() {
    let mut offences = Vec::new();
    for folder in sources::names_in("crates") {
        if !EDGES.iter().any(|(name, _)| *name == folder) {
            offences.push(format!("crates/{folder} has no row in the table of edges"));
        }
    }
    check(&offences);
}

fn packages() -> Vec<Value> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(sources::root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    metadata["packages"]
        .as_array()
        .expect("there are packages")
        .clone()
}

/// What a package depends on outside its tests.
fn dependencies(packages: &[Value], name: &str) -> Vec<String> {
    let package = packages.iter().find(|package| package["name"] == name);
    let package = package.unwrap_or_else(|| panic!("there is no package {name}"));
    let dependencies = package["dependencies"].as_array().expect("a list").iter();
    dependencies
        .filter(|dependency| dependency["kind"].is_null())
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}
