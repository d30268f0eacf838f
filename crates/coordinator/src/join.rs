//! JoinGroup: who may come in, and whether the group must rebalance for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{GroupId, MemberId};

use crate::{
    Cause, Config, GroupError, GroupState, JoinGroup, Joined, Reply, Sender, Ticket,
    account::MEMBER_BYTES,
    group::Group,
    member::{Member, protocol_bytes},
    sender::Interest,
    subscription,
    turn::Turn,
};

/// The groups of a namespace.
pub(crate) type Groups = BTreeMap<GroupId, Group>;

/// Protocols of one member; clients bring one to a handful.
const PROTOCOLS_MAX: usize = 100;

/// How much of a client's or instance's name goes into a member id: ids are kept before anything
/// else is known of a client, and only the random part distinguishes them.
const MEMBER_NAME_BYTES_MAX: usize = 255;

/// What follows the name in an id that is given out.
const UUID_BYTES: usize = 37;

/// The longest rebalance timeout: what 32 bits of milliseconds can say.
const REBALANCE_TIMEOUT_MAX: Duration = Duration::from_millis(0x7fff_ffff);

/// Lets the request's client join, or says why not; `None` if the reply is given elsewhere.
pub(crate) fn join_group(
    groups: &mut Groups,
    turn: &mut Turn<'_>,
    mut request: JoinGroup,
    sender: &Sender,
    ticket: Ticket,
) -> Option<Reply> {
    let group = match check(turn.config, &mut request)
        .and_then(|()| enter(groups, turn.config, &request))
    {
        Ok(group) => group,
        Err(error) => return Some(Reply::JoinGroup(Err(error))),
    };
    let result = if group.has_room(turn, &request) {
        group.join(turn, &request, sender, ticket)
    } else {
        let member = request.member.clone();
        group.remove_member(&request.member, turn, Cause::Refused { member });
        Err(GroupError::GroupFull)
    };
    result.transpose().map(Reply::JoinGroup)
}

/// What can be judged without the group. Drops repeated protocol names, keeping the first, and cuts
/// a timeout beyond reason.
fn check(config: &Config, request: &mut JoinGroup) -> Result<(), GroupError> {
    let group = request.group.as_str();
    if group.is_empty() || group.len() > config.group_id_bytes_max {
        return Err(GroupError::InvalidGroupId);
    }
    let allowed = config.session_timeout_min..=config.session_timeout_max;
    if !allowed.contains(&request.session_timeout) {
        return Err(GroupError::InvalidSessionTimeout);
    }
    if request.protocols.len() > PROTOCOLS_MAX {
        return Err(GroupError::InconsistentProtocol);
    }
    request.rebalance_timeout = request.rebalance_timeout.min(REBALANCE_TIMEOUT_MAX);
    let mut seen = BTreeSet::new();
    request
        .protocols
        .retain(|protocol| seen.insert(Arc::clone(&protocol.name)));
    Ok(())
}

/// The group to join; a first request without a member id makes it.
fn enter<'a>(
    groups: &'a mut Groups,
    config: &Config,
    request: &JoinGroup,
) -> Result<&'a mut Group, GroupError> {
    if !groups.contains_key(&request.group) {
        if !request.member.as_str().is_empty() {
            return Err(GroupError::UnknownMember);
        }
        if groups.len() >= config.groups_max {
            return Err(GroupError::TooManyGroups);
        }
    }
    let id = request.group.clone();
    Ok(groups.entry(id.clone()).or_insert_with(|| Group::new(id)))
}

