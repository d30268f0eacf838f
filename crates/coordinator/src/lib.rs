//! Consumer groups and their offsets as one pure state machine: Kafka's classic group protocol
//! (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and everything that reads or writes offsets.
//!
//! No I/O, no clock, no randomness, no wire message. The shell (`hub`) owns one [`Coordinator`] per
//! namespace and drives it with four verbs:
//!
//! ```text
//!  command, sender, ticket, now          now
//!               |                         |
//!            handle                  on_deadline        next_deadline -> when
//!               |                         |
//!               +------------+------------+
//!                            v
//!          Outcome { records, replies, notices }
//!                       |        |        +-- for the operator's log
//!                       |        +-- send once all records so far are durable
//!                       +-- append to a log, replay each
//! ```
//!
//! The contract, on which correctness rests:
//!
//! 1. The records of an outcome are appended and given to [`Coordinator::replay`], in order,
//!    **before** the next `handle`, `abandon`, `disconnected` or `on_deadline`.
//! 2. Replies leave when everything appended so far is durable, also those of an outcome without
//!    records: what they say may rest on an earlier record.
//! 3. When an append fails, the machine is discarded with all its parked tickets and rebuilt:
//!    `new`, `replay` of the log, `loaded`.
//!
//! Two kinds of state. *Hard*: committed offsets, and each group as it was last settled
//! (generation, protocol, leader, members with their assignments); only `replay` writes it. *Soft*:
//! who is joining or waiting, and the timers; it starts afresh at boot, when members are given one
//! session timeout to show themselves, as in Kafka.

#![deny(clippy::indexing_slicing)]

mod account;
mod admin;
mod codec;
mod command;
mod config;
mod coordinator;
mod dispatch;
mod error;
mod group;
mod join;
mod member;
mod notice;
mod offsets;
mod rebalance;
mod record;
mod reply;
mod roster;
mod sender;
mod session;
mod state;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod turn;

pub use account::{HeldBytes, Refusals};
pub use codec::DecodeError;
pub use command::{
    Command, CommitOffsets, DeleteOffsets, FetchOffsets, FetchOffsetsGroup, Heartbeat, JoinGroup,
    LeaveGroup, LeavingMember, ListGroups, OffsetToCommit, PerTopic, Protocol, SyncGroup, Ticket,
};
pub use config::{Config, IdSource};
pub use coordinator::{Coordinator, GroupSummary};
pub use error::GroupError;
pub use notice::{Cause, Notice};
pub use record::{CommittedOffset, GroupMetadata, Record, StoredMember};
pub use reply::{
    DeletedGroup, DescribedGroup, DescribedMember, FetchedGroup, FetchedOffset, GroupDescription,
    Joined, JoinedMember, LeftMember, ListedGroup, Outcome, PartitionResult, Reply, Synced,
};
pub use sender::{ConnectionId, Reach, Sender};
pub use state::{GroupState, GroupType};
