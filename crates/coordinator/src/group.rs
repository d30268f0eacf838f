//! One group: its hard state (settled metadata, offsets) and the generation that is being lived or
//! made. What requests do to it stands in `join`, `rebalance`, `sync`, `session` and `offsets`.

use std::{sync::Arc, time::Duration};

use model::{GenerationId, GroupId, InstanceId, MemberId, Now};

use crate::{
    GroupError, GroupMetadata, GroupState, Record, offsets::Offsets, roster::Roster,
    timers::TimerKey, turn::Turn,
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
        }
    }

    /// Whether nothing would be lost by forgetting the group.
    pub(crate) fn is_vacant(&self) -> bool {
        self.settled.is_none()
            && self.offsets.is_empty()
            && self.state == GroupState::Empty
            && self.roster.pending_joins().is_empty()
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
            self.roster = Roster::restored(&settled.members, &protocol, settled.leader.as_ref());
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
