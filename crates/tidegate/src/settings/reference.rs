//! Prints the key tables: as a page for people and as a file that lists every key.

use super::{
    check::{describe, join},
    keys::{Default, Key, ROOT, Table},
};

const PAGE_HEAD: &str = "\
# Configuration

Printed by `tidegate config reference`; do not edit by hand.

One TOML file, given by `--config`. A value comes from the first of: a flag (`--set table.key=value`
or a flag of its own), the environment, the file, the default. The environment variable of
`table.key` is `TIDEGATE__TABLE__KEY`, with two underscores; lists and `[[tables]]` are written there
as one TOML value, as in `TIDEGATE__LISTENER='[{name = \"kafka\", address = \"0.0.0.0:9092\"}]'`.

Durations are written like `7d`, `1h30m`, `250ms`, or as a number of milliseconds; sizes like `64MiB`,
`1GB`, or as a number of bytes. An unknown key is refused, with the nearest known one.

`tidegate config check FILE` says whether a file is right, `tidegate config show` what is in force and
why. SIGHUP applies changes of the keys marked *live*; the others need a restart, and the log names
them.
";

const FILE_HEAD: &str = "\
# Tidegate: every key with its default, or, commented out, with an example where there is none.
# Printed by `tidegate config complete`; start your own file from production.toml instead.
#
# `[[listener]]` and `[[namespace]]` below are what a configuration without any has, as far as they
# can be written down.
";

/// The configuration reference as Markdown.
pub(crate) fn reference_page() -> String {
    let mut out = PAGE_HEAD.to_owned();
    page_table(&ROOT, "", &mut out);
    out
}

fn page_table(table: &Table, path: &str, out: &mut String) {
    let title = match (path, table.many) {
        ("", _) => "Top level".to_owned(),
        (_, true) => format!("`[[{path}]]`"),
        (_, false) => format!("`[{path}]`"),
    };
    out.push_str(&format!("\n## {title}\n\n"));
    if !table.help.is_empty() {
        out.push_str(table.help);
        out.push_str("\n\n");
    }
    out.push_str("| Key | Value | Default | Live | |\n|---|---|---|---|---|\n");
    for key in table.keys {
        let live = if key.live { "live" } else { "" };
        out.push_str(&format!(
            "| `{}` | {} | {} | {live} | {} |\n",
            key.name,
            describe(key.kind),
            page_default(key),
            key.help
        ));
    }
    for inner in table.tables {
        page_table(inner, &join(path, inner.name), out);
    }
}

fn page_default(key: &Key) -> String {
    match key.default {
        Default::Required(_) => "required".to_owned(),
        Default::Absent(_) => String::new(),
        Default::Literal(text) => format!("`{text}`"),
        Default::ByProfile(kafka, event_hubs) => {
            format!("`{kafka}`; profile event-hubs: `{event_hubs}`")
        }
    }
}

/// `config/complete.toml`.
pub(crate) fn complete_file() -> String {
    let mut out = FILE_HEAD.to_owned();
    file_table(&ROOT, "", true, &mut out);
    out
}

/// `active` is whether the table stands in the file itself or only as a commented example.
fn file_table(table: &Table, path: &str, active: bool, out: &mut String) {
    if !path.is_empty() {
        out.push('\n');
        comment(table.help, out);
        let mark = if active { "" } else { "# " };
        let (open, close) = if table.many { ("[[", "]]") } else { ("[", "]") };
        out.push_str(&format!("{mark}{open}{path}{close}\n"));
    }
    for key in table.keys {
        out.push('\n');
        comment(key.help, out);
        comment(&format!("Value: {}.", describe(key.kind)), out);
        let (set, text) = match key.default {
            Default::Required(text) => (true, text),
            Default::Absent(text) => (false, text),
            Default::Literal(text) => (true, text),
            Default::ByProfile(kafka, event_hubs) => {
                comment(&format!("Under profile \"event-hubs\": {event_hubs}."), out);
                (true, kafka)
            }
        };
        let mark = if active && set { "" } else { "# " };
        out.push_str(&format!("{mark}{} = {text}\n", key.name));
    }
    for inner in table.tables {
        // An event hub must not come into being because somebody started from this file.
        let active = active && inner.name != "event_hub";
        file_table(inner, &join(path, inner.name), active, out);
    }
}

/// Wraps a sentence into comment lines of at most 100 columns.
fn comment(text: &str, out: &mut String) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > 98 {
            out.push_str(&line);
            out.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}
