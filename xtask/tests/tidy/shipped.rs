//! Invariant 9: the binary that ships is as its profile and `.cargo/static.toml` describe it.

use std::fs;

use toml::Value;

use crate::{check, sources};

fn read(path: &str) -> String {
    fs::read_to_string(sources::root().join(path)).expect("a file of the workspace")
}

/// Cargo forgets a profile's `strip` for a package that has a table of its own there.
#[test]
fn the_binary_is_stripped_as_its_profile_says() {
    let manifest: Value = toml::from_str(&read("Cargo.toml")).unwrap();
    for name in ["release", "fast"] {
        let profile = &manifest["profile"][name];
        let package = &profile["package"]["tidegate"];
        assert_eq!(package.get("strip"), profile.get("strip"), "{name}");
    }
}

#[test]
fn how_the_binary_is_linked_stands_in_one_file() {
    let places = ["Cargo.toml", ".cargo/config.toml", "docker/Dockerfile"];
    let others = places.map(|path| (path.to_owned(), read(path)));
    let rust = sources::rust().into_iter();
    let rust = rust.filter(|source| source.path != "xtask/tests/tidy/shipped.rs");
    let offences: Vec<String> = others
        .into_iter()
        .chain(rust.map(|source| (source.path, source.text)))
        .filter(|(_, text)| text.contains("crt-static") || text.contains("link-arg"))
        .map(|(path, _)| format!("{path}: link flags belong in .cargo/static.toml"))
        .collect();
    check(&offences);
}
