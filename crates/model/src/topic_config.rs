//! A topic's configuration: every name that Kafka 4.4 knows, its values checked as Kafka checks
//! them, and a typed view of those that have an effect here.

mod table;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

pub use table::{DEFINITIONS, Definition, Effect, Kind, definition};
pub use value::Valid;

use crate::batch::{Compression, TimestampType};

/// Why a setting is refused; the texts are those Kafka's users know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TopicConfigError {
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    #[error("Invalid value {value} for configuration {name}: {reason}")]
    Invalid {
        name: &'static str,
        value: String,
        reason: String,
    },
    #[error("Null value not supported for topic configs: {0}")]
    Null(String),
    #[error("Can't {operation} to key {name} because its type is not LIST.")]
    NotAList {
        operation: &'static str,
        name: &'static str,
    },
    #[error("conflict topic config setting {SHORTEST} ({shortest}) > {LONGEST} ({longest})")]
    CompactionLags { shortest: i64, longest: i64 },
    #[error(
        "Tiered Storage functionality is disabled in the broker. \
         Topic cannot be configured with remote log storage."
    )]
    RemoteStorage,
    #[error(
        "max.message.bytes={value} is more than {setting}={setting_bytes} admits, \
         which is {batch_bytes_max}"
    )]
    BatchCeiling {
        value: u64,
        setting: &'static str,
        setting_bytes: u64,
        batch_bytes_max: u64,
    },
}

const SHORTEST: &str = "min.compaction.lag.ms";
const LONGEST: &str = "max.compaction.lag.ms";

/// The settings a topic was given; what it was not given has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    given: BTreeMap<&'static str, String>,
}

