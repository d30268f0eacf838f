//! What is known of an extent's bytes from reading them, in little memory: which entries were proved, and what
//! was read before.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Core, lend::LENT_BYTES_MIN};
use crate::{ExtentSequence, partition::EntryRef};

/// What reads of an extent have found.
pub(crate) struct Known {
    /// Entries whose records are what was written, by the block in which they begin.
    proved: Marks,
    /// What was read past the page cache, and is not read so again.
    read: Marks,
}

impl Known {
    pub(crate) fn new(extent_bytes: u64) -> Self {
        Self {
            proved: Marks::new(extent_bytes),
            read: Marks::new(extent_bytes),
        }
    }

    pub(super) fn note_proved(&self, at: EntryRef) {
        if at.bytes >= LENT_BYTES_MIN {
            self.proved.add(at.position.byte / Marks::BLOCK_BYTES);
        }
    }

    pub(super) fn is_proved(&self, at: EntryRef) -> bool {
        self.proved.holds(at.position.byte / Marks::BLOCK_BYTES)
    }

    /// Of an entry; where the next one begins in the block in which it ends, that is none of it.
    pub(super) fn note_read(&self, at: EntryRef) {
        let start = at.position.byte;
        let end = start.saturating_add(at.bytes);
        for block in start / Marks::BLOCK_BYTES..end / Marks::BLOCK_BYTES {
            self.read.add(block);
        }
    }

    pub(super) fn was_read(&self, at: EntryRef) -> bool {
        self.read.holds(at.position.byte / Marks::BLOCK_BYTES)
    }
}

/// A mark for each block of an extent.
struct Marks(Box<[AtomicU64]>);

impl Marks {
    /// Entries that are large enough to be lent begin further apart than this.
    const BLOCK_BYTES: u32 = 4 << 10;

    fn new(extent_bytes: u64) -> Self {
        let blocks = extent_bytes.div_ceil(u64::from(Self::BLOCK_BYTES));
        let words = usize::try_from(blocks.div_ceil(64)).unwrap_or(0);
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn bit(&self, block: u32) -> Option<(&AtomicU64, u64)> {
        let word = self.0.get(usize::try_from(block / 64).ok()?)?;
        Some((word, 1 << (block % 64)))
    }

    fn add(&self, block: u32) {
        if let Some((word, bit)) = self.bit(block) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn holds(&self, block: u32) -> bool {
        let found = self.bit(block);
        found.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }
}

impl Core {
    pub(super) fn known(&self, extent: ExtentSequence) -> Arc<Known> {
        let made =
            || Ok::<_, std::convert::Infallible>(Arc::new(Known::new(self.options.extent_bytes)));
        match self.opened.known.find_or_open(extent, made) {
            Ok(known) => known,
            Err(never) => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Offset, Timestamp};

    use super::*;
    use crate::Position;

    const fn entry(start: u32, end: u32) -> EntryRef {
        EntryRef {
            base: Offset(0),
            next: Offset(1),
            max_timestamp: Timestamp(0),
            position: Position {
                extent: ExtentSequence(1),
                byte: start,
            },
            bytes: end - start,
        }
    }

    #[test]
    fn what_was_read_is_known_and_not_what_comes_next() {
        let known = Known::new(100_000);
        known.note_read(entry(64, 20_000));
        assert!(known.was_read(entry(64, 20_000)));
        assert!(known.was_read(entry(10_000, 90_000)), "its beginning was");
        assert!(!known.was_read(entry(20_000, 40_000)));
        known.note_read(entry(20_000, 40_000));
        assert!(known.was_read(entry(20_000, 40_000)));
        known.note_read(entry(90_000, 1_000_000));
        assert!(!known.was_read(entry(900_000, 910_000)), "outside");
    }
}
