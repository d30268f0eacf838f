//! Gathers batches for a reader: from memory or from extents, whole, within limits.

use std::{io, sync::atomic::Ordering};

use bytes::{Bytes, BytesMut};
use model::{FileRange, Offset, Piece, batch::BatchHeader};

use super::{
    Core,
    catch_up::Behind,
    cold_cache::Held,
    lend::{Borrowed, LENT_BYTES_MIN, is_cached},
    read::is_gone,
};
use crate::{
    Lending, ReadOutcome,
    entry::{EntryFault, EntryHeader, LoneEntry},
    partition::{EntryRef, Partition, Recent},
};

/// Pieces up to this size are copied together; larger ones are shared. Those of our own memory of the
/// end keep 2 MiB of it from being used again until they are sent.
const COPIED_PIECE_BYTES_MAX: usize = 8 << 10;
/// Memory that slow readers may keep so, beside what the log holds itself: beyond it all is copied.
const PINNED_BYTES_MAX: u64 = 64 << 20;
/// Entries of one partition that lie this near to each other are read in one call.
pub(super) const GAP_BYTES_MAX: u32 = 32 << 10;
/// Bytes of one call, at most, unless one entry is larger.
pub(super) const CALL_BYTES_MAX: u32 = 4 << 20;

/// What a reader may have.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) from: Offset,
    /// Exclusive.
    pub(super) end: Offset,
    pub(super) bytes_max: usize,
}

/// How far a reader goes for what it wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Memory, ours and the system's: nothing is waited for.
    Memory,
    Disk,
}

/// Batches gathered so far.
pub(super) struct Gathering {
    bounds: Bounds,
    reach: Reach,
    lending: Lending,
    slab_piece_copied_bytes_max: usize,
    /// Something was out of reach.
    is_short: bool,
    borrowed: Option<Borrowed>,
    /// The first entry that is lent, if any is.
    first_lent: Option<EntryRef>,
    /// What was taken that was not in our memory.
    behind: Option<Behind>,
    /// What was read past the page cache.
    held: Vec<Held>,
    outcome: ReadOutcome,
    copied: BytesMut,
    /// Where records are read to be proved.
    scratch: Vec<u8>,
}

/// Whether a batch was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Taken,
    /// It ends before the first offset asked for.
    Before,
    /// It does not fit into the bounds, and nothing after it will.
    Full,
}

/// Why gathering stopped early.
pub(super) enum GatherError {
    /// The entry's bytes are not what was written.
    Damaged(EntryRef),
    Io(io::Error),
}

impl Gathering {
    fn new(
        bounds: Bounds,
        reach: Reach,
        lending: Lending,
        slab_piece_copied_bytes_max: usize,
    ) -> Self {
        let outcome = ReadOutcome {
            next: bounds.from,
            ..ReadOutcome::default()
        };
        Self {
            bounds,
            reach,
            lending,
            slab_piece_copied_bytes_max,
            is_short: false,
            borrowed: None,
            first_lent: None,
            behind: None,
            held: Vec::new(),
            outcome,
            copied: BytesMut::new(),
            scratch: Vec::new(),
        }
    }

    /// With what was brought into our memory for the reader.
    pub(super) fn with_held(self, held: Vec<Held>) -> Self {
        Self { held, ..self }
    }

    pub(super) fn finish(mut self) -> ReadOutcome {
        self.flush();
        self.outcome
    }

    /// As [`Gathering::finish`]; `None` when something was out of reach.
    pub(super) fn finish_whole(self) -> Option<ReadOutcome> {
        (!self.is_short).then(|| self.finish())
    }

    fn offer(&mut self, header: &BatchHeader) -> Offer {
        if header.next_offset() <= self.bounds.from {
            return Offer::Before;
        }
        let bytes = header.total_bytes();
        if bytes > self.room() || header.next_offset() > self.bounds.end {
            return Offer::Full;
        }
        self.outcome.bytes = self.outcome.bytes.saturating_add(bytes);
        self.outcome.batches += 1;
        self.outcome.records += u64::try_from(header.records_count).unwrap_or(0);
        self.outcome.next = header.next_offset();
        Offer::Taken
    }

    /// The largest batch that is taken next.
    const fn room(&self) -> usize {
        if self.outcome.batches == 0 {
            return usize::MAX;
        }
        self.bounds.bytes_max.saturating_sub(self.outcome.bytes)
    }

    /// Takes batches out of an entry; false when the reader has enough.
    fn take_entry(&mut self, header: &EntryHeader, entry: &Bytes, copied_bytes_max: usize) -> bool {
        let mut taken: Option<(usize, usize)> = None;
        let mut more = true;
        for batch in header.batches(entry) {
            match self.offer(&batch.header) {
                Offer::Before => {}
                Offer::Full => {
                    more = false;
                    break;
                }
                Offer::Taken => {
                    let start = taken.map_or(batch.start, |(start, _)| start);
                    taken = Some((start, batch.start + batch.bytes.len()));
                }
            }
        }
        if let Some((start, end)) = taken {
            self.push(entry.slice(start..end), copied_bytes_max);
        }
        more
    }

