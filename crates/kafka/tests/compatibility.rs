//! The registry, the cards of the handlers and the table in the documentation say the same. The
//! table is printed from the first two: `UPDATE_DOCS=1 cargo test -p kafka --test compatibility`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kafka::ServedApi;
use wire::api::VersionRange;

/// What a handler says of itself in its first lines.
struct Card {
    title: String,
    lines: BTreeMap<String, String>,
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> PathBuf {
    folder().join("../../docs/kafka-compatibility.md")
}

/// The cards by the number of their API, which stands in the title: `Metadata (3): ...`.
fn cards() -> BTreeMap<i16, Card> {
    let files = fs::read_dir(folder().join("src/handler")).expect("the handlers are there");
    let texts = files
        .map(|file| file.expect("it can be listed").path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).expect("it is text"));
    texts.filter_map(|text| card(&text)).collect()
}

fn card(text: &str) -> Option<(i16, Card)> {
    let mut lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let title = lines.next()?.trim();
    let number = title.split_once('(')?.1.split_once(')')?.0.parse().ok()?;
    let rows = lines.filter_map(|line| {
        let (name, content) = line.trim().strip_prefix("| ")?.split_once(" | ")?;
        Some((name.to_owned(), content.strip_suffix(" |")?.to_owned()))
    });
    let card = Card {
        title: title.to_owned(),
        lines: rows.collect(),
    };
    Some((number, card))
}

fn range(range: VersionRange) -> String {
    match (range.min, range.max) {
        (min, max) if min == max => min.to_string(),
        (min, max) => format!("{min} to {max}"),
    }
}

fn row(served: ServedApi, card: &Card) -> String {
    let mut versions = range(served.accepted);
    if served.advertised != served.accepted {
        versions += &format!(" (advertised: {})", range(served.advertised));
    }
    format!(
        "| {} | {} | {versions} | {} | {} |",
        served.api.code(),
        served.api,
        card.lines["Differs"],
        card.lines["Skipped"],
    )
}

fn table(cards: &BTreeMap<i16, Card>) -> String {
    let mut text = "# Compatibility with Apache Kafka\n\n\
        What is served of Kafka's protocol, as of Kafka 4.4. Printed from the code: the registry of \
        APIs and the\ncards of the handlers in `crates/kafka/src/handler/`, where the behaviour of \
        each is described too.\nA version outside these ranges closes the connection with a line in \
        the log; only ApiVersions is\nanswered in any version.\n\n\
        | Key | API | Versions | Differs from Kafka or Azure | Skipped |\n|---|---|---|---|---|\n"
        .to_owned();
    for served in kafka::served() {
        text.push_str(&row(served, &cards[&served.api.code()]));
        text.push('\n');
    }
    text
}

#[test]
fn every_served_api_has_a_card_with_its_versions_and_no_other_has() {
    let cards = cards();
    for served in kafka::served() {
        let name = served.api.name();
        let card = cards
            .get(&served.api.code())
            .unwrap_or_else(|| panic!("{name} has no card"));
        assert!(
            card.title.starts_with(&format!("{name} (")),
            "{}",
            card.title
        );
        for line in ["Versions", "Behaviour", "Differs", "Skipped"] {
            assert!(
                card.lines.contains_key(line),
                "{name}: the card says no {line}"
            );
        }
        let versions = &card.lines["Versions"];
        let said = versions.split(';').next().unwrap();
        assert_eq!(said, range(served.accepted), "{name}");
    }
    let served: Vec<i16> = kafka::served().map(|served| served.api.code()).collect();
    let described: Vec<i16> = cards.into_keys().collect();
    assert_eq!(described, served);
}

#[test]
fn the_table_in_the_documentation_is_the_codes() {
    let expected = table(&cards());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(document(), &expected).unwrap();
    }
    let found = fs::read_to_string(document()).unwrap_or_default();
    assert_eq!(found, expected, "run with UPDATE_DOCS=1 to print it anew");
}
