//! Consumer groups: the shell around the coordinator's state machine.
//!
//! The coordinator decides; this shell appends its records to the namespace's groups log, applies
//! them, and lets a reply go when everything it may rest on is durable. Front ends speak the
//! coordinator's own vocabulary, which they find here: they depend on `hub` alone.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pub use coordinator::{
    Command, CommitOffsets, CommittedOffset, DeleteOffsets, DeletedGroup, DescribedGroup,
    DescribedMember, FetchOffsets, FetchOffsetsGroup, FetchedGroup, FetchedOffset,
    GroupDescription, GroupError, GroupState, GroupType, Heartbeat, JoinGroup, Joined,
    JoinedMember, LeaveGroup, LeavingMember, LeftMember, ListGroups, ListedGroup, OffsetToCommit,
    PartitionResult, PerTopic, Protocol, Reply, SyncGroup, Synced,
};
use thiserror::Error;

use crate::Access;

/// Why a command did not reach the coordinator, or its decision could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupCallError {
    /// Kafka: GROUP_AUTHORIZATION_FAILED.
    #[error("not authorized")]
    Denied,
    /// A topic of the command is not the caller's to read: the handler should have answered it
    /// (Kafka: TOPIC_AUTHORIZATION_FAILED) and left it out.
    #[error("not authorized for a topic of the command")]
    TopicDenied,
    /// Lack of space; heals by itself (Kafka: COORDINATOR_NOT_AVAILABLE).
    #[error("the disk is full")]
    DiskFull,
    /// Until restart (Kafka: COORDINATOR_NOT_AVAILABLE).
    #[error("the log is closed after a disk error")]
    LogClosed,
    /// Kafka: COORDINATOR_NOT_AVAILABLE.
    #[error("the broker is shutting down")]
    ShuttingDown,
}

/// A command that the coordinator has taken; as a future it waits for the durable reply. Dropping
/// it abandons the command.
#[must_use = "the reply is for the client"]
pub struct GroupReply {
    _private: (),
}

impl Future for GroupReply {
    type Output = Result<Reply, GroupCallError>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        unimplemented!()
    }
}

impl Access {
    /// Gives a command to the namespace's coordinator, in the order of calls: Listen for most,
    /// any right for describing and listing, Manage for deleting groups and offsets. Topics named
    /// in commits and offset requests need Listen too: the handler asks
    /// [`Access::topic_to_listen`] for each, answers the refused ones itself and leaves them out.
    ///
    /// # Errors
    /// What can be known at once; the rest comes from the future.
    pub fn group(&self, _command: Command) -> Result<GroupReply, GroupCallError> {
        unimplemented!()
    }
}
