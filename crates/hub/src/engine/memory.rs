//! An engine in memory, for tests: nothing is written or durable before the test says so, and any
//! step can be made to fail.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use model::{
    LogId, Offset, Timestamp,
    batch::{BatchHeader, StampedBatch},
};
use storage::{
    AppendError, CheckpointError, CloseError, Completion, EntryTime, Lending, ReadError,
    ReadOutcome, RecoveredPartition, Recovery, Snapshot, Stats, TimestampMatch, Watermarks,
};

use super::{Engine, Reading};
use crate::sync::lock;

/// Batches in memory, and a queue of what waits for the next sync.
#[derive(Default)]
pub(crate) struct MemoryEngine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    logs: BTreeMap<LogId, Log>,
    queue: VecDeque<Queued>,
    /// Whether each append is written and synced at once.
    at_once: bool,
    refusing: Option<AppendError>,
    /// Whether another process has taken the partitions over.
    disowned: bool,
    checkpoints: usize,
}

#[derive(Default)]
struct Log {
    start: Offset,
    durable_end: Offset,
    next: Offset,
    batches: Vec<(BatchHeader, Bytes)>,
}

struct Queued {
    id: LogId,
    end: Offset,
    done: Box<dyn Completion>,
}

impl MemoryEngine {
    /// An engine that syncs every append at once until [`MemoryEngine::hold`].
    pub(crate) fn new() -> Arc<Self> {
        let engine = Self::default();
        lock(&engine.state).at_once = true;
        Arc::new(engine)
    }

    /// What a start would find: everything durable, as it stands.
    pub(crate) fn recovery(&self) -> Recovery {
        let state = lock(&self.state);
        let partitions = state.logs.iter().map(|(id, log)| RecoveredPartition {
            id: *id,
            start: log.start,
            next: log.next,
            snapshot: None,
            tail: log.batches.iter().map(|(header, _)| *header).collect(),
        });
        Recovery {
            clean: true,
            partitions: partitions.collect(),
            damages: Vec::new(),
        }
    }

    /// From now on appends wait for [`MemoryEngine::sync`].
    pub(crate) fn hold(&self) {
        lock(&self.state).at_once = false;
    }

    /// Says of everything queued that it is written.
    pub(crate) fn write(&self) {
        // The lock is let go before a completion runs: it may call the engine.
        let mut queue = std::mem::take(&mut lock(&self.state).queue);
        queue.iter_mut().for_each(|queued| queued.done.written());
        lock(&self.state).queue.append(&mut queue);
    }

    /// Makes everything queued durable.
    pub(crate) fn sync(&self) {
        self.write();
        let queue = {
            let mut state = lock(&self.state);
            let queue = std::mem::take(&mut state.queue);
            for queued in &queue {
                if let Some(log) = state.logs.get_mut(&queued.id) {
                    log.durable_end = log.durable_end.max(queued.end);
                }
            }
            queue
        };
        for queued in queue {
            queued.done.durable(Ok(()));
        }
    }

    /// Fails the sync of everything queued, and every later append.
    pub(crate) fn break_down(&self) {
        let closed = AppendError::Closed("broken by the test".into());
        let queue = {
            let mut state = lock(&self.state);
            state.refusing = Some(closed.clone());
            std::mem::take(&mut state.queue)
        };
        for queued in queue {
            queued.done.durable(Err(closed.clone()));
        }
    }

    /// Refuses appends with this error, or takes them again.
    pub(crate) fn refuse(&self, error: Option<AppendError>) {
        lock(&self.state).refusing = error;
    }

    /// From now on another process owns the partitions. Appends are still taken, so that a test
    /// sees whether the hub asks.
    pub(crate) fn disown(&self) {
        lock(&self.state).disowned = true;
    }

    /// Whether anyone holds on to records that were read.
    pub(crate) fn is_held(&self) -> bool {
        let state = lock(&self.state);
        let mut batches = state.logs.values().flat_map(|log| &log.batches);
        batches.any(|(_, bytes)| !bytes.is_unique())
    }

    /// Checkpoints that were written.
    pub(crate) fn checkpoints(&self) -> usize {
        lock(&self.state).checkpoints
    }
}

impl Engine for MemoryEngine {
    fn create(&self, id: LogId) {
        lock(&self.state).logs.entry(id).or_default();
    }

    fn append(
        &self,
        id: LogId,
        batches: Vec<StampedBatch>,
        done: Box<dyn Completion>,
    ) -> Result<(), AppendError> {
        let at_once = {
            let mut state = lock(&self.state);
            if let Some(error) = &state.refusing {
                return Err(error.clone());
            }
            let log = state
                .logs
                .get_mut(&id)
                .ok_or(AppendError::UnknownPartition)?;
            for batch in batches {
                assert_eq!(batch.header.base_offset, log.next, "stamped without a gap");
                log.next = batch.header.next_offset();
                log.batches.push((batch.header, batch.to_bytes()));
            }
            let end = log.next;
            state.queue.push_back(Queued { id, end, done });
            state.at_once
        };
        if at_once {
            self.sync();
        }
        Ok(())
    }

