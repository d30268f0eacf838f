//! Heartbeat and LeaveGroup: how a member stays, and how it goes.

use model::MemberId;

use crate::{
    Cause, ConnectionId, GroupError, GroupState, Heartbeat, LeaveGroup, LeavingMember, LeftMember,
    group::Group, join::Groups, turn::Turn,
};

/// Notes that the member lives, and tells it whether it must join again.
pub(crate) fn heartbeat(
    groups: &Groups,
    turn: &mut Turn<'_>,
    request: &Heartbeat,
) -> Result<(), GroupError> {
    if request.group.as_str().is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let group = groups
        .get(&request.group)
        .ok_or(GroupError::UnknownMember)?;
    let (member, instance) = (&request.member, request.instance.as_ref());
    group.check_generation(member, instance, request.generation)?;
    match group.state {
        GroupState::Empty | GroupState::Dead => Err(GroupError::UnknownMember),
        GroupState::PreparingRebalance => {
            group.await_heartbeat(member, turn);
            Err(GroupError::RebalanceInProgress)
        }
        GroupState::CompletingRebalance | GroupState::Stable => {
            group.await_heartbeat(member, turn);
            Ok(())
        }
    }
}

/// Removes the members; one rebalance follows, however many go.
pub(crate) fn leave(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    request: LeaveGroup,
) -> Result<Vec<LeftMember>, GroupError> {
    if request.group.as_str().is_empty() {
        return Err(GroupError::InvalidGroupId);
    }
    let mut group = groups.get_mut(&request.group);
    let mut gone = None;
    let mut left = Vec::with_capacity(request.members.len());
    for leaving in request.members {
        let result = match group.as_deref_mut() {
            Some(group) => group.leave(turn, &leaving),
            None => Err(GroupError::UnknownMember),
        };
        left.push(LeftMember {
            member: leaving.member,
            instance: leaving.instance,
            result: result.map(|member| gone = member.or_else(|| gone.take())),
        });
    }
    if let Some(group) = group {
        match gone {
            Some(member) => group.rebalance(turn, Cause::Left { member }),
            // An id given back may have been what a rebalance waits for.
            None => group.complete_if_all_joined(turn),
        }
    }
    Ok(left)
}

impl Group {
    /// Returns the member's id, or `None` if it was only an id given out and not joined with.
    fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        leaving: &LeavingMember,
    ) -> Result<Option<MemberId>, GroupError> {
        let LeavingMember { member, instance } = leaving;
        if self.drop_pending_join(member, turn) {
            return Ok(None);
        }
        let instance = instance.as_ref();
        let id = if member.as_str().is_empty() {
            // An administrator names the instance alone.
            instance
                .and_then(|instance| self.roster.static_member(instance))
                .cloned()
                .ok_or(GroupError::UnknownMember)?
        } else {
            self.roster.check(member, instance)?;
            member.clone()
        };
        self.take_out(&id, turn);
        Ok(Some(id))
    }

    /// Whether all these are members, or ids given out, that came over this connection: who leaves
    /// like that needs no right but the one it joined with.
    pub(crate) fn came_over(&self, connection: ConnectionId, leaving: &[LeavingMember]) -> bool {
        leaving.iter().all(|LeavingMember { member, .. }| {
            let joined = self.roster.member(member).map(|member| member.connection);
            let given = self.roster.pending_joins().get(member).copied();
            joined.or(given) == Some(connection)
        })
    }
}
