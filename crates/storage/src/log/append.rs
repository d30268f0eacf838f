//! Appending: an entry gets its offset and its position at once, under two short locks.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use bytes::BytesMut;
use model::{
    LogId, Offset, Timestamp,
    batch::{BATCH_HEADER_BYTES, StampedBatch},
};

use super::{
    Core,
    room::{EntryBytes, Rooms, fill},
    threads::OVERLAP_BYTES_MIN,
};
use crate::{
    AppendError, Completion, Position,
    entry::{ENTRY_HEADER_BYTES, EXTENT_HEADER_BYTES, EntryHeader, EntryKind},
    extent::{FilledExtent, OpenExtent},
    locked::lock,
    partition::{EntryRef, Partition},
};

/// Several batches of one append share an entry up to this size.
const ENTRY_BODY_TARGET_BYTES: u32 = 1 << 20;
/// An extent is ended early when this share of it is dead before it is full: a quarter.
const DEAD_SHARE: u64 = 4;
/// Room that only trims and removals may use, so that a full disk can be emptied: at most this, and
/// at most a sixteenth of an extent.
const CONTROL_RESERVE_BYTES: u32 = 64 << 10;

/// Entries that have their place and wait to be written.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) items: VecDeque<Item>,
    /// Of the items.
    pub(super) bytes: u64,
    pub(super) rooms: Rooms,
    /// The position after the last entry that has one.
    pub(super) end: Position,
    active: Option<Active>,
    closing: bool,
}

/// The extent that is being filled.
struct Active {
    extent: Arc<OpenExtent>,
    cursor: u32,
    entries: Vec<(LogId, EntryRef)>,
    live_bytes: u64,
}

/// An entry with its place.
pub(super) struct Item {
    pub(super) extent: Arc<OpenExtent>,
    pub(super) header: EntryHeader,
    pub(super) bytes: EntryBytes,
    pub(super) action: Action,
    /// With the last entry of an append.
    pub(super) done: Option<Box<dyn Completion>>,
}

/// What an entry does when it is durable.
pub(super) enum Action {
    Batches(Arc<Partition>),
    Trim(Arc<Partition>),
    Remove(Arc<Partition>),
    End(FilledExtent),
}

/// Batches that make one entry.
struct Gathered {
    header: EntryHeader,
    batches: Vec<StampedBatch>,
}

/// An entry that has its place and is to be put together there.
struct Unfilled {
    header: EntryHeader,
    batches: Vec<StampedBatch>,
    room: BytesMut,
    bytes: EntryBytes,
}

impl Item {
    /// The position after the entry.
    pub(super) const fn end(&self) -> Position {
        self.header.end()
    }
}

impl Queue {
    /// Whether there is something to write: entries are written in their order.
    pub(super) fn is_ready(&self) -> bool {
        let first = self.items.front();
        first.is_some_and(|item| item.bytes.is_filled())
    }

    /// Whether an extent is being filled.
    pub(super) const fn is_begun(&self) -> bool {
        self.active.is_some()
    }

    /// Whether one of the entries is what the writer would go on with.
    fn waits_for(&self, filled: &[EntryBytes]) -> bool {
        let first = self.items.front();
        let is_first = |bytes: &EntryBytes| first.is_some_and(|item| item.bytes.is_same(bytes));
        filled.iter().any(is_first)
    }

    fn push(&mut self, item: Item) {
        self.bytes += u64::from(item.header.total_bytes());
        self.items.push_back(item);
    }

    pub(super) fn active_live_bytes(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.live_bytes)
    }

    fn room(&self, limit: u32) -> u32 {
        let active = self.active.as_ref();
        active.map_or(0, |active| limit.saturating_sub(active.cursor))
    }

    /// How many extents must be begun to place entries of `sizes` one after another.
    fn rolls(&self, limit: u32, sizes: impl Iterator<Item = u32>) -> usize {
        let (mut room, mut rolls) = (self.room(limit), 0);
        for size in sizes {
            if size > room {
                rolls += 1;
                room = limit - EXTENT_HEADER_BYTES;
            }
            room = room.saturating_sub(size);
        }
        rolls
    }
}

