//! One turn of the machine: what every operation on a group may use beside the group itself.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use model::{GroupId, MemberId, Now};

use crate::{
    Config, ConnectionId, GroupError, HeldBytes, IdSource, Joined, Outcome, Record, Refusals,
    Reply, Synced, Ticket, group::Group, timers::Timers,
};

/// Where a parked request waits.
pub(crate) type Place = (GroupId, MemberId);

/// The tickets of all parked requests. A ticket that is not here gets no reply any more.
pub(crate) type Parked = HashMap<Ticket, Place>;

/// Members that have never synced, and ids given out, by the connection they came over: what is
/// left of them goes with it.
pub(crate) type Newcomers = BTreeSet<(ConnectionId, GroupId, MemberId)>;

/// Everything but the groups, lent out for one call, with the call's outcome.
pub(crate) struct Turn<'a> {
    pub(crate) config: &'a Config,
    pub(crate) ids: &'a mut IdSource,
    pub(crate) timers: &'a mut Timers,
    pub(crate) parked: &'a mut Parked,
    pub(crate) newcomers: &'a mut Newcomers,
    pub(crate) rebalance_count: &'a mut u64,
    pub(crate) refusals: &'a mut Refusals,
    /// What all groups held when the call began.
    pub(crate) held: HeldBytes,
    pub(crate) now: Now,
    pub(crate) outcome: Outcome,
}

impl Turn<'_> {
    /// The present moment, for deadlines.
    pub(crate) fn instant(&self) -> Instant {
        self.now.monotonic
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.outcome.records.push(record);
    }

    /// Notes over which connection a newcomer came.
    pub(crate) fn expect(&mut self, connection: ConnectionId, group: &Group, id: &MemberId) {
        let newcomer = (connection, group.id.clone(), id.clone());
        self.newcomers.insert(newcomer);
    }

    /// The newcomer is none any more.
    pub(crate) fn unexpect(&mut self, connection: ConnectionId, group: &Group, id: &MemberId) {
        let newcomer = (connection, group.id.clone(), id.clone());
        self.newcomers.remove(&newcomer);
    }

    /// Keeps a request waiting at a member.
    pub(crate) fn park(&mut self, ticket: Ticket, group: &Group, member: &MemberId) {
        let place = (group.id.clone(), member.clone());
        let before = self.parked.insert(ticket, place);
        assert!(before.is_none(), "a ticket was parked twice");
    }

    /// Answers a parked JoinGroup, unless its client is gone.
    pub(crate) fn end_join(&mut self, ticket: Option<Ticket>, result: Result<Joined, GroupError>) {
        self.end(ticket, Reply::JoinGroup(result));
    }

    /// Answers a parked SyncGroup, unless its client is gone.
    pub(crate) fn end_sync(&mut self, ticket: Option<Ticket>, result: Result<Synced, GroupError>) {
        self.end(ticket, Reply::SyncGroup(result));
    }

    fn end(&mut self, ticket: Option<Ticket>, reply: Reply) {
        if let Some(ticket) = ticket
            && self.parked.remove(&ticket).is_some()
        {
            self.outcome.replies.push((ticket, reply));
        }
    }
}
