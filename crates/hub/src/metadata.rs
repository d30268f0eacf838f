//! What exists, as a pure machine: namespaces, topics, units, and every number that is never given
//! twice. `decide` looks and gives records, `replay` alone changes the state, boot is replay.

mod codec;
mod copy;

use std::collections::BTreeMap;

use model::{LeaderEpoch, LogId, NamespaceId, NamespaceName, PartitionIndex, TopicId, TopicName};
use thiserror::Error;

/// The log that this machine itself is kept in.
pub(crate) const METADATA_LOG: LogId = LogId(1);
/// Producer ids are given out in blocks, so that few of them need a record.
pub(crate) const PRODUCER_BLOCK: i64 = 1_000;

/// A fact that outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The epoch under which batches are appended from now on.
    Epoch(LeaderEpoch),
    /// What was given out: the next free number of each kind.
    Counters(Counters),
    Namespace(NamespaceId, NamespaceRecord),
    /// Throughput units that differ from the configured ones.
    Units(NamespaceId, UnitsRecord),
    /// A topic as it is from now on; `None` ends it.
    Topic(NamespaceId, TopicId, Option<TopicRecord>),
}

/// The next free number of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) log: u64,
    pub(crate) namespace: u32,
    pub(crate) producer: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceRecord {
    pub(crate) name: NamespaceName,
    pub(crate) cluster_id: String,
    pub(crate) groups_log: LogId,
}

/// Units in force, with the configured number from which they grew; 0 stands for unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitsRecord {
    pub(crate) configured: u32,
    pub(crate) in_force: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) name: TopicName,
    /// The partitions' logs, in runs: a topic of many partitions is one run, each growth another.
    pub(crate) logs: Vec<LogRun>,
    /// Configurations given to the topic.
    pub(crate) configs: BTreeMap<String, String>,
}

/// Logs with consecutive numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogRun {
    pub(crate) first: LogId,
    pub(crate) count: u32,
}

impl TopicRecord {
    pub(crate) fn partition_count(&self) -> i32 {
        let count: u32 = self.logs.iter().map(|run| run.count).sum();
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// Every partition with its log.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (PartitionIndex, LogId)> + '_ {
        let logs = self
            .logs
            .iter()
            .flat_map(|run| (0..u64::from(run.count)).map(|step| LogId(run.first.0 + step)));
        (0..).map(PartitionIndex).zip(logs)
    }
}

/// What is asked of the machine. Names and limits were checked by the caller.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    RaiseEpoch,
    CreateNamespace {
        name: NamespaceName,
        cluster_id: String,
    },
    SetUnits(NamespaceId, UnitsRecord),
    CreateTopic {
        namespace: NamespaceId,
        id: TopicId,
        name: TopicName,
        partition_count: u32,
        configs: BTreeMap<String, String>,
    },
    /// Adds so many partitions.
    GrowTopic(NamespaceId, TopicId, u32),
    ConfigureTopic(NamespaceId, TopicId, BTreeMap<String, String>),
    DeleteTopic(NamespaceId, TopicId),
    ReserveProducerIds,
}

/// Why a command changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("the name is taken")]
    Exists,
    #[error("the name collides with {0}")]
    Collides(TopicName),
    #[error("unknown")]
    Unknown,
}

/// Everything that exists. Hard state: only `replay` writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) epoch: LeaderEpoch,
    pub(crate) counters: Counters,
    pub(crate) namespaces: BTreeMap<NamespaceId, NamespaceState>,
    partition_count: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamespaceState {
    pub(crate) record: NamespaceRecord,
    pub(crate) units: Option<UnitsRecord>,
    pub(crate) topics: BTreeMap<TopicId, TopicRecord>,
    names: BTreeMap<TopicName, TopicId>,
    /// Names with every `.` as `_`: where two are equal, Kafka refuses the second.
    folded: BTreeMap<String, TopicId>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            epoch: LeaderEpoch(0),
            counters: Counters {
                log: METADATA_LOG.0 + 1,
                namespace: 1,
                producer: 1,
            },
            namespaces: BTreeMap::new(),
            partition_count: 0,
        }
    }
}

impl Metadata {
    /// Partitions of all topics together.
    pub(crate) const fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub(crate) fn namespace_named(&self, name: &NamespaceName) -> Option<NamespaceId> {
        let found = self
            .namespaces
            .iter()
            .find(|(_, state)| state.record.name == *name);
        found.map(|(id, _)| *id)
    }

    /// Decides a command: what is to be kept, in order. Changes nothing.
    pub(crate) fn decide(&self, command: Command) -> Result<Vec<Record>, Refusal> {
        match command {
            Command::RaiseEpoch => {
                let raised = LeaderEpoch(self.epoch.0.saturating_add(1));
                Ok(vec![Record::Epoch(raised)])
            }
            Command::CreateNamespace { name, cluster_id } => {
                self.create_namespace(name, cluster_id)
            }
            Command::SetUnits(id, units) => {
                self.namespace(id)?;
                Ok(vec![Record::Units(id, units)])
            }
            Command::CreateTopic {
                namespace,
                id,
                name,
                partition_count,
                configs,
            } => self.create_topic(namespace, id, name, partition_count, configs),
            Command::GrowTopic(namespace, id, added) => {
                let mut topic = self.topic(namespace, id)?.clone();
                let (run, counters) = self.reserve_logs(added);
                topic.logs.push(run);
                let grown = Record::Topic(namespace, id, Some(topic));
                Ok(vec![Record::Counters(counters), grown])
            }
            Command::ConfigureTopic(namespace, id, configs) => {
                let mut topic = self.topic(namespace, id)?.clone();
                topic.configs = configs;
                Ok(vec![Record::Topic(namespace, id, Some(topic))])
            }
            Command::DeleteTopic(namespace, id) => {
                self.topic(namespace, id)?;
                Ok(vec![Record::Topic(namespace, id, None)])
            }
            Command::ReserveProducerIds => Ok(vec![Record::Counters(Counters {
                producer: self.counters.producer.saturating_add(PRODUCER_BLOCK),
                ..self.counters
            })]),
        }
    }

