//! One group: its hard state (settled metadata, offsets) and the generation that is being lived or
//! made. What requests do to it stands in `join`, `rebalance`, `sync`, `session` and `offsets`.

use std::{sync::Arc, time::Duration};

use model::{GenerationId, GroupId, InstanceId, MemberId, Now};

#[cfg(test)]
use crate::ConnectionId;
use crate::{
    GroupError, GroupMetadata, GroupState, HeldBytes, Reach, Record, account::GROUP_BYTES,
    member::stored_bytes, offsets::Offsets, roster::Roster, sender::Interest, timers::TimerKey,
    turn::Turn,
};

/// A group of the namespace, possibly one that only holds offsets.
pub(crate) struct Group {
    pub(crate) id: GroupId,
    /// Hard: the last settled generation.
    pub(crate) settled: Option<Arc<GroupMetadata>>,
    /// Hard.
    pub(crate) offsets: Offsets,
    pub(crate) state: GroupState,
    pub(crate) generation: GenerationId,
    /// Empty until a member first joins.
    pub(crate) protocol_type: Arc<str>,
    /// Of the present generation; absent without one.
    pub(crate) protocol: Option<Arc<str>>,
    pub(crate) roster: Roster,
    /// Present while the first rebalance of an empty group waits for more members.
    pub(crate) initial: Option<InitialDelay>,
    /// What the last settled generation keeps in memory.
    settled_bytes: usize,
    /// What stands for the group in the namespace's sums.
    pub(crate) counted: HeldBytes,
}

/// How the wait for an empty group's first members goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InitialDelay {
    /// Someone joined since the wait began, so more may be coming.
    pub(crate) newcomer: bool,
    /// What is left of the rebalance timeout after the present wait.
    pub(crate) remaining: Duration,
}

impl Group {
    /// A group that nothing is known of.
    pub(crate) fn new(id: GroupId) -> Self {
        Self {
            id,
            settled: None,
            offsets: Offsets::default(),
            state: GroupState::Empty,
            generation: GenerationId(0),
            protocol_type: Arc::from(""),
            protocol: None,
            roster: Roster::default(),
            initial: None,
            settled_bytes: 0,
            counted: HeldBytes::default(),
        }
    }

    /// Whether nothing would be lost by forgetting the group.
    pub(crate) fn is_vacant(&self) -> bool {
        self.settled.is_none()
            && self.offsets.is_empty()
            && self.state == GroupState::Empty
            && self.roster.pending_joins().is_empty()
    }

    /// What the group reads: what its members subscribe to, and what it has committed.
    pub(crate) fn interest(&self) -> Interest {
        self.roster.interest().and(&self.offsets.interest())
    }

    /// Whether a caller that reaches so far may listen to all that the group reads.
    pub(crate) fn is_within(&self, reach: &Reach) -> bool {
        *reach == Reach::Everything || self.interest().is_within(reach)
    }

    /// What the group keeps in memory.
    pub(crate) fn held(&self) -> HeldBytes {
        self.held_with(self.roster.bytes(), self.protocol_type.len())
    }

    /// What the group would keep if its members took so much.
    pub(crate) fn held_with(&self, roster_bytes: usize, protocol_type_bytes: usize) -> HeldBytes {
        let lived = roster_bytes + protocol_type_bytes;
        HeldBytes {
            members: GROUP_BYTES + self.id.as_str().len() + lived.max(self.settled_bytes),
            offsets: self.offsets.bytes(),
        }
    }

    /// Counts what the group holds by now into the namespace's sums.
    pub(crate) fn recount(&mut self, sums: &mut HeldBytes) {
        let now = self.held();
        sums.replace(self.counted, now);
        self.counted = now;
    }

