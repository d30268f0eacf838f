//! The coordinator's outside: the verbs that the shell calls, and what it may read.

use std::time::Instant;

use model::{GenerationId, GroupId, Now, PartitionIndex, TopicName};

use crate::{
    Command, CommittedOffset, Config, GroupError, GroupState, IdSource, Outcome, Record, Reply,
    Ticket,
};

/// The groups and offsets of one namespace.
pub struct Coordinator {
    config: Config,
    ids: IdSource,
}

/// A group at a glance, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSummary<'a> {
    pub group: &'a GroupId,
    pub state: GroupState,
    pub members: usize,
    pub generation: GenerationId,
}

impl Coordinator {
    /// An empty namespace's coordinator; give it its log by `replay`, then call `loaded`.
    #[must_use]
    pub fn new(config: Config, ids: IdSource) -> Self {
        Self { config, ids }
    }

    /// Decides a command. The reply may come later, under the same ticket. Changes no hard state.
    pub fn handle(&mut self, command: Command, ticket: Ticket, now: Now) -> Outcome {
        let (_, _, _) = (&self.config, &mut self.ids, now);
        let refused = GroupError::GroupIdNotFound;
        let reply = match command {
            Command::JoinGroup(_) => Reply::JoinGroup(Err(refused)),
            _ => Reply::TopicDeleted,
        };
        Outcome {
            records: Vec::new(),
            replies: vec![(ticket, reply)],
        }
    }

    /// The ticket's connection is gone: its reply is no longer wanted. A new member that has not yet
    /// learnt its id can never return, so it is removed; others keep their place, as in Kafka,
    /// until their session ends. A reply under this ticket does not come.
    pub fn abandon(&mut self, ticket: Ticket, now: Now) -> Outcome {
        let (_, _) = (ticket, now);
        Outcome::default()
    }

    /// Applies a record: at boot those of the log, later those of each outcome. The only writer of
    /// hard state.
    pub fn replay(&mut self, record: &Record) {
        let _ = record;
    }

    /// Boot replay is over: the members of stable groups get one session timeout to be heard of.
    pub fn loaded(&mut self, now: Now) {
        let _ = now;
    }

    /// When to call `on_deadline`; possibly earlier than needed, never later.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Acts on every deadline that has passed.
    pub fn on_deadline(&mut self, now: Now) -> Outcome {
        let _ = now;
        Outcome::default()
    }

    /// The whole hard state as records: replayed by a new coordinator they rebuild it, so the log
    /// before them may be cut.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Record> {
        Vec::new()
    }

    /// Every group that a client can see.
    pub fn groups(&self) -> impl Iterator<Item = GroupSummary<'_>> {
        std::iter::empty()
    }

    /// Every committed offset.
    pub fn offsets(
        &self,
    ) -> impl Iterator<Item = (&GroupId, &TopicName, PartitionIndex, &CommittedOffset)> {
        std::iter::empty()
    }

    /// Rebalances completed since construction.
    #[must_use]
    pub fn rebalance_count(&self) -> u64 {
        0
    }
}
