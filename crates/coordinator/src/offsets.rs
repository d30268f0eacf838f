//! Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete, and what makes offsets go by
//! themselves. Nothing here writes them: the records do, on replay.

use std::collections::{BTreeMap, BTreeSet};

use model::{GenerationId, GroupId, PartitionIndex, Timestamp, TopicName};

use crate::{
    CommitOffsets, CommittedOffset, DeleteOffsets, FetchOffsetsGroup, FetchedGroup, FetchedOffset,
    GroupError, GroupState, OffsetToCommit, PartitionResult, PerTopic, Record,
    account::{GROUP_BYTES, OFFSET_BYTES, TOPIC_BYTES},
    group::Group,
    join::Groups,
    sender::Interest,
    subscription,
    turn::Turn,
};

/// One group's committed offsets.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    topics: BTreeMap<TopicName, BTreeMap<PartitionIndex, CommittedOffset>>,
    count: usize,
    bytes: usize,
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What the offsets keep in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The topics, as far as rights care.
    pub(crate) fn interest(&self) -> Interest {
        let mut topics = self.topics.keys();
        match (topics.next(), topics.next()) {
            (None, _) => Interest::Nothing,
            (Some(only), None) => Interest::Topic(only.clone()),
            (Some(_), Some(_)) => Interest::Beyond,
        }
    }

    pub(crate) fn find(
        &self,
        topic: &TopicName,
        partition: PartitionIndex,
    ) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (&TopicName, PartitionIndex, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    /// Applies a record.
    pub(crate) fn replay(
        &mut self,
        topic: &TopicName,
        partition: PartitionIndex,
        committed: Option<&CommittedOffset>,
    ) {
        if let Some(committed) = committed {
            let before = if let Some(partitions) = self.topics.get_mut(topic) {
                partitions.insert(partition, committed.clone())
            } else {
                self.bytes += topic_bytes(topic);
                let partitions = self.topics.entry(topic.clone()).or_default();
                partitions.insert(partition, committed.clone())
            };
            self.count += usize::from(before.is_none());
            self.bytes += offset_bytes(&committed.metadata);
            self.bytes -= before.map_or(0, |before| offset_bytes(&before.metadata));
        } else if let Some(partitions) = self.topics.get_mut(topic) {
            if let Some(before) = partitions.remove(&partition) {
                self.count -= 1;
                self.bytes -= offset_bytes(&before.metadata);
            }
            if partitions.is_empty() {
                self.topics.remove(topic);
                self.bytes -= topic_bytes(topic);
            }
        }
    }
}

fn topic_bytes(topic: &TopicName) -> usize {
    TOPIC_BYTES + topic.as_str().len()
}

fn offset_bytes(metadata: &str) -> usize {
    OFFSET_BYTES + metadata.len()
}

/// Commits offsets, for a member or for a consumer outside group management.
pub(crate) fn commit(
    groups: &Groups,
    turn: &mut Turn<'_>,
    request: CommitOffsets,
) -> Result<Vec<PerTopic<PartitionResult>>, GroupError> {
    if request.group.as_str().len() > turn.config.group_id_bytes_max {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups.get(&request.group);
    match group {
        Some(group) => group.check_commit(turn, &request)?,
        None if request.generation >= GenerationId(0) => return Err(GroupError::GroupIdNotFound),
        None if groups.len() >= turn.config.groups_max => return Err(GroupError::TooManyGroups),
        None => {}
    }
    let mut room = Room::new(group, turn, &request.group);
    let mut topics = Vec::with_capacity(request.topics.len());
    for PerTopic { topic, partitions } in request.topics {
        let mut results = Vec::with_capacity(partitions.len());
        for commit in partitions {
            let partition = commit.partition;
            let result = if commit.metadata.len() > turn.config.offset_metadata_bytes_max {
                Err(GroupError::OffsetMetadataTooLarge)
            } else if !room.take(&topic, &commit) {
                turn.refusals.offsets += 1;
                Err(GroupError::TooManyOffsets)
            } else {
                let committed = committed(commit, turn.now.wall);
                turn.record(Record::Offset {
                    group: request.group.clone(),
                    topic: topic.clone(),
                    partition,
                    committed: Some(committed),
                });
                Ok(())
            };
            results.push(PartitionResult { partition, result });
        }
        topics.push(PerTopic {
            topic,
            partitions: results,
        });
    }
    Ok(topics)
}

/// What a commit may still add. Until its records are replayed a partition named twice counts
/// twice, its topic once.
struct Room<'a> {
    group: Option<&'a Group>,
    partitions: usize,
    bytes: usize,
    /// Topics that the group has from this commit on.
    new_topics: BTreeSet<TopicName>,
}