    /// Takes the batch of an entry that stays in its file; false when the reader has enough.
    fn take_lent(&mut self, at: EntryRef, entry: &LoneEntry, range: FileRange) -> bool {
        match self.offer(&entry.batch) {
            Offer::Before => true,
            Offer::Full => false,
            Offer::Taken => {
                self.flush();
                self.first_lent.get_or_insert(at);
                self.outcome.pieces.push(Piece::File(range));
                true
            }
        }
    }

    fn push(&mut self, piece: Bytes, copied_bytes_max: usize) {
        if piece.len() <= copied_bytes_max {
            self.copied.extend_from_slice(&piece);
        } else {
            self.flush();
            self.outcome.pieces.push(piece.into());
        }
    }

    fn flush(&mut self) {
        if !self.copied.is_empty() {
            let copied = self.copied.split().freeze();
            self.outcome.pieces.push(copied.into());
        }
    }

    fn note_behind(&mut self, at: EntryRef) {
        let begun = Behind {
            from: at.position,
            bytes: 0,
        };
        self.behind.get_or_insert(begun).bytes += u64::from(at.bytes);
    }

    pub(super) const fn behind(&self) -> Option<Behind> {
        self.behind
    }

    pub(super) const fn from(&self) -> Offset {
        self.bounds.from
    }

    /// Whether something that is lent had died before it was borrowed: then its place may hold
    /// something else.
    pub(super) fn lent_gone(&self, partition: &Partition) -> bool {
        self.first_lent.is_some_and(|at| is_gone(partition, at))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.outcome.batches == 0
    }
}

impl Core {
    pub(super) fn gathering(&self, bounds: Bounds, reach: Reach, lending: Lending) -> Gathering {
        let counters = &self.counters;
        let held = counters.held_slab_bytes.load(Ordering::Relaxed);
        let waiting = counters.waiting_bytes.load(Ordering::Relaxed);
        let own = self.options.tail_cache_bytes.saturating_add(waiting);
        let slab_piece_copied_bytes_max = if held > own.saturating_add(PINNED_BYTES_MAX) {
            usize::MAX
        } else {
            COPIED_PIECE_BYTES_MAX
        };
        Gathering::new(bounds, reach, lending, slab_piece_copied_bytes_max)
    }