/// The largest batch that data files of this size admit.
#[must_use]
pub fn batch_bytes_max(extent_bytes: u64) -> u64 {
    let extent_bytes = u32::try_from(extent_bytes).unwrap_or(u32::MAX);
    let headers = EXTENT_HEADER_BYTES + ENTRY_HEADER_BYTES;
    u64::from(batches_limit(extent_bytes).saturating_sub(headers))
}

/// Where an extent ends for entries that carry batches.
const fn batches_limit(extent_bytes: u32) -> u32 {
    let share = extent_bytes / 16;
    let reserve = if share < CONTROL_RESERVE_BYTES {
        share
    } else {
        CONTROL_RESERVE_BYTES
    };
    control_limit(extent_bytes).saturating_sub(reserve)
}

/// Where an extent ends for all entries but the one that says so.
const fn control_limit(extent_bytes: u32) -> u32 {
    extent_bytes.saturating_sub(ENTRY_HEADER_BYTES)
}

impl Core {
    fn batches_limit(&self) -> u32 {
        batches_limit(self.extent_bytes())
    }

    fn control_limit(&self) -> u32 {
        control_limit(self.extent_bytes())
    }

    pub(super) fn extent_bytes(&self) -> u32 {
        u32::try_from(self.options.extent_bytes).unwrap_or(u32::MAX)
    }

    pub(super) fn append(
        &self,
        id: LogId,
        batches: Vec<StampedBatch>,
        mut done: Box<dyn Completion>,
    ) -> Result<(), AppendError> {
        let partition = self.partitions.find(id);
        let partition = partition.ok_or(AppendError::UnknownPartition)?;
        let limit = self.batches_limit();
        let gathered = gather(id, batches, limit - EXTENT_HEADER_BYTES)?;
        if gathered.is_empty() {
            done.written();
            done.durable(Ok(()));
            return Ok(());
        }
        let mut state = partition.lock();
        if state.removed {
            return Err(AppendError::UnknownPartition);
        }
        let mut expected = state.next;
        for entry in &gathered {
            if entry.header.base != expected {
                return Err(AppendError::OutOfOrder {
                    expected: state.next,
                });
            }
            expected = entry.header.next;
        }
        let mut queue = lock(&self.queue);
        let sizes = gathered.iter().map(|entry| entry.header.total_bytes());
        self.admit(&mut queue, sizes, limit)?;
        let before = queue.bytes;
        let at_once = done.awaits_writing();
        let mut done = Some(done);
        let mut unfilled = Vec::with_capacity(gathered.len());
        let last = gathered.len() - 1;
        for (index, entry) in gathered.into_iter().enumerate() {
            let (extent, header) = self.place(&mut queue, entry.header, limit);
            let bytes = EntryBytes::default();
            state.push(EntryRef::of(&header), Some(bytes.clone()));
            queue.push(Item {
                extent,
                header,
                bytes: bytes.clone(),
                action: Action::Batches(Arc::clone(&partition)),
                done: if index == last { done.take() } else { None },
            });
            unfilled.push(Unfilled {
                header,
                batches: entry.batches,
                room: queue.rooms.take(header.position, header.total_bytes()),
                bytes,
            });
        }
        self.note_held_slabs(&queue);
        let after = queue.bytes;
        drop(queue);
        drop(state);
        let filled = self.fill(unfilled);
        // Whoever found the first entry unfilled looks again under the queue's lock before it waits:
        // our look under it comes after that, or theirs sees the entry filled. The end of an extent
        // may be the first too, and has waited for nobody.
        let waits = lock(&self.queue).waits_for(&filled);
        let is_much = before < OVERLAP_BYTES_MIN && after >= OVERLAP_BYTES_MIN;
        if before == 0 || waits || is_much || at_once {
            self.wake_writer(at_once || after >= OVERLAP_BYTES_MIN);
        }
        Ok(())
    }

    pub(super) fn note_held_slabs(&self, queue: &Queue) {
        let bytes = queue.rooms.held_bytes();
        let counter = &self.counters.held_slab_bytes;
        counter.store(bytes, Ordering::Relaxed);
    }