impl<'a> Room<'a> {
    fn new(group: Option<&'a Group>, turn: &Turn<'_>, id: &GroupId) -> Self {
        let config = turn.config;
        let count = group.map_or(0, |group| group.offsets.count);
        let left = config.offsets_bytes_max.saturating_sub(turn.held.offsets);
        // A group of its own is made for the first commit, and counts among the groups.
        let makes = GROUP_BYTES + id.as_str().len();
        let fits = group.is_some() || turn.held.members + makes <= config.members_bytes_max;
        Self {
            group,
            partitions: config.group_offsets_max.saturating_sub(count),
            bytes: if fits { left } else { 0 },
            new_topics: BTreeSet::new(),
        }
    }

    /// Whether there is room. What does not grow always has.
    fn take(&mut self, topic: &TopicName, commit: &OffsetToCommit) -> bool {
        let offsets = self.group.map(|group| &group.offsets);
        let known = offsets.and_then(|offsets| offsets.topics.get(topic));
        let before = known.and_then(|partitions| partitions.get(&commit.partition));
        let replaced = before.map_or(0, |before| offset_bytes(&before.metadata));
        let is_new_topic = known.is_none() && !self.new_topics.contains(topic);
        let for_topic = if is_new_topic { topic_bytes(topic) } else { 0 };
        let growth = (for_topic + offset_bytes(&commit.metadata)).saturating_sub(replaced);
        let is_new = usize::from(before.is_none());
        if growth > self.bytes || is_new > self.partitions {
            return false;
        }
        self.bytes -= growth;
        self.partitions -= is_new;
        if is_new_topic {
            self.new_topics.insert(topic.clone());
        }
        true
    }
}

fn committed(commit: OffsetToCommit, now: Timestamp) -> CommittedOffset {
    CommittedOffset {
        offset: commit.offset,
        leader_epoch: commit.leader_epoch,
        metadata: commit.metadata,
        committed_at: now,
    }
}

/// Reads a group's offsets; a group that does not exist has none.
pub(crate) fn fetch(groups: &Groups, request: FetchOffsetsGroup) -> FetchedGroup {
    let group = groups.get(&request.group);
    let topics = match request.topics {
        Some(topics) => topics
            .into_iter()
            .map(|PerTopic { topic, partitions }| {
                let fetched = |partition| FetchedOffset {
                    partition,
                    committed: group
                        .and_then(|group| group.offsets.find(&topic, partition))
                        .cloned(),
                };
                let partitions = partitions.into_iter().map(fetched).collect();
                PerTopic { topic, partitions }
            })
            .collect(),
        None => group.map(all_offsets).unwrap_or_default(),
    };
    FetchedGroup {
        group: request.group,
        result: Ok(()),
        topics,
    }
}

fn all_offsets(group: &Group) -> Vec<PerTopic<FetchedOffset>> {
    let topics = group.offsets.topics.iter();
    topics
        .map(|(topic, partitions)| PerTopic {
            topic: topic.clone(),
            partitions: partitions
                .iter()
                .map(|(partition, committed)| FetchedOffset {
                    partition: *partition,
                    committed: Some(committed.clone()),
                })
                .collect(),
        })
        .collect()
}

/// Forgets offsets, except of topics that a member is subscribed to.
pub(crate) fn delete(
    groups: &Groups,
    turn: &mut Turn<'_>,
    request: DeleteOffsets,
) -> Result<Vec<PerTopic<PartitionResult>>, GroupError> {
    if request.group.as_str().is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups
        .get(&request.group)
        .ok_or(GroupError::GroupIdNotFound)?;
    let is_consumer = &*group.protocol_type == subscription::PROTOCOL_TYPE;
    if group.state != GroupState::Empty && !is_consumer {
        return Err(GroupError::NonEmptyGroup);
    }
    let asked = request
        .topics
        .iter()
        .map(|per| per.topic.as_str())
        .collect();
    let subscribed = group.subscribed_among(&asked);
    let mut topics = Vec::with_capacity(request.topics.len());
    for PerTopic { topic, partitions } in request.topics {
        let is_subscribed = subscribed
            .as_ref()
            .is_none_or(|subscribed| subscribed.contains(topic.as_str()));
        let results = partitions.into_iter().map(|partition| PartitionResult {
            partition,
            result: if is_subscribed {
                Err(GroupError::GroupSubscribedToTopic)
            } else {
                group.forget_offset(turn, &topic, partition);
                Ok(())
            },
        });
        let partitions = results.collect();
        topics.push(PerTopic { topic, partitions });
    }
    group.await_purge(turn);
    Ok(topics)
}

