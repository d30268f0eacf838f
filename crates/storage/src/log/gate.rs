//! How much readers may have under way from the disk: all of them together only so much.
//!
//! A disk serves what it was asked for in turn, and some schedulers serve reads before writes: for what
//! readers have under way every sync waits, and with it every producer. Most disks are nearly as quick
//! with little under way as with much. So while somebody writes readers get one small piece at a time, and
//! nothing ahead of what they asked for.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::locked::lock;

/// Bytes that are asked for and waited for together while somebody writes.
pub(super) const PIECE_BYTES: u64 = 128 << 10;
/// As [`PIECE_BYTES`] when nobody writes: fewer calls and interrupts for the same bytes.
const PIECE_ALONE_BYTES: u64 = 1 << 20;
/// Bytes under way when nobody writes.
const UNDER_WAY_ALONE_BYTES: u64 = 4 << 20;
/// After so many pieces without a sync, nobody writes.
const PIECES_UNTIL_ALONE: u32 = 64;

/// The way in from the disk.
pub(super) struct Gate {
    /// Pieces under way beside somebody who writes.
    beside_writers: u32,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    /// Syncs that had ended at the last piece.
    syncs: u64,
    pieces_since_sync: u32,
}

impl State {
    /// Notes a piece that wants to begin.
    fn note(&mut self, syncs: u64) {
        self.pieces_since_sync = if self.syncs == syncs {
            self.pieces_since_sync.saturating_add(1)
        } else {
            0
        };
        self.syncs = syncs;
    }

    fn is_alone(&self) -> bool {
        self.pieces_since_sync >= PIECES_UNTIL_ALONE
    }
}

/// Bytes that are under way.
pub(super) struct UnderWay<'a> {
    gate: &'a Gate,
    pub(super) bytes: u64,
}

impl Gate {
    pub(super) fn new(beside_writers: u32) -> Self {
        Self {
            beside_writers: beside_writers.max(1),
            state: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Whether more than one piece may be under way, as the last one found it: then there is room to
    /// read ahead.
    pub(super) fn is_wide(&self) -> bool {
        self.under_way_max(&lock(&self.state)) > PIECE_BYTES
    }

    fn under_way_max(&self, state: &State) -> u64 {
        let beside_writers = u64::from(self.beside_writers) * PIECE_BYTES;
        if state.is_alone() {
            beside_writers.max(UNDER_WAY_ALONE_BYTES)
        } else {
            beside_writers
        }
    }

    /// What may be asked for together of so many bytes, as things are.
    fn piece(state: &State, bytes: u64) -> u64 {
        bytes.min(if state.is_alone() {
            PIECE_ALONE_BYTES
        } else {
            PIECE_BYTES
        })
    }

    fn is_full(&self, state: &State, bytes: u64) -> bool {
        state.bytes + Self::piece(state, bytes) > self.under_way_max(state)
    }

    /// Waits until some of so many bytes may be under way as well: a piece, or what is left.
    pub(super) fn enter(&self, bytes: u64, syncs: u64) -> UnderWay<'_> {
        let mut state = lock(&self.state);
        state.note(syncs);
        let waited = self
            .freed
            .wait_while(state, |state| self.is_full(state, bytes));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let bytes = Self::piece(&state, bytes);
        state.bytes += bytes;
        UnderWay { gate: self, bytes }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.gate.state).bytes -= self.bytes;
        self.gate.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_room(gate: &Gate, bytes: u64) -> bool {
        !gate.is_full(&lock(&gate.state), bytes)
    }

    /// What can begin at once of as much as can be.
    fn pieces_at_once(gate: &Gate, syncs: u64) -> Vec<u64> {
        let mut under_way = Vec::new();
        while has_room(gate, u64::MAX) {
            under_way.push(gate.enter(u64::MAX, syncs));
        }
        under_way.iter().map(|piece| piece.bytes).collect()
    }

    #[test]
    fn readers_have_little_under_way_until_nobody_has_written_for_a_while() {
        let gate = Gate::new(1);
        assert_eq!(pieces_at_once(&gate, 7), [PIECE_BYTES]);
        for _ in 0..PIECES_UNTIL_ALONE {
            assert!(!gate.is_wide());
            drop(gate.enter(PIECE_BYTES, 7));
        }
        assert!(gate.is_wide());
        assert_eq!(pieces_at_once(&gate, 7), [PIECE_ALONE_BYTES; 4]);
        drop(gate.enter(PIECE_BYTES, 8));
        assert_eq!(pieces_at_once(&gate, 8), [PIECE_BYTES], "somebody wrote");
        assert_eq!(pieces_at_once(&Gate::new(4), 0), [PIECE_BYTES; 4]);
        assert!(has_room(&gate, PIECE_BYTES), "what has arrived makes room");
    }

    #[test]
    fn less_than_a_piece_takes_no_more_room_than_it_needs() {
        let gate = Gate::new(1);
        let small = [gate.enter(1000, 0), gate.enter(PIECE_BYTES - 1000, 0)];
        assert_eq!(small.map(|piece| piece.bytes), [1000, PIECE_BYTES - 1000]);
    }
}
