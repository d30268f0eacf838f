//! One partition: the small state above its log, and the one place where batches get their order.
//!
//! Idle it is a few hundred bytes: no task, no channel, no descriptor. Lock order: `state`, then
//! the engine's own locks, never the other way; completions run on the engine's threads and take
//! only the locks of `watch`.

mod append;
mod snapshot;

use std::sync::{Arc, Mutex};

use model::{LeaderEpoch, LogId, Offset, PartitionIndex, Timestamp, batch::BatchHeader};
use storage::{RecoveredPartition, Watermarks, producer::Producers};

pub(crate) use append::{AppendRules, StageTimes, Timing};

use crate::{
    engine::Engine,
    epochs::Epochs,
    offsets::EpochEnd,
    producers::ProducerTotal,
    sync::lock,
    watch::{Broken, Watch},
};

/// A partition's identity and state.
pub(crate) struct Partition {
    pub(crate) log: LogId,
    pub(crate) index: PartitionIndex,
    /// The epoch in force, the same for the whole process.
    pub(crate) epoch: LeaderEpoch,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) watch: Watch,
    state: Mutex<State>,
    /// Of the process, this partition's among them.
    producer_total: Arc<ProducerTotal>,
}

/// What changes with every append, and only under the lock.
#[derive(Debug, Default)]
struct State {
    next: Offset,
    epochs: Epochs,
    producers: Producers,
    closed: Option<Broken>,
}

impl Partition {
    /// An empty partition, made known to the engine.
    pub(crate) fn create(
        log: LogId,
        index: PartitionIndex,
        epoch: LeaderEpoch,
        engine: &Arc<dyn Engine>,
        producer_total: &Arc<ProducerTotal>,
    ) -> Arc<Self> {
        engine.create(log);
        Arc::new(Self {
            log,
            index,
            epoch,
            engine: Arc::clone(engine),
            watch: Watch::default(),
            state: Mutex::default(),
            producer_total: Arc::clone(producer_total),
        })
    }

    /// A partition as the engine found it: snapshot first, then the headers after it.
    pub(crate) fn recovered(
        found: &RecoveredPartition,
        index: PartitionIndex,
        epoch: LeaderEpoch,
        engine: &Arc<dyn Engine>,
        producer_total: &Arc<ProducerTotal>,
        now: Timestamp,
    ) -> Arc<Self> {
        let mut state = State::restore(found, now);
        state.next = found.next;
        state.epochs.trim(found.start);
        producer_total.changed(0, state.producers.len());
        Arc::new(Self {
            log: found.id,
            index,
            epoch,
            engine: Arc::clone(engine),
            watch: Watch::default(),
            state: Mutex::new(state),
            producer_total: Arc::clone(producer_total),
        })
    }

    /// Where the partition begins and ends; all zero once it is deleted.
    pub(crate) fn watermarks(&self) -> Watermarks {
        self.engine.watermarks(self.log).unwrap_or_default()
    }

    /// The end of `asked`, for readers.
    pub(crate) fn epoch_end(&self, asked: LeaderEpoch) -> EpochEnd {
        let end = self.watermarks().durable_end;
        lock(&self.state).epochs.end_of(asked, self.epoch, end)
    }

    /// The epoch of the record at `offset`; at the end, the one in force.
    pub(crate) fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        let state = lock(&self.state);
        if offset >= state.next {
            self.epoch
        } else {
            state.epochs.at(offset)
        }
    }

    /// Completes when the watermark has reached `offset`.
    pub(crate) async fn durable(&self, offset: Offset) -> Result<(), Broken> {
        if self.watermarks().durable_end >= offset {
            return Ok(());
        }
        let wait = self.watch.until(offset);
        if self.watermarks().durable_end >= offset {
            return Ok(());
        }
        wait.await.unwrap_or(Err(Broken::ShuttingDown))
    }

    /// Refuses appends until [`Partition::release`]; reads and waits go on.
    pub(crate) fn hold(&self) {
        lock(&self.state).closed.get_or_insert(Broken::DiskFull);
    }

    /// Takes appends again, unless there is another reason not to.
    pub(crate) fn release(&self) {
        let mut state = lock(&self.state);
        if state.closed == Some(Broken::DiskFull) {
            state.closed = None;
        }
    }

    /// Refuses appends and wakes all who wait, from now on.
    pub(crate) fn close(&self, reason: Broken) {
        {
            let mut state = lock(&self.state);
            if state.closed.is_none_or(|held| held == Broken::DiskFull) {
                state.closed = Some(reason);
            }
        }
        self.watch.break_off(reason);
    }

    /// Forgets idempotent producers that were last active before `before`; gives how many.
    pub(crate) fn expire_producers(&self, before: Timestamp) -> usize {
        let mut state = lock(&self.state);
        let count = state.producers.len();
        state.producers.expire(before);
        let left = state.producers.len();
        self.producer_total.changed(count, left);
        count - left
    }

    /// When each remembered producer was last active.
    pub(crate) fn producer_activity(&self) -> Vec<Timestamp> {
        let state = lock(&self.state);
        let producers = state.producers.iter();
        producers.map(|producer| producer.active).collect()
    }

    /// Forgets epochs that ended below the new start.
    pub(crate) fn trimmed(&self, start: Offset) {
        lock(&self.state).epochs.trim(start);
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let remembered = lock(&self.state).producers.len();
        self.producer_total.changed(remembered, 0);
    }
}

impl State {
    fn replay(&mut self, header: &BatchHeader, now: Timestamp) {
        self.epochs.note(header.leader_epoch, header.base_offset);
        if header.is_idempotent() {
            self.producers.update(header, now);
        }
    }
}
