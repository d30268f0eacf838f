//! Random operations and crashes: what was acknowledged is there, what was not does no harm.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{
    LeaderEpoch, LogId, Offset, Piece, ProducerEpoch, ProducerId, Sequence, Timestamp,
    batch::{Batch, BatchBuilder, NewRecord, StampedBatch},
};
use proptest::prelude::*;

use super::support::*;
use crate::{
    AppendError, ReadError, Recovery, Snapshot,
    disk::{Disk, Fault, SimulatedDisk},
    log::Core,
};

const DISK_BYTES: u64 = 4 << 20;
const IDS: u64 = 3;

#[derive(Clone, Debug)]
pub(super) enum Act {
    Append {
        id: u64,
        count: i64,
        padding: usize,
    },
    AppendTwo {
        id: u64,
        padding: usize,
    },
    Write,
    Sync,
    Upkeep,
    Trim {
        id: u64,
        percent: i64,
    },
    Remove {
        id: u64,
    },
    Checkpoint,
    Read {
        id: u64,
        bytes_max: usize,
    },
    Close,
    Fault(Fault),
    /// The disk has this much room from now on.
    Room {
        bytes: u64,
    },
    /// The power fails in the middle of what follows.
    PowerOffAfter {
        changes: u64,
    },
    /// It comes back, and perhaps fails again while the log recovers.
    Crash {
        again_after: Option<u64>,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let id = || 0..IDS;
    prop_oneof![
        8 => (id(), 1..4_i64, 0..900_usize)
            .prop_map(|(id, count, padding)| Act::Append { id, count, padding }),
        2 => (id(), 0..600_usize).prop_map(|(id, padding)| Act::AppendTwo { id, padding }),
        5 => Just(Act::Write),
        5 => Just(Act::Sync),
        2 => Just(Act::Upkeep),
        2 => (id(), 0..120_i64).prop_map(|(id, percent)| Act::Trim { id, percent }),
        1 => id().prop_map(|id| Act::Remove { id }),
        2 => Just(Act::Checkpoint),
        2 => (id(), 1..3000_usize).prop_map(|(id, bytes_max)| Act::Read { id, bytes_max }),
        1 => Just(Act::Close),
        1 => prop_oneof![Just(Fault::None), Just(Fault::Writes), Just(Fault::Syncs)]
            .prop_map(Act::Fault),
        1 => prop_oneof![Just(0), Just(20_000), Just(DISK_BYTES)]
            .prop_map(|bytes| Act::Room { bytes }),
        1 => (0..12_u64).prop_map(|changes| Act::PowerOffAfter { changes }),
        3 => proptest::option::of(0..12_u64).prop_map(|again_after| Act::Crash { again_after }),
    ]
}

/// What must be true of one partition.
#[derive(Default)]
struct Expected {
    batches: Vec<(Offset, Bytes)>,
    next: Offset,
    appends: Vec<(Offset, Note)>,
    start_asked: Offset,
    trims: Vec<(Offset, Note)>,
}

impl Expected {
    fn acknowledged_end(&self) -> Offset {
        let acknowledged = self
            .appends
            .iter()
            .filter(|(_, note)| note.is_acknowledged());
        acknowledged
            .map(|(next, _)| *next)
            .max()
            .unwrap_or_default()
    }

    fn acknowledged_start(&self) -> Offset {
        let acknowledged = self.trims.iter().filter(|(_, note)| note.is_acknowledged());
        acknowledged
            .map(|(start, _)| *start)
            .max()
            .unwrap_or_default()
    }

