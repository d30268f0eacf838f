//! Scenarios as text: each line after `>` is something a client does, each line below it what comes
//! out of the coordinator then. [`check`] runs the former and compares the latter.
//!
//! ```text
//! > join NAME [group=G] [fresh] [known] [skip] [instance=I] [type=T] [with=p1:meta,p2:meta]
//!             [session=S] [rebalance=S]      > sync NAME [generation=N] [protocol=P] [give=..|all]
//! > beat NAME [generation=N]                 > leave NAME.. [instance=I]
//! > commit NAME|- topic:partition=offset:note..       > fetch [topic:partition..]
//! > forget topic:partition..                 > drop-topic TOPIC
//! > describe G.. | list [states=..] [types=..] | delete G..
//! > wait S | crash | abandon NAME | hang-up NAME
//! ```
//! Each client has a connection of its own, unless it asks `over=` another's. `reach=TOPIC` limits it to a topic, `reads=t+u` (or
//! `reads=-`) makes a member's metadata a subscription.
//! ```text
//! ```
//! Ids are printed short: `a-1` is client `a`'s id made from the first random number. Times are
//! seconds.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use model::{GenerationId, GroupId, InstanceId, MemberId, Now, TopicName};

use crate::{
    Command, CommitOffsets, Config, ConnectionId, Coordinator, DeleteOffsets, FetchOffsets,
    FetchOffsetsGroup, GroupState, GroupType, Heartbeat, JoinGroup, LeaveGroup, LeavingMember,
    ListGroups, Outcome, Protocol, Reach, Record, Reply, Sender, SyncGroup, Ticket,
};

use arguments::{Arguments, seconds};
use print::{long, print, short};

mod arguments;
mod print;

/// Runs a script with the default configuration.
pub(crate) fn check(script: &str) {
    check_with(Config::default(), script);
}

/// Runs a script.
pub(crate) fn check_with(config: Config, script: &str) {
    let actual = World::new(config).play(script);
    let mut expected = String::new();
    for line in lines(script) {
        writeln!(expected, "{line}").unwrap();
    }
    assert_eq!(actual, expected, "\n--- actual ---\n{actual}");
}

fn lines(script: &str) -> impl Iterator<Item = &str> {
    let lines = script.lines().map(|line| line.trim_matches(' '));
    lines.filter(|line| !line.is_empty())
}

/// What a client remembers between its requests.
#[derive(Clone, Default)]
struct Client {
    member: String,
    instance: Option<String>,
    generation: i32,
    /// What it would assign, had it to.
    members: Vec<MemberId>,
    ticket: Option<Ticket>,
}