impl Group {
    /// Whether the group's limits allow this member. During a rebalance only those that have joined
    /// count, so that a full group's latecomer does not keep a returning member out.
    fn has_room(&self, turn: &mut Turn<'_>, request: &JoinGroup) -> bool {
        let config = turn.config;
        let is_new = request.member.as_str().is_empty();
        let holder = request
            .instance
            .as_ref()
            .and_then(|instance| self.roster.static_member(instance));
        let member = self.roster.member(holder.unwrap_or(&request.member));
        let max = config.group_members_max;
        let has_place = match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.join.is_some())
                    || self.roster.parked_joins() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.roster.len() < max
            }
        };
        let brings = brought_bytes(request);
        let others = self.roster.bytes() - member.map_or(0, Member::bytes);
        let assigned = member.map_or(0, |member| member.assignment.len());
        let roster_bytes = others + member_bytes(request) + assigned;
        has_place
            && brings <= config.member_metadata_bytes_max
            && others + brings <= config.group_metadata_bytes_max
            && (!is_new || self.roster.pending_joins().len() < max)
            && self.fits(turn, roster_bytes, request.protocol_type.len())
    }

    /// Whether the namespace has room for the group with members that take so much. What does not
    /// grow always has.
    pub(crate) fn fits(
        &self,
        turn: &mut Turn<'_>,
        roster_bytes: usize,
        protocol_type_bytes: usize,
    ) -> bool {
        let now = self.held_with(roster_bytes, protocol_type_bytes).members;
        let before = self.counted.members;
        let others = turn.held.members - before;
        let fits = now <= before || others + now <= turn.config.members_bytes_max;
        turn.refusals.members += u64::from(!fits);
        fits
    }

    /// Whether the request's protocols go with the members': of one type, and one shared by all.
    fn supports(&self, request: &JoinGroup) -> bool {
        if self.state == GroupState::Empty {
            !request.protocol_type.is_empty() && !request.protocols.is_empty()
        } else {
            self.protocol_type == request.protocol_type && self.roster.shares(&request.protocols)
        }
    }

    fn join(
        &mut self,
        turn: &mut Turn<'_>,
        request: &JoinGroup,
        sender: &Sender,
        ticket: Ticket,
    ) -> Result<Option<Joined>, GroupError> {
        if !self.supports(request) {
            return Err(GroupError::InconsistentProtocol);
        }
        let entrance = Entrance {
            request,
            sender,
            ticket,
        };
        if !request.member.as_str().is_empty() {
            return self.join_known(turn, entrance);
        }
        let id = new_member_id(turn, request);
        let holder = request
            .instance
            .as_ref()
            .and_then(|instance| self.roster.static_member(instance).cloned());
        if let Some(holder) = holder {
            self.join_in_place_of(turn, entrance, (&holder, &id));
        } else if request.instance.is_none() && request.requires_known_member {
            let due = turn.instant() + request.session_timeout;
            turn.timers.set(self.session_key(&id), due);
            self.roster.add_pending_join(id.clone(), sender.connection);
            turn.expect(sender.connection, self, &id);
            return Err(GroupError::MemberIdRequired(id));
        } else {
            self.add(turn, entrance, id);
        }
        Ok(None)
    }

    /// A new member comes in, so the group must rebalance.
    fn add(&mut self, turn: &mut Turn<'_>, entrance: Entrance<'_>, id: MemberId) {
        let Entrance {
            request,
            sender,
            ticket,
        } = entrance;
        let interest = self.roster.interest();
        self.drop_pending_join(&id, turn);
        if self.roster.is_empty() {
            self.protocol_type = Arc::clone(&request.protocol_type);
        }
        if let Some(initial) = &mut self.initial {
            initial.newcomer = true;
        }
        self.roster.insert(Member::new(id.clone(), request, sender));
        turn.expect(sender.connection, self, &id);
        self.park_join(turn, &id, ticket);
        self.part_from_strangers(turn, &interest);
        // It may not know its id, and then sends no heartbeats while it waits. Should it give up
        // and ask again, this is what takes its first incarnation out.
        let due = turn.instant() + turn.config.new_member_join_timeout;
        turn.timers.set(self.session_key(&id), due);
        let reason = Arc::clone(&request.reason);
        self.rebalance(turn, Cause::Joined { member: id, reason });
    }

    /// A member that states its id: one that was told it just now, or one that joins again.
    fn join_known(
        &mut self,
        turn: &mut Turn<'_>,
        entrance: Entrance<'_>,
    ) -> Result<Option<Joined>, GroupError> {
        let request = entrance.request;
        let id = &request.member;
        if self.roster.pending_joins().contains_key(id) {
            if request.instance.is_some() {
                return Err(GroupError::UnknownMember);
            }
            self.add(turn, entrance, id.clone());
            return Ok(None);
        }
        self.roster.check(id, request.instance.as_ref())?;
        let same = self
            .roster
            .member(id)
            .is_some_and(|member| member.protocols == request.protocols);
        let answered_as_is = match self.state {
            GroupState::Empty | GroupState::Dead => return Err(GroupError::UnknownMember),
            GroupState::PreparingRebalance => false,
            // The first reply may have been lost: it is given again.
            GroupState::CompletingRebalance => same,
            // A leader that rejoins wants a rebalance, for reasons that its own metadata need not
            // show: the topics' partitions, for one.
            GroupState::Stable => same && !self.roster.is_leader(id),
        };
        if answered_as_is {
            return Ok(Some(self.joined(id)));
        }
        self.update(turn, entrance, id);
        let (member, reason) = (id.clone(), Arc::clone(&request.reason));
        self.rebalance(turn, Cause::Rejoined { member, reason });
        Ok(None)
    }

    /// A static member is back under a new id: it takes its old place, and the group goes on
    /// undisturbed if it is stable and would choose the same protocol.
    fn join_in_place_of(
        &mut self,
        turn: &mut Turn<'_>,
        entrance: Entrance<'_>,
        (old, new): (&MemberId, &MemberId),
    ) {
        if let Some(member) = self.roster.member(old) {
            turn.unexpect(member.connection, self, old);
        }
        let old_leader = self.roster.leader().cloned();
        let waiting = self.roster.replace(old, new);
        turn.end_join(waiting.join, Err(GroupError::FencedInstance));
        turn.end_sync(waiting.sync, Err(GroupError::FencedInstance));
        turn.timers.cancel(&self.session_key(old));
        self.update(turn, entrance, new);
        self.await_heartbeat(new, turn);
        let undisturbed =
            self.state == GroupState::Stable && self.roster.select_protocol() == self.protocol;
        if !undisturbed {
            let member = new.clone();
            return self.rebalance(turn, Cause::Returned { member });
        }
        let leads = self.roster.is_leader(new);
        let mut joined = self.joined(new);
        if entrance.request.can_skip_assignment {
            joined.skip_assignment = leads;
        } else if let Some(old_leader) = old_leader.filter(|_| leads) {
            // An older client that found itself the leader would assign anew; told of its former
            // self it takes the assignment that holds.
            joined.leader = old_leader;
            joined.members = Vec::new();
        }
        let parked = self.roster.take_join(new);
        turn.end_join(parked, Ok(joined));
        let settled = self.settle(turn.now);
        turn.record(settled);
    }

    /// Takes over what a member's repeated JoinGroup says, and parks it.
    fn update(&mut self, turn: &mut Turn<'_>, entrance: Entrance<'_>, id: &MemberId) {
        let Entrance {
            request,
            sender,
            ticket,
        } = entrance;
        let interest = self.roster.interest();
        if let Some(newcomer) = self.roster.member(id).filter(|member| !member.has_synced) {
            turn.unexpect(newcomer.connection, self, id);
            turn.expect(sender.connection, self, id);
        }
        self.roster.update(id, request, sender);
        self.park_join(turn, id, ticket);
        self.part_from_strangers(turn, &interest);
    }

    /// Puts out who waits to join and may not listen to what the members read by now: the leader
    /// is told all of it.
    fn part_from_strangers(&mut self, turn: &mut Turn<'_>, before: &Interest) {
        if self.roster.interest() == *before {
            return;
        }
        for id in self.roster.strangers() {
            self.take_out_with(&id, turn, &GroupError::NotAuthorized);
        }
    }

    fn park_join(&mut self, turn: &mut Turn<'_>, id: &MemberId, ticket: Ticket) {
        let before = self.roster.park_join(id, ticket);
        turn.end_join(before, Err(GroupError::RebalanceInProgress));
        turn.park(ticket, self, id);
    }

    /// What a member of the present generation is told on joining.
    pub(crate) fn joined(&self, member: &MemberId) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = if self.roster.is_leader(member) {
            self.roster.joined(&protocol)
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: Arc::clone(&self.protocol_type),
            protocol,
            leader: self
                .roster
                .leader()
                .cloned()
                .unwrap_or_else(|| MemberId::from("")),
            member: member.clone(),
            skip_assignment: false,
            members,
        }
    }
}

