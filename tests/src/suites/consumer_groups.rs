//! Consumer groups of several processes: takeover after a crash, spreading of load, static members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::scenario::{Scenario, Suite};
use crate::stage::{Stage, Target};

pub(super) const SUITE: Suite = Suite {
    name: "groups",
    scenarios: &[
        Scenario::new(
            "the others take over from a killed member, eager",
            takeover_eager,
        ),
        Scenario::new(
            "the others take over from a killed member, cooperative",
            takeover_cooperative,
        ),
        Scenario::new("a static member rejoins without a rebalance", static_member),
        Scenario::new(
            "a second member of the same instance id fences the first",
            fenced,
        ),
        Scenario::new(
            "200 members settle on 1,000 partitions without a storm",
            crowd,
        ),
    ],
};

const PARTITIONS: u32 = 10;
/// How long to listen to each member before turning to the next.
const TURN: Duration = Duration::from_millis(10);

/// What `member.py` says.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Assigned { partitions: Vec<u32> },
    Revoked { partitions: Vec<u32> },
    Message { partition: u32, offset: u64 },
    Committed { offsets: BTreeMap<String, u64> },
    Stopped,
}

struct Member {
    process: Process,
    owned: BTreeSet<u32>,
    /// What was read, in order, as partition and offset.
    read: Vec<(u32, u64)>,
    committed: Option<BTreeMap<String, u64>>,
    revocations: usize,
    /// Assignments and revocations together.
    rebalances: usize,
    stopped: bool,
}

/// The members of one group on one topic.
pub(super) struct Group<'stage, 'world> {
    pub(super) stage: &'stage mut Stage<'world>,
    endpoint: Endpoint,
    topic: String,
    assignor: &'static str,
    session_timeout_ms: u32,
    members: Vec<Member>,
    /// Messages sent to each partition.
    sent: u64,
}

fn takeover_eager(stage: &mut Stage<'_>) -> Result<()> {
    takeover(stage, "range")
}

fn takeover_cooperative(stage: &mut Stage<'_>) -> Result<()> {
    takeover(stage, "cooperative-sticky")
}

fn takeover(stage: &mut Stage<'_>, assignor: &'static str) -> Result<()> {
    let mut group = Group::new(stage, assignor, 6000)?;
    for _ in 0..3 {
        group.join(None)?;
    }
    group.until_shared()?;
    group.produce(20)?;
    group.until_all_read()?;
    group.commit()?;
    let committed = group.sent;
    // Read by the member that will die, but not committed: these must come again.
    group.produce(10)?;
    group.until_all_read()?;

    let mut dead = group.members.remove(1);
    dead.process.kill()?;
    let marks: Vec<usize> = group
        .members
        .iter()
        .map(|member| member.read.len())
        .collect();
    let revocations: usize = group.members.iter().map(|member| member.revocations).sum();
    let sent = group.sent;
    group.until(
        "the others read what the dead member had not committed",
        |members| {
            dead.owned.iter().all(|&partition| {
                members.iter().zip(&marks).any(|(member, &mark)| {
                    member.owned.contains(&partition)
                        && read_since(member, mark, partition).last() == Some(&(sent - 1))
                })
            })
        },
    )?;
    for &partition in &dead.owned {
        for (member, &mark) in group.members.iter().zip(&marks) {
            let offsets = read_since(member, mark, partition);
            let expected: Vec<u64> = (committed..sent).collect();
            ensure!(
                offsets.is_empty() || offsets == expected,
                "partition {partition} went on with {offsets:?}, committed was {committed}"
            );
        }
    }
    if assignor == "cooperative-sticky" {
        let after: usize = group.members.iter().map(|member| member.revocations).sum();
        ensure!(
            after == revocations,
            "a cooperative takeover revoked from the living"
        );
    }

    group.join(None)?;
    group.until_shared()?;
    group.produce(5)?;
    group.until_all_read()?;
    group.leave()
}

