//! Finding offsets by time and by size, from the entries' facts; batches are read only at the end.

use model::{
    LogId, Offset, Timestamp,
    batch::{BATCH_HEADER_BYTES, BatchHeader, Compression, Records, TimestampType},
};

use super::Core;
use crate::{
    EntryTime, ReadError, TimestampMatch,
    partition::{EntryRef, Partition, Recent, Run},
};

impl Core {
    pub(super) fn offset_for_timestamp(
        &self,
        id: LogId,
        timestamp: Timestamp,
        limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        let partition = self.partition(id)?;
        let end = limit.min(partition.durable_end());
        let mut from = partition.lock().start;
        // An entry may begin below `limit` or `start` and hold the time outside them: go on then.
        loop {
            let found = self.first_entry(
                &partition,
                |run| run.max_timestamp >= timestamp,
                |at| at.next > from && at.max_timestamp >= timestamp,
            )?;
            let Some(at) = found.filter(|at| at.base < end) else {
                return Ok(None);
            };
            let bounds = (from, end);
            if let Some(found) = self.find_in_entry(at, bounds, |time| time >= timestamp)? {
                return Ok(Some(found));
            }
            from = at.next;
        }
    }

    pub(super) fn max_timestamp(
        &self,
        id: LogId,
        limit: Offset,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        let partition = self.partition(id)?;
        let end = limit.min(partition.durable_end());
        let (start, mut runs) = {
            let state = partition.lock();
            (state.start, state.runs.clone())
        };
        runs.sort_by_key(|run| std::cmp::Reverse(run.max_timestamp));
        let mut best: Option<EntryRef> = None;
        for run in &runs {
            if best.is_some_and(|best| best.max_timestamp >= run.max_timestamp) {
                break;
            }
            // The predicate only looks: every entry of the run passes by.
            let _none = self.first_entry(
                &partition,
                |other| other.extent == run.extent,
                |at| {
                    let is_in = at.base < end && at.next > start;
                    if is_in && best.is_none_or(|best| at.max_timestamp > best.max_timestamp) {
                        best = Some(at);
                    }
                    false
                },
            )?;
        }
        match best {
            None => Ok(None),
            Some(at) => self.find_in_entry(at, (start, end), |time| time >= at.max_timestamp),
        }
    }

    pub(super) fn expired_before(
        &self,
        id: LogId,
        timestamp: Timestamp,
    ) -> Result<Offset, ReadError> {
        let partition = self.partition(id)?;
        let (start, durable) = (partition.lock().start, partition.durable_end());
        let kept = self.first_entry(
            &partition,
            |run| run.max_timestamp >= timestamp,
            |at| at.next > start && at.max_timestamp >= timestamp,
        )?;
        Ok(kept.map_or(durable, |at| at.base.min(durable)).max(start))
    }

    pub(super) fn oversized_until(&self, id: LogId, bytes: u64) -> Result<Offset, ReadError> {
        let partition = self.partition(id)?;
        let (start, next, runs) = {
            let state = partition.lock();
            (state.start, state.next, state.runs.clone())
        };
        // A run keeps its count until all of it is dead, and stays until the trim that killed it is
        // durable: only entries not trimmed yet are surplus.
        let ends = runs.iter().skip(1).map(|run| run.first).chain([next]);
        let mut live = Vec::with_capacity(runs.len());
        for (run, end) in runs.iter().zip(ends) {
            live.push(if run.first >= start {
                u64::from(run.bytes)
            } else if end <= start {
                0
            } else {
                self.live_bytes(&partition, run, start)?
            });
        }
        let mut excess = live.iter().sum::<u64>().saturating_sub(bytes);
        for (run, live) in runs.iter().zip(live) {
            if excess == 0 {
                return Ok(run.first.max(start));
            }
            if excess >= live {
                excess -= live;
                continue;
            }
            // As Kafka does, keep at least what was asked for: stop before going below it.
            let kept = self.first_entry(
                &partition,
                |other| other.extent == run.extent,
                |at| match excess.checked_sub(u64::from(at.bytes)) {
                    _ if at.next <= start => false,
                    Some(rest) => {
                        excess = rest;
                        false
                    }
                    None => true,
                },
            )?;
            return Ok(kept.map_or(run.first, |at| at.base).max(start));
        }
        Ok(partition.durable_end().max(start))
    }

    /// Bytes of a run's entries that reach over `start`.
    fn live_bytes(
        &self,
        partition: &Partition,
        run: &Run,
        start: Offset,
    ) -> Result<u64, ReadError> {
        let mut live = 0;
        let _none = self.first_entry(
            partition,
            |other| other.extent == run.extent,
            |at| {
                live += if at.next > start {
                    u64::from(at.bytes)
                } else {
                    0
                };
                false
            },
        )?;
        Ok(live)
    }

