//! Memory for entries: an append puts its entry together there, the write step sends it to the disk
//! from there, and readers at the end of the log share it.
//!
//! ```text
//! slab: | room | room | room that may begin     | rest |
//!       |      |      | behind a gap, by its place     |
//! ```
//!
//! Addresses and places in the extent leave the same remainder when divided by a block's length, so
//! that whole blocks go to the disk as they lie. Rooms are cut off slabs one after another; a slab
//! is used again once nobody holds any of its rooms.

use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use model::batch::StampedBatch;
use rustix::mm::Advice;

use crate::{Position, disk::BLOCK_BYTES, entry::EntryHeader, locked::lock};

/// What the processor translates at once where memory is in huge pages.
const HUGE_PAGE_BYTES: usize = 2 << 20;
/// Room for 2 MiB of entries whose batches are a power of two long. Whoever still sends a part of an
/// entry keeps the whole slab from being used again.
const SLAB_BYTES: usize = HUGE_PAGE_BYTES + (64 << 10);
/// A slab with what is left out before it, so that it begins at a huge page. That is never touched.
const SLAB_AND_LEAD_BYTES: usize = SLAB_BYTES + HUGE_PAGE_BYTES;
/// Larger rooms get memory of their own: the rest of a slab that is too small for them is lost.
const SHARING_BYTES_MAX: usize = SLAB_BYTES / 2;

/// An entry's bytes as they are on the disk.
#[derive(Clone, Default)]
pub(crate) struct EntryBytes(Arc<Mutex<Stage>>);

#[derive(Default)]
enum Stage {
    #[default]
    Empty,
    Filled(BytesMut),
    /// Joined with its neighbours, to be written together.
    Written(Bytes),
}

impl EntryBytes {
    pub(super) fn filled(bytes: BytesMut) -> Self {
        let entry = Self::default();
        entry.fill(bytes);
        entry
    }

    pub(super) fn fill(&self, bytes: BytesMut) {
        *lock(&self.0) = Stage::Filled(bytes);
    }

    pub(super) fn is_filled(&self) -> bool {
        !matches!(*lock(&self.0), Stage::Empty)
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// For readers: there before anybody hears that the entry is durable.
    pub(crate) fn written(&self) -> Option<Bytes> {
        match &*lock(&self.0) {
            Stage::Written(bytes) => Some(bytes.clone()),
            Stage::Empty | Stage::Filled(_) => None,
        }
    }
}

/// Joins entries that lie side by side, which must be filled, and lets readers have them.
pub(super) fn join<'a>(entries: impl IntoIterator<Item = &'a EntryBytes>) -> Vec<Bytes> {
    let mut runs: Vec<Run<'a>> = Vec::new();
    for entry in entries {
        let Stage::Filled(bytes) = std::mem::take(&mut *lock(&entry.0)) else {
            panic!("an entry is filled before it is taken, and taken once");
        };
        let len = bytes.len();
        match runs.last_mut() {
            Some(run) if run.bytes.as_ptr_range().end == bytes.as_ptr() => {
                run.bytes.unsplit(bytes);
                run.entries.push((entry, len));
            }
            _ => runs.push(Run {
                bytes,
                entries: vec![(entry, len)],
            }),
        }
    }
    runs.into_iter().map(Run::end).collect()
}

/// Entries that lie side by side.
struct Run<'a> {
    bytes: BytesMut,
    entries: Vec<(&'a EntryBytes, usize)>,
}

impl Run<'_> {
    fn end(self) -> Bytes {
        let bytes = self.bytes.freeze();
        let mut rest = bytes.clone();
        for (entry, len) in self.entries {
            *lock(&entry.0) = Stage::Written(rest.split_to(len));
        }
        bytes
    }
}

/// Where rooms come from.
#[derive(Default)]
pub(super) struct Rooms {
    /// What is left of the slab under way.
    rest: BytesMut,
    /// The rests of earlier slabs, some of whose rooms are held.
    used: Vec<BytesMut>,
    /// Slabs of which nothing is held, the last used last: the processor still has some of it.
    free: Vec<BytesMut>,
    /// So many of the free ones have been free ever since [`Self::give_back`] was called.
    unused_count: usize,
    /// The first slab stays in small pages: a broker with little to do takes no more than it uses.
    has_begun: bool,
}

impl Rooms {
    pub(super) const SLAB_BYTES: u64 = SLAB_BYTES as u64;

