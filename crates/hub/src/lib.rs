//! The core every protocol calls: namespaces, event hubs (topics), partitions and waiting reads.
//!
//! ```text
//!   kafka, http, amqp                     front ends: bytes <-> calls on an `Access`
//!        |
//!      Access     the door: who calls, in which namespace; every act passes `authorise`
//!        |
//!    Namespace -- Topic -- Partition      tables of what exists, state of what is written
//!        |                     |
//!      groups, metadata     Engine        internal logs; one partition's storage, local or shared
//! ```
//!
//! A front end gets an [`Access`] from [`Hub::login`] (or [`Hub::anonymous`]) and nothing else: it
//! never sees a namespace. The methods of `Access` check the caller's right on the resource and
//! then give out a handle that can do just that: a [`SendTopic`] appends, a [`ListenTopic`] reads.
//! Appends and reads charge the namespace's throughput units by themselves.
//!
//! This crate opens no socket and knows no protocol's message. Time comes from a [`Clock`].

pub mod access;
pub mod admin;
pub mod append;
mod apply;
pub mod clock;
pub mod configs;
mod connection;
mod core;
mod engine;
mod epochs;
pub mod fetch;
pub mod findings;
pub mod groups;
mod housekeeping;
mod hub;
mod internal_log;
mod lag;
mod local;
pub mod login;
mod metadata;
mod names;
mod namespace;
pub mod observe;
pub mod offsets;
mod partition;
mod producers;
mod records;
mod registry;
mod restore;
mod resume;
pub mod salvage;
#[cfg(test)]
mod scenarios;
pub mod settings;
mod sizes;
mod sync;
mod topic;
mod untold;
mod utc;
mod walk;
mod watch;

pub use access::{Access, AccessError, ListenPartition, ListenTopic, SendPartition, SendTopic};
pub use clock::Clock;
pub use hub::{Health, Hub, OpenError, ReloadError, SettingsError};
pub use names::{LogName, log_names};
pub use settings::HubSettings;
