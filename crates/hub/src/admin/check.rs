//! What a wish must satisfy before it is decided: counts, assignments, configurations.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    TopicName,
    topic_config::{TopicConfig, TopicConfigError},
};

use super::{AssignmentError, CreateTopicError, NewTopic, PartitionCountError};
use crate::{
    configs::{ConfigChange, ConfigEntry, ConfigSource, ConfigSynonym},
    settings::{Limits, NamespaceSettings},
    topic::{TopicSettings, broker_defaults},
};

/// The only broker that an assignment can name: every partition's leader.
const BROKER_ID: i32 = 0;

/// A wish for a topic that has been checked.
pub(super) struct CheckedTopic {
    pub(super) name: TopicName,
    pub(super) partition_count: i32,
    pub(super) config: TopicConfig,
}

/// Checks a new topic against everything but what already exists.
pub(super) fn new_topic(
    topic: &NewTopic,
    namespace: &NamespaceSettings,
    limits: &Limits,
) -> Result<CheckedTopic, CreateTopicError> {
    let name = TopicName::try_from(topic.name.as_str())?;
    let partition_count = if topic.assignments.is_empty() {
        match topic.replication_factor {
            Some(factor) if factor < 1 => return Err(CreateTopicError::ReplicationFactor),
            _ => topic.partition_count.unwrap_or(namespace.partition_count),
        }
    } else {
        assigned(topic)?
    };
    check_count(partition_count, limits)?;
    let config = config(&topic.configs)?;
    check_batches(&TopicConfig::default(), &config, limits)?;
    Ok(CheckedTopic {
        name,
        partition_count,
        config,
    })
}

fn check_count(count: i32, limits: &Limits) -> Result<(), PartitionCountError> {
    let max = limits.partitions_per_topic_max;
    if count < 1 {
        return Err(PartitionCountError::NotPositive);
    }
    if count > max {
        return Err(PartitionCountError::TooMany { count, max });
    }
    Ok(())
}

fn assigned(topic: &NewTopic) -> Result<i32, PartitionCountError> {
    if topic.partition_count.is_some() || topic.replication_factor.is_some() {
        return Err(PartitionCountError::CountAndAssignment);
    }
    if !topic
        .assignments
        .keys()
        .copied()
        .eq((0..).take(topic.assignments.len()))
    {
        return Err(PartitionCountError::Assignment(
            AssignmentError::NotConsecutive,
        ));
    }
    check_brokers(topic.assignments.values())?;
    Ok(i32::try_from(topic.assignments.len()).unwrap_or(i32::MAX))
}

fn check_brokers<'a>(
    assignments: impl IntoIterator<Item = &'a Vec<i32>>,
) -> Result<(), PartitionCountError> {
    for brokers in assignments {
        let distinct: BTreeSet<_> = brokers.iter().collect();
        let error = if brokers.is_empty() || distinct.len() < brokers.len() {
            AssignmentError::Replicas
        } else if distinct.into_iter().any(|broker| *broker != BROKER_ID) {
            AssignmentError::UnknownBroker
        } else {
            continue;
        };
        return Err(PartitionCountError::Assignment(error));
    }
    Ok(())
}

/// Checks a growth; gives how many partitions are added.
pub(super) fn growth(
    current: i32,
    requested: i32,
    assignments: Option<&[Vec<i32>]>,
    limits: &Limits,
) -> Result<u32, PartitionCountError> {
    if requested <= current {
        return Err(PartitionCountError::NotAnIncrease { current, requested });
    }
    check_count(requested, limits)?;
    let added = u32::try_from(requested - current).unwrap_or(0);
    if let Some(assignments) = assignments {
        if u32::try_from(assignments.len()) != Ok(added) {
            return Err(PartitionCountError::Assignment(AssignmentError::Count));
        }
        check_brokers(assignments)?;
    }
    Ok(added)
}

fn config(wished: &BTreeMap<String, Option<String>>) -> Result<TopicConfig, TopicConfigError> {
    let mut config = TopicConfig::default();
    for (name, value) in wished {
        match value {
            Some(value) => config.set(name, value)?,
            None => return Err(TopicConfigError::Null(name.clone())),
        }
    }
    config.check()?;
    Ok(config)
}

/// A topic that asks for larger batches than can come in or be stored would refuse them later, where
/// nobody looks for the reason. What it had before may stay.
fn check_batches(
    before: &TopicConfig,
    wished: &TopicConfig,
    limits: &Limits,
) -> Result<(), TopicConfigError> {
    const LARGEST: &str = "max.message.bytes";
    let Some(value) = wished.given(LARGEST) else {
        return Ok(());
    };
    if before.given(LARGEST) == Some(value) {
        return Ok(());
    }
    let value = wished.max_message_bytes() as u64;
    let mut ceilings = limits.batch_ceilings.iter();
    match ceilings.find(|ceiling| value > ceiling.batch_bytes_max) {
        None => Ok(()),
        Some(ceiling) => Err(TopicConfigError::BatchCeiling {
            value,
            setting: ceiling.setting,
            setting_bytes: ceiling.setting_bytes,
            batch_bytes_max: ceiling.batch_bytes_max,
        }),
    }
}

/// The configuration after the changes, in order; all or none.
pub(super) fn changed(
    given: &TopicConfig,
    changes: &[ConfigChange],
    limits: &Limits,
) -> Result<TopicConfig, TopicConfigError> {
    let mut config = given.clone();
    for change in changes {
        match change {
            ConfigChange::Set(name, value) => config.set(name, value)?,
            ConfigChange::Delete(name) => config.unset(name)?,
            ConfigChange::Append(name, items) => config.append(name, items)?,
            ConfigChange::Subtract(name, items) => config.subtract(name, items)?,
            ConfigChange::Replace(pairs) => {
                config = TopicConfig::default();
                for (name, value) in pairs {
                    config.set(name, value)?;
                }
            }
        }
    }
    config.check()?;
    check_batches(given, &config, limits)?;
    Ok(config)
}

/// Every configuration with its value, source and what stands behind it.
pub(super) fn describe(
    settings: &TopicSettings,
    namespace: &NamespaceSettings,
    limits: &Limits,
) -> Vec<ConfigEntry> {
    let defaults = BTreeMap::from(broker_defaults(namespace, limits));
    let definitions = model::topic_config::DEFINITIONS.iter();
    definitions
        .map(|definition| {
            let synonym_name = definition.synonyms.first().unwrap_or(&definition.name);
            let synonym = |name, value: &str, source| ConfigSynonym {
                name,
                value: value.to_owned(),
                source,
            };
            let mut synonyms = Vec::new();
            if let Some(value) = settings.given.given(definition.name) {
                synonyms.push(synonym(definition.name, value, ConfigSource::Topic));
            }
            let ours = defaults.get(definition.name);
            if let Some(value) = ours.filter(|value| *value != definition.default) {
                synonyms.push(synonym(synonym_name, value, ConfigSource::Broker));
            }
            synonyms.push(synonym(
                synonym_name,
                definition.default,
                ConfigSource::Default,
            ));
            let source = synonyms
                .first()
                .map_or(ConfigSource::Default, |strongest| strongest.source);
            ConfigEntry {
                definition,
                value: settings.effective.value(definition).to_owned(),
                source,
                synonyms,
            }
        })
        .collect()
}

/// What was given, as the metadata keeps it.
pub(super) fn kept(config: &TopicConfig) -> BTreeMap<String, String> {
    let given = config.iter_given();
    given
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
