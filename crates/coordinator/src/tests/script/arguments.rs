//! What stands behind a script's verb.

use std::{sync::Arc, time::Duration};

use model::{GroupId, LeaderEpoch, Offset, PartitionIndex, TopicName};

use crate::{OffsetToCommit, PerTopic};

/// The words after the verb.
pub(super) struct Arguments(pub(super) Vec<String>);

impl Arguments {
    pub(super) fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|word| (*word).to_owned()).collect())
    }

    pub(super) fn plain(&self, index: usize) -> String {
        self.0.get(index).cloned().unwrap_or_default()
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag)
    }

    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let mut words = self.0.iter();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    pub(super) fn number(&self, name: &str, default: i32) -> i32 {
        self.named(name)
            .map_or(default, |text| text.parse().unwrap())
    }

    /// `name=left:right,left:right`.
    pub(super) fn pairs(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.named(name).unwrap_or_default().split(',');
        pairs.filter_map(|pair| pair.split_once(':'))
    }

    pub(super) fn groups(&self) -> Vec<GroupId> {
        self.0.iter().map(|id| GroupId::from(id.as_str())).collect()
    }

    /// `topic:partition` words.
    pub(super) fn partitions(&self) -> Vec<PerTopic<PartitionIndex>> {
        let words = self.0.iter().filter_map(|word| word.split_once(':'));
        words
            .map(|(topic, partition)| PerTopic {
                topic: TopicName::try_from(topic).unwrap(),
                partitions: vec![PartitionIndex(partition.parse().unwrap())],
            })
            .collect()
    }

    /// `topic:partition=offset:note` words.
    pub(super) fn commits(&self) -> Vec<PerTopic<OffsetToCommit>> {
        let words = self.0.iter().filter_map(|word| {
            let (place, value) = word.split_once('=')?;
            Some((
                place.split_once(':')?,
                value.split_once(':').unwrap_or((value, "")),
            ))
        });
        words
            .map(|((topic, partition), (offset, note))| PerTopic {
                topic: TopicName::try_from(topic).unwrap(),
                partitions: vec![OffsetToCommit {
                    partition: PartitionIndex(partition.parse().unwrap()),
                    offset: Offset(offset.parse().unwrap()),
                    leader_epoch: LeaderEpoch(3),
                    metadata: Arc::from(note),
                }],
            })
            .collect()
    }
}

pub(super) fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse().unwrap())
}
