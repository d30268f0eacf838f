//! `tidegate config show`: every setting in force and the layer it comes from.

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
