//! What of a damaged directory's metadata can be saved: first as a plan that changes nothing, then
//! carried out on a copy.
//!
//! The plan takes the checkpoint's copy and every sound record of the log. Logs that hold records
//! and that nothing names any more become event hubs of their own, `salvaged-<log>`, of one
//! partition each; numbers that must not be given twice are raised above all that were found.

mod carry_out;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use bytes::Bytes;
use model::{
    LeaderEpoch, LogId, NamespaceId, NamespaceName, Offset, TopicId, TopicName,
    batch::{self, Batch},
};
use storage::{EntryFacts, EntryFactsKind, VerifyError, VerifyEvent};

pub use self::carry_out::salvage;
use crate::metadata::{
    Counters, LogRun, METADATA_LOG, Metadata, NamespaceRecord, Record, TopicRecord,
};

/// Producer ids that may have been given out beyond the last sound record of them.
const PRODUCER_SKIP: i64 = 1_000_000_000;
/// Epochs that may have been begun beyond the last sound record of them.
const EPOCH_SKIP: i32 = 1_000;
/// Logs that are looked into for a namespace's groups, at most: each look reads the whole log.
const GROUPS_LOOKS_MAX: usize = 8;

/// What a salvage would make of a directory.
#[derive(Debug)]
pub struct SalvagePlan {
    pub(crate) machine: Metadata,
    /// What exists is whole for certain: in its log, or in the checkpoint's copy and the log behind it.
    pub metadata_is_whole: bool,
    /// Namespaces whose own name or groups are lost.
    pub renamed: Vec<NamespaceName>,
    /// Logs that no event hub names any more, with the name that they get.
    pub adopted: Vec<Adopted>,
    /// Event hubs that are there afterwards, these included.
    pub event_hubs: usize,
}

/// A log that becomes an event hub of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub log: LogId,
    pub topic: TopicName,
    pub from: Offset,
    pub until: Offset,
}

/// The sound entries of one log.
#[derive(Clone, Copy, Debug)]
struct Held {
    from: Offset,
    until: Offset,
}

impl SalvagePlan {
    /// Looks through the directory without changing it. `unnamed` is for a namespace whose name is
    /// lost.
    ///
    /// # Errors
    /// The directory is none of ours, or could not be read.
    pub fn of(dir: &Path, unnamed: &NamespaceName) -> Result<Self, VerifyError> {
        let mut held = BTreeMap::new();
        let mut cut = Offset::ZERO;
        let mut is_in_doubt = false;
        storage::verify(dir, &mut |event| match event {
            VerifyEvent::Entry(facts) => {
                note(&mut held, &facts);
                if facts.id == METADATA_LOG && facts.kind == EntryFactsKind::Trim {
                    cut = cut.max(facts.base);
                }
            }
            VerifyEvent::Damaged { known, .. } => {
                is_in_doubt |= known.is_none_or(|facts| facts.id == METADATA_LOG);
            }
            VerifyEvent::LostEnd { .. } => is_in_doubt = true,
            _ => {}
        })?;
        let copy = storage::read_snapshot(dir, METADATA_LOG)?;
        let copy = copy.and_then(|copy| Some((Metadata::from_copy(&copy.bytes)?, copy.next)));
        let (machine, next) = copy.unwrap_or_else(|| (Metadata::default(), cut));
        let mut found = Found {
            machine,
            next,
            is_whole: !is_in_doubt,
            homeless: Vec::new(),
        };
        storage::read_batches(dir, METADATA_LOG, &mut |bytes| found.take(bytes))?;
        let mut plan = Self {
            machine: found.machine,
            metadata_is_whole: found.is_whole,
            renamed: Vec::new(),
            adopted: Vec::new(),
            event_hubs: 0,
        };
        plan.house(found.homeless, unnamed);
        plan.adopt(dir, &held, unnamed)?;
        plan.raise_numbers(&held);
        let namespaces = plan.machine.namespaces.values();
        plan.event_hubs = namespaces.map(|state| state.topics.len()).sum();
        Ok(plan)
    }

