//! The members of one group and the counts kept over them, so that each question that every request
//! asks ("has everyone joined?", "do all support this protocol?") costs no walk over the members.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use model::{InstanceId, MemberId};

use crate::{
    ConnectionId, GroupError, JoinGroup, JoinedMember, Protocol, Reach, Sender, StoredMember,
    Ticket, account::GIVEN_ID_BYTES, member::Member, sender::Interest,
};

/// Who belongs to a group. Members are reached only through methods, which keep the counts true.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<MemberId, Member>,
    statics: BTreeMap<InstanceId, MemberId>,
    /// Ids given out and not yet joined with (KIP-394), and where they were given out.
    pending_joins: BTreeMap<MemberId, ConnectionId>,
    /// Members of the new generation that have not sent SyncGroup yet.
    pending_syncs: BTreeSet<MemberId>,
    /// How many members support each protocol.
    supporters: BTreeMap<Arc<str>, usize>,
    /// How many members read what.
    interests: BTreeMap<Interest, usize>,
    /// Members that may not listen to everything.
    limited: usize,
    leader: Option<MemberId>,
    parked_joins: usize,
    bytes: usize,
}

impl Roster {
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn ids(&self) -> Vec<MemberId> {
        self.members.keys().cloned().collect()
    }

    pub(crate) fn leader(&self) -> Option<&MemberId> {
        self.leader.as_ref()
    }

    pub(crate) fn is_leader(&self, id: &MemberId) -> bool {
        self.leader.as_ref() == Some(id)
    }

    pub(crate) fn static_member(&self, instance: &InstanceId) -> Option<&MemberId> {
        self.statics.get(instance)
    }

    pub(crate) fn parked_joins(&self) -> usize {
        self.parked_joins
    }

    /// What the members, and ids given out, keep in memory on their clients' word.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the members read, all together.
    pub(crate) fn interest(&self) -> Interest {
        // Of three different ones, two are topics or one is beyond.
        let different = self.interests.keys().take(3);
        different.fold(Interest::Nothing, Interest::and)
    }

    /// Members with a parked JoinGroup that may not see what the others read.
    pub(crate) fn strangers(&self) -> Vec<MemberId> {
        if self.limited == 0 {
            return Vec::new();
        }
        let interest = self.interest();
        let members = self.members.values();
        members
            .filter(|member| member.join.is_some() && !interest.is_within(&member.reach))
            .map(|member| member.id.clone())
            .collect()
    }

    /// Whether nobody is missing: every member has joined, and every id given out was joined with.
    pub(crate) fn all_joined(&self) -> bool {
        self.parked_joins == self.members.len() && self.pending_joins.is_empty()
    }

    /// The longest rebalance timeout of all members.
    pub(crate) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// Whether this is a member, and under an instance id its present holder.
    pub(crate) fn check(
        &self,
        id: &MemberId,
        instance: Option<&InstanceId>,
    ) -> Result<(), GroupError> {
        match instance.map(|instance| self.statics.get(instance)) {
            Some(None) => Err(GroupError::UnknownMember),
            Some(Some(holder)) if holder != id => Err(GroupError::FencedInstance),
            _ if !self.members.contains_key(id) => Err(GroupError::UnknownMember),
            _ => Ok(()),
        }
    }

    /// Adds a member; the first one leads.
    pub(crate) fn insert(&mut self, member: Member) {
        self.remove_pending_join(&member.id);
        self.leader.get_or_insert_with(|| member.id.clone());
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        self.count_in(&member);
        let replaced = self.members.insert(member.id.clone(), member);
        assert!(replaced.is_none(), "a member id was given out twice");
    }

