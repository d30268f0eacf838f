//! Looking at groups and deleting them.

use std::sync::Arc;

use model::{GroupId, MemberId};

use crate::{
    DeletedGroup, DescribedGroup, DescribedMember, GroupDescription, GroupError, GroupState,
    GroupType, ListGroups, ListedGroup, Reach, group::Group, join::Groups, member::Member,
    turn::Turn,
};

pub(crate) fn describe(groups: &Groups, id: GroupId, reach: &Reach) -> DescribedGroup {
    let result = match groups.get(&id) {
        None => Err(GroupError::GroupIdNotFound),
        Some(group) if !group.is_within(reach) => Err(GroupError::NotAuthorized),
        Some(group) => Ok(group.describe()),
    };
    DescribedGroup { group: id, result }
}

pub(crate) fn list(groups: &Groups, request: &ListGroups, reach: &Reach) -> Vec<ListedGroup> {
    let wanted_types = request.types.as_ref();
    if wanted_types.is_some_and(|types| !types.contains(&GroupType::Classic)) {
        return Vec::new();
    }
    let wanted = |group: &&Group| {
        let states = request.states.as_ref();
        states.is_none_or(|states| states.contains(&group.state)) && group.is_within(reach)
    };
    let listed = |group: &Group| ListedGroup {
        group: group.id.clone(),
        protocol_type: Arc::clone(&group.protocol_type),
        state: group.state,
        group_type: GroupType::Classic,
    };
    groups.values().filter(wanted).map(listed).collect()
}

/// Deletes an empty group with all its offsets, and the ids given out in it.
pub(crate) fn delete(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    id: GroupId,
    reach: &Reach,
) -> DeletedGroup {
    let result = match groups.get_mut(&id) {
        None => Err(GroupError::GroupIdNotFound),
        Some(group) if !group.is_within(reach) => Err(GroupError::NotAuthorized),
        Some(group) if group.state != GroupState::Empty => Err(GroupError::NonEmptyGroup),
        Some(group) => {
            group.drop_pending_joins(turn);
            group.forget(turn);
            Ok(())
        }
    };
    DeletedGroup { group: id, result }
}

impl Group {
    fn drop_pending_joins(&mut self, turn: &mut Turn<'_>) {
        let given: Vec<MemberId> = self.roster.pending_joins().keys().cloned().collect();
        for id in &given {
            self.drop_pending_join(id, turn);
        }
    }

    /// What describing the group gives of each member, in bytes.
    pub(crate) fn described_bytes(&self) -> impl Iterator<Item = usize> {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.as_deref().filter(|_| stable);
        self.roster.members().map(move |member| {
            let metadata = protocol.map_or(0, |protocol| member.metadata(protocol).len());
            let instance = member.instance.as_ref().map_or(0, |id| id.as_str().len());
            let names = member.id.as_str().len() + instance + member.client_id.len();
            names + member.client_host.len() + metadata + member.assignment.len()
        })
    }

    fn describe(&self) -> GroupDescription {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let described = |member: &Member| DescribedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: member.metadata(&protocol),
            assignment: member.assignment.clone(),
        };
        GroupDescription {
            state: self.state,
            protocol_type: Arc::clone(&self.protocol_type),
            members: self.roster.members().map(described).collect(),
            protocol,
        }
    }
}
