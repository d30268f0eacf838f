//! The coordinator's outside: the verbs that the shell calls, and what it may read.

use std::{collections::BTreeSet, time::Instant};

use model::{GenerationId, GroupId, Now, PartitionIndex, TopicName};

use crate::{
    Cause, Command, CommittedOffset, Config, GroupState, IdSource, Outcome, Record, Reply, Ticket,
    admin,
    group::Group,
    join::{self, Groups},
    offsets, session, sync,
    timers::{TimerKey, Timers},
    turn::{Parked, Turn},
};

/// The groups and offsets of one namespace.
pub struct Coordinator {
    config: Config,
    ids: IdSource,
    groups: Groups,
    timers: Timers,
    parked: Parked,
    rebalance_count: u64,
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
        Self {
            config,
            ids,
            groups: Groups::default(),
            timers: Timers::default(),
            parked: Parked::default(),
            rebalance_count: 0,
        }
    }

    /// Puts other limits and delays in force, for what is decided from now on: nobody who is
    /// already in is put out.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// Decides a command. The reply may come later, under the same ticket. Changes no hard state.
    pub fn handle(&mut self, command: Command, ticket: Ticket, now: Now) -> Outcome {
        let touched = touched_group(&command);
        let (groups, mut turn) = self.split(now);
        let turn_ref = &mut turn;
        let reply = match command {
            Command::JoinGroup(request) => join::join_group(groups, turn_ref, request, ticket),
            Command::SyncGroup(request) => sync::sync_group(groups, turn_ref, &request, ticket),
            Command::Heartbeat(request) => Some(Reply::Heartbeat(session::heartbeat(
                groups, turn_ref, &request,
            ))),
            Command::LeaveGroup(request) => {
                Some(Reply::LeaveGroup(session::leave(groups, turn_ref, request)))
            }
            Command::CommitOffsets(request) => Some(Reply::CommitOffsets(offsets::commit(
                groups, turn_ref, request,
            ))),
            Command::FetchOffsets(request) => {
                let fetched = request.groups.into_iter();
                let fetched = fetched.map(|group| offsets::fetch(groups, group));
                Some(Reply::FetchOffsets(fetched.collect()))
            }
            Command::DeleteOffsets(request) => Some(Reply::DeleteOffsets(offsets::delete(
                groups, turn_ref, request,
            ))),
            Command::DescribeGroups(ids) => {
                let described = ids.into_iter().map(|id| admin::describe(groups, id));
                Some(Reply::DescribeGroups(described.collect()))
            }
            Command::ListGroups(request) => Some(Reply::ListGroups(admin::list(groups, &request))),
            Command::DeleteGroups(ids) => {
                let deleted = ids.into_iter();
                let deleted = deleted.map(|id| admin::delete(groups, turn_ref, id));
                Some(Reply::DeleteGroups(deleted.collect()))
            }
            Command::TopicDeleted(topic) => {
                offsets::topic_deleted(groups, turn_ref, &topic);
                Some(Reply::TopicDeleted)
            }
        };
        if let Some(reply) = reply {
            turn.outcome.replies.push((ticket, reply));
        }
        let outcome = turn.outcome;
        if let Some(group) = touched.filter(|_| outcome.records.is_empty()) {
            self.forget_if_vacant(&group);
        }
        outcome
    }

    /// The ticket's connection is gone: its reply is no longer wanted. A new member that has not
    /// yet learnt its id can never return, so it is removed; others keep their place, as in Kafka,
    /// until their session ends. A reply under this ticket does not come.
    pub fn abandon(&mut self, ticket: Ticket, now: Now) -> Outcome {
        let Some((group, member)) = self.parked.remove(&ticket) else {
            return Outcome::default();
        };
        let (groups, mut turn) = self.split(now);
        if let Some(group) = groups.get_mut(&group)
            && let Some(lost) = group.roster.member(&member)
            && lost.is_new
            && !lost.can_return
        {
            let cause = Cause::Lost {
                member: member.clone(),
            };
            group.remove_member(&member, &mut turn, cause);
        }
        turn.outcome
    }

    /// Applies a record: at boot those of the log, later those of each outcome. The only writer of
    /// hard state.
    pub fn replay(&mut self, record: &Record) {
        let id = record.group();
        let groups = &mut self.groups;
        let group = groups
            .entry(id.clone())
            .or_insert_with(|| Group::new(id.clone()));
        match record {
            Record::Group { metadata, .. } => group.replay(metadata.as_ref()),
            Record::Offset {
                topic,
                partition,
                committed,
                ..
            } => group.offsets.replay(topic, *partition, committed.as_ref()),
        }
        self.forget_if_vacant(id);
    }

    /// Boot replay is over: the members of stable groups get one session timeout to be heard of.
    pub fn loaded(&mut self, now: Now) {
        let (groups, mut turn) = self.split(now);
        for group in groups.values_mut() {
            group.resume(&mut turn);
        }
    }

    /// When to call `on_deadline`; possibly earlier than needed, never later.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Acts on every deadline that has passed.
    pub fn on_deadline(&mut self, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        let mut idle = BTreeSet::new();
        while let Some(key) = self.timers.pop(now.monotonic) {
            let (TimerKey::Session(id, _)
            | TimerKey::Rebalance(id)
            | TimerKey::Sync(id)
            | TimerKey::Purge(id)) = &key;
            let (groups, mut turn) = self.split(now);
            let Some(group) = groups.get_mut(id) else {
                continue;
            };
            match &key {
                TimerKey::Session(_, member) => group.on_session_timeout(member, &mut turn),
                TimerKey::Rebalance(_) => group.on_rebalance_timeout(&mut turn),
                TimerKey::Sync(_) => group.on_sync_timeout(&mut turn),
                TimerKey::Purge(_) => group.purge(&mut turn),
            }
            let Outcome {
                records,
                replies,
                notices,
            } = turn.outcome;
            if records.is_empty() {
                idle.insert(id.clone());
            }
            outcome.records.extend(records);
            outcome.replies.extend(replies);
            outcome.notices.extend(notices);
        }
        for record in &outcome.records {
            idle.remove(record.group());
        }
        for id in &idle {
            self.forget_if_vacant(id);
        }
        outcome
    }

    /// The whole hard state as records: replayed by a new coordinator they rebuild it, so the log
    /// before them may be cut.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for group in self.groups.values() {
            if let Some(settled) = &group.settled {
                records.push(Record::Group {
                    group: group.id.clone(),
                    metadata: Some(settled.clone()),
                });
            }
            let offsets = group.offsets.iter();
            records.extend(offsets.map(|(topic, partition, committed)| Record::Offset {
                group: group.id.clone(),
                topic: topic.clone(),
                partition,
                committed: Some(committed.clone()),
            }));
        }
        records
    }

    /// Every group that a client can see.
    pub fn groups(&self) -> impl Iterator<Item = GroupSummary<'_>> {
        self.groups.values().map(|group| GroupSummary {
            group: &group.id,
            state: group.state,
            members: group.roster.len(),
            generation: group.generation,
        })
    }

    /// Every committed offset.
    pub fn offsets(
        &self,
    ) -> impl Iterator<Item = (&GroupId, &TopicName, PartitionIndex, &CommittedOffset)> {
        self.groups.values().flat_map(|group| {
            let offsets = group.offsets.iter();
            offsets
                .map(move |(topic, partition, committed)| (&group.id, topic, partition, committed))
        })
    }

    /// As [`Coordinator::offsets`], of one group.
    pub fn offsets_of(
        &self,
        id: &GroupId,
    ) -> impl Iterator<Item = (&TopicName, PartitionIndex, &CommittedOffset)> {
        let group = self.groups.get(id).into_iter();
        group.flat_map(|group| group.offsets.iter())
    }

    /// Rebalances completed since construction.
    #[must_use]
    pub fn rebalance_count(&self) -> u64 {
        self.rebalance_count
    }

    /// The groups, and everything else lent out for one call.
    fn split(&mut self, now: Now) -> (&mut Groups, Turn<'_>) {
        let turn = Turn {
            config: &self.config,
            ids: &mut self.ids,
            timers: &mut self.timers,
            parked: &mut self.parked,
            rebalance_count: &mut self.rebalance_count,
            now,
            outcome: Outcome::default(),
        };
        (&mut self.groups, turn)
    }

    /// Not to be called while records of the group are yet to be replayed.
    fn forget_if_vacant(&mut self, id: &GroupId) {
        if self.groups.get(id).is_some_and(Group::is_vacant) {
            self.groups.remove(id);
            self.timers.cancel(&TimerKey::Purge(id.clone()));
        }
    }
}

/// The group whose soft state a refused command may leave without content.
fn touched_group(command: &Command) -> Option<GroupId> {
    match command {
        Command::JoinGroup(request) => Some(request.group.clone()),
        Command::LeaveGroup(request) => Some(request.group.clone()),
        Command::SyncGroup(_)
        | Command::Heartbeat(_)
        | Command::CommitOffsets(_)
        | Command::FetchOffsets(_)
        | Command::DeleteOffsets(_)
        | Command::DescribeGroups(_)
        | Command::ListGroups(_)
        | Command::DeleteGroups(_)
        | Command::TopicDeleted(_) => None,
    }
}