    /// The present generation as a record: made where a rebalance settles.
    pub(crate) fn settle(&self, now: Now) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        Record::Group {
            group: self.id.clone(),
            metadata: Some(Arc::new(GroupMetadata {
                generation: self.generation,
                protocol_type: Arc::clone(&self.protocol_type),
                protocol: self.protocol.clone(),
                leader: self.roster.leader().cloned(),
                settled_at: now.wall,
                members: self.roster.stored(protocol),
            })),
        }
    }

    /// Takes a settled record, or its end. Of the soft state only that of an empty group follows:
    /// any other leads, and its records come out of it.
    pub(crate) fn replay(&mut self, metadata: Option<&Arc<GroupMetadata>>) {
        self.settled = metadata.map(Arc::clone);
        self.settled_bytes = self.settled.as_deref().map_or(0, settled_bytes);
        if self.state == GroupState::Empty {
            let settled = self.settled.as_deref();
            self.generation = settled.map_or(GenerationId(0), |settled| settled.generation);
            self.protocol_type = settled.map_or_else(
                || Arc::from(""),
                |settled| Arc::clone(&settled.protocol_type),
            );
        }
    }

    /// At boot: lives on in the settled generation, and expects its members to be heard of.
    pub(crate) fn resume(&mut self, turn: &mut Turn<'_>) {
        if let Some(settled) = self.settled.clone()
            && !settled.members.is_empty()
        {
            let protocol = settled.protocol.clone().unwrap_or_default();
            let (protocol_type, leader) = (&settled.protocol_type, settled.leader.as_ref());
            self.roster = Roster::restored(&settled.members, protocol_type, &protocol, leader);
            self.generation = settled.generation;
            self.protocol_type = Arc::clone(&settled.protocol_type);
            self.protocol = Some(protocol);
            self.state = GroupState::Stable;
            for id in self.roster.ids() {
                self.await_heartbeat(&id, turn);
            }
        } else {
            self.await_purge(turn);
        }
    }

    /// The member was heard of (or is given a chance to be): its session begins anew.
    pub(crate) fn await_heartbeat(&self, member: &MemberId, turn: &mut Turn<'_>) {
        if let Some(member) = self.roster.member(member) {
            let due = turn.instant() + member.session_timeout;
            turn.timers.set(self.session_key(&member.id), due);
        }
    }

    /// Looks at the empty group again after a while.
    pub(crate) fn await_purge(&self, turn: &mut Turn<'_>) {
        let due = turn.instant() + turn.config.retention_check_interval;
        turn.timers
            .set_if_absent(TimerKey::Purge(self.id.clone()), due);
    }

    /// As [`Group::held`], by a walk over everything.
    #[cfg(test)]
    pub(crate) fn held_by_walk(&self) -> HeldBytes {
        use crate::account::{GIVEN_ID_BYTES, OFFSET_BYTES, TOPIC_BYTES};
        let members = self.roster.members().map(crate::member::Member::bytes);
        let given = self.roster.pending_joins().keys();
        let given = given.map(|id| GIVEN_ID_BYTES + id.as_str().len());
        let lived = members.chain(given).sum::<usize>() + self.protocol_type.len();
        let settled = self.settled.as_deref().map_or(0, settled_bytes);
        let offsets = self.offsets.iter();
        let texts = offsets.map(|(.., committed)| OFFSET_BYTES + committed.metadata.len());
        let topics = self.offsets.iter().map(|(topic, ..)| topic);
        let topics: std::collections::BTreeSet<_> = topics.collect();
        let topics = topics
            .iter()
            .map(|topic| TOPIC_BYTES + topic.as_str().len());
        HeldBytes {
            members: GROUP_BYTES + self.id.as_str().len() + lived.max(settled),
            offsets: texts.chain(topics).sum(),
        }
    }

    /// The members that have never synced, and the ids given out.
    #[cfg(test)]
    pub(crate) fn newcomers(&self) -> Vec<(ConnectionId, GroupId, MemberId)> {
        let members = self.roster.members().filter(|member| !member.has_synced);
        let members = members.map(|member| (member.connection, self.id.clone(), member.id.clone()));
        let given = self.roster.pending_joins().iter();
        let given = given.map(|(id, connection)| (*connection, self.id.clone(), id.clone()));
        members.chain(given).collect()
    }

    pub(crate) fn session_key(&self, member: &MemberId) -> TimerKey {
        TimerKey::Session(self.id.clone(), member.clone())
    }

    /// Whether the request comes from a member, of the present generation.
    pub(crate) fn check_generation(
        &self,
        member: &MemberId,
        instance: Option<&InstanceId>,
        generation: GenerationId,
    ) -> Result<(), GroupError> {
        self.roster.check(member, instance)?;
        if generation == self.generation {
            Ok(())
        } else {
            Err(GroupError::IllegalGeneration)
        }
    }
}

fn settled_bytes(settled: &GroupMetadata) -> usize {
    let members = settled.members.iter().map(stored_bytes);
    settled.protocol_type.len() + members.sum::<usize>()
}
