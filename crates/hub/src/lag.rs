//! Consumer lag: how many records a group has not read, and how old the first of them is.
//!
//! A walk reads no disk. Where the first unread record has left memory, its time comes from what a
//! task has read before; until that is there, the newest time of its extent stands in, so that a
//! group that lags always has an age.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use model::{GroupId, LogId, Offset, PartitionIndex, Timestamp, TopicName};
use storage::EntryTime;
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
};
use tracing::{debug, warn};

use crate::{
    core::Core,
    namespace::Namespace,
    observe::{LagObservation, Observer},
    sync::lock,
};

/// How long the task rests between passes while it is asked.
const PASS_PAUSE: Duration = Duration::from_secs(1);
/// Passes that follow a walk which missed a time: a group that catches up moves on between walks.
/// The first looks at all groups, the others at those that were behind then.
const PASSES: u32 = 60;

/// Times of first unread records that only the disk knows.
#[derive(Default)]
pub(crate) struct UnreadTimes {
    /// At most one per committed offset: each pass keeps only what still lags.
    known: Mutex<HashMap<(LogId, GroupId), Unread>>,
    /// A walk missed a time.
    asked: Notify,
}

/// Groups, each in its namespace.
type Groups = Vec<(Arc<Namespace>, GroupId)>;

/// A record's time never changes, so it holds for as long as its offset is the committed one.
#[derive(Clone, Copy)]
struct Unread {
    offset: Offset,
    time: Timestamp,
}

/// What a group has not read of one partition.
struct Lag {
    log: LogId,
    /// The first unread offset that is still there.
    from: Offset,
    records: u64,
}

/// Reads missing times, off the workers, for as long as walks ask for them.
pub(crate) async fn keep_unread_times(core: Arc<Core>, mut stopped: watch::Receiver<bool>) {
    let mut passes = 0;
    let mut behind = None;
    loop {
        let due = core.clock.now().monotonic + PASS_PAUSE;
        // Every arm may be dropped half-way: a question stays noted, the others hold nothing.
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = core.unread_times.asked.notified() => (passes, behind) = (PASSES, None),
            () = core.clock.sleep_until(due), if passes > 0 => passes -= 1,
        }
        let worker = Arc::clone(&core);
        let groups = behind.take();
        match spawn_blocking(move || worker.read_unread_times(groups)).await {
            Ok(still_behind) => behind = Some(still_behind),
            Err(error) => warn!(%error, "reading the age of unread records broke off"),
        }
    }
}

impl Core {
    pub(crate) fn observe_lag(&self, namespace: &Namespace, observer: &mut dyn Observer) {
        for (group, topic, partition, committed) in committed(namespace) {
            let Some(lag) = lag(namespace, topic.as_str(), partition, committed) else {
                continue;
            };
            observer.lag(&LagObservation {
                namespace: &namespace.name,
                group: &group,
                topic: &topic,
                partition,
                records: lag.records,
                age: self.age(&lag, &group),
            });
        }
    }

    /// How old the first unread record is; `None` where it has no time.
    fn age(&self, lag: &Lag, group: &GroupId) -> Option<Duration> {
        if lag.records == 0 {
            return Some(Duration::ZERO);
        }
        let time = match self.engine.time_in_memory(lag.log, lag.from)? {
            EntryTime::Exact(time) => time,
            EntryTime::NoLaterThan(bound) => {
                let key = (lag.log, group.clone());
                let known = lock(&self.unread_times.known).get(&key).copied();
                if known.is_none_or(|known| known.offset != lag.from) {
                    self.unread_times.asked.notify_one();
                }
                // A group that has moved on is shown as it stood at the last pass.
                known.map_or(bound, |known| known.time.min(bound))
            }
        };
        if time == Timestamp::NONE {
            return None;
        }
        let ms = self.clock.now().wall.0.saturating_sub(time.0);
        Some(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    }

    /// One pass over what lags behind memory, of these groups or of all; gives the groups that do.
    /// Blocks on the disk.
    fn read_unread_times(&self, groups: Option<Groups>) -> Groups {
        // A copy: walks go on meanwhile with what was known.
        let before = lock(&self.unread_times.known).clone();
        let mut known = HashMap::new();
        let mut behind = Groups::new();
        let namespaces = self.namespaces.load();
        let groups =
            groups.unwrap_or_else(|| namespaces.all.values().flat_map(groups_of).collect());
        for (namespace, group) in groups {
            let mut is_behind = false;
            for (topic, partition, committed) in committed_by(&namespace, &group) {
                let lag = lag(&namespace, topic.as_str(), partition, committed);
                let Some(lag) = lag.filter(|lag| lag.records > 0) else {
                    continue;
                };
                let in_memory = self.engine.time_in_memory(lag.log, lag.from);
                if !matches!(in_memory, Some(EntryTime::NoLaterThan(_))) {
                    continue;
                }
                is_behind = true;
                let key = (lag.log, group.clone());
                let kept = before.get(&key).filter(|kept| kept.offset == lag.from);
                let unread = kept.copied().or_else(|| self.read_unread(&lag));
                known.extend(unread.map(|unread| (key, unread)));
            }
            if is_behind {
                behind.push((namespace, group));
            }
        }
        *lock(&self.unread_times.known) = known;
        behind
    }

    fn read_unread(&self, lag: &Lag) -> Option<Unread> {
        match self.engine.time_of(lag.log, lag.from) {
            Ok(time) => Some(Unread {
                offset: lag.from,
                time: time?,
            }),
            Err(error) => {
                debug!(log = %lag.log, %error, "look up the age of an unread record");
                None
            }
        }
    }
}

/// All groups of the namespace: most have committed something.
fn groups_of(namespace: &Arc<Namespace>) -> Groups {
    let ids = namespace.groups.read(|groups| {
        let ids = groups.groups().map(|summary| summary.group.clone());
        ids.collect::<Vec<_>>()
    });
    let groups = ids.into_iter().map(|id| (Arc::clone(namespace), id));
    groups.collect()
}

/// What one group has committed: the lock is held for no more than that.
fn committed_by(
    namespace: &Namespace,
    group: &GroupId,
) -> Vec<(TopicName, PartitionIndex, Offset)> {
    namespace.groups.read(|groups| {
        let offsets = groups.offsets_of(group);
        offsets
            .map(|(topic, partition, committed)| (topic.clone(), partition, committed.offset))
            .collect()
    })
}

/// Every committed offset of the namespace.
fn committed(namespace: &Namespace) -> Vec<(GroupId, TopicName, PartitionIndex, Offset)> {
    namespace.groups.read(|groups| {
        let offsets = groups.offsets();
        offsets
            .map(|(group, topic, partition, committed)| {
                (group.clone(), topic.clone(), partition, committed.offset)
            })
            .collect()
    })
}

fn lag(
    namespace: &Namespace,
    topic: &str,
    index: PartitionIndex,
    committed: Offset,
) -> Option<Lag> {
    let partition = namespace.topic_named(topic)?.partition(index)?;
    let positions = partition.watermarks();
    let from = committed.max(positions.start);
    let records = positions.durable_end.0.saturating_sub(from.0);
    Some(Lag {
        log: partition.log,
        from,
        records: u64::try_from(records).unwrap_or(0),
    })
}
