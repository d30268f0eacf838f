//! Keyed deadlines, made for timers that are pushed back far more often than they fire: a heartbeat
//! only rewrites its key's entry, and the queue learns of it when the old deadline comes up.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Instant,
};

use model::{GroupId, MemberId};

/// What a deadline is about. At most one deadline exists per key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TimerKey {
    /// A member, or an id given out and not yet joined with, was not heard of in time.
    Session(GroupId, MemberId),
    /// The rebalance goes on without those who have not joined.
    Rebalance(GroupId),
    /// The members that have not synced are given up.
    Sync(GroupId),
    /// An empty group is looked at: expired offsets go, then the group itself.
    Purge(GroupId),
}

/// The deadline of a key, and the moment under which the key stands in the queue (never later).
struct Deadline {
    due: Instant,
    queued: Instant,
}

/// All deadlines of a coordinator.
#[derive(Default)]
pub(crate) struct Timers {
    deadlines: HashMap<TimerKey, Deadline>,
    /// Holds one live entry per key, and stale ones that are skipped when they come up.
    queue: BinaryHeap<Reverse<(Instant, TimerKey)>>,
}

/// How many stale entries the queue may hold beyond one per key before it is rebuilt.
const STALE_MAX: usize = 1024;

impl Timers {
    /// Sets the key's deadline, or moves it.
    pub(crate) fn set(&mut self, key: TimerKey, due: Instant) {
        if let Some(deadline) = self.deadlines.get_mut(&key) {
            deadline.due = due;
            if deadline.queued <= due {
                return;
            }
            deadline.queued = due;
        } else {
            self.deadlines
                .insert(key.clone(), Deadline { due, queued: due });
        }
        self.queue.push(Reverse((due, key)));
        self.drop_stale();
    }

    /// Brings the key's deadline forward, if it has a later one.
    pub(crate) fn hasten(&mut self, key: TimerKey, due: Instant) {
        if self
            .deadlines
            .get(&key)
            .is_some_and(|deadline| due < deadline.due)
        {
            self.set(key, due);
        }
    }

    /// Sets the key's deadline unless it has one.
    pub(crate) fn set_if_absent(&mut self, key: TimerKey, due: Instant) {
        if !self.deadlines.contains_key(&key) {
            self.set(key, due);
        }
    }

    /// Forgets the key's deadline, if it has one.
    pub(crate) fn cancel(&mut self, key: &TimerKey) {
        self.deadlines.remove(key);
    }

    /// When to look again: at or before the earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((queued, _))| *queued)
    }

    /// Takes one key whose deadline has passed; earliest first.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<TimerKey> {
        while self.next()? <= now {
            let Reverse((queued, key)) = self.queue.pop()?;
            let Some(deadline) = self.deadlines.get_mut(&key) else {
                continue;
            };
            if deadline.queued != queued {
                continue;
            }
            if deadline.due > now {
                deadline.queued = deadline.due;
                self.queue.push(Reverse((deadline.due, key)));
            } else {
                self.deadlines.remove(&key);
                return Some(key);
            }
        }
        None
    }

    /// Keeps the queue's size in proportion to the number of keys.
    fn drop_stale(&mut self) {
        if self.queue.len() > 2 * self.deadlines.len() + STALE_MAX {
            self.queue = self
                .deadlines
                .iter()
                .map(|(key, deadline)| Reverse((deadline.queued, key.clone())))
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(member: &str) -> TimerKey {
        TimerKey::Session(GroupId::from("g"), MemberId::from(member))
    }

    /// Any instant will do: only differences count.
    fn start() -> Instant {
        crate::tests::start().monotonic
    }

    #[test]
    fn deadlines_come_up_in_order_and_not_early() {
        let (mut timers, start) = (Timers::default(), start());
        timers.set(key("b"), start + Duration::from_secs(2));
        timers.set(key("a"), start + Duration::from_secs(1));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(1)));
        assert_eq!(timers.pop(start), None);
        let late = start + Duration::from_secs(5);
        assert_eq!(timers.pop(late), Some(key("a")));
        assert_eq!(timers.pop(late), Some(key("b")));
        assert_eq!(timers.pop(late), None);
    }

    #[test]
    fn a_deadline_moves_both_ways_and_can_be_cancelled() {
        let (mut timers, start) = (Timers::default(), start());
        let at = |secs| start + Duration::from_secs(secs);
        timers.set(key("a"), at(1));
        timers.set(key("a"), at(10));
        assert_eq!(timers.pop(at(9)), None);
        timers.set(key("a"), at(3));
        assert_eq!(timers.pop(at(3)), Some(key("a")));
        assert_eq!(timers.pop(at(20)), None);
        timers.set(key("a"), at(1));
        timers.cancel(&key("a"));
        assert_eq!(timers.pop(at(20)), None);
    }

    #[test]
    fn twenty_thousand_heartbeating_members_keep_one_entry_each() {
        let (mut timers, start) = (Timers::default(), start());
        let keys: Vec<_> = (0..20_000).map(|n| key(&n.to_string())).collect();
        for second in 0..5 {
            for key in &keys {
                timers.set(key.clone(), start + Duration::from_secs(second + 10));
            }
        }
        assert_eq!(timers.queue.len(), keys.len());
    }

    #[test]
    fn setting_and_cancelling_does_not_grow_the_queue() {
        let (mut timers, start) = (Timers::default(), start());
        for n in 0..20_000_u32 {
            let key = key(&n.to_string());
            timers.set(key.clone(), start + Duration::from_secs(60));
            timers.cancel(&key);
        }
        assert!(timers.queue.len() <= STALE_MAX + 1);
    }
}