/// Forgets every group's offsets in the topic.
pub(crate) fn topic_deleted(groups: &Groups, turn: &mut Turn<'_>, topic: &TopicName) {
    for group in groups.values() {
        let Some(partitions) = group.offsets.topics.get(topic) else {
            continue;
        };
        for partition in partitions.keys() {
            group.forget_offset(turn, topic, *partition);
        }
        group.await_purge(turn);
    }
}

impl Group {
    fn check_commit(&self, turn: &mut Turn<'_>, request: &CommitOffsets) -> Result<(), GroupError> {
        let outside = request.generation < GenerationId(0);
        if outside && self.state == GroupState::Empty {
            // A consumer that assigns its own partitions, or an administrator.
            return Ok(());
        }
        let anonymous = request.member.as_str().is_empty() && request.instance.is_none();
        if outside && anonymous {
            return Err(GroupError::UnknownMember);
        }
        let (member, instance) = (&request.member, request.instance.as_ref());
        self.check_generation(member, instance, request.generation)?;
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(GroupError::UnknownMember),
            // What it read before the rebalance is still its own to commit.
            GroupState::PreparingRebalance | GroupState::Stable => {
                self.await_heartbeat(member, turn);
                Ok(())
            }
            // It has learnt the generation but owns nothing in it yet.
            GroupState::CompletingRebalance => Err(GroupError::RebalanceInProgress),
        }
    }

    /// Which of these topics members are subscribed to; `None` if that cannot be told.
    fn subscribed_among(&self, asked: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
        let mut topics = BTreeSet::new();
        if self.state == GroupState::Empty {
            return Some(topics);
        }
        let protocol = self.protocol.as_deref()?;
        for member in self.roster.members() {
            subscription::visit(&member.metadata(protocol), |topic| {
                if asked.contains(topic) && !topics.contains(topic) {
                    topics.insert(topic.to_owned());
                }
                true
            })?;
        }
        Some(topics)
    }

    fn forget_offset(&self, turn: &mut Turn<'_>, topic: &TopicName, partition: PartitionIndex) {
        if self.offsets.find(topic, partition).is_some() {
            turn.record(Record::Offset {
                group: self.id.clone(),
                topic: topic.clone(),
                partition,
                committed: None,
            });
        }
    }

    /// Ends the group and all its offsets.
    pub(crate) fn forget(&self, turn: &mut Turn<'_>) {
        for (topic, partition, _) in self.offsets.iter() {
            self.forget_offset(turn, topic, partition);
        }
        if self.settled.is_some() {
            turn.record(Record::Group {
                group: self.id.clone(),
                metadata: None,
            });
        }
    }

    /// Looks whether an empty group, or some of its offsets, have been kept long enough.
    pub(crate) fn purge(&self, turn: &mut Turn<'_>) {
        if self.state != GroupState::Empty {
            return;
        }
        if !self.roster.pending_joins().is_empty() {
            return self.await_purge(turn);
        }
        let expired = self.expired_offsets(turn);
        if expired.len() == self.offsets.count {
            return self.forget(turn);
        }
        for (topic, partition) in expired {
            self.forget_offset(turn, &topic, partition);
        }
        if turn.config.offsets_retention.is_some() {
            self.await_purge(turn);
        }
    }

    fn expired_offsets(&self, turn: &Turn<'_>) -> Vec<(TopicName, PartitionIndex)> {
        let Some(retention) = turn.config.offsets_retention else {
            return Vec::new();
        };
        let emptied = self.settled.as_ref().map(|settled| settled.settled_at);
        let expired = |committed: &CommittedOffset| {
            let since = emptied.map_or(committed.committed_at, |at| at.max(committed.committed_at));
            since.plus(retention) <= turn.now.wall
        };
        let offsets = self.offsets.iter();
        offsets
            .filter(|(_, _, committed)| expired(committed))
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect()
    }
}