impl TopicConfig {
    /// Gives one setting a value.
    ///
    /// # Errors
    /// An unknown name, or a value outside what Kafka accepts for it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), TopicConfigError> {
        let definition = known(name)?;
        let value = value.trim();
        value::check(definition, value)?;
        let value = match definition.kind {
            // Said with blanks or without, it is the same list.
            Kind::List => split_list(value).collect::<Vec<_>>().join(","),
            // In capitals or not, it is the same truth.
            Kind::Boolean => value.to_ascii_lowercase(),
            _ => value.to_owned(),
        };
        self.given.insert(definition.name, value);
        Ok(())
    }

    /// Takes one setting back to its default.
    ///
    /// # Errors
    /// An unknown name.
    pub fn unset(&mut self, name: &str) -> Result<(), TopicConfigError> {
        self.given.remove(known(name)?.name);
        Ok(())
    }

    /// Adds to a list setting the items that it lacks (KIP-339 APPEND).
    ///
    /// # Errors
    /// An unknown name, one that is no list, or an unacceptable result.
    pub fn append(&mut self, name: &str, items: &str) -> Result<(), TopicConfigError> {
        let mut list = self.list("APPEND", name)?;
        let mut present: BTreeSet<String> = list.iter().cloned().collect();
        list.extend(split_list(items).filter(|item| present.insert(item.clone())));
        self.set(name, &list.join(","))
    }

    /// Takes items out of a list setting (KIP-339 SUBTRACT).
    ///
    /// # Errors
    /// An unknown name, one that is no list, or an unacceptable result.
    pub fn subtract(&mut self, name: &str, items: &str) -> Result<(), TopicConfigError> {
        let gone: BTreeSet<String> = split_list(items).collect();
        let mut list = self.list("SUBTRACT", name)?;
        list.retain(|item| !gone.contains(item));
        self.set(name, &list.join(","))
    }

    fn list(&self, operation: &'static str, name: &str) -> Result<Vec<String>, TopicConfigError> {
        let definition = known(name)?;
        if definition.kind != Kind::List {
            let name = definition.name;
            return Err(TopicConfigError::NotAList { operation, name });
        }
        Ok(split_list(self.value(definition)).collect())
    }

    /// Checks what no setting says alone, once all are as they are wanted.
    ///
    /// # Errors
    /// Settings that contradict each other, or ask for what Kafka refuses without tiered storage.
    pub fn check(&self) -> Result<(), TopicConfigError> {
        let (shortest, longest) = (self.number(SHORTEST), self.number(LONGEST));
        if shortest > longest {
            return Err(TopicConfigError::CompactionLags { shortest, longest });
        }
        if self.given("remote.storage.enable") == Some("true") {
            return Err(TopicConfigError::RemoteStorage);
        }
        Ok(())
    }

    /// The value given for `definition`, or its default.
    #[must_use]
    pub fn value(&self, definition: &Definition) -> &str {
        self.given
            .get(definition.name)
            .map_or(definition.default, String::as_str)
    }

    /// The value given for `name`, if one was.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(String::as_str)
    }

    /// What was given, by name.
    pub fn iter_given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.given
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    fn number(&self, name: &str) -> i64 {
        definition(name)
            .and_then(|known| self.value(known).parse().ok())
            .unwrap_or(-1)
    }

    /// How long records are kept, by their timestamps; `None` is for ever.
    #[must_use]
    pub fn retention_ms(&self) -> Option<i64> {
        let retention = self.number("retention.ms");
        (retention >= 0).then_some(retention)
    }

    /// How many bytes a partition keeps; `None` is without limit.
    #[must_use]
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.number("retention.bytes")).ok()
    }

    /// The largest batch a producer may send.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        usize::try_from(self.number("max.message.bytes")).unwrap_or(0)
    }

    /// The most bytes that one append may bring (`segment.bytes`).
    #[must_use]
    pub fn segment_bytes(&self) -> usize {
        usize::try_from(self.number("segment.bytes")).unwrap_or(0)
    }

    /// Whether old records are deleted by time and size.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.policies().any(|policy| policy == "delete")
    }

    /// Whether the topic keeps the last record of each key.
    #[must_use]
    pub fn compacts(&self) -> bool {
        self.policies().any(|policy| policy == "compact")
    }

    fn policies(&self) -> impl Iterator<Item = String> {
        split_list(definition("cleanup.policy").map_or("", |known| self.value(known)))
    }

    /// Whose clock stamps the records.
    #[must_use]
    pub fn timestamp_type(&self) -> TimestampType {
        match self.given("message.timestamp.type") {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    /// How far a record's timestamp may lie in the past, in milliseconds.
    #[must_use]
    pub fn timestamp_before_max_ms(&self) -> i64 {
        self.number("message.timestamp.before.max.ms")
    }

    /// How far a record's timestamp may lie in the future, in milliseconds.
    #[must_use]
    pub fn timestamp_after_max_ms(&self) -> i64 {
        self.number("message.timestamp.after.max.ms")
    }

    /// The codec that stored batches must have; `None` keeps what the producer chose.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        match self.given("compression.type") {
            Some("uncompressed") => Some(Compression::None),
            Some("gzip") => Some(Compression::Gzip),
            Some("snappy") => Some(Compression::Snappy),
            Some("lz4") => Some(Compression::Lz4),
            Some("zstd") => Some(Compression::Zstd),
            _ => None,
        }
    }
}

fn known(name: &str) -> Result<&'static Definition, TopicConfigError> {
    definition(name).ok_or_else(|| TopicConfigError::Unknown(name.to_owned()))
}

