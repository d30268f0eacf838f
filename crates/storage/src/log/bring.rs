//! Bringing in from the disk what readers need: what is read for the first time into memory of our own,
//! what others have read before into the system's page cache, where any number of readers share it.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Core,
    cold_cache::{For, Held, SPAN_BYTES_MAX, Span, Surroundings},
    gate::PIECE_BYTES,
    gather::{CALL_BYTES_MAX, GAP_BYTES_MAX, neighbours},
};
use crate::{ExtentSequence, disk::DiskFile, partition::Recent};

/// What was brought in for a reader.
#[derive(Default)]
pub(super) struct Brought {
    /// In our memory, for as long as this is kept.
    pub(super) held: Vec<Held>,
    /// Bytes that were not in memory before.
    pub(super) bytes: u64,
    /// There was no room to read ahead.
    pub(super) is_short: bool,
}

/// Where a span goes.
enum Way {
    Held(Held),
    PageCache,
    /// All memory is taken by what is to be read or sent.
    NoRoom,
}

/// Ranges for the page cache that are asked for together.
#[derive(Default)]
struct Advice {
    ranges: Vec<Range>,
    bytes: u64,
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

/// Smaller spans are left to the page cache, where many are asked for at once.
const HELD_BYTES_MIN: u32 = 32 << 10;
/// One in so many bytes of a span must be what its reader came for.
const OWN_SHARE_MIN: u64 = 8;

impl Core {
    /// Waits until the entries are in memory, ours or the system's. It is advice: what cannot be read
    /// is reported by the reader that needs it.
    pub(super) fn bring_in(&self, entries: &[Recent], wanted: For) -> Brought {
        let mut brought = Brought::default();
        let mut advice = Advice::default();
        let mut rest = entries;
        while let Some(first) = rest.first() {
            if first.cached.is_some() {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            // Who wants the same waits for whoever began, and finds it then.
            let reading = self.cold.turn(first.at);
            if let Some(held) = self.cold.find(first.at) {
                let inside = rest
                    .iter()
                    .take_while(|entry| held.entry(entry.at).is_some());
                rest = rest.get(inside.count()..).unwrap_or_default();
                brought.held.push(held);
                continue;
            }
            let before = entries.len() - rest.len();
            let before = before.checked_sub(1).and_then(|at| entries.get(at));
            let Some((count, span)) = self.span(before, rest) else {
                break;
            };
            let (together, after) = rest.split_at(count);
            rest = after;
            let Ok(file) = self.opened.file(&*self.disk, span.extent) else {
                continue;
            };
            let way = self.hold(&*file, together, span, wanted);
            drop(reading);
            match way {
                Ok(Way::Held(held)) => {
                    brought.bytes += u64::from(own_bytes(together));
                    brought.held.push(held);
                }
                Ok(Way::NoRoom) if wanted == For::Ahead => {
                    brought.is_short = true;
                    break;
                }
                // Whatever is wrong shows again on the way through the page cache.
                Ok(Way::NoRoom | Way::PageCache) | Err(_) => {
                    brought.bytes += self.advise(&file, together, &mut advice);
                }
            }
        }
        self.carry(&mut advice);
        brought
    }

    /// What to read together with the first entry: so many of the entries, and the span they take. With
    /// what lies between them where others come for that; but they must be a good part of it.
    fn span(&self, before: Option<&Recent>, entries: &[Recent]) -> Option<(usize, Span)> {
        let around = self.cold.surroundings(entries.first()?.at);
        if around.gap_bytes_max > GAP_BYTES_MAX {
            let wide = self.wide_span(before, entries, around);
            let is_dense = |(count, span): &(usize, Span)| {
                let own = own_bytes(entries.get(..*count).unwrap_or_default());
                u64::from(own) * OWN_SHARE_MIN >= u64::from(span.bytes())
            };
            if let Some(wide) = wide.filter(is_dense) {
                return Some(wide);
            }
        }
        let count = near(entries, GAP_BYTES_MAX, around.end);
        let (first, last) = (entries.first()?, entries.get(count - 1)?);
        Some((count, Span::of(first.at, last.at)))
    }

    /// With all that lies before the next one of the entries, or before where it will be.
    fn wide_span(
        &self,
        before: Option<&Recent>,
        entries: &[Recent],
        around: Surroundings,
    ) -> Option<(usize, Span)> {
        let first = entries.first()?.at;
        let near = near(entries, around.gap_bytes_max, around.end);
        let span_of = |count: usize| Some(Span::of(first, entries.get(count.checked_sub(1)?)?.at));
        let next = next_begins(before, entries, near)?;
        if next.saturating_sub(first.position.byte) <= SPAN_BYTES_MAX {
            let end = next.min(self.durable_in(first.position.extent));
            let end = end.min(around.end);
            return Some((near, span_of(near)?.up_to(end)));
        }
        // Up to the last of them, where the next span begins.
        let Some(span) = span_of(near - 1) else {
            return Some((near, span_of(near)?));
        };
        Some((
            near - 1,
            span.up_to(entries.get(near - 1)?.at.position.byte),
        ))
    }

    /// Up to where an extent is on stable storage; what lies behind that may still change.
    fn durable_in(&self, extent: ExtentSequence) -> u32 {
        let durable = self.durable_position();
        if extent < durable.extent {
            u32::try_from(self.options.extent_bytes).unwrap_or(u32::MAX)
        } else {
            durable.byte
        }
    }

    /// Reads a span into our memory, if that is the place for it.
    fn hold(
        &self,
        file: &dyn DiskFile,
        entries: &[Recent],
        span: Span,
        wanted: For,
    ) -> io::Result<Way> {
        let known = self.known(span.extent);
        let was_read = entries.first().is_none_or(|first| known.was_read(first.at));
        let fits = (HELD_BYTES_MIN..=SPAN_BYTES_MAX).contains(&span.bytes());
        if was_read || !fits || !file.reads_blocks() {
            return Ok(Way::PageCache);
        }
        let middle = u64::from(span.start) + u64::from(span.bytes()) / 2;
        if file.read_if_cached(middle, &mut [0])? {
            return Ok(Way::PageCache);
        }
        let Some(mut room) = self.cold.room(span, wanted) else {
            return Ok(Way::NoRoom);
        };
        let (at, bytes) = span.blocks();
        let mut read = 0;
        while read < bytes {
            let syncs = self.counters.syncs.load(Ordering::Relaxed);
            let under_way = self.gate.enter(bytes - read, syncs);
            let more = file.read_blocks(u64::from(at) + read, under_way.bytes, &mut room)?;
            read += more;
            if more < under_way.bytes {
                // A file may end inside a block.
                break;
            }
        }
        let held = Held::new(span, &room.freeze()).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.cold.insert(held.clone(), own_bytes(entries));
        Ok(Way::Held(held))
    }

    /// Asks for what of the entries is not in the page cache, and waits for it in part; gives how many
    /// bytes that is.
    fn advise(&self, file: &Arc<dyn DiskFile>, entries: &[Recent], advice: &mut Advice) -> u64 {
        let mut asked_for = 0;
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let count = neighbours(rest, GAP_BYTES_MAX, CALL_BYTES_MAX).max(1);
            let (together, after) = rest.split_at(count);
            rest = after;
            let last = together.last().unwrap_or(first);
            let span = Span::of(first.at, last.at);
            let (mut at, end) = (u64::from(span.start), u64::from(span.end));
            while at < end {
                let bytes = PIECE_BYTES.min(end - at);
                let file = Arc::clone(file);
                asked_for += self.add(advice, Range { file, at, bytes });
                at += bytes;
            }
        }
        asked_for
    }

