//! What stands behind a script's verb.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use model::{GroupId, LeaderEpoch, Offset, PartitionIndex, TopicName};

use crate::{OffsetToCommit, PerTopic, Reach};

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

    pub(super) fn reach(&self) -> Reach {
        self.named("reach").map_or(Reach::Everything, |topic| {
            Reach::Topic(TopicName::try_from(topic).unwrap())
        })
    }

    /// The metadata of a consumer that reads these topics.
    pub(super) fn subscription(&self) -> Option<Bytes> {
        let topics = self
            .named("reads")?
            .split('+')
            .filter(|topic| *topic != "-");
        let topics: Vec<&str> = topics.collect();
        let mut bytes = BytesMut::new();
        bytes.put_i16(0);
        bytes.put_i32(i32::try_from(topics.len()).unwrap());
        for topic in topics {
            bytes.put_i16(i16::try_from(topic.len()).unwrap());
            bytes.put_slice(topic.as_bytes());
        }
        Some(bytes.freeze())
    }

    /// Names, as far as they are no `key=value`.
    pub(super) fn groups(&self) -> Vec<GroupId> {
        let names = self.0.iter().filter(|word| !word.contains('='));
        names.map(|id| GroupId::from(id.as_str())).collect()
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
