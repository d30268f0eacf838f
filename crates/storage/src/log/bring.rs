//! Bringing in from the disk what readers need, little at a time: all of them together have at most
//! so much under way.
//!
//! A disk serves what it was asked for in turn, and some schedulers serve reads before writes: for what
//! readers have under way every sync waits, and with it every producer. Most disks are nearly as quick
//! with little under way as with much. So while somebody writes readers get one small load at a time, and
//! nothing ahead of what they asked for.

use std::sync::{Arc, Condvar, Mutex, PoisonError, atomic::Ordering};

use super::{Core, gather::neighbours};
use crate::{disk::DiskFile, locked::lock, partition::Recent};

/// Bytes that are asked for and waited for together.
const LOAD_BYTES: u64 = 128 << 10;
/// Loads under way when nobody writes.
const LOADS_ALONE: u32 = 8;
/// After so many loads without a sync, nobody writes.
const LOADS_UNTIL_ALONE: u32 = 64;

/// The way in from the disk.
pub(super) struct Gate {
    /// Loads under way beside somebody who writes.
    beside_writers: u32,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    /// Syncs that had ended at the last load.
    syncs: u64,
    loads_since_sync: u32,
}

impl State {
    /// Notes a load that wants to begin.
    fn note(&mut self, syncs: u64) {
        self.loads_since_sync = if self.syncs == syncs {
            self.loads_since_sync.saturating_add(1)
        } else {
            0
        };
        self.syncs = syncs;
    }
}

/// Bytes that are under way.
struct UnderWay<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub(super) fn new(beside_writers: u32) -> Self {
        Self {
            beside_writers: beside_writers.max(1),
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Whether more than one load may be under way, as the last one found it: then there is room to
    /// read ahead.
    pub(super) fn is_wide(&self) -> bool {
        self.loads_max(&lock(&self.state)) > 1
    }

    fn loads_max(&self, state: &State) -> u32 {
        if state.loads_since_sync < LOADS_UNTIL_ALONE {
            self.beside_writers
        } else {
            self.beside_writers.max(LOADS_ALONE)
        }
    }

    fn is_full(&self, state: &State, bytes: u64) -> bool {
        state.bytes + bytes > u64::from(self.loads_max(state)) * LOAD_BYTES
    }

    /// Waits until so many bytes, a load's at most, may be under way as well.
    fn enter(&self, bytes: u64, syncs: u64) -> UnderWay<'_> {
        let mut state = lock(&self.state);
        state.note(syncs);
        let waited = self
            .freed
            .wait_while(state, |state| self.is_full(state, bytes));
        waited.unwrap_or_else(PoisonError::into_inner).bytes += bytes;
        UnderWay { gate: self, bytes }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.gate.state).bytes -= self.bytes;
        self.gate.freed.notify_all();
    }
}

/// Ranges that are asked for together.
#[derive(Default)]
struct Load {
    ranges: Vec<Range>,
    bytes: u64,
    /// With those of former loads.
    total_bytes: u64,
}

struct Range {
    file: Arc<dyn DiskFile>,
    at: u64,
    bytes: u64,
}

impl Range {
    fn last(&self) -> u64 {
        self.at + self.bytes - 1
    }
}

impl Core {
    /// Waits until the entries are in the system's memory; gives how many bytes were not. It is
    /// advice: what cannot be read is reported by the reader that needs it.
    pub(super) fn bring_in(&self, entries: &[Recent]) -> u64 {
        let mut load = Load::default();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let (together, after) = rest.split_at(neighbours(rest).max(1));
            rest = after;
            let (Some(last), None) = (together.last(), &first.cached) else {
                continue;
            };
            let Ok(file) = self.opened.file(&*self.disk, first.at.position.extent) else {
                continue;
            };
            let end = u64::from(last.at.position.byte) + u64::from(last.at.bytes);
            let mut at = u64::from(first.at.position.byte);
            while at < end {
                let bytes = LOAD_BYTES.min(end - at);
                let file = Arc::clone(&file);
                self.add(&mut load, Range { file, at, bytes });
                at += bytes;
            }
        }
        self.carry(&mut load);
        load.total_bytes
    }

    /// Puts a range to the load unless it is in memory; carries the load first if it is full.
    fn add(&self, load: &mut Load, range: Range) {
        if matches!(range.file.read_if_cached(range.last(), &mut [0]), Ok(true)) {
            return;
        }
        if load.bytes + range.bytes > LOAD_BYTES {
            self.carry(load);
        }
        load.bytes += range.bytes;
        load.total_bytes += range.bytes;
        load.ranges.push(range);
    }

    /// Asks for the load's ranges, and waits for the last byte of each.
    fn carry(&self, load: &mut Load) {
        if load.ranges.is_empty() {
            return;
        }
        let syncs = self.counters.syncs.load(Ordering::Relaxed);
        let _under_way = self.gate.enter(load.bytes, syncs);
        for range in &load.ranges {
            range.file.will_need(range.at, range.bytes);
        }
        for range in load.ranges.drain(..) {
            drop(range.file.read_at(range.last(), 1));
        }
        load.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_room(gate: &Gate) -> bool {
        !gate.is_full(&lock(&gate.state), LOAD_BYTES)
    }

    /// Loads that can begin at once.
    fn loads_at_once(gate: &Gate, syncs: u64) -> usize {
        let mut under_way = Vec::new();
        while has_room(gate) {
            under_way.push(gate.enter(LOAD_BYTES, syncs));
        }
        under_way.len()
    }

    #[test]
    fn readers_have_little_under_way_until_nobody_has_written_for_a_while() {
        let gate = Gate::new(1);
        assert_eq!(loads_at_once(&gate, 7), 1);
        for _ in 0..LOADS_UNTIL_ALONE {
            assert!(!gate.is_wide());
            drop(gate.enter(LOAD_BYTES, 7));
        }
        assert!(gate.is_wide());
        assert_eq!(loads_at_once(&gate, 7), 8);
        drop(gate.enter(LOAD_BYTES, 8));
        assert_eq!(loads_at_once(&gate, 8), 1, "somebody wrote");
        assert_eq!(loads_at_once(&Gate::new(4), 0), 4);
        assert!(has_room(&gate), "what has arrived makes room");
    }
}
