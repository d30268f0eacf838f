//! The engine over this machine's disk: `storage`'s log, with cold reads moved off the workers.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use model::{LogId, Offset, Piece, Timestamp, batch::StampedBatch};
use storage::{
    AppendError, CheckpointError, CloseError, Completion, EntryTime, Lending, Log, Options,
    ReadError, ReadOutcome, Recovery, Snapshot, Stats, TimestampMatch,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::engine::{Engine, EnginePositions, Reading};

/// Bytes of one step of a replay.
const REPLAY_BYTES: usize = 1 << 20;

/// One data directory's log.
pub(crate) struct LocalEngine {
    log: Arc<Log>,
    /// Bounds the threads that wait for the disk.
    cold_reads: Arc<Semaphore>,
}

impl LocalEngine {
    pub(crate) fn open(
        dir: &Path,
        options: Options,
        cold_reads_max: usize,
    ) -> Result<(Self, Recovery), storage::OpenError> {
        let (log, recovery) = Log::open(dir, options)?;
        let engine = Self {
            log,
            cold_reads: Arc::new(Semaphore::new(cold_reads_max.max(1))),
        };
        Ok((engine, recovery))
    }

    fn cold<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Log) -> Result<T, ReadError> + Send + 'static,
    ) -> Reading<T> {
        let (log, permits) = (Arc::clone(&self.log), Arc::clone(&self.cold_reads));
        Box::pin(async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            // The permit goes along: a caller that gave up must not let the next one in early.
            let reading = spawn_blocking(move || {
                let outcome = work(&log);
                drop(permit);
                outcome
            });
            reading.await.map_err(io::Error::other)?
        })
    }
}

impl Engine for LocalEngine {
    fn create(&self, id: LogId) {
        self.log.create(id);
    }

    fn append(
        &self,
        id: LogId,
        batches: Vec<StampedBatch>,
        done: Box<dyn Completion>,
    ) -> Result<(), AppendError> {
        self.log.append(id, batches, done)
    }

    fn positions(&self, id: LogId) -> Option<EnginePositions> {
        Some(EnginePositions {
            start: self.log.start_offset(id)?,
            durable_end: self.log.durable_end(id)?,
            next: self.log.next_offset(id)?,
        })
    }

    fn size(&self, id: LogId) -> u64 {
        self.log.size(id).unwrap_or(0)
    }

    fn read_at_once(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        let read = self.log.read_at_once(id, from, limit, bytes_max, lending);
        let mut outcome = read?;
        let errand = outcome
            .as_mut()
            .and_then(|outcome| outcome.look_ahead.take());
        if let Some(errand) = errand {
            let log = Arc::clone(&self.log);
            // Beside the reader, off this worker.
            drop(spawn_blocking(move || log.look_ahead(&errand)));
        }
        Ok(outcome)
    }

    fn read(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Reading<ReadOutcome> {
        self.cold(move |log| log.read_or_lend(id, from, limit, bytes_max, lending))
    }

    fn offset_for_timestamp(
        &self,
        id: LogId,
        timestamp: Timestamp,
        limit: Offset,
    ) -> Reading<Option<TimestampMatch>> {
        self.cold(move |log| log.offset_for_timestamp(id, timestamp, limit))
    }

    fn max_timestamp(&self, id: LogId, limit: Offset) -> Reading<Option<TimestampMatch>> {
        self.cold(move |log| log.max_timestamp(id, limit))
    }

    fn expired_before(&self, id: LogId, timestamp: Timestamp) -> Result<Offset, ReadError> {
        self.log.expired_before(id, timestamp)
    }

    fn oversized_until(&self, id: LogId, bytes: u64) -> Result<Offset, ReadError> {
        self.log.oversized_until(id, bytes)
    }

    fn time_in_memory(&self, id: LogId, offset: Offset) -> Option<EntryTime> {
        self.log.time_in_memory(id, offset)
    }

    fn time_of(&self, id: LogId, offset: Offset) -> Result<Option<Timestamp>, ReadError> {
        self.log.time_of(id, offset)
    }

    fn trim(&self, id: LogId, start: Offset, done: Box<dyn Completion>) {
        self.log.trim(id, start, done);
    }

    fn remove(&self, id: LogId, done: Box<dyn Completion>) {
        self.log.remove(id, done);
    }

    /// The directory's lock file keeps other processes out for as long as this one lives.
    fn owns(&self) -> bool {
        true
    }

    fn replay(
        &self,
        id: LogId,
        from: Offset,
        visit: &mut dyn FnMut(Bytes),
    ) -> Result<(), ReadError> {
        let Some(positions) = self.positions(id) else {
            return Ok(());
        };
        let mut from = from.max(positions.start);
        while from < positions.durable_end {
            let end = positions.durable_end;
            let outcome = self.log.read(id, from, end, REPLAY_BYTES)?;
            if outcome.next <= from {
                break;
            }
            from = outcome.next;
            let records = Piece::join(&outcome.pieces);
            visit(records.ok_or_else(|| io::Error::other("records were lent unasked"))?);
        }
        Ok(())
    }

    fn checkpoint_due(&self) -> bool {
        self.log.checkpoint_due()
    }

    fn checkpoint(
        &self,
        snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CheckpointError> {
        self.log.checkpoint(snapshot_of)
    }

    fn stats(&self) -> Stats {
        self.log.stats()
    }

    fn close(&self, snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>) -> Result<(), CloseError> {
        self.log.close(snapshot_of)
    }
}
