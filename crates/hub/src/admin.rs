//! Acts that change what exists: create, delete, grow, configure; and producer ids.

mod change;
mod check;
mod decide;

use std::collections::{BTreeMap, BTreeSet};

use model::topic_config::TopicConfigError;
use model::{PartitionIndex, TopicId, TopicName, TopicNameError};
use thiserror::Error;

use crate::configs::ConfigEntry;

/// A topic to be made.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    pub name: String,
    /// `None`: the namespace's default (Kafka: -1).
    pub partition_count: Option<i32>,
    /// `None`: the default. Any valid factor is accepted and reported as one replica.
    pub replication_factor: Option<i16>,
    /// Manual assignment: partition to broker ids; then the two above must be `None`.
    pub assignments: BTreeMap<i32, Vec<i32>>,
    pub configs: BTreeMap<String, Option<String>>,
}

/// A topic as made, or as it would be made.
#[derive(Clone, Debug)]
pub struct CreatedTopic {
    pub name: TopicName,
    /// `TopicId::ZERO` when only validated.
    pub id: TopicId,
    pub partition_count: i32,
    /// Every configuration as [`crate::Access::describe_topic_configs`] gives it.
    pub configs: Vec<ConfigEntry>,
}

/// Why a topic was not created.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CreateTopicError {
    #[error("not authorized")]
    Denied,
    #[error("Topic name is invalid: {0}")]
    Name(#[from] TopicNameError),
    #[error("Topic '{0}' already exists.")]
    Exists(TopicName),
    #[error("Topic '{0}' collides with existing topic: {1}")]
    Collides(TopicName, TopicName),
    #[error(transparent)]
    Partitions(#[from] PartitionCountError),
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    ReplicationFactor,
    #[error(transparent)]
    Config(#[from] TopicConfigError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// What is wrong with a number of partitions or an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PartitionCountError {
    #[error("Number of partitions was set to an invalid non-positive value.")]
    NotPositive,
    #[error("The topic would have {count} partitions where at most {max} are allowed.")]
    TooMany { count: i32, max: i32 },
    #[error("The broker has no room for more partitions.")]
    NoRoom,
    #[error(
        "The topic currently has {current} partition(s); {requested} would not be an increase."
    )]
    NotAnIncrease { current: i32, requested: i32 },
    /// Kafka: INVALID_REPLICA_ASSIGNMENT.
    #[error("{0}")]
    Assignment(AssignmentError),
    /// Kafka: INVALID_REQUEST.
    #[error(
        "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1."
    )]
    CountAndAssignment,
}

/// What is wrong with a manual assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AssignmentError {
    #[error("partitions should be a consecutive 0-based integer sequence")]
    NotConsecutive,
    #[error("a partition is assigned to no broker or to a broker twice")]
    Replicas,
    #[error("a partition is assigned to a broker that does not exist")]
    UnknownBroker,
    #[error("the number of assignments does not match the number of new partitions")]
    Count,
}

/// A decision could not be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    #[error("the disk is full")]
    DiskFull,
    #[error("the log is closed after a disk error")]
    LogClosed,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// Why a topic was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeleteTopicError {
    #[error("not authorized")]
    Denied,
    #[error("unknown in this namespace")]
    Unknown,
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why a topic did not grow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GrowTopicError {
    #[error("not authorized")]
    Denied,
    #[error("unknown in this namespace")]
    Unknown,
    #[error(transparent)]
    Partitions(#[from] PartitionCountError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why configurations were not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AlterConfigsError {
    #[error("not authorized")]
    Denied,
    #[error("unknown in this namespace")]
    Unknown,
    #[error(transparent)]
    Config(#[from] TopicConfigError),
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why records were not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeleteRecordsError {
    #[error("not authorized")]
    Denied,
    #[error("unknown in this namespace")]
    Unknown,
    #[error("offset is below the first or above the last record")]
    OffsetOutOfRange,
    /// The topic's cleanup policy is not to delete (Kafka: POLICY_VIOLATION).
    #[error("records of a topic that is only compacted cannot be deleted")]
    PolicyViolation,
    #[error("the log refused to cut its prefix")]
    Storage,
}

/// Why no producer id was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProducerIdError {
    #[error("not authorized")]
    Denied,
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Which partitions' shares of the disk are asked for.
#[derive(Clone, Copy, Debug)]
pub enum LogDirScope<'a> {
    All,
    /// Partitions by the names of their topics; what does not exist is passed over.
    These(&'a BTreeMap<&'a str, BTreeSet<i32>>),
}

/// One partition's share of the disk, for DescribeLogDirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirPartition {
    pub topic: TopicName,
    pub partition: PartitionIndex,
    pub size_bytes: u64,
}

/// The data directory, for DescribeLogDirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// A label, not the real path: clients of one namespace are not told about the machine.
    pub path: String,
    pub total_bytes: u64,
    pub usable_bytes: u64,
    pub partitions: Vec<LogDirPartition>,
}
