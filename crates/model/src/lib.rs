//! The vocabulary of Tidegate: validated names, positions, times, and the record batch as it is
//! on the wire *and* on disk.
//!
//! Every other crate may use this one; this one uses none of ours. It does no I/O, reads no clock
//! and knows no Kafka message: only the record batch, which is stored and served verbatim.

#![deny(clippy::indexing_slicing)]

pub mod batch;
mod ids;
mod names;
mod piece;
mod time;
pub mod topic_config;

pub use ids::{
    GenerationId, LeaderEpoch, LogId, NamespaceId, Offset, PartitionIndex, ProducerEpoch,
    ProducerId, Sequence, TopicId,
};
pub use names::{GroupId, InstanceId, MemberId, NamespaceName, TopicName, TopicNameError};
pub use piece::{FileRange, LentFile, Piece};
pub use time::{Now, Timestamp};
