//! Topic configuration: what Kafka knows, what is set, and the typed view of what has an effect.

mod table;

use thiserror::Error;

pub use table::TOPIC_CONFIGS;

/// The type of a configuration's value, as DescribeConfigs names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKind {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

/// What values are valid, beyond the type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ConfigRange {
    Any,
    /// Inclusive.
    Between(i64, i64),
    /// Inclusive.
    Fraction(f64, f64),
    /// One of these words; for a list, every element.
    Words(&'static [&'static str]),
}

/// One configuration that Kafka knows for topics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfigSpec {
    pub name: &'static str,
    pub kind: ConfigKind,
    /// Kafka's default.
    pub default: &'static str,
    pub range: ConfigRange,
    /// The broker configuration that Kafka names as its synonym.
    pub broker_synonym: Option<&'static str>,
    pub documentation: &'static str,
    /// Whether Tidegate honours it; the others are accepted, kept and described.
    pub has_effect: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// The namespace's or the process's setting (Kafka: static broker configuration).
    Broker,
    /// Kafka's default.
    Default,
}

/// One line of DescribeConfigs.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigEntry {
    pub spec: &'static ConfigSpec,
    pub value: String,
    pub source: ConfigSource,
    /// The values it would have, strongest first, the one in force included.
    pub synonyms: Vec<ConfigSynonym>,
}

/// A value behind a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: String,
    pub value: String,
    pub source: ConfigSource,
}

/// One change of a topic's configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    Set(String, String),
    /// Back to the default.
    Delete(String),
    /// Adds elements to a list.
    Append(String, String),
    /// Takes elements off a list.
    Subtract(String, String),
    /// These and no others (the old AlterConfigs).
    Replace(Vec<(String, String)>),
}

/// Why a configuration is refused; the text is for the caller to show.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        name: String,
        value: String,
        reason: String,
    },
    #[error("Null value not supported for topic configs: {0}")]
    Null(String),
    #[error("Can't append to or subtract from config {0}: it is not a list")]
    NotAList(String),
    #[error("Config {0} is given more than once")]
    Repeated(String),
}

/// Looks a configuration up by name.
#[must_use]
pub fn spec(name: &str) -> Option<&'static ConfigSpec> {
    TOPIC_CONFIGS.iter().find(|spec| spec.name == name)
}
