//! SyncGroup: the leader's assignment reaches every member, and with it the generation is settled.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::MemberId;

use crate::{
    Cause, GroupError, GroupState, Reply, SyncGroup, Synced, Ticket, group::Group, join::Groups,
    timers::TimerKey, turn::Turn,
};

/// Answers with the member's assignment, or keeps the request until there is one; `None` if the
/// reply is given elsewhere.
pub(crate) fn sync_group(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    request: &SyncGroup,
    ticket: Ticket,
) -> Option<Reply> {
    let result = if request.group.as_str().is_empty() {
        Err(GroupError::InvalidGroupId)
    } else if let Some(group) = groups.get_mut(&request.group) {
        group.sync(turn, request, ticket)
    } else {
        Err(GroupError::UnknownMember)
    };
    result.transpose().map(Reply::SyncGroup)
}

impl Group {
    /// `None` where the reply is given elsewhere: now to all, or later.
    fn sync(
        &mut self,
        turn: &mut Turn<'_>,
        request: &SyncGroup,
        ticket: Ticket,
    ) -> Result<Option<Synced>, GroupError> {
        let member = &request.member;
        self.check_generation(member, request.instance.as_ref(), request.generation)?;
        let (protocol_type, protocol) = self.protocols();
        let other_type = request.protocol_type.as_ref() != Some(&protocol_type);
        let other_protocol = request.protocol.as_ref() != Some(&protocol);
        if (request.protocol_type.is_some() && other_type)
            || (request.protocol.is_some() && other_protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(GroupError::UnknownMember),
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                if self.roster.is_leader(member) && !self.has_room_for(turn, &request.assignments) {
                    let member = member.clone();
                    self.remove_member(&request.member, turn, Cause::Refused { member });
                    return Err(GroupError::GroupFull);
                }
                self.note_synced(member, turn);
                let before = self.roster.park_sync(member, ticket);
                turn.end_sync(before, Err(GroupError::RebalanceInProgress));
                turn.park(ticket, self, member);
                if self.roster.is_leader(member) {
                    self.assign(turn, &request.assignments);
                }
                Ok(None)
            }
            GroupState::Stable => {
                self.note_synced(member, turn);
                self.note_first_sync(member, turn);
                self.await_heartbeat(member, turn);
                Ok(Some(self.synced(member)))
            }
        }
    }

    /// Once every member has asked, nobody can miss the sync timeout any more.
    fn note_synced(&mut self, member: &MemberId, turn: &mut Turn<'_>) {
        if self.roster.synced(member) {
            turn.timers.cancel(&TimerKey::Sync(self.id.clone()));
        }
    }

    /// The member has its assignment, and from now on its place for as long as its session lasts.
    fn note_first_sync(&mut self, member: &MemberId, turn: &mut Turn<'_>) {
        if let Some(connection) = self.roster.note_first_sync(member) {
            turn.unexpect(connection, self, member);
        }
    }

    /// Whether the limits allow the leader's assignments.
    fn has_room_for(&self, turn: &mut Turn<'_>, assignments: &[(MemberId, Bytes)]) -> bool {
        let members = self.roster.members();
        let held: usize = members.map(|member| member.assignment.len()).sum();
        let given: usize = assignments
            .iter()
            .filter(|(member, _)| self.roster.member(member).is_some())
            .map(|(_, assignment)| assignment.len())
            .sum();
        let bytes = self.roster.bytes() - held + given;
        bytes <= turn.config.group_metadata_bytes_max
            && self.fits(turn, bytes, self.protocol_type.len())
    }

    /// Settles the generation; members that the leader left out get an empty assignment, and names
    /// that are no members are passed over.
    fn assign(&mut self, turn: &mut Turn<'_>, assignments: &[(MemberId, Bytes)]) {
        let assignments: BTreeMap<&MemberId, &Bytes> = assignments
            .iter()
            .map(|(member, assignment)| (member, assignment))
            .collect();
        self.state = GroupState::Stable;
        for id in self.roster.ids() {
            // Copied, because a slice would keep the leader's whole request alive.
            let assignment = assignments
                .get(&id)
                .map(|assignment| Bytes::copy_from_slice(assignment));
            self.roster.assign(&id, assignment.unwrap_or_default());
            let parked = self.roster.take_sync(&id);
            if parked.is_some() {
                self.note_first_sync(&id, turn);
                self.await_heartbeat(&id, turn);
                let synced = self.synced(&id);
                turn.end_sync(parked, Ok(synced));
            }
        }
        let settled = self.settle(turn.now);
        turn.record(settled);
    }

    fn synced(&self, member: &MemberId) -> Synced {
        let (protocol_type, protocol) = self.protocols();
        let member = self.roster.member(member);
        Synced {
            protocol_type,
            protocol,
            assignment: member.map_or_else(Bytes::new, |member| member.assignment.clone()),
        }
    }
}
