//! Reading: which entries a reader needs, and what is missing.

use model::{LogId, Offset};

use super::{
    Core,
    gather::{Bounds, GatherError, Gathering},
};
use crate::{
    ExtentSequence, ReadError, ReadOutcome,
    locked::lock,
    partition::{EntryRef, Partition, Recent},
};

/// A reader asks for at most this much at once; more comes with the next read.
const READ_BYTES_MAX: usize = 64 << 20;

/// Damaged entries that are reported when a reader meets them, in the life of a process.
const REPORTED_DAMAGES_MAX: usize = 1000;

/// The next entries a reader needs.
enum Following {
    Recent,
    /// They are in this sealed extent.
    Sealed(ExtentSequence),
    /// None hold the offset; the next sound one is this.
    Missing(Offset),
}

/// Entries that are to be read, in order.
#[derive(Default)]
struct Plan {
    entries: Vec<Recent>,
    bytes: usize,
}

impl Plan {
    fn push(&mut self, at: EntryRef, entry: Recent) {
        self.bytes = self
            .bytes
            .saturating_add(usize::try_from(at.bytes).unwrap_or(usize::MAX));
        self.entries.push(entry);
    }

    /// Whether a reader with these bounds needs the entries after `next`.
    fn wants(&self, next: Offset, bounds: Bounds) -> bool {
        next < bounds.end && (self.entries.is_empty() || self.bytes < bounds.bytes_max)
    }
}

impl Core {
    pub(super) fn read(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
    ) -> Result<ReadOutcome, ReadError> {
        let partition = self.partition(id)?;
        let bounds = bounds(&partition, from, limit, bytes_max)?;
        let planned = self.plan(&partition, bounds);
        let (entries, until) = planned.map_err(|error| or_trimmed(&partition, from, error))?;
        let ahead = self.foresee(&partition, bounds, &entries, until);
        let served = self.serve(&partition, &entries, bounds);
        let served = served.map_err(|error| or_trimmed(&partition, from, error))?;
        if served.next < bounds.end {
            let ahead = ahead.after(served.next, served.bytes);
            self.remember_reader(id, served.next, ahead);
        }
        Ok(served)
    }