/// A JoinGroup with all that belongs to it.
#[derive(Clone, Copy)]
struct Entrance<'a> {
    request: &'a JoinGroup,
    sender: &'a Sender,
    ticket: Ticket,
}

/// What a member that joins like this takes, without its assignment.
fn member_bytes(request: &JoinGroup) -> usize {
    let instance = request.instance.as_ref().map_or(0, |id| id.as_str().len());
    let id = request.member.as_str().len();
    let new_id = instance
        .max(request.client_id.len())
        .min(MEMBER_NAME_BYTES_MAX)
        + UUID_BYTES;
    let protocols: usize = request.protocols.iter().map(protocol_bytes).sum();
    let interest = subscription::interest(&request.protocol_type, &request.protocols);
    let client = request.client_id.len() + request.client_host.len();
    MEMBER_BYTES + id.max(new_id) + instance + client + protocols + interest.bytes()
}

/// What a client brings of its own choice.
fn brought_bytes(request: &JoinGroup) -> usize {
    let instance = request.instance.as_ref().map_or(0, |id| id.as_str().len());
    let protocols: usize = request.protocols.iter().map(protocol_bytes).sum();
    instance + request.client_id.len() + request.protocol_type.len() + protocols
}

/// `<client id>-<uuid>`, for static members `<instance id>-<uuid>`.
fn new_member_id(turn: &mut Turn<'_>, request: &JoinGroup) -> MemberId {
    let name = match &request.instance {
        Some(instance) => instance.as_str(),
        None => &request.client_id,
    };
    let prefix = &name[..name.floor_char_boundary(MEMBER_NAME_BYTES_MAX)];
    let id = (turn.ids)();
    let text = format!(
        "{prefix}-{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xffff,
        (id >> 48) & 0xffff,
        id & 0xffff_ffff_ffff
    );
    MemberId::from(text.as_str())
}
