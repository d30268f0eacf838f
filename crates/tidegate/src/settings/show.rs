//! `tidegate config show`: every setting in force and the layer it comes from.

use std::collections::BTreeSet;

use super::{
    layers::Layers,
    section::{Section, shown},
};

/// One line per key: `key = value  # origin`, secrets masked.
pub(crate) fn show(layers: &Layers) -> String {
    let mut lines = Vec::new();
    show_section(&Section::root(layers), &mut lines);
    let width = lines
        .iter()
        .map(|(text, _)| text.len())
        .filter(|width| *width <= 72)
        .max();
    let width = width.unwrap_or(0);
    let mut out = String::new();
    for (text, origin) in lines {
        out.push_str(&format!("{text:width$}  # {origin}\n"));
    }
    out
}

fn show_section(section: &Section<'_>, lines: &mut Vec<(String, String)>) {
    for key in section.table().keys {
        let path = section.path(key.name);
        match section.value(key.name) {
            Some((value, origin)) => {
                let text = format!("{path} = {}", shown(key.kind, &value));
                lines.push((text, origin.to_string()));
            }
            None => lines.push((format!("{path} is not set"), "default".to_owned())),
        }
    }
    for table in section.table().tables {
        if !table.many {
            show_section(&section.section(table.name), lines);
            continue;
        }
        let entries = section.sections(table.name);
        if entries.is_empty() {
            let text = format!("[[{}]] none configured", section.path(table.name));
            lines.push((text, "default".to_owned()));
        }
        for entry in entries {
            show_section(&entry, lines);
        }
    }
}

/// The keys that differ between two configurations and that a reload does not apply.
pub(crate) fn fixed_changes(before: &Layers, after: &Layers) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    compare(&Section::root(before), &Section::root(after), &mut changed);
    changed
}

fn compare(before: &Section<'_>, after: &Section<'_>, changed: &mut BTreeSet<String>) {
    for key in before.table().keys {
        let value = |section: &Section<'_>| section.value(key.name).map(|(value, _)| value);
        if !key.live && value(before) != value(after) {
            changed.insert(before.path(key.name));
        }
    }
    for table in before.table().tables {
        if !table.many {
            compare(
                &before.section(table.name),
                &after.section(table.name),
                changed,
            );
            continue;
        }
        let (old, new) = (before.sections(table.name), after.sections(table.name));
        for entry in &old {
            // Entries are known by their names, wherever they stand.
            let name = entry.optional_text("name");
            let same = new.iter().find(|other| other.optional_text("name") == name);
            if let Some(same) = same {
                compare(entry, same, changed);
            }
        }
        // Namespaces, policies and event hubs may come and go; sockets may not.
        let names = |entries: &[Section<'_>]| -> BTreeSet<_> {
            entries
                .iter()
                .map(|entry| entry.optional_text("name"))
                .collect()
        };
        if table.name == "listener" && names(&old) != names(&new) {
            changed.insert("listener".to_owned());
        }
    }
}
