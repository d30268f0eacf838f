//! What the operator configures, as plain values: the `tidegate` crate fills them from its file.

use std::{collections::BTreeMap, time::Duration};

use model::{NamespaceName, TopicName};
pub use storage::batch_bytes_max;

/// Everything that [`crate::Hub::open`] and [`crate::Hub::reload`] take.
#[derive(Clone, Debug, Default)]
pub struct HubSettings {
    pub storage: StorageSettings,
    pub limits: Limits,
    pub namespaces: Vec<NamespaceSettings>,
}

/// How the log is kept.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// Bytes of one extent file of the shared log.
    pub extent_bytes: u64,
    /// Files of freed extents kept to become new ones, at most.
    pub reused_extents_max: usize,
    /// Whether the log is written past the system's page cache where the file system can.
    pub direct_writes: bool,
    /// Appends are refused before the file system has less than this left.
    pub free_space_floor_bytes: u64,
    /// Bytes appended and not yet durable, at most.
    pub queue_bytes_max: u64,
    /// Recent data kept in memory for readers at the end of the log.
    pub tail_cache_bytes: u64,
    /// How far behind that readers may be for new data to be put into the system's page cache.
    pub catch_up_bytes: u64,
    /// Open descriptors of extents, at most.
    pub descriptors_max: usize,
    /// Memory for old data on its way from the disk to its first reader.
    pub cold_cache_bytes: u64,
    /// Pieces of 128 KiB that readers have under way from the disk at once while somebody writes.
    pub cold_reads_beside_writers: u32,
    /// Cold reads that may run at once.
    pub cold_reads_max: usize,
    /// How often retention is looked at.
    pub retention_interval: Duration,
}

impl Default for StorageSettings {
    fn default() -> Self {
        let options = storage::Options::default();
        Self {
            extent_bytes: options.extent_bytes,
            reused_extents_max: options.reused_extents_max,
            direct_writes: options.direct_writes,
            free_space_floor_bytes: options.free_space_floor_bytes,
            queue_bytes_max: options.queue_bytes_max,
            tail_cache_bytes: options.tail_cache_bytes,
            catch_up_bytes: options.catch_up_bytes,
            descriptors_max: options.descriptors_max,
            cold_cache_bytes: options.cold_cache_bytes,
            cold_reads_beside_writers: options.cold_reads_beside_writers,
            cold_reads_max: 32,
            retention_interval: Duration::from_mins(5),
        }
    }
}

/// What another setting admits as the largest batch of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCeiling {
    /// The setting's name for its operator, and its value.
    pub setting: &'static str,
    pub setting_bytes: u64,
    pub batch_bytes_max: u64,
}

/// Bounds on what clients may ask for; the defaults are Kafka's own.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest batch where the topic does not say otherwise (`max.message.bytes`).
    pub batch_bytes_max: u32,
    /// No topic may ask for larger ones than each of these admits.
    pub batch_ceilings: Vec<BatchCeiling>,
    pub session_timeout_min: Duration,
    pub session_timeout_max: Duration,
    /// Longest name of a consumer group.
    pub group_id_bytes_max: usize,
    /// Longest metadata string beside a committed offset.
    pub offset_metadata_bytes_max: usize,
    /// Most members of one consumer group.
    pub group_members_max: usize,
    /// Most consumer groups of one namespace.
    pub groups_max: usize,
    /// Most bytes that the groups of one namespace and their members may hold.
    pub group_members_bytes_max: usize,
    /// Most bytes that the committed offsets of one namespace may hold.
    pub group_offsets_bytes_max: usize,
    /// How long the first rebalance of an empty group waits for more members.
    pub rebalance_delay: Duration,
    /// Most partitions of one process.
    pub partitions_max: usize,
    /// Most partitions of one event hub.
    pub partitions_per_topic_max: i32,
    /// Most bytes of records in one fetch response, whatever the client asks for.
    pub fetch_bytes_max: usize,
    /// Reads that may wait for data at once.
    pub waiting_fetches_max: usize,
    /// Whether the records inside compressed batches are walked before they are stored.
    pub verify_records: bool,
    /// Idempotent producers remembered per partition.
    pub producers_per_partition_max: usize,
    /// Idempotent producers remembered over all partitions, each in every one it writes to.
    pub producers_max: usize,
    /// How long an idle idempotent producer is remembered.
    pub producer_expiry: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 1_048_588,
            batch_ceilings: Vec::new(),
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            group_id_bytes_max: 32_767,
            offset_metadata_bytes_max: 4096,
            group_members_max: 10_000,
            groups_max: 100_000,
            group_members_bytes_max: 64 << 20,
            group_offsets_bytes_max: 128 << 20,
            rebalance_delay: Duration::from_secs(3),
            partitions_max: 200_000,
            partitions_per_topic_max: 100_000,
            fetch_bytes_max: 55 << 20,
            waiting_fetches_max: 100_000,
            verify_records: true,
            producers_per_partition_max: 10_000,
            producers_max: 300_000,
            producer_expiry: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// One namespace of the file.
