//! What every part of the hub shares.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicUsize},
};

use arc_swap::ArcSwap;
use model::{LeaderEpoch, LogId, TopicId, TopicName, topic_config::TopicConfig};
use storage::RecoveredPartition;
use tokio::sync::watch;
use tracing::warn;

use crate::{
    Clock,
    engine::Engine,
    findings::Findings,
    lag::UnreadTimes,
    metadata::TopicRecord,
    namespace::NamespaceTable,
    observe::{ReadTimes, SyncTimes, Traffic},
    partition::{Partition, StageTimes, Timing},
    producers::ProducerTotal,
    registry::Registry,
    resume::Shortage,
    settings::{Limits, NamespaceSettings},
    sync::lock,
    topic::{Topic, TopicSettings},
};

/// The engine, the clock, what exists, and what is counted.
pub(crate) struct Core {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: ArcSwap<Limits>,
    /// The epoch under which this process appends.
    pub(crate) epoch: LeaderEpoch,
    pub(crate) registry: Registry,
    pub(crate) namespaces: ArcSwap<NamespaceTable>,
    pub(crate) append_times: Arc<StageTimes>,
    pub(crate) read_times: ReadTimes,
    pub(crate) sync_times: Arc<SyncTimes>,
    pub(crate) unread_times: UnreadTimes,
    pub(crate) waiting_fetches: AtomicUsize,
    pub(crate) producers: Arc<ProducerTotal>,
    /// True once nobody may wait any more.
    pub(crate) draining: watch::Sender<bool>,
    /// What the engine found at start and nobody has asked for yet.
    pub(crate) found: Mutex<BTreeMap<LogId, RecoveredPartition>>,
    pub(crate) findings: Findings,
    pub(crate) shortage: Shortage,
}

impl Core {
    /// What an append notes its time with.
    pub(crate) fn timing(&self) -> Timing {
        Timing {
            clock: Arc::clone(&self.clock),
            times: Arc::clone(&self.append_times),
        }
    }

    /// The partition of a log: as the engine found it, or new.
    pub(crate) fn partition(&self, log: LogId, index: model::PartitionIndex) -> Arc<Partition> {
        let found = lock(&self.found).remove(&log);
        let partition = match found {
            Some(found) => {
                let now = self.clock.now().wall;
                Partition::recovered(
                    &found,
                    index,
                    self.epoch,
                    &self.engine,
                    &self.producers,
                    now,
                )
            }
            None => Partition::create(log, index, self.epoch, &self.engine, &self.producers),
        };
        if self.shortage.holds_appends() {
            partition.hold();
        }
        partition
    }

    /// A topic as the metadata describes it, with its partitions.
    pub(crate) fn topic(
        &self,
        id: TopicId,
        record: &TopicRecord,
        namespace: &NamespaceSettings,
    ) -> Arc<Topic> {
        let given = config_of(&record.name, &record.configs);
        let settings = TopicSettings::new(given, namespace, &self.limits.load());
        let partitions = record
            .partitions()
            .map(|(index, log)| self.partition(log, index))
            .collect();
        Arc::new(Topic {
            name: record.name.clone(),
            id,
            settings: ArcSwap::from_pointee(settings),
            partitions: ArcSwap::from_pointee(partitions),
            traffic: Traffic::default(),
        })
    }

    /// Every partition with state worth a snapshot, the internal ones left out: they are replayed.
    pub(crate) fn partitions_by_log(&self) -> BTreeMap<LogId, Arc<Partition>> {
        let mut all = BTreeMap::new();
        for namespace in self.namespaces.load().all.values() {
            for topic in namespace.topics() {
                for partition in topic.partitions.load().iter() {
                    all.insert(partition.log, Arc::clone(partition));
                }
            }
        }
        all
    }
}

/// Kept configurations as a checked value. One that is no longer accepted is left out and named:
/// the topic must stay readable.
pub(crate) fn config_of(topic: &TopicName, configs: &BTreeMap<String, String>) -> TopicConfig {
    let mut config = TopicConfig::default();
    for (name, value) in configs {
        if let Err(error) = config.set(name, value) {
            warn!(%topic, %error, "leave out a kept configuration");
        }
    }
    config
}
