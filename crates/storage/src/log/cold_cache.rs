//! Memory that old entries are read into past the system's page cache, where a reader and those that
//! come soon after it find them.
//!
//! ```text
//! disk -> held: | entry | others' | entry | entry |  -> socket
//! ```
//!
//! The first who reads old entries mostly is the only one: putting them into the page cache would cost
//! a page for each 4 KiB, a copy to check them, and whatever the cache held before. So they come here, once,
//! whole, and go to the socket from here. It is little memory: what was read by others is put out first,
//! then what nobody has come for yet.

mod by_catch;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{Bytes, BytesMut};

use self::by_catch::ByCatch;
use super::{gather::GAP_BYTES_MAX, room::Rooms};
use crate::{ExtentSequence, Position, disk::BLOCK_BYTES, locked::lock, partition::EntryRef};

/// Bytes from the first entry to the last one's end, at most.
pub(super) const SPAN_BYTES_MAX: u32 = 2 << 20;

/// Those who read so near to each other take turns.
const REGION_BYTES: u32 = 8 << 20;

/// A part of an extent, from the first byte of an entry to the last of the same or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) extent: ExtentSequence,
    pub(super) start: u32,
    /// Exclusive.
    pub(super) end: u32,
}

impl Span {
    pub(super) fn of(first: EntryRef, last: EntryRef) -> Self {
        Self {
            extent: first.position.extent,
            start: first.position.byte,
            end: last.position.byte.saturating_add(last.bytes),
        }
    }

    /// With what lies behind it.
    pub(super) fn up_to(self, end: u32) -> Self {
        let end = self.end.max(end);
        Self { end, ..self }
    }

    pub(super) const fn bytes(self) -> u32 {
        self.end - self.start
    }

    /// The whole blocks around it: where they begin, and how many bytes they are.
    pub(super) fn blocks(self) -> (u32, u64) {
        let block = u32::try_from(BLOCK_BYTES).expect("a block is small");
        let start = self.start - self.start % block;
        let bytes = u64::from(self.end - start).next_multiple_of(u64::from(block));
        (start, bytes)
    }
}

/// A span in memory.
#[derive(Clone, Debug)]
pub(super) struct Held {
    span: Span,
    bytes: Bytes,
}

impl Held {
    /// Of what was read of the span's blocks; `None` if it ends too early.
    pub(super) fn new(span: Span, blocks: &Bytes) -> Option<Self> {
        let start = usize::try_from(span.start - span.blocks().0).ok()?;
        let end = start + usize::try_from(span.bytes()).ok()?;
        // No more than the span: behind it may come what was not yet written when it was read.
        let bytes = (end <= blocks.len()).then(|| blocks.slice(start..end))?;
        Some(Self { span, bytes })
    }

    /// The bytes of an entry that lies in it as a whole.
    pub(super) fn entry(&self, at: EntryRef) -> Option<Bytes> {
        let Span { extent, start, .. } = self.span;
        let from = usize::try_from(at.position.byte.checked_sub(start)?).ok()?;
        let end = from.checked_add(usize::try_from(at.bytes).ok()?)?;
        let is_there = at.position.extent == extent && end <= self.bytes.len();
        is_there.then(|| self.bytes.slice(from..end))
    }
}

/// For whom memory is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A reader that waits.
    Reader,
    /// One that will come: nothing that is still to be read goes for its sake.
    Ahead,
}

/// What a span may take in, from where its first entry begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// The largest gap between entries of a partition that is worth being read with them.
    pub(super) gap_bytes_max: u32,
    /// Up to where nothing is held.
    pub(super) end: u32,
}

/// What was read last.
pub(super) struct ColdCache {
    slabs_max: usize,
    /// Held by whoever reads, by the region where it reads.
    turns: [Mutex<()>; 16],
    /// So that those who find nothing need not take turns.
    is_empty: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rooms: Rooms,
    held: BTreeMap<(ExtentSequence, u32), Place>,
    by_catch: ByCatch,
    /// Bytes put in so far: time, as far as this memory is concerned.
    put_in: u64,
    /// Bytes put out so far that nobody had come for.
    unused: u64,
}

/// Bytes that went through the memory so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) read: u64,
    /// Let go of before anybody came for them.
    pub(super) unused: u64,
}

struct Place {
    held: Held,
    /// [`Inner::put_in`] when it was put in, or found last.
    touched_at: u64,
    /// Since the last [`ColdCache::give_back`].
    is_touched: bool,
    /// Of entries for whose sake it was read.
    own_bytes: u32,
    /// Of entries that readers have got out of it.
    used_bytes: u32,
}

