//! The coordinator's outside: the verbs that the shell calls, and what it may read.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use model::{GenerationId, GroupId, MemberId, Now, PartitionIndex, TopicName};

use crate::{
    Cause, Command, CommittedOffset, Config, ConnectionId, GroupState, HeldBytes, IdSource,
    Outcome, Record, Refusals, Sender, Ticket,
    dispatch::{decide, refusal, touched_groups},
    group::Group,
    join::Groups,
    timers::{TimerKey, Timers},
    turn::{Newcomers, Parked, Turn},
};

/// How long who never synced may be away after a connection has ended.
const NEWCOMER_GRACE: Duration = Duration::from_secs(5);

/// The groups and offsets of one namespace.
pub struct Coordinator {
    config: Config,
    ids: IdSource,
    groups: Groups,
    timers: Timers,
    parked: Parked,
    newcomers: Newcomers,
    rebalance_count: u64,
    refusals: Refusals,
    held: HeldBytes,
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
            newcomers: Newcomers::default(),
            rebalance_count: 0,
            refusals: Refusals::default(),
            held: HeldBytes::default(),
        }
    }

    /// Puts other limits and delays in force, for what is decided from now on: nobody who is
    /// already in is put out.
    pub fn configure(&mut self, config: Config) {
        self.config = config;
    }

    /// Decides a command. The reply may come later, under the same ticket. Changes no hard state.
    pub fn handle(
        &mut self,
        command: Command,
        sender: &Sender,
        ticket: Ticket,
        now: Now,
    ) -> Outcome {
        let touched = touched_groups(&command);
        let (groups, mut turn) = self.split(now);
        let reply = match refusal(groups, &command, sender) {
            Some(refusal) => Some(refusal),
            None => decide(groups, &mut turn, command, sender, ticket),
        };
        if let Some(reply) = reply {
            turn.outcome.replies.push((ticket, reply));
        }
        let outcome = turn.outcome;
        if !touched.is_empty() {
            self.look_after(touched, &outcome);
        }
        outcome
    }

    /// The ticket's connection is gone: its reply is no longer wanted. A member that has never
    /// synced loses nothing with its place, so it is removed; others keep theirs, as in Kafka,
    /// until their session ends. A reply under this ticket does not come.
    pub fn abandon(&mut self, ticket: Ticket, now: Now) -> Outcome {
        let Some((group_id, member)) = self.parked.remove(&ticket) else {
            return Outcome::default();
        };
        let (groups, mut turn) = self.split(now);
        if let Some(group) = groups.get_mut(&group_id)
            && let Some(lost) = group.roster.member(&member)
            && !lost.has_synced
        {
            let cause = Cause::Lost {
                member: member.clone(),
            };
            group.remove_member(&member, &mut turn, cause);
        }
        let outcome = turn.outcome;
        self.look_after([group_id], &outcome);
        outcome
    }

    /// The connection is gone: members that came over it and never synced, and ids that were given out
    /// over it, have `NEWCOMER_GRACE` to be heard of over another one. Some clients join over one
    /// connection and sync over the next (sarama-cluster does).
    pub fn disconnected(&mut self, connection: ConnectionId, now: Now) {
        let first = (connection, GroupId::from(""), MemberId::from(""));
        let newcomers = self.newcomers.range(first..);
        let lost = newcomers.take_while(|(of, ..)| *of == connection);
        for (_, group, member) in lost {
            let key = TimerKey::Session(group.clone(), member.clone());
            self.timers.hasten(key, now.monotonic + NEWCOMER_GRACE);
        }
    }

    /// Applies a record: at boot those of the log, later those of each outcome. The only writer of
    /// hard state.
    pub fn replay(&mut self, record: &Record) {
        let id = record.group();
        if !self.groups.contains_key(id) {
            self.groups.insert(id.clone(), Group::new(id.clone()));
        }
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        match record {
            Record::Group { metadata, .. } => group.replay(metadata.as_ref()),
            Record::Offset {
                topic,
                partition,
                committed,
                ..
            } => group.offsets.replay(topic, *partition, committed.as_ref()),
        }
        group.recount(&mut self.held);
        if group.is_vacant() {
            self.forget(id);
        }
    }

    /// Boot replay is over: the members of stable groups get one session timeout to be heard of.
    pub fn loaded(&mut self, now: Now) {
        let (groups, mut turn) = self.split(now);
        for group in groups.values_mut() {
            group.resume(&mut turn);
        }
        for group in self.groups.values_mut() {
            group.recount(&mut self.held);
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
        let mut touched = BTreeSet::new();
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
            touched.insert(id.clone());
            outcome.records.extend(records);
            outcome.replies.extend(replies);
            outcome.notices.extend(notices);
        }
        self.look_after(touched, &outcome);
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

    /// What describing a group gives of each member, in bytes.
    pub fn described_bytes(&self, id: &GroupId) -> impl Iterator<Item = usize> {
        let group = self.groups.get(id).into_iter();
        group.flat_map(Group::described_bytes)
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

    /// What the groups and offsets keep in memory on their clients' word.
    #[must_use]
    pub fn held(&self) -> HeldBytes {
        self.held
    }

    /// What was refused since construction because too much was held.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// As [`Coordinator::held`], by a walk over everything.
    #[cfg(test)]
    pub(crate) fn recounted(&self) -> HeldBytes {
        let mut sums = HeldBytes::default();
        for group in self.groups.values() {
            sums.replace(HeldBytes::default(), group.held_by_walk());
        }
        sums
    }

    /// Whether the newcomers noted are those that the groups have.
    #[cfg(test)]
    pub(crate) fn has_true_newcomers(&self) -> bool {
        let newcomers = self.groups.values().flat_map(Group::newcomers);
        newcomers.collect::<Newcomers>() == self.newcomers
    }

    /// The groups, and everything else lent out for one call.
    fn split(&mut self, now: Now) -> (&mut Groups, Turn<'_>) {
        let turn = Turn {
            config: &self.config,
            ids: &mut self.ids,
            timers: &mut self.timers,
            parked: &mut self.parked,
            newcomers: &mut self.newcomers,
            rebalance_count: &mut self.rebalance_count,
            refusals: &mut self.refusals,
            held: self.held,
            now,
            outcome: Outcome::default(),
        };
        (&mut self.groups, turn)
    }

    /// After a call: counts the groups anew whose soft state may have changed, and forgets those
    /// left without content. Those with records are looked after when these are replayed.
    fn look_after(&mut self, touched: impl IntoIterator<Item = GroupId>, outcome: &Outcome) {
        let mut touched = touched.into_iter().peekable();
        if touched.peek().is_none() {
            return;
        }
        let recorded: BTreeSet<&GroupId> = outcome.records.iter().map(Record::group).collect();
        for id in touched {
            if let Some(group) = self.groups.get_mut(&id) {
                group.recount(&mut self.held);
            }
            if !recorded.contains(&id) {
                self.forget_if_vacant(&id);
            }
        }
    }

    /// Not to be called while records of the group are yet to be replayed.
    fn forget_if_vacant(&mut self, id: &GroupId) {
        if self.groups.get(id).is_some_and(Group::is_vacant) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: &GroupId) {
        if let Some(group) = self.groups.remove(id) {
            self.held.replace(group.counted, HeldBytes::default());
        }
        self.timers.cancel(&TimerKey::Purge(id.clone()));
    }
}
