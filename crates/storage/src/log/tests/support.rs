//! What the log's tests share: batches, completions that keep notes, small logs.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use model::{
    LeaderEpoch, LogId, Offset, Piece, Timestamp,
    batch::{Batch, BatchBuilder, NewRecord, StampedBatch, split},
};

use crate::{
    AppendError, Completion, Options, ReadError, Recovery, Snapshot,
    disk::{Disk, SimulatedDisk},
    locked::lock,
    log::Core,
};

pub(super) const EVERYTHING: Offset = Offset(i64::MAX);
pub(super) const PLENTY: usize = 1 << 30;

/// A batch of `count` records whose values name their offsets, `padding` bytes longer each.
pub(super) fn batch(base: Offset, count: i64, time: i64, padding: usize) -> StampedBatch {
    let mut builder = BatchBuilder::default();
    for index in 0..count {
        let value = format!("{}:{}", base.0 + index, "x".repeat(padding));
        builder.push(NewRecord {
            timestamp: Timestamp(time + index),
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    let batch = Batch::check(builder.build()).unwrap();
    batch.stamp(base, LeaderEpoch(0))
}

/// What a completion has heard so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) written: usize,
    pub(super) durable: Option<Result<(), AppendError>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Heard>>);

impl Note {
    pub(super) fn heard(&self) -> Heard {
        lock(&self.0).clone()
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.heard().durable == Some(Ok(()))
    }

    pub(super) fn boxed(&self) -> Box<dyn Completion> {
        Box::new(self.clone())
    }
}

impl Completion for Note {
    fn written(&mut self) {
        lock(&self.0).written += 1;
    }

    fn durable(self: Box<Self>, result: Result<(), AppendError>) {
        let heard = &mut *lock(&self.0);
        assert_eq!(heard.durable, None, "told once");
        heard.durable = Some(result);
    }
}

pub(super) fn no_snapshot(_id: LogId) -> Option<Snapshot> {
    None
}

pub(super) fn small_options() -> Options {
    Options {
        extent_bytes: 4096,
        free_space_floor_bytes: 0,
        tail_cache_bytes: 1500,
        checkpoint_extents: 2,
        ..Options::default()
    }
}

/// Extents in which holes are punched.
pub(super) fn wide_options() -> Options {
    Options {
        extent_bytes: 1 << 20,
        ..small_options()
    }
}

pub(super) fn open_wide(disk: &SimulatedDisk) -> (Core, Recovery) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Core::open(disk, wide_options()).unwrap()
}

pub(super) fn open(disk: &SimulatedDisk) -> (Core, Recovery) {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Core::open(disk, small_options()).unwrap()
}

/// A disk with plenty of room, and a log on it with empty partitions.
pub(super) fn log_with(ids: &[LogId]) -> (SimulatedDisk, Core) {
    let disk = SimulatedDisk::new(1 << 20, 1);
    let (log, _) = open(&disk);
    for id in ids {
        log.create(*id);
    }
    (disk, log)
}

impl Core {
    /// Takes every step until there is nothing to do.
    pub(super) fn settle(&self) {
        self.commit();
        self.step_upkeep();
    }

    pub(super) fn append_one(
        &self,
        id: LogId,
        count: i64,
        padding: usize,
    ) -> (StampedBatch, Result<Note, AppendError>) {
        let base = self.partitions.find(id).unwrap().lock().next;
        let batch = batch(base, count, base.0 * 10, padding);
        let note = Note::default();
        let appended = self.append(id, vec![batch.clone()], note.boxed());
        (batch, appended.map(|()| note))
    }

    /// Batches of so many records with so much padding, each committed by itself.
    pub(super) fn commit_each(&self, batches: &[(LogId, i64, usize)]) {
        for (id, count, padding) in batches {
            self.append_one(*id, *count, *padding).1.unwrap();
            self.settle();
        }
    }

    /// Writes and syncs what is queued, without any upkeep.
    pub(super) fn commit(&self) {
        while self.step_write() || self.step_sync() {}
    }

    /// All that a reader can see, batch by batch.
    pub(super) fn read_all(&self, id: LogId, bytes_max: usize) -> Result<Vec<Bytes>, ReadError> {
        let mut batches = Vec::new();
        let mut next = self.partition(id)?.lock().start;
        loop {
            let outcome = self.read(id, next, EVERYTHING, bytes_max)?;
            if outcome.batches == 0 {
                return Ok(batches);
            }
            let all: Bytes = Piece::join(&outcome.pieces).unwrap();
            assert_eq!(all.len(), outcome.bytes);
            let before = batches.len();
            batches.extend(split(all).map(|(_, bytes)| bytes));
            assert_eq!(batches.len() - before, outcome.batches, "batches are whole");
            assert!(outcome.next > next, "a read moves on");
            next = outcome.next;
        }
    }
}