    /// Batches that a reader from `start` on sees when all below `end` is visible.
    fn visible(&self, start: Offset, end: Offset) -> Vec<Bytes> {
        let mut ends = self.batches.iter().skip(1).map(|(base, _)| *base);
        let mut seen = Vec::new();
        for (base, bytes) in &self.batches {
            let next = ends.next().unwrap_or(self.next);
            if next > start && *base < end {
                seen.push(bytes.clone());
            }
        }
        seen
    }
}

pub(super) struct World {
    pub(super) disk: SimulatedDisk,
    pub(super) core: Core,
    expected: BTreeMap<LogId, Expected>,
    /// Removals that were asked for, with what they may or may not have taken.
    removals: Vec<(LogId, Expected, Note)>,
    next_id: BTreeMap<u64, u64>,
}

/// As [`batch`], of an idempotent producer: its header must come back after a crash.
fn produced(base: Offset, count: i64, padding: usize) -> StampedBatch {
    let sequence = Sequence(i32::try_from(base.0).unwrap());
    let mut builder = BatchBuilder::default().producer(ProducerId(1), ProducerEpoch(0), sequence);
    for index in 0..count {
        let value = format!("{}:{}", base.0 + index, "y".repeat(padding));
        builder.push(NewRecord {
            timestamp: Timestamp(base.0 + index),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        });
    }
    let batch = Batch::check(builder.build()).unwrap();
    batch.stamp(base, LeaderEpoch(0))
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new(DISK_BYTES, seed);
        let (core, recovery) = open(&disk);
        assert!(recovery.clean);
        Self {
            disk,
            core,
            expected: BTreeMap::new(),
            removals: Vec::new(),
            next_id: BTreeMap::new(),
        }
    }

    /// The partition that stands for `slot`; a new one after each removal, as ids never return.
    fn id(&mut self, slot: u64) -> LogId {
        let turn = *self.next_id.entry(slot).or_default();
        let id = LogId(turn * IDS + slot);
        self.core.create(id);
        self.expected.entry(id).or_default();
        id
    }

    pub(super) fn take(&mut self, act: &Act) {
        match act {
            Act::Append { id, count, padding } => self.append(*id, &[*count], *padding),
            Act::AppendTwo { id, padding } => self.append(*id, &[1, 2], *padding),
            Act::Write => drop(self.core.step_write()),
            Act::Sync => drop(self.core.step_sync()),
            Act::Upkeep => self.core.step_upkeep(),
            Act::Trim { id, percent } => self.trim(*id, *percent),
            Act::Remove { id } => self.remove(*id),
            Act::Checkpoint => drop(self.checkpoint()),
            Act::Read { id, bytes_max } => self.read(*id, *bytes_max),
            Act::Close => self.close(),
            Act::Fault(fault) => self.disk.set_fault(*fault),
            Act::Room { bytes } => self.disk.set_capacity(*bytes),
            Act::PowerOffAfter { changes } => self.disk.power_off_after(*changes),
            Act::Crash { again_after } => self.crash(*again_after),
        }
    }

