//! The engine over this machine's disk: `storage`'s log, with cold reads moved off the workers.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use model::{LogId, Offset, Piece, Timestamp, batch::StampedBatch};
use storage::{
    AppendError, CheckpointError, CloseError, Completion, EntryTime, Lending, Log, Options,
    ReadError, ReadOutcome, Recovery, Snapshot, Stats, TimestampMatch, Watermarks,
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::engine::{Engine, Reading};

/// Bytes of one step of a replay.
const REPLAY_BYTES: usize = 1 << 20;

/// One data directory's log.
pub(crate) struct LocalEngine {
    log: Arc<Log>,
    cold: Cold,
}

/// Reads from the disk, on threads that may wait for it; so many at once.
#[derive(Clone)]
struct Cold {
    log: Arc<Log>,
    permits: Arc<Semaphore>,
}

impl LocalEngine {
    pub(crate) fn open(
        dir: &Path,
        options: Options,
        cold_reads_max: usize,
    ) -> Result<(Self, Recovery), storage::OpenError> {
        let (log, recovery) = Log::open(dir, options)?;
        let cold = Cold {
            log: Arc::clone(&log),
            permits: Arc::new(Semaphore::new(cold_reads_max.max(1))),
        };
        Ok((Self { log, cold }, recovery))
    }
}

impl Cold {
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Log) -> Result<T, ReadError> + Send + 'static,
    ) -> Reading<T> {
        let Self { log, permits } = self.clone();
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

    /// Runs the errand that a read brought with it, beside the reader; where all threads are busy,
    /// not at all.
    fn look_ahead(&self, outcome: &mut ReadOutcome) {
        let Some(errand) = outcome.look_ahead.take() else {
            return;
        };
        let Self { log, permits } = self.clone();
        if let Ok(permit) = permits.try_acquire_owned() {
            drop(spawn_blocking(move || {
                log.look_ahead(&errand);
                drop(permit);
            }));
        }
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

    fn watermarks(&self, id: LogId) -> Option<Watermarks> {
        self.log.watermarks(id)
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
        if let Some(outcome) = &mut outcome {
            self.cold.look_ahead(outcome);
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
        let cold = self.cold.clone();
        Box::pin(async move {
            let read = move |log: &Log| log.read_or_lend(id, from, limit, bytes_max, lending);
            let mut outcome = cold.run(read).await?;
            cold.look_ahead(&mut outcome);
            Ok(outcome)
        })
    }

    fn offset_for_timestamp(
        &self,
        id: LogId,
        timestamp: Timestamp,
        limit: Offset,
    ) -> Reading<Option<TimestampMatch>> {
        self.cold
            .run(move |log| log.offset_for_timestamp(id, timestamp, limit))
    }

    fn max_timestamp(&self, id: LogId, limit: Offset) -> Reading<Option<TimestampMatch>> {
        self.cold.run(move |log| log.max_timestamp(id, limit))
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
        let Some(watermarks) = self.watermarks(id) else {
            return Ok(());
        };
        let mut from = from.max(watermarks.start);
        while from < watermarks.durable_end {
            let end = watermarks.durable_end;
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

    fn keep_mark(&self) {
        self.log.keep_mark();
    }

    fn give_back(&self) {
        self.log.give_back();
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn as_many_reads_of_the_disk_run_at_once_as_the_setting_says() {
        let dir = tempfile::tempdir().unwrap();
        let cold_reads_max = 2;
        let (engine, _) =
            LocalEngine::open(dir.path(), Options::default(), cold_reads_max).unwrap();
        let held: Vec<_> = (0..2)
            .map(|_| {
                Arc::clone(&engine.cold.permits)
                    .try_acquire_owned()
                    .unwrap()
            })
            .collect();
        let mut third = engine.cold.run(|_| Ok(()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(third.as_mut().poll(&mut context).is_pending());
        assert!(engine.cold.permits.try_acquire().is_err());
        drop(held);
        third.await.unwrap();
    }
}