    /// Puts entries together, while no lock is held and the batches are still in the processor's
    /// cache.
    fn fill(&self, entries: Vec<Unfilled>) -> Vec<EntryBytes> {
        let fill_one = |entry: Unfilled| {
            let mut header = entry.header;
            header.synced = self.durable_position();
            let room = fill(entry.room, &header, &entry.batches, self.salt);
            entry.bytes.fill(room);
            entry.bytes
        };
        entries.into_iter().map(fill_one).collect()
    }

    /// Queues a trim or a removal; gives the completion back with the reason why not.
    pub(super) fn queue_control(
        &self,
        header: EntryHeader,
        action: Action,
        done: Box<dyn Completion>,
    ) -> Result<(), (AppendError, Box<dyn Completion>)> {
        let mut queue = lock(&self.queue);
        let limit = self.control_limit();
        let sizes = std::iter::once(header.total_bytes());
        if let Err(error) = self.admit(&mut queue, sizes, limit) {
            return Err((error, done));
        }
        let (extent, header) = self.place(&mut queue, header, limit);
        queue.push(Item {
            extent,
            header,
            bytes: self.control_bytes(header),
            action,
            done: Some(done),
        });
        drop(queue);
        self.wake_writer(false);
        Ok(())
    }

    /// An entry without batches, put together.
    fn control_bytes(&self, mut header: EntryHeader) -> EntryBytes {
        header.synced = self.durable_position();
        let encoded = header.encode(self.salt, std::iter::empty());
        EntryBytes::filled(BytesMut::from(&encoded[..]))
    }

    pub(super) fn refuse_appends(&self) {
        lock(&self.queue).closing = true;
    }