#[derive(Clone, Debug)]
pub struct NamespaceSettings {
    pub name: NamespaceName,
    /// Further host names that are this namespace, beside every name whose first label is `name`.
    pub hosts: Vec<String>,
    pub units: UnitSettings,
    /// Whether asking for an unknown event hub creates it.
    pub auto_create: bool,
    /// Partitions of an event hub whose creator does not say.
    pub partition_count: i32,
    /// Retention of an event hub whose creator does not say; `None` keeps everything.
    pub retention: Option<Duration>,
    /// Whether a reload that withdraws a key, a policy or a right ends the connections that
    /// logged in with it, or leaves them what they have (Event Hubs' way).
    pub disconnect_revoked: bool,
    pub policies: Vec<PolicySettings>,
    pub event_hubs: Vec<EventHubSettings>,
}

impl NamespaceSettings {
    /// A namespace with the defaults: unlimited units, 4 partitions, 7 days, created on demand.
    #[must_use]
    pub fn new(name: NamespaceName) -> Self {
        Self {
            name,
            hosts: Vec::new(),
            units: UnitSettings::default(),
            auto_create: true,
            partition_count: 4,
            retention: Some(Duration::from_secs(7 * 24 * 60 * 60)),
            disconnect_revoked: false,
            policies: Vec::new(),
            event_hubs: Vec::new(),
        }
    }
}

/// Throughput units of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSettings {
    /// `None` is unlimited.
    pub throughput_units: Option<u32>,
    /// `Some(maximum)` raises the units up to it under sustained excess.
    pub auto_inflate: Option<u32>,
    /// Whether the units sink again, down to the configured number, when the load is gone.
    pub auto_deflate: bool,
    /// Event Hubs' behaviour far over quota: refuse instead of delaying past the request's timeout.
    pub refuse_beyond_timeout: bool,
}

/// A shared access policy. Keys are text, as people paste them.
#[derive(Clone, PartialEq, Eq)]
pub struct PolicySettings {
    pub name: String,
    pub send: bool,
    pub listen: bool,
    pub manage: bool,
    pub primary_key: String,
    pub secondary_key: Option<String>,
}

impl std::fmt::Debug for PolicySettings {
    /// Never shows a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySettings")
            .field("name", &self.name)
            .field("send", &self.send)
            .field("listen", &self.listen)
            .field("manage", &self.manage)
            .finish_non_exhaustive()
    }
}

/// One event hub of the file. What is `None` is left as it is (or the namespace's default).
#[derive(Clone, Debug)]
pub struct EventHubSettings {
    pub name: TopicName,
    pub partition_count: Option<i32>,
    /// Milliseconds; -1 keeps everything.
    pub retention_ms: Option<i64>,
    pub cleanup_policy: Option<String>,
    /// Further topic configurations under Kafka's names.
    pub configs: BTreeMap<String, String>,
    pub policies: Vec<PolicySettings>,
}