fn split_list(text: &str) -> impl Iterator<Item = String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_acceptable_and_names_are_sorted() {
        for known in DEFINITIONS {
            assert_eq!(value::check(known, known.default), Ok(()), "{}", known.name);
            assert_eq!(definition(known.name), Some(known));
        }
        assert!(DEFINITIONS.is_sorted_by_key(|known| known.name));
    }

    #[test]
    fn refusals_name_the_setting_and_the_reason() {
        let mut config = TopicConfig::default();
        let cases = [
            (
                "retention.mss",
                "1",
                "Unknown topic config name: retention.mss",
            ),
            (
                "retention.ms",
                "soon",
                "Invalid value soon for configuration retention.ms: Not a number of type LONG",
            ),
            (
                "retention.ms",
                "-5",
                "Invalid value -5 for configuration retention.ms: Value must be at least -1",
            ),
            (
                "cleanup.policy",
                "delete,shrink",
                "Invalid value delete,shrink for configuration cleanup.policy: \
                 String must be one of: compact, delete",
            ),
            (
                "message.timestamp.type",
                "createtime",
                "Invalid value createtime for configuration message.timestamp.type: \
                 String must be one of: CreateTime, LogAppendTime",
            ),
            (
                "min.cleanable.dirty.ratio",
                "1.5",
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: \
                 Value must be no more than 1",
            ),
        ];
        for (name, value, text) in cases {
            assert_eq!(config.set(name, value).unwrap_err().to_string(), text);
        }
        assert_eq!(config, TopicConfig::default());
    }

    #[test]
    fn settings_are_checked_together_as_kafka_checks_them() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Result<(), TopicConfigError>);
        let lags = |shortest, longest| Err(TopicConfigError::CompactionLags { shortest, longest });
        let (min, max, remote) = (SHORTEST, LONGEST, "remote.storage.enable");
        let cases: [Case<'_>; 8] = [
            (&[], Ok(())),
            (&[(min, "5")], Ok(())),
            (&[(max, "5")], Ok(())),
            (&[(min, "5"), (max, "5")], Ok(())),
            (&[(max, "5"), (min, "6")], lags(6, 5)),
            (&[(remote, "false")], Ok(())),
            (&[(remote, "TRUE")], Err(TopicConfigError::RemoteStorage)),
            (&[(remote, "true"), (min, "2"), (max, "1")], lags(2, 1)),
        ];
        for (given, expected) in cases {
            let mut config = TopicConfig::default();
            for (name, value) in given {
                config.set(name, value).unwrap();
            }
            assert_eq!(config.check(), expected, "{given:?}");
        }
        let said = "conflict topic config setting min.compaction.lag.ms (6) > \
                    max.compaction.lag.ms (5)";
        assert_eq!(lags(6, 5).unwrap_err().to_string(), said);
    }

    #[test]
    fn every_negative_size_to_keep_is_without_limit() {
        for value in ["-1", "-2", "-9223372036854775808"] {
            let mut config = TopicConfig::default();
            config.set("retention.bytes", value).unwrap();
            assert_eq!(config.retention_bytes(), None);
            assert_eq!(config.given("retention.bytes"), Some(value));
        }
        let mut config = TopicConfig::default();
        config.set("retention.bytes", "0").unwrap();
        assert_eq!(config.retention_bytes(), Some(0));
    }

    #[test]
    fn truth_may_be_written_in_capitals() {
        let mut config = TopicConfig::default();
        for (given, kept) in [("TRUE", "true"), (" False ", "false"), ("true", "true")] {
            config.set("preallocate", given).unwrap();
            assert_eq!(config.given("preallocate"), Some(kept));
        }
        for given in ["", "yes", "1"] {
            config.set("preallocate", given).unwrap_err();
        }
    }

    #[test]
    fn the_typed_view_follows_what_was_given() {
        let mut config = TopicConfig::default();
        assert_eq!(config.retention_ms(), Some(604_800_000));
        assert_eq!(config.max_message_bytes(), 1_048_588);
        assert!(config.deletes() && !config.compacts());
        config.set("retention.ms", "-1").unwrap();
        config.append("cleanup.policy", "compact").unwrap();
        config.set("compression.type", "zstd").unwrap();
        assert_eq!(config.retention_ms(), None);
        assert!(config.deletes() && config.compacts());
        config.subtract("cleanup.policy", "delete").unwrap();
        assert!(!config.deletes());
        assert_eq!(config.compression(), Some(Compression::Zstd));
        config.unset("retention.ms").unwrap();
        assert_eq!(config.retention_ms(), Some(604_800_000));
        let refused = config.append("retention.ms", "1").unwrap_err();
        let said = "Can't APPEND to key retention.ms because its type is not LIST.";
        assert_eq!(refused.to_string(), said);
        config.set("cleanup.policy", "compact, delete").unwrap();
        assert_eq!(config.given("cleanup.policy"), Some("compact,delete"));
    }
}