    /// Removes a member; if it led, another leads until the next election.
    pub(crate) fn remove(&mut self, id: &MemberId) -> Option<Member> {
        self.pending_syncs.remove(id);
        let member = self.members.remove(id)?;
        self.count_out(&member);
        if let Some(instance) = &member.instance
            && self.statics.get(instance) == Some(id)
        {
            self.statics.remove(instance);
        }
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Takes over what the member's new JoinGroup says.
    pub(crate) fn update(&mut self, id: &MemberId, request: &JoinGroup, sender: &Sender) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.count_out(&member);
        member.update(request, sender);
        self.count_in(&member);
        self.members.insert(id.clone(), member);
    }

    /// Gives a static member's place, assignment and office to its next incarnation; returns the
    /// requests that the old one still waits on.
    pub(crate) fn replace(&mut self, old: &MemberId, new: &MemberId) -> Waiting {
        let Some(mut member) = self.members.remove(old) else {
            return Waiting::default();
        };
        self.count_out(&member);
        let waiting = Waiting::take(&mut member);
        member.id = new.clone();
        member.is_new = false;
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), new.clone());
        }
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        if self.pending_syncs.remove(old) {
            self.pending_syncs.insert(new.clone());
        }
        self.count_in(&member);
        self.members.insert(new.clone(), member);
        waiting
    }

    fn count_in(&mut self, member: &Member) {
        self.bytes += member.bytes();
        self.limited += usize::from(member.reach != Reach::Everything);
        *self.interests.entry(member.interest.clone()).or_default() += 1;
        self.parked_joins += usize::from(member.join.is_some());
        for protocol in &member.protocols {
            *self
                .supporters
                .entry(Arc::clone(&protocol.name))
                .or_default() += 1;
        }
    }

    fn count_out(&mut self, member: &Member) {
        self.bytes -= member.bytes();
        self.limited -= usize::from(member.reach != Reach::Everything);
        if let Some(count) = self.interests.get_mut(&member.interest) {
            *count -= 1;
            if *count == 0 {
                self.interests.remove(&member.interest);
            }
        }
        self.parked_joins -= usize::from(member.join.is_some());
        for Protocol { name, .. } in &member.protocols {
            if let Some(count) = self.supporters.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supporters.remove(name);
                }
            }
        }
    }

    /// Parks the member's JoinGroup; returns the one parked before, if any.
    pub(crate) fn park_join(&mut self, id: &MemberId, ticket: Ticket) -> Option<Ticket> {
        let member = self.members.get_mut(id)?;
        let before = member.join.replace(ticket);
        self.parked_joins += usize::from(before.is_none());
        before
    }

    /// Ends the member's waiting for the rebalance.
    pub(crate) fn take_join(&mut self, id: &MemberId) -> Option<Ticket> {
        let member = self.members.get_mut(id)?;
        let ticket = member.join.take()?;
        self.parked_joins -= 1;
        member.is_new = false;
        Some(ticket)
    }

    /// Parks the member's SyncGroup; returns the one parked before, if any.
    pub(crate) fn park_sync(&mut self, id: &MemberId, ticket: Ticket) -> Option<Ticket> {
        self.members.get_mut(id)?.sync.replace(ticket)
    }

    /// Ends the member's waiting for its assignment.
    pub(crate) fn take_sync(&mut self, id: &MemberId) -> Option<Ticket> {
        self.members.get_mut(id)?.sync.take()
    }

    pub(crate) fn assign(&mut self, id: &MemberId, assignment: Bytes) {
        if let Some(member) = self.members.get_mut(id) {
            self.bytes = self.bytes - member.assignment.len() + assignment.len();
            member.assignment = assignment;
        }
    }

    /// The member has its assignment; gives its connection if it is the member's first.
    pub(crate) fn note_first_sync(&mut self, id: &MemberId) -> Option<ConnectionId> {
        let member = self
            .members
            .get_mut(id)
            .filter(|member| !member.has_synced)?;
        member.has_synced = true;
        Some(member.connection)
    }

    pub(crate) fn pending_joins(&self) -> &BTreeMap<MemberId, ConnectionId> {
        &self.pending_joins
    }

    pub(crate) fn add_pending_join(&mut self, id: MemberId, connection: ConnectionId) {
        self.bytes += pending_bytes(&id);
        self.pending_joins.insert(id, connection);
    }

    pub(crate) fn remove_pending_join(&mut self, id: &MemberId) -> Option<ConnectionId> {
        let connection = self.pending_joins.remove(id)?;
        self.bytes -= pending_bytes(id);
        Some(connection)
    }

    /// Every member is now expected to send SyncGroup.
    pub(crate) fn expect_syncs(&mut self) {
        self.pending_syncs = self.members.keys().cloned().collect();
    }

    /// The member sent SyncGroup; returns whether it was the last one missing.
    pub(crate) fn synced(&mut self, id: &MemberId) -> bool {
        self.pending_syncs.remove(id) && self.pending_syncs.is_empty()
    }

    pub(crate) fn take_pending_syncs(&mut self) -> BTreeSet<MemberId> {
        std::mem::take(&mut self.pending_syncs)
    }

    /// Whether one of these protocols is supported by every member.
    pub(crate) fn shares(&self, protocols: &[Protocol]) -> bool {
        protocols
            .iter()
            .any(|Protocol { name, .. }| self.supported_by_all(name))
    }

    fn supported_by_all(&self, name: &str) -> bool {
        self.supporters.get(name).copied().unwrap_or_default() == self.members.len()
    }

    /// The protocol of the next generation: each member votes for the first of its protocols that
    /// all support; the most votes win, and among equals the first by name.
    pub(crate) fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice = member
                .protocols
                .iter()
                .find(|protocol| self.supported_by_all(&protocol.name));
            if let Some(protocol) = choice {
                *votes.entry(&protocol.name).or_default() += 1;
            }
        }
        // Of equals `max_by_key` takes the last, so the order is turned round.
        let winner = votes.into_iter().rev().max_by_key(|(_, count)| *count);
        winner.map(|(name, _)| Arc::clone(name))
    }

    /// Keeps the leader if it has joined, else elects one that has; false if nobody has.
    pub(crate) fn elect_joined_leader(&mut self) -> bool {
        let joined = |member: &&Member| member.join.is_some();
        let present = self.leader.as_ref().and_then(|id| self.members.get(id));
        if present.as_ref().is_some_and(joined) {
            return true;
        }
        let Some(elected) = self.members.values().find(joined) else {
            return false;
        };
        self.leader = Some(elected.id.clone());
        true
    }

    /// The list for the leader.
    pub(crate) fn joined(&self, protocol: &str) -> Vec<JoinedMember> {
        let members = self.members.values();
        members.map(|member| member.joined(protocol)).collect()
    }

    /// The members for the log.
    pub(crate) fn stored(&self, protocol: &str) -> Vec<StoredMember> {
        let members = self.members.values();
        members.map(|member| member.stored(protocol)).collect()
    }

    /// The members of a stored generation, at boot.
    pub(crate) fn restored(
        members: &[StoredMember],
        protocol_type: &str,
        protocol: &Arc<str>,
        leader: Option<&MemberId>,
    ) -> Self {
        let mut roster = Self::default();
        for stored in members {
            if !roster.members.contains_key(&stored.member) {
                roster.insert(Member::restored(stored, protocol_type, protocol));
            }
        }
        if let Some(leader) = leader.filter(|id| roster.members.contains_key(*id)) {
            roster.leader = Some(leader.clone());
        }
        roster
    }
}

fn pending_bytes(id: &MemberId) -> usize {
    GIVEN_ID_BYTES + id.as_str().len()
}

/// The requests that a departed member still waits on.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) join: Option<Ticket>,
    pub(crate) sync: Option<Ticket>,
}

impl Waiting {
    pub(crate) fn take(member: &mut Member) -> Self {
        Self {
            join: member.join.take(),
            sync: member.sync.take(),
        }
    }
}