fn static_member(stage: &mut Stage<'_>) -> Result<()> {
    // Longer than the restart of a member, so that only its instance id keeps its place.
    let mut group = Group::new(stage, "range", 30_000)?;
    for instance in ["first", "second", "third"] {
        group.join(Some(instance))?;
    }
    group.until_shared()?;
    group.produce(10)?;
    group.until_all_read()?;
    group.commit()?;
    for way_out in ["killed", "stopped"] {
        let rebalances = |group: &Group<'_, '_>| -> Vec<usize> {
            group.members[1..]
                .iter()
                .map(|member| member.rebalances)
                .collect()
        };
        let before = rebalances(&group);
        let mut gone = group.members.remove(0);
        if way_out == "killed" {
            gone.process.kill()?;
        } else {
            gone.process.say("stop")?;
            let (status, _) = gone.process.finish(group.stage.deadline())?;
            ensure!(status.success(), "the stopped member ended with {status}");
        }
        group.join(Some("first"))?;
        let back = group.members.len() - 1;
        group.members.swap(0, back);
        group.members[1..].rotate_left(usize::from(back > 1));
        group.until("it has its partitions again", |members| {
            members[0].owned == gone.owned
        })?;
        group.produce(5)?;
        group.until_all_read()?;
        group.commit()?;
        let after = rebalances(&group);
        ensure!(
            after == before,
            "{way_out}: the others saw rebalances, {before:?} to {after:?}"
        );
    }
    group.leave()
}

fn fenced(stage: &mut Stage<'_>) -> Result<()> {
    let python = stage.tools.python()?;
    let endpoint = stage.plain()?;
    let name = stage.name("fenced");
    let command = endpoint.equip(python.program("fenced.py"), &name, &name);
    stage.check(command, "fenced.py")?;
    Ok(())
}

/// How often a crowd may be rearranged until it has settled: a storm is once for each member.
const REBALANCES_MAX: f64 = 20.0;

fn crowd(stage: &mut Stage<'_>) -> Result<()> {
    let mut command = stage.tools.go()?.program("crowd");
    command.args(["200", "1000"]);
    let endpoint = stage.plain()?;
    let name = stage.name("crowd");
    let mut client = stage.start(endpoint.equip(command, &name, &name), "crowd")?;
    let mut before = 0.0;
    for change in ["they joined", "a quarter left"] {
        let line = client.line(stage.deadline())?.context("crowd ended")?;
        let seen = line.strip_prefix("settled ").context("another line")?;
        let seen: f64 = seen.parse()?;
        ensure!(seen <= REBALANCES_MAX, "{change}: a member saw {seen}");
        if let Target::Tidegate(_) = stage.target() {
            let broker = stage.own_broker()?;
            let all = broker.metric("tidegate_rebalances_total", "dev")?;
            let since = all - before;
            ensure!(
                (1.0..=REBALANCES_MAX).contains(&since),
                "{change}: {since} rebalances"
            );
            before = all;
        }
        client.say("on")?;
    }
    let (status, _) = client.finish(stage.deadline())?;
    ensure!(status.success(), "crowd ended with {status}");
    Ok(())
}

impl<'stage, 'world> Group<'stage, 'world> {
    pub(super) fn new(
        stage: &'stage mut Stage<'world>,
        assignor: &'static str,
        session_timeout_ms: u32,
    ) -> Result<Self> {
        let mut command = stage.tools.python()?.program("topic.py");
        let endpoint = stage.plain()?;
        let topic = stage.name("group");
        command.arg(PARTITIONS.to_string());
        stage.check(endpoint.equip(command, &topic, &topic), "topic.py")?;
        let members = Vec::new();
        Ok(Self {
            stage,
            endpoint,
            topic,
            assignor,
            session_timeout_ms,
            members,
            sent: 0,
        })
    }

    pub(super) fn join(&mut self, instance: Option<&str>) -> Result<()> {
        let endpoint = self.endpoint.clone();
        self.join_through(&endpoint, instance)
    }

    pub(super) fn join_through(
        &mut self,
        endpoint: &Endpoint,
        instance: Option<&str>,
    ) -> Result<()> {
        let mut command = self.stage.tools.python()?.program("member.py");
        command
            .args([self.assignor, &self.session_timeout_ms.to_string()])
            .args(instance);
        let command = endpoint.equip(command, &self.topic, &self.topic);
        self.members.push(Member {
            process: self.stage.start(command, "member.py")?,
            owned: BTreeSet::new(),
            read: Vec::new(),
            committed: None,
            revocations: 0,
            rebalances: 0,
            stopped: false,
        });
        Ok(())
    }

    /// Sends `count` messages to every partition.
    pub(super) fn produce(&mut self, count: u64) -> Result<()> {
        let mut command = self.stage.tools.python()?.program("produce.py");
        command.args([
            PARTITIONS.to_string(),
            self.sent.to_string(),
            count.to_string(),
        ]);
        self.stage
            .check(self.endpoint.equip(command, &self.topic, ""), "produce.py")?;
        self.sent += count;
        Ok(())
    }

