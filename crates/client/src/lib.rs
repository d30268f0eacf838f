//! A small Kafka client: for the operator's commands, `doctor`, the tests and the load generator.
//!
//! ```text
//! Target -> Client::connect: TCP, TLS, ApiVersions, SASL PLAIN -> one call per question
//! ```
//!
//! It speaks to the one broker it was pointed at, one request at a time, and keeps no background
//! task: what a call does is what it says. Errors are typed and say who is at fault. It knows
//! nothing of the server; bytes go through `wire`'s structure checks in this direction too.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod client;
mod connection;
mod error;
mod fetch;
mod groups;
mod offsets;
mod partitioner;
mod produce;
mod target;
mod tls;
mod topics;

pub use client::Client;
pub use connection::Connection;
pub use error::{BrokerError, CallError, ConnectError, RequestError};
pub use fetch::{ConsumedRecord, FetchFrom, FetchLimits, FetchedPartition, RecordsError};
pub use groups::{CommittedOffset, GroupDescription, GroupListing, GroupMember};
pub use offsets::{OffsetAtTime, TimestampSpec};
pub use partitioner::{murmur2, partition_for_key};
pub use produce::{Acks, Produced};
pub use target::{Login, Target, Trust};
pub use tls::TrustError;
pub use topics::{
    BrokerListing, ClusterListing, NewTopic, PartitionListing, TopicConfig, TopicListing,
};
