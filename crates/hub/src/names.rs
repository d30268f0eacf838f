//! What the logs of a data directory are called, read without opening it: for the operator's dump.

use std::{collections::BTreeMap, fmt, path::Path};

use bytes::Bytes;
use model::{
    LogId, NamespaceId, NamespaceName, PartitionIndex, TopicName,
    batch::{self, Batch},
};
use storage::VerifyError;

use crate::metadata::{METADATA_LOG, Record, TopicRecord};

/// What a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogName {
    /// What exists: the broker's own.
    Metadata,
    /// A namespace's consumer groups.
    Groups(NamespaceName),
    Partition {
        namespace: NamespaceName,
        topic: TopicName,
        partition: PartitionIndex,
        /// The topic has been deleted since.
        is_deleted: bool,
    },
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata => f.write_str("metadata"),
            Self::Groups(namespace) => write!(f, "consumer groups of {namespace}"),
            Self::Partition {
                namespace,
                topic,
                partition,
                is_deleted,
            } => {
                let deleted = if *is_deleted { ", deleted" } else { "" };
                write!(f, "{namespace}/{topic}[{partition}]{deleted}")
            }
        }
    }
}

/// The names of every log that the directory's metadata speaks of, as far as they can be read.
///
/// # Errors
/// The directory is none of ours, or could not be read.
pub fn log_names(dir: &Path) -> Result<BTreeMap<LogId, LogName>, VerifyError> {
    let mut facts = Facts::default();
    storage::read_batches(dir, METADATA_LOG, &mut |bytes| facts.take(bytes))?;
    Ok(facts.names())
}

/// The last record of each thing. Older ones count too where a newer one was lost.
#[derive(Default)]
struct Facts {
    namespaces: BTreeMap<NamespaceId, (NamespaceName, LogId)>,
    topics: BTreeMap<(NamespaceId, model::TopicId), (TopicRecord, bool)>,
}

impl Facts {
    fn take(&mut self, bytes: &[u8]) {
        for (_, bytes) in batch::split(Bytes::copy_from_slice(bytes)) {
            let Ok(batch) = Batch::check(bytes) else {
                continue;
            };
            for record in batch.records() {
                let key = record.key.unwrap_or_default();
                // What a newer program wrote has no name here.
                if let Ok(record) = Record::decode(key, record.value) {
                    self.record(record);
                }
            }
        }
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::Namespace(id, record) => {
                self.namespaces.insert(id, (record.name, record.groups_log));
            }
            Record::Topic(namespace, id, Some(topic)) => {
                self.topics.insert((namespace, id), (topic, false));
            }
            Record::Topic(namespace, id, None) => {
                if let Some((_, is_deleted)) = self.topics.get_mut(&(namespace, id)) {
                    *is_deleted = true;
                }
            }
            Record::Epoch(_) | Record::Counters(_) | Record::Units(..) => {}
        }
    }

    fn names(self) -> BTreeMap<LogId, LogName> {
        let mut names = BTreeMap::from([(METADATA_LOG, LogName::Metadata)]);
        for (name, groups_log) in self.namespaces.values() {
            names.insert(*groups_log, LogName::Groups(name.clone()));
        }
        for ((namespace, _), (topic, is_deleted)) in &self.topics {
            let Some((namespace, _)) = self.namespaces.get(namespace) else {
                continue;
            };
            names.extend(topic.partitions().map(|(partition, log)| {
                let name = LogName::Partition {
                    namespace: namespace.clone(),
                    topic: topic.name.clone(),
                    partition,
                    is_deleted: *is_deleted,
                };
                (log, name)
            }));
        }
        names
    }
}
