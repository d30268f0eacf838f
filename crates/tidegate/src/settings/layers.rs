//! Lays flags over the environment over the file, and remembers which won.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml::Value;

use super::{
    check::{check_table, join},
    keys::{Kind, ROOT, Table},
    nearest::nearest,
    refusal::{Origin, Refusal, Refusals},
};

/// Two underscores: for a service named `tidegate`, Kubernetes injects `TIDEGATE_PORT` and others.
const PREFIX: &str = "TIDEGATE__";

/// What a run is configured by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    pub(crate) file: Option<PathBuf>,
    /// Environment variables; those without our prefix are ignored.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) flags: Vec<Flag>,
}

/// A flag of the command line that sets a key.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    /// As it stood on the command line.
    pub(crate) written: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

impl Sources {
    /// The file given by the user, and this process's environment.
    pub(crate) fn from_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }
}

/// The values that are set somewhere, each with the layer that won.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) values: toml::Table,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads and checks every layer.
    ///
    /// # Errors
    /// Everything that is wrong in any of them.
    pub(crate) fn read(sources: &Sources) -> Result<Self, Refusals> {
        let mut layers = Self::default();
        let mut refusals = Refusals::default();
        if let Some(path) = &sources.file {
            match read_file(path) {
                Ok(values) => {
                    let origin = Origin::File(path.clone());
                    layers.lay(&ROOT, values, "", &origin, &mut refusals);
                }
                Err(refusal) => refusals.0.push(*refusal),
            }
        }
        for (variable, text) in &sources.environment {
            let Some(rest) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            let key = rest.to_ascii_lowercase().replace("__", ".");
            let origin = Origin::Environment(variable.clone());
            layers.lay_text(&key, text, &origin, &mut refusals);
        }
        for flag in &sources.flags {
            let origin = Origin::Flag(flag.written.clone());
            layers.lay_text(&flag.key, &flag.value, &origin, &mut refusals);
        }
        layers.fill_in_served();
        refusals.into_result(layers)
    }

    /// What is served where the configuration names no namespace or no listener.
    fn fill_in_served(&mut self) {
        let is_empty = |value: Option<&Value>| {
            value.is_none_or(|value| value.as_array().is_some_and(Vec::is_empty))
        };
        let entry = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            let text = |(key, value): &(&str, &str)| {
                ((*key).to_owned(), Value::String((*value).to_owned()))
            };
            Value::Table(pairs.map(text).collect())
        };
        if is_empty(self.values.get("namespace")) {
            let namespaces = vec![entry(&[("name", super::DEFAULT_NAMESPACE)])];
            self.fill_in("namespace", namespaces);
        }
        if is_empty(self.values.get("listener")) {
            let namespaces = self.values.get("namespace").and_then(Value::as_array);
            let first = namespaces.and_then(|namespaces| namespaces.first()?.get("name")?.as_str());
            let namespace = first.unwrap_or(super::DEFAULT_NAMESPACE).to_owned();
            let listener = |name, address, security| {
                entry(&[
                    ("name", name),
                    ("address", address),
                    ("security", security),
                    ("namespace", &namespace),
                ])
            };
            let listeners = vec![
                listener("kafka", "127.0.0.1:9092", "plaintext"),
                listener("kafka-tls", "0.0.0.0:9093", "sasl_tls"),
            ];
            self.fill_in("listener", listeners);
        }
    }

    fn fill_in(&mut self, name: &str, entries: Vec<Value>) {
        self.values.insert(name.to_owned(), Value::Array(entries));
        self.origins.insert(name.to_owned(), Origin::Default);
    }

    /// Which layer set the value at `path`; an entry of an array came with its array.
    pub(crate) fn origin(&self, path: &str) -> Option<&Origin> {
        let whole = path.split('[').next().unwrap_or(path);
        self.origins.get(path).or_else(|| self.origins.get(whole))
    }

    fn lay(
        &mut self,
        table: &Table,
        values: toml::Table,
        path: &str,
        origin: &Origin,
        refusals: &mut Refusals,
    ) {
        let before = refusals.0.len();
        check_table(table, &values, path, origin, refusals);
        if refusals.0.len() == before {
            note_origins(&values, path, origin, &mut self.origins);
            merge(&mut self.values, values);
        }
    }

    /// Lays one `table.key = text`, where the text's form follows from the key's kind.
    fn lay_text(&mut self, key: &str, text: &str, origin: &Origin, refusals: &mut Refusals) {
        let Some(value) = value_for(key, text) else {
            refusals.0.push(unknown_text(key, text, origin));
            return;
        };
        let mut nested = toml::Table::new();
        match key.split_once('.') {
            None => nested.insert(key.to_owned(), value),
            Some((table, name)) => {
                let inner = toml::Table::from_iter([(name.to_owned(), value)]);
                nested.insert(table.to_owned(), Value::Table(inner))
            }
        };
        self.lay(&ROOT, nested, "", origin, refusals);
    }
}