impl Place {
    /// Whether hardly anything of it is still to be read.
    fn is_read(&self) -> bool {
        let bytes = self.held.span.bytes();
        self.used_bytes >= bytes - bytes / 8
    }

    fn unused_bytes(&self) -> u32 {
        self.held.span.bytes().saturating_sub(self.used_bytes)
    }
}

impl ColdCache {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            slabs_max: Rooms::slabs_within(bytes),
            turns: std::array::from_fn(|_| Mutex::new(())),
            is_empty: AtomicBool::new(true),
            inner: Mutex::default(),
        }
    }

    /// To be held while a span is looked for and read: who wants others of it waits.
    pub(super) fn turn(&self, first: EntryRef) -> Option<MutexGuard<'_, ()>> {
        let Position { extent, byte } = first.position;
        let region = extent.0.wrapping_mul(7).wrapping_add(byte / REGION_BYTES);
        let turn = usize::try_from(region).ok()? % self.turns.len();
        self.turns.get(turn).map(lock)
    }

    /// The span that holds an entry.
    pub(super) fn find(&self, at: EntryRef) -> Option<Held> {
        if self.is_empty.load(Ordering::Relaxed) {
            return None;
        }
        let inner = &mut *lock(&self.inner);
        let place = place_of(&mut inner.held, at)?;
        (place.touched_at, place.is_touched) = (inner.put_in, true);
        Some(place.held.clone())
    }

    /// Takes note that the first reader has got an entry.
    pub(super) fn note_used(&self, at: EntryRef) {
        if let Some(place) = place_of(&mut lock(&self.inner).held, at) {
            place.used_bytes = place.used_bytes.saturating_add(at.bytes);
        }
    }

    /// Empty memory for a span's blocks; `None` where there is none to be had.
    pub(super) fn room(&self, span: Span, wanted: For) -> Option<BytesMut> {
        let (byte, bytes) = span.blocks();
        let bytes = u32::try_from(bytes).ok()?;
        let at = Position {
            extent: span.extent,
            byte,
        };
        // In that time all should have come that are on their way together.
        let stale_after = self.slabs_max as u64 * Rooms::SLAB_BYTES;
        let inner = &mut *lock(&self.inner);
        loop {
            if let Some(room) = inner.rooms.take_within(self.slabs_max, at, bytes) {
                return Some(room);
            }
            inner.put_out(wanted, stale_after)?;
        }
    }

    /// Puts in what was read for the sake of so many bytes of entries.
    pub(super) fn insert(&self, held: Held, own_bytes: u32) {
        let mut inner = lock(&self.inner);
        inner.put_in += u64::from(held.span.bytes());
        let place = Place {
            touched_at: inner.put_in,
            is_touched: true,
            own_bytes,
            used_bytes: 0,
            held,
        };
        let key = (place.held.span.extent, place.held.span.start);
        inner.held.insert(key, place);
        self.is_empty.store(false, Ordering::Relaxed);
    }

    /// How far to go from an entry that is to be read because it is not here.
    pub(super) fn surroundings(&self, first: EntryRef) -> Surroundings {
        let inner = &mut *lock(&self.inner);
        let Position { extent, byte } = first.position;
        let end = byte.saturating_add(SPAN_BYTES_MAX);
        let next = inner.held.range((extent, byte)..(extent, end)).next();
        let end = next.map_or(end, |(&(_, start), _)| start);
        if next.is_some() {
            // Somebody has read past it: it would have been in the gap.
            inner.by_catch.note_missed();
        }
        let gap_bytes_max = if inner.by_catch.is_wanted() {
            SPAN_BYTES_MAX
        } else {
            GAP_BYTES_MAX
        };
        Surroundings { gap_bytes_max, end }
    }

    pub(super) fn passed(&self) -> Passed {
        let inner = lock(&self.inner);
        Passed {
            read: inner.put_in,
            unused: inner.unused,
        }
    }

    /// Lets go of what was neither put in nor found since the last call, and of its memory.
    pub(super) fn give_back(&self) {
        let inner = &mut *lock(&self.inner);
        let unused = &mut inner.unused;
        inner.held.retain(|_, place| {
            let stays = std::mem::take(&mut place.is_touched);
            if !stays {
                *unused += u64::from(place.unused_bytes());
            }
            stays
        });
        inner.rooms.give_back();
        self.is_empty
            .store(inner.held.is_empty(), Ordering::Relaxed);
    }
}