    fn append(&mut self, slot: u64, counts: &[i64], padding: usize) {
        let id = self.id(slot);
        let expected = self.expected.get_mut(&id).unwrap();
        let mut batches = Vec::new();
        let mut next = expected.next;
        for count in counts {
            batches.push(produced(next, *count, padding));
            next = next.plus(*count);
        }
        let note = Note::default();
        match self.core.append(id, batches.clone(), note.boxed()) {
            Ok(()) => {
                let kept = batches
                    .iter()
                    .map(|batch| (batch.header.base_offset, batch.to_bytes()));
                expected.batches.extend(kept);
                expected.next = next;
                expected.appends.push((next, note));
            }
            Err(AppendError::NoSpace | AppendError::Closed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn trim(&mut self, slot: u64, percent: i64) {
        let id = self.id(slot);
        let durable = self.core.partition(id).unwrap().durable_end();
        let start = Offset(durable.0 * percent / 100);
        let note = Note::default();
        self.core.trim(id, start, note.boxed());
        let expected = self.expected.get_mut(&id).unwrap();
        let start = start
            .min(durable)
            .max(self.core.partition(id).unwrap().lock().start);
        expected.start_asked = expected.start_asked.max(start);
        expected.trims.push((start, note));
    }

    fn remove(&mut self, slot: u64) {
        let id = self.id(slot);
        let note = Note::default();
        self.core.remove(id, note.boxed());
        if self.core.partitions.find(id).is_none() {
            let expected = self.expected.remove(&id).unwrap();
            self.removals.push((id, expected, note));
            *self.next_id.entry(slot).or_default() += 1;
        }
    }

    fn checkpoint(&self) -> Result<(), crate::CheckpointError> {
        self.core.checkpoint(&|id| {
            let next = self.expected.get(&id)?.next;
            let bytes = Bytes::from(next.0.to_string());
            Some(Snapshot { next, bytes })
        })
    }

    fn read(&mut self, slot: u64, bytes_max: usize) {
        let id = self.id(slot);
        let partition = self.core.partition(id).unwrap();
        let (start, end) = (partition.lock().start, partition.durable_end());
        let expected = &self.expected[&id];
        assert!(
            end >= expected.acknowledged_end(),
            "acknowledged is visible"
        );
        let Ok(seen) = self.core.read_all(id, bytes_max) else {
            return assert!(self.core.closed.get().is_some() || self.power_is_off());
        };
        assert_eq!(seen, expected.visible(start, end));
    }

    fn power_is_off(&self) -> bool {
        self.disk.sync_dir("").is_err()
    }

    fn close(&mut self) {
        self.core.refuse_appends();
        let closed = self.checkpoint().is_ok() && self.core.mark_clean().is_ok();
        self.disk.crash();
        self.disk.set_capacity(DISK_BYTES);
        let (core, recovery) = open(&self.disk);
        if closed {
            assert!(recovery.clean, "{:?}", recovery.damages);
            for expected in self.expected.values() {
                assert_eq!(
                    expected.acknowledged_end(),
                    expected.next,
                    "a close syncs all"
                );
            }
        }
        self.core = core;
        self.compare(&recovery);
    }

    pub(super) fn crash(&mut self, again_after: Option<u64>) {
        self.disk.crash();
        self.disk.set_capacity(DISK_BYTES);
        if let Some(changes) = again_after {
            self.disk.power_off_after(changes);
            let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(self.disk.clone());
            drop(Core::open(disk, small_options()));
            self.disk.crash();
        }
        let (core, recovery) = open(&self.disk);
        self.core = core;
        self.compare(&recovery);
    }

    /// Holds what was recovered against what must be there, and goes on from it.
    fn compare(&mut self, recovery: &Recovery) {
        for damage in &recovery.damages {
            assert!(
                matches!(damage, crate::Damage::TornTail { .. }),
                "{damage:?}"
            );
        }
        for (id, expected, note) in std::mem::take(&mut self.removals) {
            let found = recovery
                .partitions
                .iter()
                .any(|partition| partition.id == id);
            if note.is_acknowledged() {
                assert!(!found, "what was removed stays removed");
            } else if found {
                self.expected.insert(id, expected);
                self.core.remove(id, Note::default().boxed());
                let expected = self.expected.remove(&id).unwrap();
                self.removals.push((id, expected, Note::default()));
            }
        }
        let ids: Vec<LogId> = self.expected.keys().copied().collect();
        for id in ids {
            self.core.create(id);
            let seen = self.core.read_all(id, 2000).unwrap();
            let expected = self.expected.get_mut(&id).unwrap();
            let partition = self.core.partitions.find(id).unwrap();
            let (start, next) = {
                let state = partition.lock();
                (state.start, state.next)
            };
            assert!(
                next >= expected.acknowledged_end(),
                "{id}: acknowledged data is lost"
            );
            assert!(next <= expected.next);
            assert!(
                start >= expected.acknowledged_start(),
                "{id}: a trim is lost"
            );
            assert!(start <= expected.start_asked);
            assert_eq!(partition.durable_end(), next);
            assert_eq!(seen, expected.visible(start, next));
            let mut found = recovery.partitions.iter().filter(|found| found.id == id);
            let snapshot = found.clone().find_map(|found| found.snapshot.clone());
            let reflected = snapshot.map_or(Offset(0), |snapshot| snapshot.next);
            assert!(reflected <= next, "{id}: a snapshot is ahead of the log");
            let tail = found
                .next()
                .map(|found| found.tail.as_slice())
                .unwrap_or_default();
            let tail: Vec<Offset> = tail.iter().map(|header| header.base_offset).collect();
            let bases = expected.batches.iter().map(|(base, _)| *base);
            let unreflected = bases.filter(|&base| base >= reflected && base < next);
            let unreflected: Vec<Offset> = unreflected.filter(|base| *base >= start).collect();
            assert!(
                tail.ends_with(&unreflected),
                "{id}: {tail:?} {unreflected:?}"
            );
            expected.batches.retain(|(base, _)| *base < next);
            expected.next = next;
            expected.appends = vec![];
            expected.start_asked = start;
            expected.trims = vec![];
            let acknowledged = Note::default();
            crate::Completion::durable(acknowledged.boxed(), Ok(()));
            expected.appends.push((next, acknowledged.clone()));
            expected.trims.push((start, acknowledged));
        }
    }
}

/// Where bits flip: a file of the log and how far into what it holds.
fn flips() -> impl Strategy<Value = Vec<(usize, u32, u8)>> {
    proptest::collection::vec((0..64_usize, 0..4096_u32, 0..8_u8), 1..12)
}

impl World {
    /// Flips bits anywhere in the log, the indexes or the manifest.
    fn damage(&self, flips: &[(usize, u32, u8)]) {
        let mut files = self.disk.list("log").unwrap();
        files.iter_mut().for_each(|name| name.insert_str(0, "log/"));
        files.push("manifest".to_owned());
        for (file, byte, bit) in flips {
            let file = &files[file % files.len()];
            self.disk
                .flip_bit(file, usize::try_from(*byte).unwrap(), *bit);
        }
    }

    /// Every batch that can be read is one that was appended there; what is missing is an error.
    fn read_damaged(&self, id: LogId, expected: &Expected) {
        let Ok(partition) = self.core.partition(id) else {
            return;
        };
        let (mut next, end) = {
            let state = partition.lock();
            (state.start, state.next)
        };
        while next < end {
            match self.core.read(id, next, EVERYTHING, 1000) {
                Ok(outcome) => {
                    assert!(outcome.next > next, "nothing is skipped silently");
                    let bytes: Bytes = Piece::join(&outcome.pieces).unwrap();
                    for (header, batch) in model::batch::split(bytes) {
                        let base = header.base_offset;
                        let same = expected.batches.iter().find(|(at, _)| *at == base);
                        assert_eq!(same.map(|(_, bytes)| bytes), Some(&batch));
                        assert!(header.next_offset() > next && base <= next);
                        next = header.next_offset();
                    }
                }
                Err(ReadError::Damaged { until, .. }) => {
                    assert!(until > next, "a reader can go on after damage");
                    next = until;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_else_corrupts(
        seed in any::<u64>(),
        acts in proptest::collection::vec(act(), 1..80),
    ) {
        let mut world = World::new(seed);
        for act in &acts {
            world.take(act);
        }
        world.crash(None);
        world.crash(None);
    }

    #[test]
    fn damaged_bytes_are_never_served_and_never_skipped_silently(
        seed in any::<u64>(),
        acts in proptest::collection::vec(act(), 1..60),
        flips in flips(),
        at_rest in any::<bool>(),
    ) {
        let mut world = World::new(seed);
        for act in &acts {
            world.take(act);
        }
        world.crash(None);
        if at_rest {
            world.disk.crash();
            world.damage(&flips);
            world.core = open(&world.disk).0;
        } else {
            world.damage(&flips);
        }
        for (id, expected) in &world.expected {
            world.read_damaged(*id, expected);
        }
        // What is left still works.
        for slot in 0..IDS {
            let id = world.id(slot);
            let (_, note) = world.core.append_one(id, 1, 10);
            world.core.settle();
            prop_assert!(note.unwrap().is_acknowledged());
        }
    }
}