    /// Makes sure that entries of `sizes` can be placed, without placing them.
    fn admit(
        &self,
        queue: &mut Queue,
        sizes: impl Iterator<Item = u32> + Clone,
        limit: u32,
    ) -> Result<(), AppendError> {
        if self.closed.get().is_some() {
            return Err(self.closed_error());
        }
        if queue.closing {
            return Err(AppendError::Closed("shutting down".into()));
        }
        let is_control = limit == self.control_limit();
        let bytes: u64 = sizes.clone().map(u64::from).sum();
        let waiting = self.counters.waiting_bytes.load(Ordering::Relaxed);
        if !is_control && waiting > 0 && waiting + bytes > self.options.queue_bytes_max {
            return Err(AppendError::QueueFull);
        }
        // A trim may go below the floor: it is what makes room again.
        let floor = if is_control {
            0
        } else {
            self.options.free_space_floor_bytes
        };
        let rolls = queue.rolls(limit, sizes);
        if rolls > 0 && !self.prepare(rolls, floor) {
            if self.closed.get().is_some() {
                return Err(self.closed_error());
            }
            self.no_space.store(true, Ordering::Relaxed);
            return Err(AppendError::NoSpace);
        }
        self.no_space.store(false, Ordering::Relaxed);
        self.counters
            .waiting_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Gives an admitted entry its place.
    fn place(
        &self,
        queue: &mut Queue,
        mut header: EntryHeader,
        limit: u32,
    ) -> (Arc<OpenExtent>, EntryHeader) {
        let bytes = header.total_bytes();
        if bytes > queue.room(limit) {
            self.roll(queue);
        }
        let active = queue.active.as_mut();
        let active = active.expect("an admitted entry has an extent to go to");
        assert!(bytes <= limit - active.cursor, "an admitted entry has room");
        header.position = Position {
            extent: active.extent.sequence,
            byte: active.cursor,
        };
        active.cursor += bytes;
        queue.end = Position {
            extent: active.extent.sequence,
            byte: active.cursor,
        };
        if header.kind == EntryKind::Batches {
            active.entries.push((header.id, EntryRef::of(&header)));
            active.live_bytes += u64::from(bytes);
        }
        (Arc::clone(&active.extent), header)
    }

    /// Ends the extent being filled when much of it is dead: only then can its bytes be freed.
    pub(super) fn roll_dead(&self) {
        let mut queue = lock(&self.queue);
        let Some(active) = &queue.active else {
            return;
        };
        let dead = self.extents.dead_bytes(active.extent.sequence);
        let is_worth_it = dead >= self.options.extent_bytes / DEAD_SHARE;
        if is_worth_it && !queue.closing && self.prepare(1, 0) {
            self.roll(&mut queue);
            drop(queue);
            self.wake_writer(false);
        }
    }

    /// Ends the extent being filled and begins the next, which must be ready.
    fn roll(&self, queue: &mut Queue) {
        let next = lock(&self.spares).ready.pop_front();
        let next = next.expect("extents are prepared before an entry is admitted");
        let next = Active {
            extent: next,
            cursor: EXTENT_HEADER_BYTES,
            entries: Vec::new(),
            live_bytes: 0,
        };
        self.want_upkeep();
        let Some(filled) = queue.active.replace(next) else {
            return;
        };
        let sequence = filled.extent.sequence;
        self.extents.add_live(sequence, filled.live_bytes);
        let mut header = EntryHeader::control(EntryKind::End, LogId(0), Offset(0), Offset(0));
        header.position = Position {
            extent: sequence,
            byte: filled.cursor,
        };
        let bytes = u64::from(header.total_bytes());
        self.counters
            .waiting_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        let item = Item {
            extent: filled.extent,
            header,
            bytes: self.control_bytes(header),
            action: Action::End(FilledExtent {
                sequence,
                entries: filled.entries,
            }),
            done: None,
        };
        queue.end = item.end();
        queue.push(item);
    }
}

impl EntryRef {
    pub(super) const fn of(header: &EntryHeader) -> Self {
        Self {
            base: header.base,
            next: header.next,
            max_timestamp: header.max_timestamp,
            position: header.position,
            bytes: header.total_bytes(),
        }
    }
}

/// Makes entries out of batches, each no larger than the target unless one batch is.
fn gather(
    id: LogId,
    batches: Vec<StampedBatch>,
    bytes_max: u32,
) -> Result<Vec<Gathered>, AppendError> {
    let mut gathered: Vec<Gathered> = Vec::with_capacity(1);
    let mut expected = None;
    for batch in batches {
        let bytes = u64::try_from(batch.total_bytes()).unwrap_or(u64::MAX);
        let body_max = bytes_max - ENTRY_HEADER_BYTES;
        let too_large = AppendError::TooLarge {
            bytes,
            bytes_max: u64::from(body_max),
        };
        let bytes = u32::try_from(bytes).ok().filter(|&bytes| bytes <= body_max);
        let bytes = bytes.ok_or(too_large)?;
        // Paired with the check when the entry is read back.
        assert_eq!(
            batch.total_bytes(),
            batch.header.total_bytes(),
            "a batch has its length"
        );
        let (base, next) = (batch.header.base_offset, batch.header.next_offset());
        let expected_here = expected.replace(next).unwrap_or(base);
        if base != expected_here || next <= base {
            return Err(AppendError::OutOfOrder {
                expected: expected_here,
            });
        }
        let timestamp = batch.header.max_timestamp;
        match gathered.last_mut() {
            Some(entry)
                if entry.header.body_bytes + bytes <= ENTRY_BODY_TARGET_BYTES.min(body_max) =>
            {
                entry.header.body_bytes += bytes;
                entry.header.batch_count += 1;
                entry.header.next = next;
                entry.header.max_timestamp = entry.header.max_timestamp.max(timestamp);
                entry.batches.push(batch);
            }
            _ => {
                let mut header = EntryHeader::control(EntryKind::Batches, id, base, next);
                header.batch_count = 1;
                header.body_bytes = bytes;
                header.max_timestamp = timestamp;
                let batches = vec![batch];
                gathered.push(Gathered { header, batches });
            }
        }
    }
    Ok(gathered)
}

const _: () = {
    // A target-sized entry of the smallest batches still counts them in 16 bits.
    assert!(ENTRY_BODY_TARGET_BYTES as usize / BATCH_HEADER_BYTES <= u16::MAX as usize);
    assert!(Timestamp::NONE.0 < 0);
};