    /// Puts a range to the advice unless it is in memory; carries the advice first if it is full.
    fn add(&self, advice: &mut Advice, range: Range) -> u64 {
        if matches!(range.file.read_if_cached(range.last(), &mut [0]), Ok(true)) {
            return 0;
        }
        if advice.bytes + range.bytes > PIECE_BYTES {
            self.carry(advice);
        }
        let bytes = range.bytes;
        advice.bytes += bytes;
        advice.ranges.push(range);
        bytes
    }

    /// Asks for the ranges, and waits for the last byte of each.
    fn carry(&self, advice: &mut Advice) {
        if advice.ranges.is_empty() {
            return;
        }
        let syncs = self.counters.syncs.load(Ordering::Relaxed);
        let _under_way = self.gate.enter(advice.bytes, syncs);
        for range in &advice.ranges {
            range.file.will_need(range.at, range.bytes);
        }
        for range in advice.ranges.drain(..) {
            drop(range.file.read_at(range.last(), 1));
        }
        advice.bytes = 0;
    }
}

/// How many of the first entries are near to each other, up to where something is held.
fn near(entries: &[Recent], gap_bytes_max: u32, end: u32) -> usize {
    let near = neighbours(entries, gap_bytes_max, SPAN_BYTES_MAX);
    let near = entries.get(..near).unwrap_or_default();
    near.partition_point(|entry| entry.at.position.byte < end)
        .max(1)
}

/// Where the entry after the first so many begins: if it is not known, as far from the last one as that
/// is from the one before it.
fn next_begins(before: Option<&Recent>, entries: &[Recent], count: usize) -> Option<u32> {
    let last = entries.get(count.checked_sub(1)?)?.at.position;
    let inside = |other: &&Recent| other.at.position.extent == last.extent;
    if let Some(next) = entries.get(count).filter(inside) {
        return Some(next.at.position.byte);
    }
    let before = count.checked_sub(2).map_or(before, |at| entries.get(at));
    let before = before.filter(inside).map(|before| before.at.position.byte);
    let step = before.and_then(|before| last.byte.checked_sub(before));
    Some(last.byte.saturating_add(step.unwrap_or(0)))
}

fn own_bytes(entries: &[Recent]) -> u32 {
    let bytes = entries.iter().map(|entry| entry.at.bytes);
    bytes.fold(0, u32::saturating_add)
}
