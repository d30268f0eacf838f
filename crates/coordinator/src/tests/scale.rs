//! Large groups: a rebalance costs steps and bytes in proportion to the members, not their square.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{GenerationId, GroupId, MemberId};

use super::script::World;
use crate::{
    Command, Config, Heartbeat, JoinGroup, Joined, Protocol, Reply, SyncGroup, Synced, Ticket,
};

/// What a subscription and an assignment of a few partitions take.
const METADATA: &[u8] = &[7; 64];

fn join(member: &MemberId, client: usize) -> Command {
    Command::JoinGroup(JoinGroup {
        group: GroupId::from("g"),
        member: member.clone(),
        instance: None,
        client_id: Arc::from(format!("client-{client}").as_str()),
        client_host: Arc::from("/127.0.0.1"),
        session_timeout: Duration::from_secs(45),
        rebalance_timeout: Duration::from_secs(300),
        protocol_type: Arc::from("consumer"),
        protocols: vec![Protocol {
            name: Arc::from("range"),
            metadata: Bytes::from_static(METADATA),
        }],
        requires_known_member: true,
        can_skip_assignment: true,
        reason: Arc::from(""),
    })
}

/// Everything a large group's clients said and heard.
struct Crowd {
    world: World,
    members: Vec<MemberId>,
    generation: GenerationId,
    requests: usize,
    replies: usize,
    /// Of all replies' payloads.
    bytes: usize,
}

impl Crowd {
    fn new() -> Self {
        Self {
            world: World::new(Config::default()),
            members: Vec::new(),
            generation: GenerationId(0),
            requests: 0,
            replies: 0,
            bytes: 0,
        }
    }

    fn send(&mut self, command: Command) -> Vec<(Ticket, Reply)> {
        self.requests += 1;
        let (_, replies) = self.world.send(command);
        self.heard(replies)
    }

    fn heard(&mut self, replies: Vec<(Ticket, Reply)>) -> Vec<(Ticket, Reply)> {
        self.replies += replies.len();
        for (_, reply) in &replies {
            self.bytes += match reply {
                Reply::JoinGroup(Ok(joined)) => {
                    let members = joined.members.iter();
                    members.map(|member| member.metadata.len()).sum()
                }
                Reply::SyncGroup(Ok(Synced { assignment, .. })) => assignment.len(),
                _ => 0,
            };
        }
        replies
    }

    /// All join, the group settles in one rebalance, all sync.
    fn settle(&mut self, size: usize) {
        let newcomer = MemberId::from("");
        for client in 0..size {
            let replies = self.send(join(&newcomer, client));
            let [(_, Reply::JoinGroup(Err(crate::GroupError::MemberIdRequired(id))))] =
                &replies[..]
            else {
                panic!("no id: {replies:?}");
            };
            self.members.push(id.clone());
        }
        let joined = self.join_all();
        assert_eq!(joined.len(), size, "everyone is in the first generation");
        self.sync_all();
    }

    fn join_all(&mut self) -> Vec<Joined> {
        let mut replies = Vec::new();
        for (client, member) in self.members.clone().iter().enumerate() {
            replies.extend(self.send(join(member, client)));
        }
        let later = self.world.wait(Duration::from_secs(9));
        replies.extend(self.heard(later));
        let joined: Vec<Joined> = replies
            .into_iter()
            .map(|(_, reply)| match reply {
                Reply::JoinGroup(Ok(joined)) => joined,
                reply => panic!("{reply:?}"),
            })
            .collect();
        self.generation = joined.first().unwrap().generation;
        joined
    }

    /// The leader, which is not the last to ask, syncs in the middle of the others.
    fn sync_all(&mut self) {
        let assignment = |member: &MemberId| (member.clone(), Bytes::from_static(METADATA));
        let all: Vec<_> = self.members.iter().map(assignment).collect();
        let mut synced = 0;
        for member in self.members.clone() {
            let replies = self.send(Command::SyncGroup(SyncGroup {
                group: GroupId::from("g"),
                member,
                instance: None,
                generation: self.generation,
                protocol_type: None,
                protocol: None,
                assignments: all.clone(),
            }));
            synced += replies.len();
        }
        assert_eq!(synced, self.members.len());
    }

    fn heartbeat_all(&mut self) -> usize {
        let mut alive = 0;
        for member in self.members.clone() {
            let replies = self.send(Command::Heartbeat(Heartbeat {
                group: GroupId::from("g"),
                member,
                instance: None,
                generation: self.generation,
            }));
            alive += usize::from(matches!(&replies[..], [(_, Reply::Heartbeat(Ok(())))]));
        }
        alive
    }
}

/// A group of this size comes up in one rebalance, and a newcomer costs one more.
fn check_rebalances_of(size: usize) {
    let mut crowd = Crowd::new();
    crowd.settle(size);
    assert_eq!(crowd.world.coordinator.rebalance_count(), 1);
    assert_eq!(crowd.requests, 3 * size, "id, join, sync");
    assert_eq!(crowd.replies, crowd.requests);
    assert_eq!(
        crowd.bytes,
        2 * size * METADATA.len(),
        "list and assignments once"
    );
    assert_eq!(crowd.heartbeat_all(), size);
    let log_bytes: usize = log_bytes(&crowd.world);

    let replies = crowd.send(join(&MemberId::from(""), size));
    let [(_, Reply::JoinGroup(Err(crate::GroupError::MemberIdRequired(id))))] = &replies[..] else {
        panic!("no id: {replies:?}");
    };
    let id = id.clone();
    assert_eq!(crowd.send(join(&id, size)).len(), 0);
    assert_eq!(crowd.heartbeat_all(), 0, "all must rejoin");
    assert_eq!(crowd.join_all().len(), size + 1, "no timeout was needed");
    crowd.members.push(id);
    crowd.sync_all();
    assert_eq!(crowd.world.coordinator.rebalance_count(), 2);
    assert_eq!(crowd.world.log.len(), 2, "one record for each generation");
    assert!(log_bytes <= size * 300, "{log_bytes} bytes in the log");
}

fn log_bytes(world: &World) -> usize {
    let values = world.log.iter().filter_map(|(_, value)| value.as_ref());
    values.map(Bytes::len).sum()
}

#[test]
fn two_hundred_members_settle_without_a_storm() {
    check_rebalances_of(200);
}

#[test]
fn a_thousand_members_settle_without_a_storm() {
    check_rebalances_of(1000);
}

#[test]
fn heartbeats_of_many_members_wake_the_shell_once_a_session_not_once_a_beat() {
    let mut crowd = Crowd::new();
    crowd.settle(1000);
    let mut wakes = 0;
    for _ in 0..15 {
        crowd.world.now = crowd.world.now.plus(Duration::from_secs(3));
        if crowd.world.coordinator.next_deadline().unwrap() <= crowd.world.now.monotonic {
            wakes += 1;
            let now = crowd.world.now;
            let outcome = crowd.world.coordinator.on_deadline(now);
            assert!(crowd.world.apply(outcome).is_empty());
        }
        assert_eq!(crowd.heartbeat_all(), 1000);
    }
    assert!(wakes <= 2, "{wakes} wakes in one session timeout");
}