fn read_file(path: &Path) -> Result<toml::Table, Box<Refusal>> {
    let refusal = |problem: String, remedy: &str| {
        Box::new(Refusal {
            origin: Origin::File(path.to_owned()),
            key: "(whole file)".to_owned(),
            value: None,
            problem,
            remedy: remedy.to_owned(),
        })
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| refusal(error.to_string(), "check the path and its permissions"))?;
    text.parse::<toml::Table>()
        .map_err(|error| refusal(format!("not TOML\n{error}"), "mend the marked place"))
}

/// The text as a value of the kind that `key` has; `None` for an unknown key.
fn value_for(key: &str, text: &str) -> Option<Value> {
    let (table, name) = match key.split_once('.') {
        None => (&ROOT, key),
        Some((table, name)) => (ROOT.table(table).filter(|table| !table.many)?, name),
    };
    let plain = || Value::String(text.to_owned());
    let parsed = || {
        let document = format!("value = {text}").parse::<toml::Table>();
        document
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(plain)
    };
    if table.table(name).is_some_and(|table| table.many) {
        return Some(parsed());
    }
    let kind = table.key(name)?.kind;
    Some(match kind {
        Kind::Boolean
        | Kind::Count { .. }
        | Kind::CountOrUnlimited
        | Kind::ManyOf(_)
        | Kind::Texts => parsed(),
        _ => plain(),
    })
}

fn unknown_text(key: &str, text: &str, origin: &Origin) -> Refusal {
    let environment = matches!(origin, Origin::Environment(_));
    let written = |key: &str| {
        if environment {
            format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
        } else {
            key.to_owned()
        }
    };
    let known = every_path();
    let remedy = nearest(key, known.iter().map(String::as_str)).map_or_else(
        || "`tidegate config reference` lists every key".to_owned(),
        |near| format!("did you mean {}? rename or remove it", written(near)),
    );
    let masked = key.contains("key") || key.contains("secret");
    Refusal {
        origin: origin.clone(),
        key: key.to_owned(),
        value: Some(if masked { "********" } else { text }.to_owned()),
        problem: "unknown key".to_owned(),
        remedy,
    }
}

/// Every path that a variable or a flag can set.
fn every_path() -> Vec<String> {
    let mut paths: Vec<String> = ROOT.keys.iter().map(|key| key.name.to_owned()).collect();
    for table in ROOT.tables {
        if table.many {
            paths.push(table.name.to_owned());
        } else {
            let keys = table.keys.iter().map(|key| join(table.name, key.name));
            paths.extend(keys);
        }
    }
    paths
}

fn note_origins(
    values: &toml::Table,
    path: &str,
    origin: &Origin,
    origins: &mut BTreeMap<String, Origin>,
) {
    for (name, value) in values {
        let path = join(path, name);
        if let Value::Table(inner) = value {
            note_origins(inner, &path, origin, origins);
        }
        origins.insert(path, origin.clone());
    }
}

/// Tables are merged key by key; everything else, arrays too, replaces what was there.
fn merge(below: &mut toml::Table, above: toml::Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(name, value);
            }
        }
    }
}