/// A coordinator, its shell and its clients.
pub(crate) struct World {
    pub(crate) coordinator: Coordinator,
    pub(crate) config: Config,
    pub(crate) log: Vec<(Bytes, Option<Bytes>)>,
    pub(crate) now: Now,
    pub(crate) notices: Vec<String>,
    clients: BTreeMap<String, Client>,
    waiting: HashMap<Ticket, String>,
    tickets: u64,
    /// How often the coordinator was rebuilt: each life has random numbers of its own.
    lives: u128,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            coordinator: Coordinator::new(config.clone(), ids_from(1)),
            config,
            log: Vec::new(),
            now: super::start(),
            notices: Vec::new(),
            clients: BTreeMap::new(),
            waiting: HashMap::new(),
            tickets: 0,
            lives: 0,
        }
    }

    /// Does what the script says; returns it with what really came out.
    pub(crate) fn play(&mut self, script: &str) -> String {
        let mut actual = String::new();
        for line in lines(script) {
            if let Some(command) = line.strip_prefix("> ") {
                writeln!(actual, "{line}").unwrap();
                for line in self.run(command) {
                    writeln!(actual, "{}", line.trim_end()).unwrap();
                }
            }
        }
        actual
    }

    /// Does what the shell does with an outcome; records take the way through their bytes.
    pub(crate) fn apply(&mut self, outcome: Outcome) -> Vec<(Ticket, Reply)> {
        let notices = outcome.notices.iter().map(ToString::to_string);
        self.notices.extend(notices.map(|notice| short(&notice)));
        for record in &outcome.records {
            let (key, value) = record.encode();
            let decoded = Record::decode(&key, value.as_deref()).unwrap();
            assert_eq!(&decoded, record);
            self.coordinator.replay(&decoded);
            self.log.push((key, value));
        }
        outcome.replies
    }

    /// Sends a command under a new ticket.
    pub(crate) fn send(&mut self, command: Command) -> (Ticket, Vec<(Ticket, Reply)>) {
        self.send_as(&sender(""), command)
    }

    fn send_as(&mut self, sender: &Sender, command: Command) -> (Ticket, Vec<(Ticket, Reply)>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let outcome = self.coordinator.handle(command, sender, ticket, self.now);
        (ticket, self.apply(outcome))
    }

    /// Lets time pass, acting on each deadline at its moment.
    pub(crate) fn wait(&mut self, span: Duration) -> Vec<(Ticket, Reply)> {
        let until = self.now.plus(span);
        let mut replies = Vec::new();
        while let Some(due) = self.coordinator.next_deadline()
            && due <= until.monotonic
        {
            let ahead = due.saturating_duration_since(self.now.monotonic);
            self.now = self.now.plus(ahead);
            let outcome = self.coordinator.on_deadline(self.now);
            let next = self.coordinator.next_deadline();
            let passed = next.is_none_or(|next| next > self.now.monotonic);
            assert!(passed, "a deadline was left standing");
            replies.extend(self.apply(outcome));
        }
        self.now = until;
        replies
    }

    /// How many requests still wait for their reply.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A coordinator rebuilt from the log.
    pub(crate) fn rebuilt(&self) -> Coordinator {
        let mut coordinator = Coordinator::new(self.config.clone(), ids_from(1000 * self.lives));
        for (key, value) in &self.log {
            coordinator.replay(&Record::decode(key, value.as_deref()).unwrap());
        }
        coordinator
    }

    fn run(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, arguments) = words.split_first().unwrap();
        let arguments = Arguments::new(arguments);
        let replies = match *verb {
            "wait" => self.wait(seconds(&arguments.plain(0))),
            "crash" => {
                self.lives += 1;
                self.coordinator = self.rebuilt();
                self.coordinator.loaded(self.now);
                self.waiting.clear();
                Vec::new()
            }
            "abandon" => {
                let client = arguments.plain(0);
                match self.clients.entry(client).or_default().ticket.take() {
                    None => Vec::new(),
                    Some(ticket) => {
                        self.waiting.remove(&ticket);
                        let outcome = self.coordinator.abandon(ticket, self.now);
                        self.apply(outcome)
                    }
                }
            }
            "hang-up" => {
                let connection = sender(&arguments.plain(0)).connection;
                self.coordinator.disconnected(connection, self.now);
                self.apply(Outcome::default())
            }
            _ => {
                let name = arguments.plain(0);
                let sender = Sender {
                    reach: arguments.reach(),
                    ..sender(arguments.named("over").unwrap_or(&name))
                };
                let command = self.command(verb, &name, &arguments);
                self.waiting.insert(Ticket(self.tickets + 1), name.clone());
                let (ticket, replies) = self.send_as(&sender, command);
                self.clients.entry(name).or_default().ticket = Some(ticket);
                replies
            }
        };
        let replies = replies.into_iter();
        replies
            .map(|(ticket, reply)| self.print(ticket, &reply))
            .collect()
    }

    fn command(&mut self, verb: &str, name: &str, arguments: &Arguments) -> Command {
        let client = self.clients.entry(name.to_owned()).or_default().clone();
        let group = GroupId::from(arguments.named("group").unwrap_or("g"));
        let generation = GenerationId(arguments.number("generation", client.generation));
        let member = MemberId::from(client.member.as_str());
        let instance = client.instance.as_deref().map(InstanceId::from);
        match verb {
            "join" => Command::JoinGroup(self.join(name, arguments)),
            "sync" => Command::SyncGroup(SyncGroup {
                group,
                member,
                instance,
                generation,
                protocol_type: arguments.named("type").map(Arc::from),
                protocol: arguments.named("protocol").map(Arc::from),
                assignments: assignments(&client, arguments),
            }),
            "beat" => Command::Heartbeat(Heartbeat {
                group,
                member,
                instance,
                generation,
            }),
            "leave" => Command::LeaveGroup(LeaveGroup {
                group,
                members: self.leaving(arguments),
            }),
            "commit" => Command::CommitOffsets(CommitOffsets {
                group,
                member,
                instance,
                generation: GenerationId(arguments.number(
                    "generation",
                    if name == "-" { -1 } else { client.generation },
                )),
                topics: arguments.commits(),
            }),
            "fetch" => Command::FetchOffsets(FetchOffsets {
                groups: vec![FetchOffsetsGroup {
                    group,
                    topics: Some(arguments.partitions()).filter(|topics| !topics.is_empty()),
                }],
            }),
            "forget" => Command::DeleteOffsets(DeleteOffsets {
                group,
                topics: arguments.partitions(),
            }),
            "drop-topic" => Command::TopicDeleted(TopicName::try_from(name).unwrap()),
            "describe" => Command::DescribeGroups(arguments.groups()),
            "delete" => Command::DeleteGroups(arguments.groups()),
            "list" => Command::ListGroups(ListGroups {
                states: arguments.named("states").map(|names| {
                    let names = names.split(',');
                    names.filter_map(GroupState::from_name).collect()
                }),
                types: arguments.named("types").map(|names| {
                    let names = names.split(',');
                    names.filter_map(GroupType::from_name).collect()
                }),
            }),
            verb => panic!("no verb {verb}"),
        }
    }

    fn join(&mut self, name: &str, arguments: &Arguments) -> JoinGroup {
        let client = self.clients.get_mut(name).unwrap();
        if arguments.has("fresh") {
            client.member.clear();
        }
        if let Some(instance) = arguments.named("instance") {
            client.instance = Some(instance.to_owned());
        }
        let protocols: Vec<Protocol> = arguments
            .pairs("with")
            .map(|(name, metadata)| Protocol {
                name: Arc::from(name),
                metadata: Bytes::copy_from_slice(metadata.as_bytes()),
            })
            .collect();
        let range = Protocol {
            name: Arc::from("range"),
            metadata: arguments.subscription().unwrap_or(Bytes::from_static(b"m")),
        };
        JoinGroup {
            group: GroupId::from(arguments.named("group").unwrap_or("g")),
            member: MemberId::from(client.member.as_str()),
            instance: client.instance.as_deref().map(InstanceId::from),
            client_id: Arc::from(name),
            client_host: Arc::from("/host"),
            session_timeout: seconds(arguments.named("session").unwrap_or("10")),
            rebalance_timeout: seconds(arguments.named("rebalance").unwrap_or("60")),
            protocol_type: Arc::from(arguments.named("type").unwrap_or("consumer")),
            protocols: if protocols.is_empty() && !arguments.has("bare") {
                vec![range]
            } else {
                protocols
            },
            requires_known_member: arguments.has("known"),
            can_skip_assignment: arguments.has("skip"),
            reason: Arc::from(arguments.named("because").unwrap_or_default()),
        }
    }

    fn leaving(&self, arguments: &Arguments) -> Vec<LeavingMember> {
        if let Some(instance) = arguments.named("instance") {
            return vec![LeavingMember {
                member: MemberId::from(""),
                instance: Some(InstanceId::from(instance)),
            }];
        }
        let names = arguments.0.iter().filter(|word| !word.contains('='));
        names
            .map(|name| {
                let client = self.clients.get(name).cloned().unwrap_or_default();
                LeavingMember {
                    member: MemberId::from(client.member.as_str()),
                    instance: client.instance.as_deref().map(InstanceId::from),
                }
            })
            .collect()
    }

    /// The reply as a line; the client remembers what a real one would.
    fn print(&mut self, ticket: Ticket, reply: &Reply) -> String {
        let name = self.waiting.remove(&ticket).expect("one reply per ticket");
        let client = self.clients.entry(name.clone()).or_default();
        match reply {
            Reply::JoinGroup(Ok(joined)) => {
                client.member = joined.member.as_str().to_owned();
                client.generation = joined.generation.0;
                let members = joined.members.iter();
                client.members = members.map(|member| member.member.clone()).collect();
            }
            Reply::JoinGroup(Err(crate::GroupError::MemberIdRequired(member))) => {
                client.member = member.as_str().to_owned();
            }
            _ => {}
        }
        short(&print(&name, reply))
    }
}

/// A client's name is its connection's, as far as it goes.
pub(crate) fn sender(name: &str) -> Sender {
    let number = name.bytes().take(8);
    let number = number.fold(0, |sum, byte| sum << 8 | u64::from(byte));
    Sender {
        connection: ConnectionId(number),
        reach: Reach::Everything,
    }
}

/// `give=all` gives each member its own id, `give=ID:A,ID:A` what it says.
fn assignments(client: &Client, arguments: &Arguments) -> Vec<(MemberId, Bytes)> {
    if arguments.named("give") == Some("all") {
        let members = client.members.iter();
        let own = |id: &MemberId| Bytes::copy_from_slice(id.as_str().as_bytes());
        return members.map(|id| (id.clone(), own(id))).collect();
    }
    let given = |(id, assignment): (&str, &str)| {
        let member = MemberId::from(long(id).as_str());
        (member, Bytes::copy_from_slice(assignment.as_bytes()))
    };
    arguments.pairs("give").map(given).collect()
}

/// Random numbers that count up.
pub(crate) fn ids_from(first: u128) -> crate::IdSource {
    let mut next = first;
    Box::new(move || {
        next += 1;
        next - 1
    })
}