    /// Slabs that are no more than so many bytes together.
    pub(super) fn slabs_within(bytes: u64) -> usize {
        usize::try_from(bytes / Self::SLAB_BYTES).unwrap_or(usize::MAX)
    }

    /// Empty memory for `bytes` that go to `position`.
    pub(super) fn take(&mut self, position: Position, bytes: u32) -> BytesMut {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let with_gap = bytes.saturating_add(BLOCK_BYTES);
        if with_gap > SHARING_BYTES_MAX {
            return cut_off(&mut BytesMut::with_capacity(with_gap), position, bytes);
        }
        if with_gap > self.rest.capacity() {
            self.begin_slab();
        }
        cut_off(&mut self.rest, position, bytes)
    }

    /// As [`Self::take`], with so many slabs at most; `None` where that is too little.
    pub(super) fn take_within(
        &mut self,
        slabs_max: usize,
        position: Position,
        bytes: u32,
    ) -> Option<BytesMut> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let with_gap = bytes.saturating_add(BLOCK_BYTES);
        if with_gap > SLAB_BYTES {
            return None;
        }
        if with_gap > self.rest.capacity() {
            self.renew(slabs_max)?;
        }
        Some(cut_off(&mut self.rest, position, bytes))
    }

    /// Makes the slab under way an empty one, with so many at most.
    fn renew(&mut self, slabs_max: usize) -> Option<()> {
        self.collect();
        let count = self.used.len() + self.free.len() + usize::from(self.has_begun);
        if count < slabs_max || !self.free.is_empty() {
            self.begin_slab();
            return Some(());
        }
        let is_free = self.has_begun && self.rest.try_reclaim(SLAB_AND_LEAD_BYTES);
        is_free.then(|| self.rest = aligned(std::mem::take(&mut self.rest)))
    }

    fn begin_slab(&mut self) {
        self.collect();
        let free = self.free.pop();
        self.unused_count = self.unused_count.min(self.free.len());
        let is_new = free.is_none();
        let memory = free.unwrap_or_else(|| BytesMut::with_capacity(SLAB_AND_LEAD_BYTES));
        let slab = aligned(memory);
        let before = std::mem::replace(&mut self.rest, slab);
        if self.has_begun {
            self.used.push(before);
            if is_new {
                advise_huge_pages(&self.rest);
            }
        }
        self.has_begun = true;
    }

    /// Finds the slabs whose rooms nobody holds any more: they are all there again.
    fn collect(&mut self) {
        let is_free = |slab: &mut BytesMut| slab.try_reclaim(SLAB_AND_LEAD_BYTES);
        self.free.extend(self.used.extract_if(.., is_free));
    }

    /// Of slabs some of whose rooms are held.
    pub(super) const fn held_bytes(&self) -> u64 {
        self.used.len() as u64 * SLAB_BYTES as u64
    }

    /// Lets go of slabs that were not used since the last call, but of the one under way.
    pub(super) fn give_back(&mut self) {
        self.collect();
        self.free.drain(..self.unused_count);
        self.unused_count = self.free.len();
    }
}

/// The part of what is empty that begins at a huge page.
fn aligned(mut memory: BytesMut) -> BytesMut {
    let lead = memory.as_ptr().align_offset(HUGE_PAGE_BYTES);
    let mut slab = memory.split_off(lead.min(HUGE_PAGE_BYTES));
    drop(slab.split_off(SLAB_BYTES));
    slab
}

/// Asks for a huge page under the slab: appends copy to it and the kernel reads it by the page.
/// Where there are none nothing changes.
fn advise_huge_pages(slab: &BytesMut) {
    let (start, len) = (
        slab.as_ptr().cast_mut(),
        HUGE_PAGE_BYTES.min(slab.capacity()),
    );
    #[expect(
        unsafe_code,
        reason = "no safe function advises about memory of the allocator's"
    )]
    // SAFETY: the range is the slab's own, and the advice changes nothing that can be seen in it.
    let advised = unsafe { rustix::mm::madvise(start.cast(), len, Advice::LinuxHugepage) };
    if let Err(error) = advised {
        tracing::debug!(%error, "memory stays in small pages");
    }
}

/// Takes a room off the front of what is empty.
fn cut_off(memory: &mut BytesMut, position: Position, bytes: usize) -> BytesMut {
    let place = usize::try_from(position.byte).unwrap_or(usize::MAX);
    let gap = place.wrapping_sub(memory.as_ptr().addr()) % BLOCK_BYTES;
    if gap > 0 {
        *memory = memory.split_off(gap);
    }
    let rest = memory.split_off(bytes);
    std::mem::replace(memory, rest)
}

