//! Checks one layer of configuration against the key tables, before anything is read from it.

use std::path::Path;

use toml::Value;

use super::{
    keys::{Key, Kind, Table},
    nearest::nearest,
    refusal::{Origin, Refusal, Refusals},
    value,
};

/// Checks `values` as the table `table` found at `path`.
pub(crate) fn check_table(
    table: &Table,
    values: &toml::Table,
    path: &str,
    origin: &Origin,
    refusals: &mut Refusals,
) {
    for (name, found) in values {
        let path = join(path, name);
        if let Some(key) = table.key(name) {
            check_value(key, found, &path, origin, refusals);
        } else if let Some(inner) = table.table(name) {
            check_inner(inner, found, &path, origin, refusals);
        } else {
            refusals.0.push(unknown(table, name, found, &path, origin));
        }
    }
}

fn check_inner(inner: &Table, found: &Value, path: &str, origin: &Origin, refusals: &mut Refusals) {
    match (inner.many, found) {
        (false, Value::Table(values)) => check_table(inner, values, path, origin, refusals),
        (true, Value::Array(entries)) if entries.iter().all(Value::is_table) => {
            for (index, entry) in entries.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let Some(values) = entry.as_table() else {
                    continue;
                };
                check_table(inner, values, &path, origin, refusals);
                check_required(inner, values, &path, origin, refusals);
            }
        }
        (many, _) => {
            let name = inner.name;
            let remedy = match (origin, many) {
                (Origin::File(_), true) => format!("write it as [[{name}]] with its keys below"),
                (Origin::File(_), false) => format!("write it as [{name}] with its keys below"),
                _ => "write one TOML value, as in [{name = \"a\", ...}, {name = \"b\", ...}]"
                    .to_owned(),
            };
            refusals.0.push(Refusal {
                origin: origin.clone(),
                key: path.to_owned(),
                value: Some(found.to_string()),
                problem: format!("expected tables, found {}", found.type_str()),
                remedy,
            });
        }
    }
}

fn check_required(
    table: &Table,
    values: &toml::Table,
    path: &str,
    origin: &Origin,
    refusals: &mut Refusals,
) {
    for key in table.keys {
        let super::keys::Default::Required(sample) = key.default else {
            continue;
        };
        if !values.contains_key(key.name) {
            refusals.0.push(Refusal {
                origin: origin.clone(),
                key: join(path, key.name),
                value: None,
                problem: "is missing".to_owned(),
                remedy: format!("add `{} = {sample}` or the like", key.name),
            });
        }
    }
}

fn unknown(table: &Table, name: &str, found: &Value, path: &str, origin: &Origin) -> Refusal {
    let parent = path.strip_suffix(name).unwrap_or_default();
    let remedy = nearest(name, table.names()).map_or_else(
        || {
            let known: Vec<_> = table.names().collect();
            format!("known here: {}", known.join(", "))
        },
        |near| format!("did you mean {parent}{near}? rename or remove it"),
    );
    Refusal {
        origin: origin.clone(),
        key: path.to_owned(),
        value: Some(shown(name, found)),
        problem: "unknown key".to_owned(),
        remedy,
    }
}

/// A misspelt key may still hold a key's material: nothing that looks like one is repeated.
fn shown(name: &str, found: &Value) -> String {
    if name.contains("key") || name.contains("secret") || name.contains("password") {
        "********".to_owned()
    } else {
        found.to_string()
    }
}

fn check_value(key: &Key, found: &Value, path: &str, origin: &Origin, refusals: &mut Refusals) {
    if let Err(expected) = accepts(key.kind, found) {
        let value = match key.kind {
            Kind::Secret => "********".to_owned(),
            _ => found.to_string(),
        };
        refusals.0.push(Refusal {
            origin: origin.clone(),
            key: path.to_owned(),
            value: Some(value),
            problem: "not an accepted value".to_owned(),
            remedy: format!("expected {expected}"),
        });
    }
}

/// Whether `found` can be read as `kind`; otherwise what was expected.
fn accepts(kind: Kind, found: &Value) -> Result<(), String> {
    let text = found.as_str();
    let non_negative = found.as_integer().is_some_and(|number| number >= 0);
    let unlimited = matches!(text, Some("unlimited" | "-1")) || found.as_integer() == Some(-1);
    let accepted = match kind {
        Kind::Text | Kind::Secret => text.is_some_and(|text| !text.is_empty()),
        Kind::Path => text.is_some_and(|text| !Path::new(text).as_os_str().is_empty()),
        Kind::Address => text.is_some_and(|text| text.parse::<std::net::SocketAddr>().is_ok()),
        Kind::Endpoint => text.is_some_and(|text| super::Endpoint::parse(text).is_some()),
        Kind::Boolean => found.as_bool().is_some(),
        Kind::Count { min, max } => found.as_integer().is_some_and(|n| (min..=max).contains(&n)),
        Kind::Size => non_negative || text.is_some_and(|text| value::size(text).is_some()),
        Kind::Duration => non_negative || text.is_some_and(|text| value::duration(text).is_some()),
        Kind::SizeOrUnlimited => unlimited || accepts(Kind::Size, found).is_ok(),
        Kind::DurationOrUnlimited => unlimited || accepts(Kind::Duration, found).is_ok(),
        Kind::CountOrUnlimited => {
            unlimited
                || found
                    .as_integer()
                    .is_some_and(|n| (1..=100_000).contains(&n))
        }
        Kind::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
        Kind::ManyOf(words) => found.as_array().is_some_and(|items| {
            let known = |item: &Value| item.as_str().is_some_and(|word| words.contains(&word));
            !items.is_empty() && items.iter().all(known)
        }),
        Kind::Texts => found
            .as_array()
            .is_some_and(|items| items.iter().all(Value::is_str)),
    };
    accepted.then_some(()).ok_or_else(|| describe(kind))
}

/// What a kind of value looks like, for refusals and the reference.
pub(crate) fn describe(kind: Kind) -> String {
    let one_of = |words: &[&str]| {
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
        quoted.join(", ")
    };
    match kind {
        Kind::Text => "a text".to_owned(),
        Kind::Secret => "a key (text)".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::Address => "an address like \"127.0.0.1:9092\" or \"[::]:9092\"".to_owned(),
        Kind::Endpoint => "a host or host:port like \"broker.example.com:9093\"".to_owned(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
        Kind::Size => "a size like \"64MiB\", or bytes".to_owned(),
        Kind::Duration => "a duration like \"7d\" or \"250ms\", or milliseconds".to_owned(),
        Kind::SizeOrUnlimited => "a size like \"64MiB\", bytes, or \"unlimited\"".to_owned(),
        Kind::DurationOrUnlimited => {
            "a duration like \"7d\", milliseconds, or \"unlimited\"".to_owned()
        }
        Kind::CountOrUnlimited => "a whole number from 1 to 100000, or \"unlimited\"".to_owned(),
        Kind::OneOf(words) => format!("one of {}", one_of(words)),
        Kind::ManyOf(words) => format!("a list of {}", one_of(words)),
        Kind::Texts => "a list of texts".to_owned(),
    }
}

/// `path.name`, or `name` at the top.
pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