    /// All partitions are owned, by all members alike.
    pub(super) fn until_shared(&mut self) -> Result<()> {
        let least = PARTITIONS as usize / self.members.len().max(1);
        self.until("the members share the partitions", |members| {
            spread(members, least)
        })
    }

    /// Every partition has been read to its end by the member that owns it.
    pub(super) fn until_all_read(&mut self) -> Result<()> {
        let sent = self.sent;
        self.until("all is read", |members| {
            (0..PARTITIONS).all(|partition| {
                members
                    .iter()
                    .filter(|member| member.owned.contains(&partition))
                    .any(|member| {
                        read_since(member, 0, partition)
                            .last()
                            .is_some_and(|last| last + 1 == sent)
                    })
            })
        })?;
        for member in &self.members {
            ensure!(
                gapless(&member.read),
                "a member skipped messages: {:?}",
                member.read
            );
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.committed = None;
            member.process.say("commit")?;
        }
        self.until("all have committed", |members| {
            members.iter().all(|member| member.committed.is_some())
        })?;
        for member in &self.members {
            let committed = member.committed.iter().flatten();
            for (partition, &offset) in committed {
                ensure!(
                    offset == self.sent,
                    "committed {offset} of partition {partition}"
                );
            }
        }
        Ok(())
    }

    /// Kills the member that came last.
    pub(super) fn lose_last(&mut self) {
        self.members.pop();
    }

    pub(super) fn leave(mut self) -> Result<()> {
        for member in &mut self.members {
            member.process.say("stop")?;
        }
        self.until("all have left", |members| {
            members.iter().all(|member| member.stopped)
        })
    }

    /// Listens to the members until `done` holds.
    fn until(&mut self, what: &str, done: impl Fn(&[Member]) -> bool) -> Result<()> {
        let deadline = self.stage.deadline();
        while !done(&self.members) {
            for member in &mut self.members {
                member.listen()?;
            }
            if deadline.passed() {
                let owned: Vec<_> = self.members.iter().map(|member| &member.owned).collect();
                bail!("not in time: {what}; owned are {owned:?}");
            }
        }
        Ok(())
    }
}

impl Member {
    fn listen(&mut self) -> Result<()> {
        while let Some(line) = self.process.line_within(TURN) {
            let event = serde_json::from_str(&line).with_context(|| format!("read {line}"))?;
            match event {
                Event::Assigned { partitions } => {
                    self.rebalances += 1;
                    self.owned.extend(partitions);
                }
                Event::Revoked { partitions } => {
                    self.rebalances += 1;
                    self.revocations += 1;
                    self.owned.retain(|owned| !partitions.contains(owned));
                }
                Event::Message { partition, offset } => self.read.push((partition, offset)),
                Event::Committed { offsets } => self.committed = Some(offsets),
                Event::Stopped => self.stopped = true,
            }
        }
        if !self.stopped && self.process.ended_within(Duration::ZERO)? {
            bail!("a member ended by itself");
        }
        Ok(())
    }
}

/// All partitions are owned, by all of the members, and none has fewer than `least`.
fn spread(members: &[Member], least: usize) -> bool {
    let all: BTreeSet<u32> = members
        .iter()
        .flat_map(|member| member.owned.clone())
        .collect();
    let owned: usize = members.iter().map(|member| member.owned.len()).sum();
    all.len() == PARTITIONS as usize
        && owned == all.len()
        && members.iter().all(|member| member.owned.len() >= least)
}

/// The offsets that a member read of a partition since it had read `mark` messages.
fn read_since(member: &Member, mark: usize, partition: u32) -> Vec<u64> {
    let since = member.read.get(mark..).unwrap_or_default();
    since
        .iter()
        .filter(|(p, _)| *p == partition)
        .map(|(_, offset)| *offset)
        .collect()
}

/// No message of a partition was skipped: each offset is one more than the one before, or an
/// earlier one, where a member went back to what was committed.
fn gapless(read: &[(u32, u64)]) -> bool {
    let mut last = BTreeMap::new();
    read.iter().all(|&(partition, offset)| {
        let before: Option<u64> = last.insert(partition, offset);
        before.is_none_or(|before| offset <= before + 1)
    })
}
