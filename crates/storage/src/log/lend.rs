//! Ranges of extents lent to the network: a socket takes them out of the system's page cache, and
//! the processor copies nothing.
//!
//! Only what was proved is lent: records by their checksum when they were last read by us, the
//! heads before them at each loan. A loan keeps its extent as it is: nothing is punched out of it,
//! and neither is it deleted nor its file used for another extent before all is given back.
//!
//! The kernel may hold pages of a range longer, in its queue to a slow client. That is why files
//! are used again only where writes replace the pages of the cache instead of filling them anew
//! ([`crate::disk::Disk::replaces_pages`]).

use std::{
    collections::HashMap,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use model::{FileRange, LentFile};

use super::Core;
use crate::{
    ExtentSequence,
    disk::{DiskFile, Shared},
    entry::{ENTRY_HEADER_BYTES, EntryHeader, LONE_HEADS_BYTES, LoneEntry},
    locked::lock,
    partition::EntryRef,
};

/// Smaller entries are copied: a call for each would cost more.
pub(super) const LENT_BYTES_MIN: u32 = 16 << 10;

/// Extents that are lent, and how many times.
#[derive(Default)]
pub(super) struct Loans(Mutex<HashMap<ExtentSequence, usize>>);

impl Loans {
    /// Whether anything of the extent is lent.
    pub(super) fn holds(&self, extent: ExtentSequence) -> bool {
        lock(&self.0).contains_key(&extent)
    }
}

/// An extent's file while it is lent.
struct Loan {
    loans: Arc<Loans>,
    extent: ExtentSequence,
    file: Shared,
}

impl Loan {
    fn take(loans: &Arc<Loans>, extent: ExtentSequence, file: Shared) -> Self {
        *lock(&loans.0).entry(extent).or_default() += 1;
        let loans = Arc::clone(loans);
        Self {
            loans,
            extent,
            file,
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut loans = lock(&self.loans.0);
        if let Some(count) = loans.get_mut(&self.extent) {
            *count -= 1;
            if *count == 0 {
                loans.remove(&self.extent);
            }
        }
    }
}

impl AsFd for Loan {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl LentFile for Loan {}

/// The extent that a reader has borrowed last: it mostly wants several ranges of one.
pub(super) struct Borrowed {
    extent: ExtentSequence,
    file: Arc<dyn DiskFile>,
    lent: Arc<dyn LentFile>,
    proved: Arc<Proved>,
}

/// Entries of an extent whose records were found sound, by the block in which they begin.
pub(crate) struct Proved(Box<[AtomicU64]>);

impl Proved {
    /// Large entries begin further apart than this.
    const BLOCK_BYTES: u32 = 4 << 10;

    pub(crate) fn new(extent_bytes: u64) -> Self {
        let blocks = extent_bytes.div_ceil(u64::from(Self::BLOCK_BYTES));
        let words = usize::try_from(blocks.div_ceil(64)).unwrap_or(0);
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    fn bit(&self, byte: u32) -> Option<(&AtomicU64, u64)> {
        let block = byte / Self::BLOCK_BYTES;
        let word = self.0.get(usize::try_from(block / 64).ok()?)?;
        Some((word, 1 << (block % 64)))
    }

    fn add(&self, byte: u32) {
        if let Some((word, bit)) = self.bit(byte) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn holds(&self, byte: u32) -> bool {
        let found = self.bit(byte);
        found.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }
}

impl Core {
    /// Remembers that an entry's records are what was written.
    pub(super) fn note_proved(&self, at: EntryRef) {
        if at.bytes >= LENT_BYTES_MIN {
            self.proved(at.position.extent).add(at.position.byte);
        }
    }

    fn proved(&self, extent: ExtentSequence) -> Arc<Proved> {
        let made =
            || Ok::<_, std::convert::Infallible>(Arc::new(Proved::new(self.options.extent_bytes)));
        match self.opened.proved.find_or_open(extent, made) {
            Ok(proved) => proved,
            Err(never) => match never {},
        }
    }

    /// Whether it is an entry whose records may stay where they are.
    pub(super) fn can_lend(&self, at: EntryRef, borrowed: &mut Option<Borrowed>) -> bool {
        let is_proved = |borrowed: &Borrowed| borrowed.proved.holds(at.position.byte);
        at.bytes >= LENT_BYTES_MIN
            && self
                .borrow(at.position.extent, borrowed)
                .is_some_and(is_proved)
    }

    /// The records of an entry of one batch as a range of its file; `None` where they have to be
    /// read. Whoever takes it makes sure afterwards that the entry had not gone before.
    pub(super) fn lend(
        &self,
        at: EntryRef,
        borrowed: &mut Option<Borrowed>,
    ) -> Option<(LoneEntry, FileRange)> {
        if !self.can_lend(at, borrowed) {
            return None;
        }
        let borrowed = self.borrow(at.position.extent, borrowed)?;
        let start = u64::from(at.position.byte);
        let mut heads = [0; LONE_HEADS_BYTES];
        let mut last = [0];
        // Pages leave the cache from the front, mostly: with both ends there, so is the middle.
        let end = start + u64::from(at.bytes) - 1;
        if !borrowed.file.read_if_cached(start, &mut heads).ok()?
            || !borrowed.file.read_if_cached(end, &mut last).ok()?
        {
            return None;
        }
        let lone = EntryHeader::read_lone(&heads, at.position, self.salt)?;
        if lone.header.base != at.base || lone.header.next != at.next {
            return None;
        }
        let records = start + u64::from(ENTRY_HEADER_BYTES);
        let range = FileRange::new(
            Arc::clone(&borrowed.lent),
            records,
            lone.batch.total_bytes(),
        );
        Some((lone, range))
    }

    pub(super) fn borrow<'a>(
        &self,
        extent: ExtentSequence,
        borrowed: &'a mut Option<Borrowed>,
    ) -> Option<&'a Borrowed> {
        if borrowed.as_ref().is_none_or(|held| held.extent != extent) {
            let file = self.opened.files.find(extent)?;
            let shared = Arc::clone(&file).share()?;
            let loan = Loan::take(&self.loans, extent, shared);
            *borrowed = Some(Borrowed {
                extent,
                file,
                lent: Arc::new(loan),
                proved: self.proved(extent),
            });
        }
        borrowed.as_ref()
    }
}
