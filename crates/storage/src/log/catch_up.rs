//! Readers a little way behind the end find what is written in the system's page cache.
//!
//! Writes go past that cache, for half of the processor's time. A reader that has fallen out of our own
//! memory of the end needs the disk, which the writers keep busy, and might never come back. So what it
//! reads pays for writes through the cache: when it gets there it needs no disk.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Core;
use crate::Position;

/// Bytes written through the cache for each one that is read.
const OWED_PER_READ: u64 = 4;
/// What readers may have paid for in advance.
const OWED_BYTES_MAX: u64 = 16 << 20;
/// With smaller writes the disk is not kept busy: readers gain on them anyway.
const LARGE_WRITE_BYTES: u64 = 256 << 10;

/// What is owed to readers.
pub(super) struct CatchUp {
    /// Who is further behind gets nothing.
    behind_bytes_max: u64,
    owed: AtomicU64,
    is_under_way: AtomicBool,
}

/// What a reader got that was not in our memory.
#[derive(Clone, Copy)]
pub(super) struct Behind {
    /// Where it begins.
    pub(super) from: Position,
    pub(super) bytes: u64,
}

impl CatchUp {
    pub(super) const fn new(behind_bytes_max: u64) -> Self {
        Self {
            behind_bytes_max,
            owed: AtomicU64::new(0),
            is_under_way: AtomicBool::new(false),
        }
    }

    /// Takes note of so many bytes read, so far from the end.
    fn note(&self, bytes: u64, behind: u64) {
        if behind <= self.behind_bytes_max && self.behind_bytes_max > 0 {
            let more = bytes.saturating_mul(OWED_PER_READ);
            self.change(|owed| owed.saturating_add(more).min(OWED_BYTES_MAX));
        }
    }

    /// Takes a write off what is owed; gives whether it should go through the cache.
    pub(super) fn settle(&self, bytes: u64) -> bool {
        let was_owed = self.owed.load(Ordering::Relaxed) > 0;
        if was_owed {
            self.change(|owed| owed.saturating_sub(bytes));
        }
        let is_due = was_owed && bytes >= LARGE_WRITE_BYTES;
        self.is_under_way.store(is_due, Ordering::Relaxed);
        is_due
    }

    /// Whether the last write should have gone through the cache.
    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let change = |owed| Some(change(owed));
        let changed = self
            .owed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        debug_assert!(changed.is_ok(), "every amount can be changed");
    }
}

impl Core {
    pub(super) fn note_behind(&self, behind: Option<Behind>) {
        if let Some(Behind { from, bytes }) = behind {
            let end = self.durable_position();
            let extents = u64::from(end.extent.0.saturating_sub(from.extent.0));
            let whole = extents.saturating_mul(self.options.extent_bytes);
            let to_end = whole.saturating_add(end.byte.into());
            self.catch_up
                .note(bytes, to_end.saturating_sub(from.byte.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_read_near_the_end_pays_for_large_writes() {
        let catch_up = CatchUp::new(64 * MIB);
        assert!(!catch_up.settle(MIB), "nobody is behind");
        catch_up.note(MIB, 64 * MIB + 1);
        assert!(!catch_up.settle(MIB), "too far behind");
        catch_up.note(MIB, 64 * MIB);
        for _ in 0..OWED_PER_READ {
            assert!(catch_up.settle(MIB));
            assert!(catch_up.is_under_way());
        }
        assert!(!catch_up.settle(MIB), "all is settled");
        assert!(!catch_up.is_under_way());
    }

    #[test]
    fn small_writes_do_not_go_through_the_cache_and_little_is_paid_in_advance() {
        let catch_up = CatchUp::new(64 * MIB);
        catch_up.note(64 * MIB, 0);
        assert!(!catch_up.settle(LARGE_WRITE_BYTES - 1));
        assert!(catch_up.settle(OWED_BYTES_MAX));
        assert!(!catch_up.settle(MIB));
    }

    #[test]
    fn none_is_written_through_the_cache_where_it_is_not_wanted() {
        let catch_up = CatchUp::new(0);
        catch_up.note(MIB, 0);
        assert!(!catch_up.settle(MIB));
    }
}