    /// The entries that a reader with these bounds needs, and the offset after them.
    pub(super) fn plan(
        &self,
        partition: &Partition,
        bounds: Bounds,
    ) -> Result<(Vec<Recent>, Offset), ReadError> {
        let mut plan = Plan::default();
        let mut next = bounds.from;
        while plan.wants(next, bounds) {
            match self.extend_plan(partition, next, bounds, &mut plan) {
                Ok(reached) => next = reached,
                // What comes before the damage is served; the next read meets it first.
                Err(_) if !plan.entries.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok((plan.entries, next))
    }

    pub(super) fn read_cached(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        let partition = self.partition(id)?;
        let bounds = bounds(&partition, from, limit, bytes_max)?;
        if from >= bounds.end {
            return Ok(Some(Gathering::new(bounds).finish()));
        }
        let mut plan = Plan::default();
        let (following, _) = plan_recent(&partition, from, bounds, &mut plan)?;
        if !matches!(following, Following::Recent) {
            return Ok(None);
        }
        let cached = plan
            .entries
            .iter()
            .take_while(|entry| entry.cached.is_some());
        let cached = cached.count();
        if cached == 0 {
            return Ok(None);
        }
        plan.entries.truncate(cached);
        self.serve(&partition, &plan.entries, bounds).map(Some)
    }

    fn serve(
        &self,
        partition: &Partition,
        entries: &[Recent],
        bounds: Bounds,
    ) -> Result<ReadOutcome, ReadError> {
        let mut gathering = Gathering::new(bounds);
        match self.gather(entries, &mut gathering) {
            Ok(()) => {}
            Err(GatherError::Io(error)) => return Err(error.into()),
            Err(GatherError::Damaged(at)) => {
                // An extent that was freed under the reader may be another one by now.
                if !is_gone(partition, at) {
                    self.report_damaged(at);
                }
                if gathering.is_empty() {
                    return Err(ReadError::Damaged {
                        from: bounds.from.max(at.base),
                        until: at.next,
                    });
                }
            }
        }
        Ok(gathering.finish())
    }

    /// Says once where the damage is; every reader of it gets an error.
    fn report_damaged(&self, at: EntryRef) {
        let mut reported = lock(&self.reported_damages);
        if reported.len() < REPORTED_DAMAGES_MAX && reported.insert(at.position) {
            tracing::error!(
                position = %at.position, from = %at.base, until = %at.next,
                "entry is damaged on disk"
            );
        }
    }

    /// Adds the entries that follow `next`; gives the offset after them.
    fn extend_plan(
        &self,
        partition: &Partition,
        next: Offset,
        bounds: Bounds,
        plan: &mut Plan,
    ) -> Result<Offset, ReadError> {
        match plan_recent(partition, next, bounds, plan)? {
            (Following::Recent, reached) => Ok(reached),
            (Following::Missing(until), _) => Err(ReadError::Damaged { from: next, until }),
            (Following::Sealed(extent), after) => {
                let mut reached = next;
                for at in self.index(extent)?.entries_from(partition.id, next) {
                    if at.base > reached || !plan.wants(reached, bounds) {
                        break;
                    }
                    reached = at.next;
                    plan.push(at, Recent { at, cached: None });
                }
                if reached == next {
                    let until = after.max(next.plus(1));
                    return Err(ReadError::Damaged { from: next, until });
                }
                Ok(reached)
            }
        }
    }
}

fn is_gone(partition: &Partition, at: EntryRef) -> bool {
    let state = partition.lock();
    state.removed || at.next <= state.start
}

/// An extent may be deleted under a reader: then the offset it asked for is gone, not damaged.
fn or_trimmed(partition: &Partition, from: Offset, error: ReadError) -> ReadError {
    let state = partition.lock();
    if state.removed {
        return ReadError::UnknownPartition;
    }
    if from < state.start {
        let (start, end) = (state.start, state.next);
        return ReadError::OutOfRange { start, end };
    }
    error
}

fn bounds(
    partition: &Partition,
    from: Offset,
    limit: Offset,
    bytes_max: usize,
) -> Result<Bounds, ReadError> {
    let state = partition.lock();
    if from < state.start || from > state.next {
        let (start, end) = (state.start, state.next);
        return Err(ReadError::OutOfRange { start, end });
    }
    Ok(Bounds {
        from,
        end: limit.min(partition.durable_end()),
        bytes_max: bytes_max.min(READ_BYTES_MAX),
    })
}

/// Adds recent entries that follow `next`. The offset is the one reached, or with
/// [`Following::Sealed`] the one where another extent takes over.
fn plan_recent(
    partition: &Partition,
    next: Offset,
    bounds: Bounds,
    plan: &mut Plan,
) -> Result<(Following, Offset), ReadError> {
    let state = partition.lock();
    if next < state.start {
        let (start, end) = (state.start, state.next);
        return Err(ReadError::OutOfRange { start, end });
    }
    if let Some((_, until)) = state.lost_at(next) {
        return Ok((Following::Missing(until), next));
    }
    let front = state
        .recent
        .front()
        .map_or(state.next, |recent| recent.at.base);
    if front > next {
        let after = state.runs.partition_point(|run| run.first <= next);
        let takes_over = state.runs.get(after).map_or(state.next, |run| run.first);
        let run = after.checked_sub(1).and_then(|at| state.runs.get(at));
        let following = run.map_or(Following::Missing(takes_over), |run| {
            Following::Sealed(run.extent)
        });
        return Ok((following, takes_over));
    }
    let first = state
        .recent
        .partition_point(|recent| recent.at.next <= next);
    let mut reached = next;
    for recent in state.recent.range(first..) {
        if recent.at.base > reached || !plan.wants(reached, bounds) {
            break;
        }
        reached = recent.at.next;
        plan.push(recent.at, recent.clone());
    }
    if reached == next {
        let until = state
            .recent
            .get(first)
            .map_or(state.next, |recent| recent.at.base);
        return Ok((Following::Missing(until), next));
    }
    Ok((Following::Recent, reached))
}
