//! Domain errors to Kafka's codes. Every match names every variant, so that a new one does not
//! compile until someone chose its code.

use hub::{
    access::{AccessError, TopicRef},
    admin::{CreateTopicError, MetadataError, PartitionCountError, ProducerIdError},
    append::AppendError,
    fetch::FetchError,
    offsets::{EpochError, OffsetError},
};
use model::batch::{BatchError, compression::DecompressError};
use wire::error_code::ErrorCode;

/// A topic that was not given out.
pub(super) const fn access(error: AccessError, topic: TopicRef<'_>) -> ErrorCode {
    match (error, topic) {
        (AccessError::Denied, _) => ErrorCode::TopicAuthorizationFailed,
        (AccessError::Unknown, _) => unknown(topic),
    }
}

/// A topic that does not exist, or not any more.
pub(super) const fn unknown(topic: TopicRef<'_>) -> ErrorCode {
    match topic {
        TopicRef::Name(_) => ErrorCode::UnknownTopicOrPartition,
        TopicRef::Id(_) => ErrorCode::UnknownTopicId,
    }
}

/// Bytes that are no batch.
pub(super) const fn batch(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::Short { .. } | BatchError::BadLength(_) | BatchError::Crc { .. } => {
            ErrorCode::CorruptMessage
        }
        // Bytes after the batch are a second batch, of which Produce allows none.
        BatchError::Length { claimed, actual } if *claimed < *actual => ErrorCode::InvalidRecord,
        BatchError::Length { .. } => ErrorCode::CorruptMessage,
        BatchError::Magic(_) | BatchError::Count { .. } | BatchError::Record(_) => {
            ErrorCode::InvalidRecord
        }
        // Kafka's iterator over such a block fails with UNKNOWN_SERVER_ERROR, which no client sends
        // again either: the sender's fault has a name here.
        BatchError::Block(DecompressError::Damaged { .. }) => ErrorCode::InvalidRecord,
        // A client that can will send the records in smaller batches.
        BatchError::Block(DecompressError::TooLarge { .. }) => ErrorCode::MessageTooLarge,
        BatchError::Codec(_) => ErrorCode::UnsupportedCompressionType,
    }
}

/// A batch that was not appended.
pub(super) fn append(error: &AppendError, topic: TopicRef<'_>) -> ErrorCode {
    match error {
        AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
        AppendError::ExceedsSegment { .. } => ErrorCode::RecordListTooLarge,
        AppendError::BatchCount | AppendError::Control => ErrorCode::InvalidRecord,
        AppendError::Records(breaches) if breaches.has_time() => ErrorCode::InvalidTimestamp,
        AppendError::Records(_) => ErrorCode::InvalidRecord,
        AppendError::Unsound(error) => batch(error),
        AppendError::Transactional => ErrorCode::InvalidTxnState,
        AppendError::TimestampType => ErrorCode::InvalidTimestamp,
        AppendError::Busy => ErrorCode::RequestTimedOut,
        AppendError::OutOfOrderSequence => ErrorCode::OutOfOrderSequenceNumber,
        AppendError::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        AppendError::TopicDeleted => unknown(topic),
        AppendError::DiskFull | AppendError::LogClosed => ErrorCode::KafkaStorageError,
        AppendError::ShuttingDown => ErrorCode::NotLeaderOrFollower,
    }
}

/// A partition that was not read.
pub(super) const fn fetch(error: FetchError, topic: TopicRef<'_>) -> ErrorCode {
    match error {
        FetchError::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
        FetchError::FencedEpoch => ErrorCode::FencedLeaderEpoch,
        FetchError::UnknownEpoch => ErrorCode::UnknownLeaderEpoch,
        FetchError::TopicDeleted => unknown(topic),
        FetchError::Storage => ErrorCode::KafkaStorageError,
        FetchError::ShuttingDown => ErrorCode::NotLeaderOrFollower,
    }
}

/// A client's wrong idea of the leader epoch.
pub(super) const fn epoch(error: EpochError) -> ErrorCode {
    match error {
        EpochError::Fenced => ErrorCode::FencedLeaderEpoch,
        EpochError::Unknown => ErrorCode::UnknownLeaderEpoch,
    }
}

/// A position that was not found out.
pub(super) const fn offset(error: OffsetError) -> ErrorCode {
    match error {
        OffsetError::TopicDeleted => ErrorCode::UnknownTopicOrPartition,
        OffsetError::Storage => ErrorCode::KafkaStorageError,
    }
}

/// A topic that was not created.
pub(super) const fn create_topic(error: &CreateTopicError) -> ErrorCode {
    match error {
        CreateTopicError::Denied => ErrorCode::TopicAuthorizationFailed,
        CreateTopicError::Name(_) | CreateTopicError::Collides(_, _) => {
            ErrorCode::InvalidTopicException
        }
        CreateTopicError::Exists(_) => ErrorCode::TopicAlreadyExists,
        CreateTopicError::Partitions(error) => partition_count(error),
        CreateTopicError::ReplicationFactor => ErrorCode::InvalidReplicationFactor,
        CreateTopicError::Config(_) => ErrorCode::InvalidConfig,
        CreateTopicError::Metadata(error) => metadata(*error),
    }
}

/// A number of partitions that is not to be had.
pub(super) const fn partition_count(error: &PartitionCountError) -> ErrorCode {
    match error {
        PartitionCountError::NotPositive | PartitionCountError::NotAnIncrease { .. } => {
            ErrorCode::InvalidPartitions
        }
        PartitionCountError::TooMany { .. } | PartitionCountError::NoRoom => {
            ErrorCode::PolicyViolation
        }
        PartitionCountError::Assignment(_) => ErrorCode::InvalidReplicaAssignment,
        PartitionCountError::CountAndAssignment => ErrorCode::InvalidRequest,
    }
}

/// A decision that was not made durable.
pub(super) const fn metadata(error: MetadataError) -> ErrorCode {
    match error {
        MetadataError::DiskFull | MetadataError::LogClosed => ErrorCode::KafkaStorageError,
        MetadataError::ShuttingDown => ErrorCode::NotController,
    }
}

/// A producer id that was not given.
pub(super) const fn producer_id(error: ProducerIdError) -> ErrorCode {
    match error {
        ProducerIdError::Denied => ErrorCode::ClusterAuthorizationFailed,
        // The client retries while a coordinator is not available.
        ProducerIdError::Metadata(_) => ErrorCode::CoordinatorNotAvailable,
    }
}