/// Where an entry lies as a whole.
fn place_of(held: &mut BTreeMap<(ExtentSequence, u32), Place>, at: EntryRef) -> Option<&mut Place> {
    let key = (at.position.extent, at.position.byte);
    let (_, place) = held.range_mut(..=key).next_back()?;
    place.held.entry(at)?;
    Some(place)
}

impl Inner {
    /// Puts out what was read or given up longest ago, else what has waited longest.
    fn put_out(&mut self, wanted: For, stale_after: u64) -> Option<()> {
        let now = self.put_in;
        let is_done = |place: &Place| place.is_read() || now - place.touched_at > stale_after;
        let places = self.held.iter();
        let places = places.filter(|(_, place)| is_done(place) || wanted == For::Reader);
        let (&key, _) = places.min_by_key(|(_, place)| (!is_done(place), place.touched_at))?;
        let place = self.held.remove(&key)?;
        self.unused += u64::from(place.unused_bytes());
        let span_bytes = place.held.span.bytes();
        self.by_catch
            .note_out(span_bytes, place.own_bytes, place.used_bytes);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use model::{Offset, Timestamp};

    use super::*;

    const SLABS: u64 = 3;
    /// Half a slab.
    const BYTES: u32 = 1 << 20;

    fn entry(byte: u32, bytes: u32) -> EntryRef {
        EntryRef {
            position: Position {
                extent: ExtentSequence(1),
                byte,
            },
            bytes,
            base: Offset(0),
            next: Offset(1),
            max_timestamp: Timestamp(0),
        }
    }

    fn cache() -> ColdCache {
        ColdCache::new(SLABS * Rooms::SLAB_BYTES)
    }

    /// Reads a span in that holds its number of MiB in each byte.
    fn read_in(cache: &ColdCache, mib: u32, wanted: For) -> bool {
        let span = span(mib);
        let Some(mut room) = cache.room(span, wanted) else {
            return false;
        };
        let len = usize::try_from(span.blocks().1).unwrap();
        assert!(room.capacity() >= len && room.as_ptr().addr().is_multiple_of(BLOCK_BYTES));
        room.put_bytes(u8::try_from(mib).unwrap(), len);
        let held = Held::new(span, &room.freeze()).unwrap();
        cache.insert(held, span.bytes());
        true
    }

    fn span(mib: u32) -> Span {
        let start = (mib << 20) + 100;
        Span::of(entry(start, 1000), entry(start + BYTES - 64, 64))
    }

    /// The last entry of a span.
    fn last(mib: u32) -> EntryRef {
        entry(span(mib).end - 64, 64)
    }

    fn find(cache: &ColdCache, mib: u32) -> Option<Bytes> {
        cache.find(last(mib))?.entry(last(mib))
    }

    /// Reads all of a span but for so many bytes.
    fn use_up(cache: &ColdCache, mib: u32, but: u32) {
        cache.note_used(entry(span(mib).start, span(mib).bytes() - but));
    }

    #[test]
    fn entries_are_found_in_the_span_that_holds_them_as_a_whole() {
        let cache = cache();
        assert!(find(&cache, 1).is_none());
        assert!(read_in(&cache, 1, For::Reader) && read_in(&cache, 2, For::Reader));
        assert_eq!(find(&cache, 1).unwrap(), [1; 64][..]);
        assert_eq!(find(&cache, 2).unwrap(), [2; 64][..]);
        let end = span(2).end;
        assert!(cache.find(entry(end - 10, 10)).is_some());
        for outside in [entry(end - 10, 11), entry(end, 1), entry(50, 10)] {
            assert!(cache.find(outside).is_none(), "{outside:?}");
        }
        let mut other = entry(span(1).start, 10);
        other.position.extent = ExtentSequence(2);
        assert!(cache.find(other).is_none());
    }

    #[test]
    fn a_span_ends_where_it_was_asked_to_whatever_was_read_behind_it() {
        let span = Span::of(entry(4000, 200), entry(4200, 100));
        assert_eq!(span.blocks(), (0, 8192));
        let blocks = Bytes::from(vec![0; 8192]);
        let held = Held::new(span, &blocks).unwrap();
        assert!(held.entry(entry(4200, 100)).is_some());
        assert!(held.entry(entry(4300, 1)).is_none(), "not yet written then");
        assert!(Held::new(span, &blocks.slice(..4299)).is_none());
    }

    #[test]
    fn what_was_read_goes_first_and_nothing_unread_for_what_is_only_ahead() {
        let cache = cache();
        let count = (1..20).filter(|&mib| read_in(&cache, mib, For::Ahead));
        let count = u32::try_from(count.count()).unwrap();
        assert_eq!(u64::from(count), SLABS * 2, "two in a slab");
        assert!(!read_in(&cache, 20, For::Ahead), "all is still to be read");
        use_up(&cache, 1, BYTES / 4);
        assert!(find(&cache, 2).is_some());
        assert!(!read_in(&cache, 20, For::Ahead), "much is still to be read");
        // Both of a slab: as long as one of them is held it cannot be used again.
        use_up(&cache, 3, 1000);
        use_up(&cache, 4, BYTES / 10);
        assert!(read_in(&cache, 20, For::Ahead));
        assert!(find(&cache, 3).is_none() && find(&cache, 4).is_none());
        assert!(find(&cache, 1).is_some(), "it was only to be read");
        assert!(read_in(&cache, 21, For::Reader));
        for mib in 22..30 {
            assert!(read_in(&cache, mib, For::Reader), "readers always get room");
        }
    }

    #[test]
    fn what_is_being_sent_keeps_its_memory() {
        let cache = cache();
        let sending: Vec<Bytes> = (1..=6)
            .map(|mib| {
                assert!(read_in(&cache, mib, For::Reader));
                find(&cache, mib).unwrap()
            })
            .collect();
        assert!(!read_in(&cache, 7, For::Reader), "no memory is left");
        for (bytes, mib) in sending.iter().zip(1..) {
            assert_eq!(bytes, &[mib; 64][..]);
        }
        drop(sending);
        assert!(read_in(&cache, 7, For::Reader));
    }

    #[test]
    fn without_memory_nothing_is_held() {
        let cache = ColdCache::new(Rooms::SLAB_BYTES - 1);
        assert!(!read_in(&cache, 1, For::Reader));
        let cache = ColdCache::new(Rooms::SLAB_BYTES);
        for mib in 1..10 {
            assert!(
                read_in(&cache, mib, For::Reader),
                "one slab, again and again"
            );
        }
    }

    #[test]
    fn what_nobody_comes_for_is_given_back() {
        let cache = cache();
        assert!(read_in(&cache, 1, For::Reader) && read_in(&cache, 2, For::Reader));
        cache.give_back();
        assert!(find(&cache, 1).is_some());
        cache.give_back();
        assert!(find(&cache, 2).is_none());
        assert!(find(&cache, 1).is_some());
        cache.give_back();
        cache.give_back();
        assert!(cache.is_empty.load(Ordering::Relaxed));
    }

    #[test]
    fn what_nobody_came_for_is_counted() {
        let cache = ColdCache::new(Rooms::SLAB_BYTES);
        assert!(read_in(&cache, 1, For::Reader) && read_in(&cache, 2, For::Reader));
        use_up(&cache, 1, 1000);
        use_up(&cache, 2, 0);
        assert_eq!(cache.passed().unused, 0, "somebody may still come");
        assert!(read_in(&cache, 3, For::Reader), "in the place of both");
        assert_eq!(cache.passed().unused, 1000);
        cache.give_back();
        cache.give_back();
        let bytes = u64::from(span(3).bytes());
        let (read, unused) = (3 * bytes, 1000 + bytes);
        assert_eq!(cache.passed(), Passed { read, unused });
    }

    #[test]
    fn who_reads_what_others_have_read_past_shows_that_it_is_worth_it() {
        let cache = cache();
        lock(&cache.inner).by_catch = ByCatch::unwanted();
        assert!(read_in(&cache, 5, For::Reader));
        for _ in 0..10 {
            let beyond = entry(span(5).end + 1000, 100);
            let around = cache.surroundings(beyond);
            assert_eq!(around.gap_bytes_max, GAP_BYTES_MAX, "it goes on");
            assert_eq!(around.end, beyond.position.byte + SPAN_BYTES_MAX);
        }
        let before = entry(span(4).start, 100);
        assert_eq!(cache.surroundings(before).end, span(5).start);
        let asked = (0..20).find(|_| cache.surroundings(before).gap_bytes_max > GAP_BYTES_MAX);
        assert!(asked.is_some_and(|times| times > 2), "{asked:?}");
    }
}
