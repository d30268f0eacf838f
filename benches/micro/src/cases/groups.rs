//! The coordinator with a group of a thousand members. A run is a round of them all, so that what
//! happens once in a round is in the count.

use std::{hint::black_box, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use bytes::Bytes;
use coordinator::{
    Command, CommitOffsets, Config, Coordinator, Heartbeat, JoinGroup, OffsetToCommit, PerTopic,
    Protocol, Reply, Sender, SyncGroup, Ticket,
};
use model::{GenerationId, GroupId, LeaderEpoch, MemberId, Now, Offset, PartitionIndex, TopicName};

use crate::{Bench, Case, clock};

pub(super) const CASES: &[Case] = &[
    Case::new("group_join_1000_members", 3, || crowd(Round::Join)),
    Case::new("group_sync_1000_members", 3, || crowd(Round::Sync)),
    Case::new("group_heartbeat_1000_members", 3, || {
        crowd(Round::Heartbeat)
    }),
    Case::new("offset_commit_6_partitions", 20, || crowd(Round::Commit)),
];

const MEMBERS: usize = 1_000;
/// Waits of an empty group before its first rebalance, at most.
const WAITS_MAX: usize = 3;
/// What a subscription and an assignment of a few partitions take.
const METADATA: &[u8] = &[7; 64];

#[derive(Clone, Copy)]
enum Round {
    Join,
    Sync,
    Heartbeat,
    Commit,
}

/// A coordinator and its clients; the leader is the first member.
struct Crowd {
    round: Round,
    coordinator: Coordinator,
    now: Now,
    members: Vec<MemberId>,
    generation: GenerationId,
    /// Whether the members have joined and not synced yet.
    joined: bool,
    tickets: u64,
    offset: i64,
}

fn crowd(round: Round) -> Result<Box<dyn Bench>> {
    let mut id = 0_u128;
    let ids = move || {
        id += 1;
        id
    };
    let mut crowd = Crowd {
        round,
        coordinator: Coordinator::new(Config::default(), Box::new(ids)),
        now: clock::start(),
        members: Vec::new(),
        generation: GenerationId(0),
        joined: true,
        tickets: 0,
        offset: 0,
    };
    crowd.found()?;
    Ok(Box::new(crowd))
}

impl Crowd {
    /// The first rebalance, which waits a while for everyone.
    fn found(&mut self) -> Result<()> {
        for client in 0..MEMBERS {
            let join = join(MemberId::from(""), client);
            self.send(join);
        }
        let mut replies = Vec::new();
        // A wait that saw newcomers is followed by another.
        for _ in 0..WAITS_MAX {
            self.now = self.now.plus(Duration::from_secs(4));
            let outcome = self.coordinator.on_deadline(self.now);
            for record in &outcome.records {
                self.coordinator.replay(record);
            }
            replies.extend(outcome.replies);
        }
        for (_, reply) in replies {
            let Reply::JoinGroup(Ok(joined)) = reply else {
                bail!("a member was not let in");
            };
            self.generation = joined.generation;
            match joined.leader == joined.member {
                true => self.members.insert(0, joined.member),
                false => self.members.push(joined.member),
            }
        }
        if self.members.len() != MEMBERS {
            bail!("{} members instead of {MEMBERS}", self.members.len());
        }
        self.sync_all();
        Ok(())
    }

    fn send(&mut self, command: Command) -> Vec<(Ticket, Reply)> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let outcome = self
            .coordinator
            .handle(command, &Sender::BROKER, ticket, self.now);
        for record in &outcome.records {
            self.coordinator.replay(record);
        }
        outcome.replies
    }

    /// The leader asks first, which starts the rebalance; the last to come completes it.
    fn join_all(&mut self) {
        let mut heard = 0;
        for client in 0..MEMBERS {
            let member = self.members[client].clone();
            for (_, reply) in self.send(join(member, client)) {
                let Reply::JoinGroup(Ok(joined)) = reply else {
                    panic!("a member was not let in again");
                };
                self.generation = joined.generation;
                heard += 1;
            }
        }
        assert_eq!(heard, MEMBERS, "everyone is in the generation");
        self.joined = true;
    }

    fn sync_all(&mut self) {
        let assignment = |member: &MemberId| (member.clone(), Bytes::from_static(METADATA));
        let mut assignments: Vec<_> = self.members.iter().map(assignment).collect();
        for client in 0..MEMBERS {
            let sync = SyncGroup {
                group: GroupId::from("g"),
                member: self.members[client].clone(),
                instance: None,
                generation: self.generation,
                protocol_type: Some(Arc::from("consumer")),
                protocol: Some(Arc::from("range")),
                assignments: std::mem::take(&mut assignments),
            };
            for (_, reply) in self.send(Command::SyncGroup(sync)) {
                assert!(matches!(reply, Reply::SyncGroup(Ok(_))), "assignments come");
            }
        }
        self.joined = false;
    }

    fn heartbeat_all(&mut self) {
        for client in 0..MEMBERS {
            let heartbeat = Heartbeat {
                group: GroupId::from("g"),
                member: self.members[client].clone(),
                instance: None,
                generation: self.generation,
            };
            let replies = self.send(Command::Heartbeat(heartbeat));
            assert!(matches!(replies[..], [(_, Reply::Heartbeat(Ok(())))]));
        }
    }

    fn commit(&mut self) {
        self.offset += 1;
        let topic = TopicName::try_from("orders").expect("the name is lawful");
        let partitions = (0..6).map(|partition| OffsetToCommit {
            partition: PartitionIndex(partition),
            offset: Offset(self.offset),
            leader_epoch: LeaderEpoch(0),
            metadata: Arc::from(""),
        });
        let commit = CommitOffsets {
            group: GroupId::from("g"),
            member: self.members[MEMBERS / 2].clone(),
            instance: None,
            generation: self.generation,
            topics: vec![PerTopic {
                topic,
                partitions: partitions.collect(),
            }],
        };
        let replies = self.send(Command::CommitOffsets(commit));
        assert!(matches!(replies[..], [(_, Reply::CommitOffsets(Ok(_)))]));
        black_box(replies);
    }
}

impl Bench for Crowd {
    fn before(&mut self) {
        match (self.round, self.joined) {
            (Round::Sync, false) => self.join_all(),
            (Round::Join | Round::Heartbeat | Round::Commit, true) => self.sync_all(),
            (Round::Sync, true) | (Round::Join | Round::Heartbeat | Round::Commit, false) => {}
        }
    }

    fn run(&mut self) {
        match self.round {
            Round::Join => self.join_all(),
            Round::Sync => self.sync_all(),
            Round::Heartbeat => self.heartbeat_all(),
            Round::Commit => self.commit(),
        }
    }
}

fn join(member: MemberId, client: usize) -> Command {
    Command::JoinGroup(JoinGroup {
        group: GroupId::from("g"),
        member,
        instance: None,
        client_id: Arc::from(format!("client-{client}")),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout: Duration::from_secs(45),
        rebalance_timeout: Duration::from_secs(300),
        protocol_type: Arc::from("consumer"),
        protocols: vec![Protocol {
            name: Arc::from("range"),
            metadata: Bytes::from_static(METADATA),
        }],
        requires_known_member: false,
        can_skip_assignment: true,
        reason: Arc::from(""),
    })
}