    /// Gives topics whose namespace's own record is lost a namespace again.
    fn house(&mut self, homeless: Vec<Record>, unnamed: &NamespaceName) {
        for record in homeless {
            let (Record::Topic(id, ..) | Record::Units(id, _)) = &record else {
                continue;
            };
            if !self.machine.namespaces.contains_key(id) {
                self.begin_namespace(*id, unnamed);
            }
            self.machine.replay(&record);
        }
    }

    fn begin_namespace(&mut self, id: NamespaceId, unnamed: &NamespaceName) {
        let is_taken = self.machine.namespace_named(unnamed).is_some();
        let name = if is_taken {
            NamespaceName::from(format!("{unnamed}-{}", id.0).as_str())
        } else {
            unnamed.clone()
        };
        self.renamed.push(name.clone());
        let record = NamespaceRecord {
            name,
            cluster_id: crate::apply::cluster_id(),
            // None of its own yet: the log of its groups is looked for.
            groups_log: LogId(0),
        };
        self.machine.replay(&Record::Namespace(id, record));
    }

    /// Names the logs that nothing names.
    fn adopt(
        &mut self,
        dir: &Path,
        held: &BTreeMap<LogId, Held>,
        unnamed: &NamespaceName,
    ) -> Result<(), VerifyError> {
        let named = self.named_logs();
        let unnamed_log = |(log, _): &(&LogId, &Held)| !named.contains(log);
        let mut orphans: BTreeMap<LogId, Held> = held
            .iter()
            .filter(unnamed_log)
            .map(|(log, held)| (*log, *held))
            .collect();
        if orphans.is_empty() && !self.machine.namespaces.is_empty() {
            return Ok(());
        }
        if self.machine.namespaces.is_empty() {
            self.begin_namespace(NamespaceId(1), unnamed);
        }
        self.find_groups(dir, &mut orphans)?;
        let Some(&home) = self.machine.namespaces.keys().next() else {
            return Ok(());
        };
        for (log, Held { from, until }) in orphans {
            let name = format!("salvaged-{}", log.0);
            let Ok(topic) = TopicName::try_from(name.as_str()) else {
                continue;
            };
            let record = TopicRecord {
                name: topic.clone(),
                logs: vec![LogRun {
                    first: log,
                    count: 1,
                }],
                // Nobody said how long its events are to be kept.
                configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
            };
            let id = TopicId(uuid::Uuid::new_v4().as_u128());
            self.machine.replay(&Record::Topic(home, id, Some(record)));
            self.adopted.push(Adopted {
                log,
                topic,
                from,
                until,
            });
        }
        Ok(())
    }

    fn named_logs(&self) -> BTreeSet<LogId> {
        let mut named = BTreeSet::from([METADATA_LOG]);
        for state in self.machine.namespaces.values() {
            named.insert(state.record.groups_log);
            for topic in state.topics.values() {
                named.extend(topic.partitions().map(|(_, log)| log));
            }
        }
        named
    }

    /// Gives namespaces without a log of groups the first ones that hold nothing else.
    fn find_groups(
        &mut self,
        dir: &Path,
        orphans: &mut BTreeMap<LogId, Held>,
    ) -> Result<(), VerifyError> {
        let lacking = self.machine.namespaces.iter();
        let lacking: Vec<_> = lacking
            .filter(|(_, state)| state.record.groups_log == LogId(0))
            .map(|(id, _)| *id)
            .collect();
        let mut looks = orphans
            .keys()
            .copied()
            .take(GROUPS_LOOKS_MAX)
            .collect::<Vec<_>>();
        looks.reverse();
        for id in lacking {
            let mut log = None;
            while let Some(candidate) = looks.pop() {
                if holds_groups(dir, candidate)? {
                    orphans.remove(&candidate);
                    log = Some(candidate);
                    break;
                }
            }
            let log = log.unwrap_or_else(|| self.new_log(orphans));
            self.machine.set_groups_log(id, log);
        }
        Ok(())
    }

    /// A number that no log has.
    fn new_log(&mut self, orphans: &BTreeMap<LogId, Held>) -> LogId {
        let beyond = orphans.keys().next_back().map_or(0, |log| log.0 + 1);
        let log = LogId(self.machine.counters.log.max(beyond));
        self.machine.replay(&Record::Counters(Counters {
            log: log.0 + 1,
            ..self.machine.counters
        }));
        log
    }

