//! One member of a group, as the running coordinator knows it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{InstanceId, MemberId};

use crate::{
    ConnectionId, JoinGroup, JoinedMember, Protocol, Reach, Sender, StoredMember, Ticket,
    account::MEMBER_BYTES, sender::Interest, subscription,
};

/// A member with its subscription, its assignment and the requests it waits on.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: MemberId,
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// In order of preference, each name once.
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) assignment: Bytes,
    /// The parked JoinGroup: the member takes part in the coming generation.
    pub(crate) join: Option<Ticket>,
    /// The parked SyncGroup: the member waits for the leader's assignment.
    pub(crate) sync: Option<Ticket>,
    /// Has not completed a rebalance yet, so it may have no id to send heartbeats with.
    pub(crate) is_new: bool,
    /// Has had an assignment: until then nothing is lost with the member should its connection
    /// break, afterwards it keeps its place for as long as its session lasts.
    pub(crate) has_synced: bool,
    /// Where it last joined, and what it may listen to.
    pub(crate) connection: ConnectionId,
    pub(crate) reach: Reach,
    pub(crate) interest: Interest,
}

impl Member {
    /// The member that a JoinGroup describes. Its bytes are copied: a slice would keep the whole
    /// request's buffer alive for as long as the member lives.
    pub(crate) fn new(id: MemberId, request: &JoinGroup, sender: &Sender) -> Self {
        Self {
            id,
            instance: request.instance.clone(),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: owned_protocols(&request.protocols),
            assignment: Bytes::new(),
            join: None,
            sync: None,
            is_new: true,
            has_synced: false,
            connection: sender.connection,
            reach: sender.reach.clone(),
            interest: subscription::interest(&request.protocol_type, &request.protocols),
        }
    }

    /// The member as a settled generation stored it; only the selected protocol is known.
    pub(crate) fn restored(
        stored: &StoredMember,
        protocol_type: &str,
        protocol: &Arc<str>,
    ) -> Self {
        let protocols = vec![Protocol {
            name: Arc::clone(protocol),
            metadata: stored.metadata.clone(),
        }];
        Self {
            id: stored.member.clone(),
            instance: stored.instance.clone(),
            client_id: Arc::clone(&stored.client_id),
            client_host: Arc::clone(&stored.client_host),
            session_timeout: stored.session_timeout,
            rebalance_timeout: stored.rebalance_timeout,
            interest: subscription::interest(protocol_type, &protocols),
            protocols,
            assignment: stored.assignment.clone(),
            join: None,
            sync: None,
            is_new: false,
            has_synced: true,
            connection: ConnectionId::default(),
            reach: Reach::Everything,
        }
    }

    /// The member for the log.
    pub(crate) fn stored(&self, protocol: &str) -> StoredMember {
        StoredMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::clone(&self.client_host),
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            metadata: self.metadata(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// The member for the leader.
    pub(crate) fn joined(&self, protocol: &str) -> JoinedMember {
        JoinedMember {
            member: self.id.clone(),
            instance: self.instance.clone(),
            metadata: self.metadata(protocol),
        }
    }

    /// Takes over what a JoinGroup of the same member says.
    pub(crate) fn update(&mut self, request: &JoinGroup, sender: &Sender) {
        self.client_id = Arc::clone(&request.client_id);
        self.client_host = Arc::clone(&request.client_host);
        self.session_timeout = request.session_timeout;
        self.rebalance_timeout = request.rebalance_timeout;
        self.protocols = owned_protocols(&request.protocols);
        self.connection = sender.connection;
        self.reach = sender.reach.clone();
        self.interest = subscription::interest(&request.protocol_type, &request.protocols);
    }

    /// Its metadata for this protocol.
    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|candidate| *candidate.name == *protocol)
            .map(|found| found.metadata.clone())
            .unwrap_or_default()
    }

    /// What it keeps in memory on a client's word.
    pub(crate) fn bytes(&self) -> usize {
        let instance = self.instance.as_ref().map_or(0, |id| id.as_str().len());
        let protocols: usize = self.protocols.iter().map(protocol_bytes).sum();
        let names = self.id.as_str().len() + instance + self.interest.bytes();
        let client = self.client_id.len() + self.client_host.len();
        MEMBER_BYTES + names + client + protocols + self.assignment.len()
    }
}

/// As [`Member::bytes`], of a member of a settled generation.
pub(crate) fn stored_bytes(stored: &StoredMember) -> usize {
    let instance = stored.instance.as_ref().map_or(0, |id| id.as_str().len());
    let names = stored.member.as_str().len() + instance;
    let client = stored.client_id.len() + stored.client_host.len();
    MEMBER_BYTES + names + client + stored.metadata.len() + stored.assignment.len()
}

/// What a protocol keeps in memory on a client's word.
pub(crate) fn protocol_bytes(protocol: &Protocol) -> usize {
    protocol.name.len() + protocol.metadata.len()
}

fn owned_protocols(protocols: &[Protocol]) -> Vec<Protocol> {
    protocols
        .iter()
        .map(|protocol| Protocol {
            name: Arc::clone(&protocol.name),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        })
        .collect()
}