    fn watermarks(&self, id: LogId) -> Option<Watermarks> {
        let state = lock(&self.state);
        let log = state.logs.get(&id)?;
        Some(Watermarks {
            start: log.start,
            durable_end: log.durable_end,
            next: log.next,
        })
    }

    fn size(&self, id: LogId) -> u64 {
        let state = lock(&self.state);
        let batches = state.logs.get(&id).map_or(&[][..], |log| &log.batches);
        batches.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn read_at_once(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        _: Lending,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        let state = lock(&self.state);
        let log = state.logs.get(&id).ok_or(ReadError::UnknownPartition)?;
        let mut outcome = ReadOutcome {
            next: from,
            ..ReadOutcome::default()
        };
        let end = limit.min(log.durable_end);
        for (header, bytes) in &log.batches {
            let wanted = header.next_offset() > from && header.next_offset() <= end;
            if !wanted {
                continue;
            }
            if outcome.bytes > 0 && outcome.bytes + bytes.len() > bytes_max {
                break;
            }
            outcome.bytes += bytes.len();
            outcome.batches += 1;
            outcome.records += u64::try_from(header.records_count).unwrap_or(0);
            outcome.next = header.next_offset();
            outcome.pieces.push(bytes.clone().into());
        }
        Ok(Some(outcome))
    }

    fn read(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Reading<ReadOutcome> {
        let outcome = self.read_at_once(id, from, limit, bytes_max, lending);
        Box::pin(async move { Ok(outcome?.unwrap_or_default()) })
    }

    fn offset_for_timestamp(
        &self,
        _: LogId,
        _: Timestamp,
        _: Offset,
    ) -> Reading<Option<TimestampMatch>> {
        Box::pin(async { Ok(None) })
    }

    fn max_timestamp(&self, _: LogId, _: Offset) -> Reading<Option<TimestampMatch>> {
        Box::pin(async { Ok(None) })
    }

    fn expired_before(&self, id: LogId, timestamp: Timestamp) -> Result<Offset, ReadError> {
        let state = lock(&self.state);
        let log = state.logs.get(&id).ok_or(ReadError::UnknownPartition)?;
        let young = |(header, _): &&(BatchHeader, Bytes)| header.max_timestamp >= timestamp;
        let first = log.batches.iter().find(young);
        Ok(first.map_or(log.durable_end, |(header, _)| header.base_offset))
    }

    fn oversized_until(&self, _: LogId, _: u64) -> Result<Offset, ReadError> {
        Ok(Offset::ZERO)
    }

    fn time_in_memory(&self, id: LogId, offset: Offset) -> Option<EntryTime> {
        let state = lock(&self.state);
        let batches = &state.logs.get(&id)?.batches;
        let holds = |(header, _): &&(BatchHeader, Bytes)| header.next_offset() > offset;
        let (header, _) = batches.iter().find(holds)?;
        Some(EntryTime::Exact(header.max_timestamp))
    }

    fn time_of(&self, _: LogId, _: Offset) -> Result<Option<Timestamp>, ReadError> {
        Ok(None)
    }

    fn trim(&self, id: LogId, start: Offset, done: Box<dyn Completion>) {
        if let Some(log) = lock(&self.state).logs.get_mut(&id) {
            log.start = log.start.max(start);
            log.batches
                .retain(|(header, _)| header.next_offset() > start);
        }
        done.durable(Ok(()));
    }

    fn remove(&self, id: LogId, done: Box<dyn Completion>) {
        lock(&self.state).logs.remove(&id);
        done.durable(Ok(()));
    }

    fn owns(&self) -> bool {
        !lock(&self.state).disowned
    }

    fn replay(&self, id: LogId, _: Offset, visit: &mut dyn FnMut(Bytes)) -> Result<(), ReadError> {
        let all: Vec<Bytes> = {
            let state = lock(&self.state);
            let batches = state.logs.get(&id).map_or(&[][..], |log| &log.batches);
            batches.iter().map(|(_, bytes)| bytes.clone()).collect()
        };
        all.into_iter().for_each(visit);
        Ok(())
    }

    fn give_back(&self) {}

    fn checkpoint_due(&self) -> bool {
        true
    }

    fn checkpoint(&self, _: &dyn Fn(LogId) -> Option<Snapshot>) -> Result<(), CheckpointError> {
        lock(&self.state).checkpoints += 1;
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn close(&self, _: &dyn Fn(LogId) -> Option<Snapshot>) -> Result<(), CloseError> {
        self.sync();
        Ok(())
    }
}