    /// What may have been given out in records that are lost is not given out again.
    fn raise_numbers(&mut self, held: &BTreeMap<LogId, Held>) {
        let logs = held.keys().next_back().map_or(0, |log| log.0 + 1);
        let namespaces = self.machine.namespaces.keys().next_back();
        let counters = self.machine.counters;
        let producer = if self.metadata_is_whole {
            counters.producer
        } else {
            counters.producer.saturating_add(PRODUCER_SKIP)
        };
        self.machine.replay(&Record::Counters(Counters {
            log: counters.log.max(logs),
            namespace: counters
                .namespace
                .max(namespaces.map_or(1, |id| id.0.saturating_add(1))),
            producer,
        }));
        if !self.metadata_is_whole {
            let epoch = LeaderEpoch(self.machine.epoch.0.saturating_add(EPOCH_SKIP));
            self.machine.replay(&Record::Epoch(epoch));
        }
    }
}

/// The machine on the way, from what is sound.
struct Found {
    machine: Metadata,
    /// Where the next batch begins if nothing is missing.
    next: Offset,
    is_whole: bool,
    /// Of namespaces that no record has begun yet.
    homeless: Vec<Record>,
}

impl Found {
    fn take(&mut self, bytes: &[u8]) {
        for (header, bytes) in batch::split(Bytes::copy_from_slice(bytes)) {
            if header.next_offset() <= self.next {
                continue;
            }
            self.is_whole &= header.base_offset <= self.next;
            self.next = header.next_offset();
            let Ok(batch) = Batch::check(bytes) else {
                self.is_whole = false;
                continue;
            };
            for record in batch.records() {
                match Record::decode(record.key.unwrap_or_default(), record.value) {
                    Ok(record) => self.record(record),
                    Err(_) => self.is_whole = false,
                }
            }
        }
    }

    fn record(&mut self, record: Record) {
        let home = |homeless: &Record| match homeless {
            Record::Topic(id, ..) | Record::Units(id, _) => Some(*id),
            _ => None,
        };
        match (&record, home(&record)) {
            (_, Some(id)) if !self.machine.namespaces.contains_key(&id) => {
                self.homeless.push(record);
                return;
            }
            // A snapshot: it says everything of the namespace anew.
            (Record::Namespace(begun, _), _) => {
                self.homeless.retain(|record| home(record) != Some(*begun));
            }
            _ => {}
        }
        self.machine.replay(&record);
    }
}

fn note(held: &mut BTreeMap<LogId, Held>, facts: &EntryFacts) {
    match facts.kind {
        EntryFactsKind::Batches => {
            let log = held.entry(facts.id).or_insert(Held {
                from: facts.base,
                until: facts.next,
            });
            log.until = log.until.max(facts.next);
        }
        EntryFactsKind::Trim => {
            if let Some(log) = held.get_mut(&facts.id) {
                log.from = log.from.max(facts.base);
            }
        }
        EntryFactsKind::Remove => drop(held.remove(&facts.id)),
        EntryFactsKind::End => {}
    }
}

/// Whether a log holds groups and their offsets, and nothing else.
fn holds_groups(dir: &Path, log: LogId) -> Result<bool, VerifyError> {
    let (mut records, mut others) = (0_u64, 0_u64);
    storage::read_batches(dir, log, &mut |bytes| {
        for (_, bytes) in batch::split(Bytes::copy_from_slice(bytes)) {
            let Ok(batch) = Batch::check(bytes) else {
                continue;
            };
            for record in batch.records() {
                records += 1;
                let key = record.key.unwrap_or_default();
                others += u64::from(coordinator::Record::decode(key, record.value).is_err());
            }
        }
    })?;
    Ok(records > 0 && others == 0)
}

/// Where an event hub's events go that nobody names: shown by the plan.
impl std::fmt::Display for Adopted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            log,
            topic,
            from,
            until,
        } = self;
        write!(
            f,
            "log {log}, offsets {from} up to {until}, becomes event hub {topic}"
        )
    }
}