    fn create_namespace(
        &self,
        name: NamespaceName,
        cluster_id: String,
    ) -> Result<Vec<Record>, Refusal> {
        if self.namespace_named(&name).is_some() {
            return Err(Refusal::Exists);
        }
        let id = NamespaceId(self.counters.namespace);
        let (run, counters) = self.reserve_logs(1);
        let counters = Counters {
            namespace: self.counters.namespace.saturating_add(1),
            ..counters
        };
        let record = NamespaceRecord {
            name,
            cluster_id,
            groups_log: run.first,
        };
        Ok(vec![
            Record::Counters(counters),
            Record::Namespace(id, record),
        ])
    }

    fn create_topic(
        &self,
        namespace: NamespaceId,
        id: TopicId,
        name: TopicName,
        partition_count: u32,
        configs: BTreeMap<String, String>,
    ) -> Result<Vec<Record>, Refusal> {
        self.check_name(namespace, &name)?;
        if self.topic(namespace, id).is_ok() {
            return Err(Refusal::Exists);
        }
        let (run, counters) = self.reserve_logs(partition_count);
        let topic = TopicRecord {
            name,
            logs: vec![run],
            configs,
        };
        Ok(vec![
            Record::Counters(counters),
            Record::Topic(namespace, id, Some(topic)),
        ])
    }

    /// Whether a topic of that name could be created.
    pub(crate) fn check_name(
        &self,
        namespace: NamespaceId,
        name: &TopicName,
    ) -> Result<(), Refusal> {
        let state = self.namespace(namespace)?;
        if state.names.contains_key(name) {
            return Err(Refusal::Exists);
        }
        let other = state.folded.get(&folded(name));
        match other.and_then(|id| state.topics.get(id)) {
            Some(other) => Err(Refusal::Collides(other.name.clone())),
            None => Ok(()),
        }
    }

    const fn reserve_logs(&self, count: u32) -> (LogRun, Counters) {
        let run = LogRun {
            first: LogId(self.counters.log),
            count,
        };
        let counters = Counters {
            log: self.counters.log.saturating_add(count as u64),
            ..self.counters
        };
        (run, counters)
    }

    fn namespace(&self, id: NamespaceId) -> Result<&NamespaceState, Refusal> {
        self.namespaces.get(&id).ok_or(Refusal::Unknown)
    }

    fn topic(&self, namespace: NamespaceId, id: TopicId) -> Result<&TopicRecord, Refusal> {
        let state = self.namespace(namespace)?;
        state.topics.get(&id).ok_or(Refusal::Unknown)
    }

    /// Applies a record: the only writer. Counters never fall, whatever order a snapshot has.
    pub(crate) fn replay(&mut self, record: &Record) {
        match record {
            Record::Epoch(epoch) => self.epoch = self.epoch.max(*epoch),
            Record::Counters(counters) => {
                self.counters.log = self.counters.log.max(counters.log);
                self.counters.namespace = self.counters.namespace.max(counters.namespace);
                self.counters.producer = self.counters.producer.max(counters.producer);
            }
            Record::Namespace(id, record) => {
                let state = NamespaceState {
                    record: record.clone(),
                    units: None,
                    topics: BTreeMap::new(),
                    names: BTreeMap::new(),
                    folded: BTreeMap::new(),
                };
                self.namespaces.entry(*id).or_insert(state);
            }
            Record::Units(id, units) => {
                if let Some(state) = self.namespaces.get_mut(id) {
                    state.units = Some(*units);
                }
            }
            Record::Topic(namespace, id, topic) => {
                self.replay_topic(*namespace, *id, topic.as_ref())
            }
        }
    }

    fn replay_topic(&mut self, namespace: NamespaceId, id: TopicId, topic: Option<&TopicRecord>) {
        let Some(state) = self.namespaces.get_mut(&namespace) else {
            return;
        };
        if let Some(old) = state.topics.remove(&id) {
            self.partition_count -= count_of(&old);
            state.names.remove(&old.name);
            state.folded.remove(&folded(&old.name));
        }
        if let Some(topic) = topic {
            self.partition_count += count_of(topic);
            state.names.insert(topic.name.clone(), id);
            state.folded.insert(folded(&topic.name), id);
            state.topics.insert(id, topic.clone());
        }
    }

    /// The whole state as records: replayed by a new machine they rebuild it.
    pub(crate) fn snapshot(&self) -> Vec<Record> {
        let mut records = vec![Record::Epoch(self.epoch), Record::Counters(self.counters)];
        for (id, state) in &self.namespaces {
            records.push(Record::Namespace(*id, state.record.clone()));
            records.extend(state.units.map(|units| Record::Units(*id, units)));
            let topics = state.topics.iter();
            records.extend(
                topics.map(|(topic, record)| Record::Topic(*id, *topic, Some(record.clone()))),
            );
        }
        records
    }
}

fn folded(name: &TopicName) -> String {
    name.as_str().replace('.', "_")
}

fn count_of(topic: &TopicRecord) -> usize {
    usize::try_from(topic.partition_count()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
