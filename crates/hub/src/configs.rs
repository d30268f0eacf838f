//! Topic configurations as callers see and change them; the names and values are `model`'s.

use model::topic_config::Definition;

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
    pub definition: &'static Definition,
    pub value: String,
    pub source: ConfigSource,
    /// The values it has or would have, strongest first, the one in force included.
    pub synonyms: Vec<ConfigSynonym>,
}

/// A value behind a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    pub name: &'static str,
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