    /// The largest time of the entry that holds `offset`, as far as memory knows it.
    pub(super) fn time_in_memory(&self, id: LogId, offset: Offset) -> Option<EntryTime> {
        let partition = self.partitions.find(id)?;
        let state = partition.lock();
        let after = state
            .recent
            .partition_point(|recent| recent.at.next <= offset);
        // Sealed entries may come before the first recent one.
        let is_recent = |recent: &Recent| after > 0 || recent.at.base <= offset;
        if let Some(recent) = state.recent.get(after).filter(|recent| is_recent(recent)) {
            return Some(EntryTime::Exact(recent.at.max_timestamp));
        }
        let after = state.runs.partition_point(|run| run.first <= offset);
        let run = state.runs.get(after.saturating_sub(1))?;
        Some(EntryTime::NoLaterThan(run.max_timestamp))
    }

    /// The largest time of the entry that holds `offset`, else of the first after it.
    pub(super) fn time_of(
        &self,
        id: LogId,
        offset: Offset,
    ) -> Result<Option<Timestamp>, ReadError> {
        if let Some(EntryTime::Exact(time)) = self.time_in_memory(id, offset) {
            return Ok(Some(time));
        }
        let partition = self.partition(id)?;
        let extents: Vec<_> = {
            let state = partition.lock();
            let after = state.runs.partition_point(|run| run.first <= offset);
            let runs = state.runs.iter().skip(after.saturating_sub(1));
            runs.map(|run| run.extent).collect()
        };
        for extent in extents {
            // Not sealed when it was looked up above: then it is in memory.
            if extent > self.extents.sealed_through() {
                break;
            }
            let index = self.index(extent)?;
            if let Some(at) = index.entries_from(id, offset).next() {
                return Ok(Some(at.max_timestamp));
            }
        }
        Ok(match self.time_in_memory(id, offset) {
            Some(EntryTime::Exact(time) | EntryTime::NoLaterThan(time)) => Some(time),
            None => None,
        })
    }

    /// The first entry that `found` accepts, in the runs that `worth` accepts.
    ///
    /// `found` may be asked about a recent entry before it is asked about sealed ones; within one
    /// extent it is asked in order.
    fn first_entry(
        &self,
        partition: &Partition,
        worth: impl Fn(&Run) -> bool,
        mut found: impl FnMut(EntryRef) -> bool,
    ) -> Result<Option<EntryRef>, ReadError> {
        // The recent ones first, in one hold of the lock: they may be sealed in the next moment.
        let (sealed, recent) = {
            let state = partition.lock();
            let sealed_through = self.extents.sealed_through();
            let runs = state.runs.iter().filter(|run| worth(run)).copied();
            let (sealed, unsealed): (Vec<Run>, Vec<Run>) =
                runs.partition(|run| run.extent <= sealed_through);
            let first = unsealed.first().map(|run| run.extent);
            let mut recent = None;
            for entry in &state.recent {
                let extent = entry.at.position.extent;
                if first.is_some_and(|first| extent >= first)
                    && unsealed.iter().any(|run| run.extent == extent)
                    && found(entry.at)
                {
                    recent = Some(entry.at);
                    break;
                }
            }
            (sealed, recent)
        };
        for run in sealed {
            let index = self.index(run.extent)?;
            for at in index.entries_from(partition.id, Offset(i64::MIN)) {
                if found(at) {
                    return Ok(Some(at));
                }
            }
        }
        Ok(recent)
    }

    /// The first record in the entry, within `bounds`, whose time `wanted` accepts.
    fn find_in_entry(
        &self,
        at: EntryRef,
        bounds: (Offset, Offset),
        wanted: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<TimestampMatch>, ReadError> {
        let bytes = self.read_bytes(at, at.bytes)?;
        let damaged = ReadError::Damaged {
            from: at.base,
            until: at.next,
        };
        let header = self.check_entry(at, &bytes).map_err(|_| damaged)?;
        for batch in header.batches(&bytes) {
            let is_in =
                batch.header.next_offset() > bounds.0 && batch.header.next_offset() <= bounds.1;
            if !is_in || !wanted(batch.header.max_timestamp) {
                continue;
            }
            if batch.header.attributes.compression() != Ok(Compression::None) {
                let end = batch.start + batch.bytes.len();
                return Ok(Some(TimestampMatch::Batch {
                    header: batch.header,
                    bytes: bytes.slice(batch.start..end),
                }));
            }
            let found = find_record(&batch.header, batch.bytes, bounds.0, &wanted);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn find_record(
    header: &BatchHeader,
    batch: &[u8],
    start: Offset,
    wanted: impl Fn(Timestamp) -> bool,
) -> Option<TimestampMatch> {
    let block = batch.get(BATCH_HEADER_BYTES..).unwrap_or_default();
    let by_broker = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    for record in Records::new(block) {
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        let time = header
            .base_timestamp
            .0
            .saturating_add(record.timestamp_delta);
        let timestamp = if by_broker {
            header.max_timestamp
        } else {
            Timestamp(time)
        };
        if offset >= start && wanted(timestamp) {
            return Some(TimestampMatch::Record {
                offset,
                timestamp,
                leader_epoch: header.leader_epoch,
            });
        }
    }
    None
}
