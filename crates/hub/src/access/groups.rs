//! Consumer groups behind the door: what a caller may do with them, and which of them.
//!
//! Groups belong to no event hub, their event hubs' events do. Listen is what it takes to do
//! anything with groups (deleting them and their offsets: Manage on the namespace), and a caller
//! limited to one event hub does it with groups that read that one and nothing else: by what their
//! members subscribe to, and by what they have committed. The coordinator, which knows what groups
//! read, holds each command against [`Sender::reach`] at the moment at which it decides.
//!
//! Of committed offsets every caller reads those of the topics that it may listen to.

use std::sync::Arc;

use auth::{Caller, Resource, Right, Scope};
use coordinator::{Reach, Sender};
use model::{GroupId, TopicName};

use super::{Access, Need};
use crate::{
    connection::Connection,
    groups::{Command, GroupCallError, GroupReply},
};

impl Access {
    /// The connection, for the login that follows on it.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.inner.connection
    }

    /// Gives a command to the namespace's coordinator, in the order of calls: Listen for most,
    /// Manage for deleting groups and offsets. Topics named in commits and offset requests need
    /// Listen too: the handler asks [`Access::topic_to_listen`] for each, answers the refused ones
    /// itself and leaves them out.
    ///
    /// # Errors
    /// What can be known at once; the rest comes from the future.
    pub fn group(&self, command: Command) -> Result<GroupReply, GroupCallError> {
        let any_group = GroupId::from("");
        let need = Need::Right(group_right(&command));
        if self.authorise(Resource::Group(&any_group), need).is_err() {
            return Err(GroupCallError::Denied);
        }
        for topic in group_topics(&command) {
            let need = Need::Right(Right::Listen);
            if self.authorise(Resource::Topic(topic), need).is_err() {
                return Err(GroupCallError::TopicDenied);
            }
        }
        let connection = &self.inner.connection;
        if matches!(command, Command::JoinGroup(_)) {
            connection.note_join();
        }
        let sender = Sender {
            connection: connection.id(),
            reach: reach(&self.inner.caller),
        };
        self.inner.namespace.group(command, &sender)
    }
}

/// What a caller with Listen may listen to.
fn reach(caller: &Caller) -> Reach {
    match caller {
        Caller::Anonymous => Reach::Everything,
        Caller::Principal(principal) => match &principal.scope {
            Scope::Namespace => Reach::Everything,
            Scope::Hub(topic) => Reach::Topic(topic.clone()),
            Scope::NarrowedTo(topic) => Reach::TopicInAnyCase(topic.clone()),
        },
    }
}

fn group_right(command: &Command) -> Right {
    match command {
        Command::JoinGroup(_)
        | Command::SyncGroup(_)
        | Command::Heartbeat(_)
        | Command::LeaveGroup(_)
        | Command::CommitOffsets(_)
        | Command::FetchOffsets(_)
        | Command::DescribeGroups(_)
        | Command::ListGroups(_) => Right::Listen,
        // The last is the hub's own command; through this door it is an administrator's act.
        Command::DeleteOffsets(_) | Command::DeleteGroups(_) | Command::TopicDeleted(_) => {
            Right::Manage
        }
    }
}

/// The topics that a command names.
fn group_topics(command: &Command) -> Vec<&TopicName> {
    match command {
        Command::CommitOffsets(commit) => commit.topics.iter().map(|per| &per.topic).collect(),
        Command::FetchOffsets(fetch) => {
            let topics = fetch
                .groups
                .iter()
                .filter_map(|group| group.topics.as_ref());
            topics.flatten().map(|per| &per.topic).collect()
        }
        Command::DeleteOffsets(delete) => delete.topics.iter().map(|per| &per.topic).collect(),
        Command::TopicDeleted(topic) => vec![topic],
        Command::JoinGroup(_)
        | Command::SyncGroup(_)
        | Command::Heartbeat(_)
        | Command::LeaveGroup(_)
        | Command::DescribeGroups(_)
        | Command::ListGroups(_)
        | Command::DeleteGroups(_) => Vec::new(),
    }
}
