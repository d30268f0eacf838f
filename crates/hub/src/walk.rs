//! The walk that shows an observer every number.

use model::NamespaceName;

use crate::{
    Hub,
    core::Core,
    namespace::Namespace,
    observe::{NamespaceView, Observer, PartitionObservation, ProcessView, TopicObservation},
    sync::{lock, read},
    topic::Topic,
};

impl Hub {
    /// Shows the observer everything as it stands. Does not wait for the disk.
    pub fn observe(&self, observer: &mut dyn Observer) {
        let core = &*self.core;
        observer.process(&core.process_view());
        for namespace in self.core.namespaces.load().all.values() {
            core.observe_namespace(namespace, observer);
        }
    }
}

impl Core {
    fn process_view(&self) -> ProcessView {
        let waiting = self
            .waiting_fetches
            .load(std::sync::atomic::Ordering::Relaxed);
        let mut findings = self.findings;
        let namespaces = self.namespaces.load();
        let lost = namespaces
            .all
            .values()
            .map(|one| one.groups.lost_stretches());
        findings.groups = lost.sum();
        let storage = self.engine.stats();
        ProcessView {
            health: self.health(storage.state.clone()),
            storage,
            findings,
            sync_duration_us: self.sync_times.duration.view(),
            sync_bytes: self.sync_times.bytes.view(),
            sync_entries: self.sync_times.entries.view(),
            append_written_us: self.append_times.written.view(),
            append_durable_us: self.append_times.durable.view(),
            read_cached_us: self.read_times.cached.view(),
            read_cold_us: self.read_times.cold.view(),
            fetch_waited_us: self.read_times.waited.view(),
            waiting_fetches: waiting as u64,
            producers: self.producers.count() as u64,
            producers_forgotten: self.producers.forgotten(),
        }
    }

    fn observe_namespace(&self, namespace: &Namespace, observer: &mut dyn Observer) {
        let now = self.clock.now().monotonic;
        let (units, usage) = {
            let mut meter = lock(&namespace.meter);
            (meter.units().count(), meter.usage(now))
        };
        let groups = namespace.groups.read(|groups| {
            let counts = (groups.groups().count(), groups.rebalance_count());
            (counts, groups.held(), groups.refusals())
        });
        let ((group_count, rebalance_count), group_bytes, group_refusals) = groups;
        observer.namespace(&NamespaceView {
            name: &namespace.name,
            requests: namespace.requests.view(),
            units,
            usage,
            topic_count: read(&namespace.topics).iter().count(),
            group_count,
            rebalance_count,
            group_bytes,
            group_refusals,
        });
        for topic in namespace.topics() {
            self.observe_topic(&namespace.name, &topic, observer);
        }
        if observer.wants_lag() {
            self.observe_lag(namespace, observer);
        }
    }

    fn observe_topic(&self, namespace: &NamespaceName, topic: &Topic, observer: &mut dyn Observer) {
        let partitions = topic.partitions.load();
        let sizes = partitions.iter().map(|each| self.engine.size(each.log));
        observer.topic(&TopicObservation {
            namespace,
            name: &topic.name,
            traffic: topic.traffic.view(),
            size_bytes: sizes.sum(),
            partition_count: topic.partition_count(),
        });
        if !observer.wants_partitions() {
            return;
        }
        for partition in partitions.iter() {
            let positions = partition.watermarks();
            observer.partition(&PartitionObservation {
                namespace,
                topic: &topic.name,
                partition: partition.index,
                log_start_offset: positions.start.0,
                high_watermark: positions.durable_end.0,
                size_bytes: self.engine.size(partition.log),
            });
        }
    }
}
