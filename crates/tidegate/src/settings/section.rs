//! Reads typed values out of checked layers; an absent key has its default.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use toml::Value;

use super::{
    Endpoint,
    check::join,
    keys::{Default, Key, Kind, ROOT, Table},
    layers::Layers,
    refusal::Origin,
    value,
};

/// One table of the configuration. What it asks for is in the key tables and was checked, so a
/// mismatch is a bug of ours and panics.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    table: &'static Table,
    values: Option<&'a toml::Table>,
    path: String,
    layers: &'a Layers,
    event_hubs: bool,
}

impl<'a> Section<'a> {
    pub(crate) fn root(layers: &'a Layers) -> Self {
        let profile = layers.values.get("profile").and_then(Value::as_str);
        Self {
            table: &ROOT,
            values: Some(&layers.values),
            path: String::new(),
            layers,
            event_hubs: profile == Some("event-hubs"),
        }
    }

    /// The table `name` below this one, empty if it is absent.
    pub(crate) fn section(&self, name: &str) -> Self {
        let table = self.table.table(name).expect("table is in the key tables");
        let values = self.values.and_then(|values| values.get(name));
        Self {
            table,
            values: values.and_then(Value::as_table),
            path: join(&self.path, name),
            ..self.clone()
        }
    }

    /// The `[[name]]` tables below this one.
    pub(crate) fn sections(&self, name: &str) -> Vec<Self> {
        let table = self.table.table(name).expect("table is in the key tables");
        let entries = self.values.and_then(|values| values.get(name));
        let entries = entries.and_then(Value::as_array);
        let entry = |(index, entry): (usize, &'a Value)| Self {
            table,
            values: entry.as_table(),
            path: format!("{}[{index}]", join(&self.path, name)),
            ..self.clone()
        };
        entries
            .into_iter()
            .flatten()
            .enumerate()
            .map(entry)
            .collect()
    }

    /// A `[[name]]` table that holds nothing but defaults.
    #[cfg(test)]
    pub(crate) fn absent(&self, name: &str) -> Self {
        Self {
            table: self.table.table(name).expect("table is in the key tables"),
            values: None,
            path: join(&self.path, name),
            ..self.clone()
        }
    }

    pub(crate) fn table(&self) -> &'static Table {
        self.table
    }

    pub(crate) fn path(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// The value of `name` and where it comes from; `None` if it is absent and has no default.
    pub(crate) fn value(&self, name: &str) -> Option<(Value, Origin)> {
        let key = self.table.key(name).expect("key is in the key tables");
        if let Some(value) = self.values.and_then(|values| values.get(name)) {
            let origin = self.layers.origin(&self.path(name));
            return Some((value.clone(), origin.cloned().unwrap_or(Origin::Default)));
        }
        match key.default {
            Default::Required(_) | Default::Absent(_) => None,
            Default::Literal(text) => Some((literal(text), Origin::Default)),
            Default::ByProfile(_, text) if self.event_hubs => {
                Some((literal(text), Origin::Profile))
            }
            Default::ByProfile(text, _) => Some((literal(text), Origin::Default)),
        }
    }

    fn found(&self, name: &str) -> Option<(&'static Key, Value)> {
        let key = self.table.key(name).expect("key is in the key tables");
        self.value(name).map(|(value, _)| (key, value))
    }

    pub(crate) fn optional_text(&self, name: &str) -> Option<String> {
        let (_, value) = self.found(name)?;
        value.as_str().map(str::to_owned)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.optional_text(name).expect("text was checked")
    }

    pub(crate) fn optional_path(&self, name: &str) -> Option<PathBuf> {
        self.optional_text(name).map(PathBuf::from)
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let (_, value) = self.found(name).expect("list has a default");
        let items = value.as_array().into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn boolean(&self, name: &str) -> bool {
        let (_, value) = self.found(name).expect("boolean has a default");
        value.as_bool().expect("boolean was checked")
    }

    pub(crate) fn optional_count(&self, name: &str) -> Option<u32> {
        let (_, value) = self.found(name)?;
        let number = value.as_integer()?;
        u32::try_from(number).ok()
    }

    pub(crate) fn count(&self, name: &str) -> u32 {
        self.optional_count(name).expect("count was checked")
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let text = self.text(name);
        text.parse().expect("address was checked")
    }

    pub(crate) fn endpoint(&self, name: &str) -> Option<Endpoint> {
        self.optional_text(name)
            .and_then(|text| Endpoint::parse(&text))
    }

    pub(crate) fn size(&self, name: &str) -> u64 {
        self.optional_size(name).expect("size was checked")
    }

    /// `None` when the value is absent or "unlimited".
    pub(crate) fn optional_size(&self, name: &str) -> Option<u64> {
        let (_, found) = self.found(name)?;
        match found {
            Value::Integer(number) => u64::try_from(number).ok(),
            other => other.as_str().and_then(value::size),
        }
    }

    pub(crate) fn duration(&self, name: &str) -> Duration {
        self.optional_duration(name).expect("duration was checked")
    }

    /// `None` when the value is absent or "unlimited".
    pub(crate) fn optional_duration(&self, name: &str) -> Option<Duration> {
        let (_, found) = self.found(name)?;
        match found {
            Value::Integer(number) => u64::try_from(number).ok().map(Duration::from_millis),
            other => other.as_str().and_then(value::duration),
        }
    }

    /// Whether the value is present and says "unlimited".
    pub(crate) fn is_unlimited(&self, name: &str) -> bool {
        let found = self.found(name);
        found.is_some_and(|(_, value)| {
            matches!(value.as_str(), Some("unlimited" | "-1")) || value.as_integer() == Some(-1)
        })
    }
}

/// A default out of the key tables as a value.
pub(crate) fn literal(text: &str) -> Value {
    let document = format!("value = {text}").parse::<toml::Table>();
    let value = document.ok().and_then(|mut table| table.remove("value"));
    value.expect("defaults in the key tables are TOML")
}

/// A value as `config show` and the reference print it.
pub(crate) fn shown(kind: Kind, found: &Value) -> String {
    match (kind, found) {
        (Kind::Secret, _) => "\"********\"".to_owned(),
        (Kind::Size | Kind::SizeOrUnlimited, Value::Integer(bytes)) if *bytes >= 0 => {
            format!("\"{}\"", value::show_size(bytes.unsigned_abs()))
        }
        (Kind::Duration | Kind::DurationOrUnlimited, Value::Integer(millis)) if *millis >= 0 => {
            let span = Duration::from_millis(millis.unsigned_abs());
            format!("\"{}\"", value::show_duration(span))
        }
        _ => found.to_string(),
    }
}