/// Puts an entry together.
pub(super) fn fill(
    mut room: BytesMut,
    header: &EntryHeader,
    batches: &[StampedBatch],
    salt: u32,
) -> BytesMut {
    let heads = batches.iter().map(|batch| &batch.head);
    room.put_slice(&header.encode(salt, heads));
    for batch in batches {
        room.put_slice(&batch.head);
        room.put_slice(&batch.body);
    }
    let whole = usize::try_from(header.total_bytes()).unwrap_or(usize::MAX);
    room.put_bytes(0, whole.saturating_sub(room.len()));
    room
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtentSequence;

    const fn at(byte: u32) -> Position {
        Position {
            extent: ExtentSequence(1),
            byte,
        }
    }

    fn filled(rooms: &mut Rooms, byte: u32, bytes: u32) -> Bytes {
        let mut room = rooms.take(at(byte), bytes);
        assert!(room.capacity() >= bytes as usize);
        room.put_bytes(7, bytes as usize);
        room.freeze()
    }

    #[test]
    fn addresses_are_in_step_with_places_and_neighbours_lie_side_by_side() {
        let mut rooms = Rooms::default();
        let mut place = 64;
        let mut last: Option<Bytes> = None;
        for bytes in [64, 200, 4096, 8, 100_000, 1_200_000, 16] {
            let room = filled(&mut rooms, place, bytes);
            assert_eq!(room.as_ptr().addr() % 4096, place as usize % 4096);
            if let Some(last) = last.replace(room.clone()) {
                let own = bytes == 1_200_000 || last.len() == 1_200_000;
                assert!(own || room.as_ptr() == last.as_ptr_range().end);
            }
            place += bytes;
        }
        // A place that does not follow, as after a large entry or in a new extent.
        let room = filled(&mut rooms, 72, 1000);
        assert_eq!(room.as_ptr().addr() % 4096, 72);
    }

    #[test]
    fn a_slab_is_used_again_when_nobody_holds_its_rooms() {
        let mut rooms = Rooms::default();
        let step = u32::try_from(SHARING_BYTES_MAX / 2).unwrap();
        let held = filled(&mut rooms, 0, step);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let room = filled(&mut rooms, 0, step);
            seen.insert(room.as_ptr().addr());
            assert_ne!(room.as_ptr(), held.as_ptr());
        }
        assert!(seen.len() <= 12, "{} places", seen.len());
        assert!(held.iter().all(|&byte| byte == 7));
    }

    #[test]
    fn slabs_that_are_not_used_are_given_back() {
        let mut rooms = Rooms::default();
        let held: Vec<Bytes> = (0..100).map(|_| filled(&mut rooms, 0, 800_000)).collect();
        rooms.give_back();
        assert!(rooms.used.len() >= 49, "{} held", rooms.used.len());
        drop(held);
        rooms.give_back();
        let free = rooms.free.len();
        assert!(free >= 49, "{free} are free since now");
        for _ in 0..20 {
            filled(&mut rooms, 0, 800_000);
        }
        rooms.give_back();
        let in_use = rooms.free.len();
        assert!((1..=2).contains(&in_use), "{in_use} were used in turn");
        rooms.give_back();
        assert_eq!(rooms.free.len() + rooms.used.len(), 0);
    }

    #[test]
    fn neighbours_are_joined_without_being_moved() {
        let mut rooms = Rooms::default();
        let mut place = 64;
        let mut entry = |bytes: u32, byte| {
            let mut room = rooms.take(at(place), bytes);
            place += bytes;
            room.put_bytes(byte, bytes as usize);
            EntryBytes::filled(room)
        };
        let entries = [
            entry(200, 1),
            entry(64, 2),
            entry(1_200_000, 3),
            entry(8, 4),
        ];
        let first = match &*lock(&entries[0].0) {
            Stage::Filled(bytes) => bytes.as_ptr(),
            _ => unreachable!(),
        };
        let runs = join(&entries);
        let lengths: Vec<usize> = runs.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [264, 1_200_000, 8]);
        assert_eq!(runs.first().map(|run| run.as_ptr()), Some(first));
        let all: Vec<Bytes> = entries.iter().filter_map(EntryBytes::written).collect();
        assert_eq!(all.concat(), runs.concat());
        assert_eq!(all.get(1), Some(&Bytes::from_static(&[2; 64])));
    }
}
