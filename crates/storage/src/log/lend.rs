//! Ranges of extents lent to the network: a socket takes them out of the system's page cache, and
//! the processor copies nothing; TLS takes them out a little at a time.
//!
//! Only what was proved is lent: records by their checksum when they were first read, the heads
//! before them at each loan. A loan keeps its extent as it is: nothing is punched out of it,
//! and neither is it deleted nor its file used for another extent before all is given back.
//!
//! The kernel may hold pages of a range longer, in its queue to a slow client. That is why files
//! are used again only where writes replace the pages of the cache instead of filling them anew
//! ([`crate::disk::Disk::replaces_pages`]).

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex},
};

use model::{FileRange, LentFile};

use super::{Core, known::Known, upkeep::Wanted};
use crate::{
    ExtentSequence,
    disk::{DiskFile, Shared},
    entry::{ENTRY_HEADER_BYTES, EntryHeader, LONE_HEADS_BYTES, LoneEntry, crc_of_head},
    locked::lock,
    partition::EntryRef,
};

/// Smaller entries are copied: a call for each would cost more.
pub(super) const LENT_BYTES_MIN: u32 = 16 << 10;

/// The piece of a file of which one byte stands for all: what the system reads ahead at once, if it was not
/// told otherwise.
const LOOK_BYTES: usize = 128 << 10;

/// Bytes of records that are checked at once: they should still be in the processor's cache.
const PROVED_AT_ONCE_BYTES: usize = 128 << 10;

/// Extents that are lent.
pub(super) struct Loans {
    lent: Mutex<HashMap<ExtentSequence, Lent>>,
    upkeep: Arc<Wanted>,
}

#[derive(Default)]
struct Lent {
    count: usize,
    /// The extent is dead: upkeep is called when all is given back.
    is_awaited: bool,
}

impl Loans {
    pub(super) fn new(upkeep: Arc<Wanted>) -> Self {
        Self {
            lent: Mutex::default(),
            upkeep,
        }
    }

    /// Whether anything of the extent is lent.
    pub(super) fn holds(&self, extent: ExtentSequence) -> bool {
        lock(&self.lent).contains_key(&extent)
    }

    /// As [`Loans::holds`]; if so, upkeep is called when the last loan ends.
    pub(super) fn awaits(&self, extent: ExtentSequence) -> bool {
        let mut lent = lock(&self.lent);
        let lent = lent.get_mut(&extent);
        lent.map(|lent| lent.is_awaited = true).is_some()
    }

    /// Takes one loan back.
    fn end(&self, extent: ExtentSequence) {
        let is_awaited = {
            let mut lent = lock(&self.lent);
            let Entry::Occupied(mut entry) = lent.entry(extent) else {
                return;
            };
            entry.get_mut().count -= 1;
            entry.get().count == 0 && entry.remove().is_awaited
        };
        if is_awaited {
            self.upkeep.call();
        }
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
        lock(&loans.lent).entry(extent).or_default().count += 1;
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
        self.loans.end(self.extent);
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
    known: Arc<Known>,
}

impl Core {
    /// Reads an entry of one batch to its end and checks it, a piece at a time; `None` where it is
    /// something else or damaged. What was read is in the system's memory then.
    pub(super) fn prove(&self, at: EntryRef, scratch: &mut Vec<u8>) -> Option<()> {
        let file = self.opened.file(&*self.disk, at.position.extent).ok()?;
        let (start, bytes) = (u64::from(at.position.byte), usize::try_from(at.bytes).ok()?);
        file.read_into(start, bytes.min(PROVED_AT_ONCE_BYTES), scratch)
            .ok()?;
        let heads = *scratch.first_chunk()?;
        let lone = self.lone(at, &heads)?;
        let end = Some(lone.records_end()).filter(|end| *end <= bytes)?;
        let mut crc = crc_of_head(&heads);
        let mut read = scratch.len();
        crc = crc32c::crc32c_append(crc, scratch.get(LONE_HEADS_BYTES..read.min(end))?);
        while read < end {
            let piece = PROVED_AT_ONCE_BYTES.min(end - read);
            file.read_into(start + read as u64, piece, scratch).ok()?;
            crc = crc32c::crc32c_append(crc, scratch);
            read += piece;
        }
        (crc == lone.batch.crc).then(|| self.note_proved(at))
    }

    /// The heads of an entry, if it is the one and holds one batch.
    fn lone(&self, at: EntryRef, heads: &[u8; LONE_HEADS_BYTES]) -> Option<LoneEntry> {
        let lone = EntryHeader::read_lone(heads, at.position, self.salt)?;
        let is_it = lone.header.base == at.base && lone.header.next == at.next;
        is_it.then_some(lone)
    }

    /// Remembers that an entry's records are what was written.
    pub(super) fn note_proved(&self, at: EntryRef) {
        self.known(at.position.extent).note_proved(at);
    }

    /// Whether they were found to be.
    pub(super) fn is_proved(&self, at: EntryRef) -> bool {
        at.bytes >= LENT_BYTES_MIN && self.known(at.position.extent).is_proved(at)
    }

    /// Whether it is an entry whose records may stay where they are.
    pub(super) fn can_lend(&self, at: EntryRef, borrowed: &mut Option<Borrowed>) -> bool {
        let is_proved = |borrowed: &Borrowed| borrowed.known.is_proved(at);
        at.bytes >= LENT_BYTES_MIN
            && self
                .borrow(at.position.extent, borrowed)
                .is_some_and(is_proved)
    }

    /// The records of an entry of one batch as a range of its file; `None` where they have to be
    /// read. Of a batch that is larger than `bytes_max`, which nobody takes, only the heads are looked
    /// at. Whoever takes it makes sure afterwards that the entry had not gone before.
    pub(super) fn lend(
        &self,
        at: EntryRef,
        bytes_max: usize,
        borrowed: &mut Option<Borrowed>,
    ) -> Option<(LoneEntry, FileRange)> {
        if !self.can_lend(at, borrowed) {
            return None;
        }
        let borrowed = self.borrow(at.position.extent, borrowed)?;
        let start = u64::from(at.position.byte);
        let mut heads = [0; LONE_HEADS_BYTES];
        if !borrowed.file.read_if_cached(start, &mut heads).ok()? {
            return None;
        }
        let lone = self.lone(at, &heads)?;
        let is_wanted = lone.batch.total_bytes() <= bytes_max;
        if is_wanted && !is_rest_cached(&*borrowed.file, start, at.bytes).ok()? {
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

    /// The entry's extent, borrowed once for all that a reader wants of it in a row.
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
                known: self.known(extent),
            });
        }
        borrowed.as_ref()
    }
}

/// Whether a range of a file is in the system's memory, as far as a look at the first byte of each
/// piece and at the last byte can tell: what was asked for in advance arrives in any order.
pub(super) fn is_cached(file: &dyn DiskFile, at: u64, bytes: u32) -> io::Result<bool> {
    Ok(file.read_if_cached(at, &mut [0])? && is_rest_cached(file, at, bytes)?)
}

/// As [`is_cached`] of a range whose first byte is.
fn is_rest_cached(file: &dyn DiskFile, at: u64, bytes: u32) -> io::Result<bool> {
    let last = at + u64::from(bytes.saturating_sub(1));
    let pieces = (at..last).step_by(LOOK_BYTES);
    for looked_at in pieces.skip(1).chain([last]) {
        if !file.read_if_cached(looked_at, &mut [0])? {
            return Ok(false);
        }
    }
    Ok(true)
}