    /// Gathers from entries in order; an error leaves what was gathered before it.
    pub(super) fn gather(
        &self,
        entries: &[Recent],
        gathering: &mut Gathering,
    ) -> Result<(), GatherError> {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            if let Some(bytes) = first.in_memory() {
                let header = EntryHeader::peek(&bytes).expect("what we put together has a header");
                let copied_bytes_max = gathering.slab_piece_copied_bytes_max;
                if !gathering.take_entry(&header, &bytes, copied_bytes_max) {
                    return Ok(());
                }
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            if let Some(bytes) = self.held_entry(gathering, first.at) {
                if !self.take_held(first.at, &bytes, gathering)? {
                    return Ok(());
                }
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            if let Some((entry, range)) = self.lend_to(gathering, first.at) {
                gathering.note_behind(first.at);
                if !gathering.take_lent(first.at, &entry, range) {
                    return Ok(());
                }
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let together = self.together(rest, gathering);
            let (together, after) = rest.split_at(together);
            if !self.gather_read(together, gathering)? {
                return Ok(());
            }
            rest = after;
        }
        Ok(())
    }

    /// The entry out of our memory of old ones.
    fn held_entry(&self, gathering: &mut Gathering, at: EntryRef) -> Option<Bytes> {
        let held = gathering.held.iter().rev();
        if let Some(entry) = held.flat_map(|held| held.entry(at)).next() {
            return Some(entry);
        }
        let held = self.cold.find(at)?;
        let entry = held.entry(at);
        gathering.held.push(held);
        entry
    }

    /// Proves an entry that is held as it was read, and takes it; false when the reader has enough.
    fn take_held(
        &self,
        at: EntryRef,
        bytes: &Bytes,
        gathering: &mut Gathering,
    ) -> Result<bool, GatherError> {
        let header = self.check_entry(at, bytes);
        let header = header.map_err(|_| GatherError::Damaged(at))?;
        let known = self.known(at.position.extent);
        known.note_proved(at);
        let more = gathering.take_entry(&header, bytes, COPIED_PIECE_BYTES_MAX);
        if gathering.outcome.next >= at.next {
            if !known.was_read(at) {
                self.cold.note_used(at);
            }
            known.note_read(at);
            gathering.note_behind(at);
        }
        Ok(more)
    }

    /// The entry as a part of its file, if it may and can stay there.
    fn lend_to(&self, gathering: &mut Gathering, at: EntryRef) -> Option<(LoneEntry, FileRange)> {
        if gathering.lending == Lending::Never || at.bytes < LENT_BYTES_MIN {
            return None;
        }
        let room = gathering.room();
        let lent = self.lend(at, room, &mut gathering.borrowed);
        if lent.is_some() || gathering.reach == Reach::Memory {
            return lent;
        }
        self.prove(at, &mut gathering.scratch)?;
        self.lend(at, room, &mut gathering.borrowed)
    }

    /// How many of the first entries one call should read: neighbours, up to the first that can be
    /// lent.
    fn together(&self, entries: &[Recent], gathering: &mut Gathering) -> usize {
        let near = neighbours(entries, GAP_BYTES_MAX, CALL_BYTES_MAX).max(1);
        if gathering.lending == Lending::Never {
            return near;
        }
        let mut following = entries.iter().take(near).skip(1);
        let stays = following.position(|entry| match gathering.reach {
            Reach::Memory => self.can_lend(entry.at, &mut gathering.borrowed),
            Reach::Disk => entry.at.bytes >= LENT_BYTES_MIN,
        });
        stays.map_or(near, |before| before + 1)
    }

    /// Reads neighbouring entries in one call; false when the reader has enough.
    fn gather_read(
        &self,
        entries: &[Recent],
        gathering: &mut Gathering,
    ) -> Result<bool, GatherError> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Ok(true);
        };
        let start = first.at.position.byte;
        let end = last.at.position.byte.saturating_add(last.at.bytes);
        let bytes = match gathering.reach {
            Reach::Disk => self.read_bytes(first.at, end - start).map(Some),
            Reach::Memory => self.read_bytes_at_once(first.at, end - start),
        };
        let Some(bytes) = bytes.map_err(GatherError::Io)? else {
            gathering.is_short = true;
            return Ok(false);
        };
        for entry in entries {
            let at = usize::try_from(entry.at.position.byte - start).unwrap_or(usize::MAX);
            let len = usize::try_from(entry.at.bytes).unwrap_or(usize::MAX);
            let damaged = GatherError::Damaged(entry.at);
            if at.saturating_add(len) > bytes.len() {
                return Err(damaged);
            }
            let slice = bytes.slice(at..at + len);
            let header = if gathering.reach == Reach::Memory && self.is_proved(entry.at) {
                self.check_heads(entry.at, &slice)
            } else {
                self.check_entry(entry.at, &slice)
            };
            let header = header.map_err(|_| damaged)?;
            self.note_proved(entry.at);
            gathering.note_behind(entry.at);
            if !gathering.take_entry(&header, &slice, COPIED_PIECE_BYTES_MAX) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Proves that the bytes are the entry that was written there.
    pub(super) fn check_entry(
        &self,
        at: EntryRef,
        bytes: &[u8],
    ) -> Result<EntryHeader, EntryFault> {
        let header = self.check_heads(at, bytes)?;
        header.check_payload(bytes)?;
        Ok(header)
    }

    /// As [`Core::check_entry`], but for the records.
    fn check_heads(&self, at: EntryRef, bytes: &[u8]) -> Result<EntryHeader, EntryFault> {
        let header = EntryHeader::read(bytes, at.position, self.salt);
        let header = header.filter(|header| header.base == at.base && header.next == at.next);
        header.ok_or(EntryFault::Header)
    }

    /// Bytes of an extent from the entry's first one on.
    pub(super) fn read_bytes(&self, at: EntryRef, bytes: u32) -> io::Result<Bytes> {
        let file = self.opened.file(&*self.disk, at.position.extent)?;
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let bytes = file.read_at(u64::from(at.position.byte), len)?;
        Ok(bytes.into())
    }

    /// As [`Core::read_bytes`] where nothing must be opened or waited for.
    fn read_bytes_at_once(&self, at: EntryRef, bytes: u32) -> io::Result<Option<Bytes>> {
        let Some(file) = self.opened.files.find(at.position.extent) else {
            return Ok(None);
        };
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        let start = u64::from(at.position.byte);
        if bytes < LENT_BYTES_MIN {
            let mut buffer = vec![0; len];
            let is_there = file.read_if_cached(start, &mut buffer)?;
            return Ok(is_there.then(|| buffer.into()));
        }
        if !is_cached(&*file, start, bytes)? {
            return Ok(None);
        }
        file.read_at(start, len).map(|read| Some(read.into()))
    }
}

/// How many of the first entries lie so near to each other that one call should read them: with no
/// larger gaps between them, and no more bytes in all.
pub(super) fn neighbours(entries: &[Recent], gap_bytes_max: u32, bytes_max: u32) -> usize {
    let Some(first) = entries.first() else {
        return 0;
    };
    let start = first.at.position;
    let mut end = start.byte;
    let near = |entry: &&Recent| {
        let position = entry.at.position;
        let gap = position.byte.checked_sub(end);
        let next_end = position.byte.saturating_add(entry.at.bytes);
        let fits = entry.cached.is_none()
            && position.extent == start.extent
            && gap.is_some_and(|gap| gap <= gap_bytes_max)
            && next_end - start.byte <= bytes_max;
        end = next_end;
        fits
    };
    entries.iter().take_while(near).count()
}
