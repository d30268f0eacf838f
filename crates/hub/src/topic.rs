//! An event hub: its partitions, its settings, its traffic; and a namespace's table of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arc_swap::ArcSwap;
use model::{PartitionIndex, TopicId, TopicName, batch::Levels, topic_config::TopicConfig};

use crate::{
    observe::Traffic,
    partition::{AppendRules, Partition},
    records::Packing,
    settings::{Limits, NamespaceSettings},
};

/// A topic that exists. What changes is swapped whole; readers never wait.
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) id: TopicId,
    pub(crate) settings: ArcSwap<TopicSettings>,
    pub(crate) partitions: ArcSwap<Vec<Arc<Partition>>>,
    pub(crate) traffic: Traffic,
}

impl Topic {
    pub(crate) fn partition(&self, index: PartitionIndex) -> Option<Arc<Partition>> {
        let index = usize::try_from(index.0).ok()?;
        self.partitions.load().get(index).map(Arc::clone)
    }

    pub(crate) fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.load().len()).unwrap_or(i32::MAX)
    }
}

/// A topic's configuration with what follows from it, worked out once.
pub(crate) struct TopicSettings {
    /// What the topic was given.
    pub(crate) given: TopicConfig,
    /// The same over the defaults of the namespace and the process.
    pub(crate) effective: TopicConfig,
    pub(crate) rules: AppendRules,
    /// `None` keeps what the producer chose.
    pub(crate) packing: Option<Packing>,
    /// `None` keeps records for ever.
    pub(crate) retention_ms: Option<i64>,
    /// `None` keeps any number of bytes.
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) deletes: bool,
}

impl TopicSettings {
    pub(crate) fn new(given: TopicConfig, namespace: &NamespaceSettings, limits: &Limits) -> Self {
        let mut effective = given.clone();
        for (name, value) in broker_defaults(namespace, limits) {
            if given.given(name).is_none() {
                let set = effective.set(name, &value);
                debug_assert!(set.is_ok(), "a default of ours is refused: {set:?}");
            }
        }
        let rules = AppendRules {
            batch_bytes_max: effective.max_message_bytes(),
            append_bytes_max: effective.segment_bytes(),
            timestamp_type: effective.timestamp_type(),
            timestamp_before_max_ms: effective.timestamp_before_max_ms(),
            timestamp_after_max_ms: effective.timestamp_after_max_ms(),
            keys_required: effective.compacts(),
            verify_records: limits.verify_records,
            producers_max: limits.producers_per_partition_max,
        };
        Self {
            retention_ms: effective.retention_ms(),
            retention_bytes: effective.retention_bytes(),
            deletes: effective.deletes(),
            packing: packing(&effective),
            given,
            effective,
            rules,
        }
    }
}

fn packing(config: &TopicConfig) -> Option<Packing> {
    let level = |name| {
        let level = model::topic_config::definition(name).map(|known| config.value(known))?;
        level.parse::<i32>().ok()
    };
    let gzip = level("compression.gzip.level").and_then(|level| u32::try_from(level).ok());
    let default = Levels::default();
    Some(Packing {
        codec: config.compression()?,
        levels: Levels {
            gzip,
            zstd: level("compression.zstd.level").unwrap_or(default.zstd),
        },
    })
}

/// The defaults that this process sets apart from Kafka's.
pub(crate) fn broker_defaults(
    namespace: &NamespaceSettings,
    limits: &Limits,
) -> [(&'static str, String); 2] {
    let retention = namespace.retention.map_or(-1, |retention| {
        i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)
    });
    [
        ("retention.ms", retention.to_string()),
        ("max.message.bytes", limits.batch_bytes_max.to_string()),
    ]
}

/// A namespace's topics by name and by id.
#[derive(Default)]
pub(crate) struct TopicTable {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

impl TopicTable {
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub(crate) fn with_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// Every topic, in the order of names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    pub(crate) fn insert(&mut self, topic: Arc<Topic>) {
        self.by_name.insert(topic.name.clone(), Arc::clone(&topic));
        self.by_id.insert(topic.id, topic);
    }

    pub(crate) fn remove(&mut self, id: TopicId) -> Option<Arc<Topic>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.name);
        Some(topic)
    }
}
