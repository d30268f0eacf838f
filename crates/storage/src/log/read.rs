//! Reading: which entries a reader needs, and what is missing.

use model::{LogId, Offset};

use super::{
    Core,
    cold_cache::For,
    foresee::{Ahead, total_bytes},
    gather::{Bounds, GatherError, Gathering, Reach},
};
use crate::{
    ExtentSequence, Lending, ReadError, ReadOutcome,
    index::Index,
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
        self.read_or_lend(id, from, limit, bytes_max, Lending::Never)
    }

    pub(super) fn read_or_lend(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<ReadOutcome, ReadError> {
        let partition = self.partition(id)?;
        let bounds = bounds(&partition, from, limit, bytes_max)?;
        let planned = self.plan(&partition, bounds);
        let (entries, until) = planned.map_err(|error| or_trimmed(&partition, from, error))?;
        let brought = self.bring_in(&entries, For::Reader);
        let gathering = self.gathering(bounds, Reach::Disk, lending);
        let served = self.serve(&partition, &entries, gathering.with_held(brought.held));
        let mut served = served.map_err(|error| or_trimmed(&partition, from, error))?;
        if served.next < bounds.end {
            let bytes = total_bytes(&entries);
            served.look_ahead = self.was_brought(id, from, &served, Ahead { until, bytes });
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

    /// As [`Core::read`]; `None` where anything of it would have to be waited for. It never gives
    /// less: who waits for so many bytes must not wait for new ones while old ones are on the disk.
    pub(super) fn read_at_once(
        &self,
        id: LogId,
        from: Offset,
        limit: Offset,
        bytes_max: usize,
        lending: Lending,
    ) -> Result<Option<ReadOutcome>, ReadError> {
        let partition = self.partition(id)?;
        let bounds = bounds(&partition, from, limit, bytes_max)?;
        let mut gathering = self.gathering(bounds, Reach::Memory, lending);
        if from >= bounds.end {
            return Ok(Some(gathering.finish()));
        }
        let mut plan = Plan::default();
        let reached = match plan_recent(&partition, from, bounds, &mut plan)? {
            (Following::Recent, reached) => reached,
            (Following::Missing(_), _) => return Ok(None),
            (Following::Sealed(extent), _) => {
                let Some(index) = self.opened.indexes.find(extent) else {
                    return Ok(None);
                };
                plan_sealed(&index, partition.id, from, bounds, &mut plan)
            }
        };
        if plan.wants(reached, bounds) {
            return Ok(None);
        }
        // What goes wrong is for the reader that may look at the disk to find out.
        if self.gather(&plan.entries, &mut gathering).is_err() {
            return Ok(None);
        }
        // What died before it was borrowed may be overwritten; from then on it may not.
        if gathering.lent_gone(&partition) {
            return Ok(None);
        }
        self.note_behind(gathering.behind());
        let mut served = gathering.finish_whole();
        if let Some(served) = &mut served {
            served.look_ahead = self.went_on(id, from, served);
        }
        Ok(served)
    }

    fn serve(
        &self,
        partition: &Partition,
        entries: &[Recent],
        mut gathering: Gathering,
    ) -> Result<ReadOutcome, ReadError> {
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
                        from: gathering.from().max(at.base),
                        until: at.next,
                    });
                }
            }
        }
        if gathering.lent_gone(partition) {
            // Which of the reasons it is the caller finds out.
            return Err(ReadError::UnknownPartition);
        }
        self.note_behind(gathering.behind());
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
                let index = self.index(extent)?;
                let reached = plan_sealed(&index, partition.id, next, bounds, plan);
                if reached == next {
                    let until = after.max(next.plus(1));
                    return Err(ReadError::Damaged { from: next, until });
                }
                Ok(reached)
            }
        }
    }
}

/// Adds entries of a sealed extent that follow `next`; gives the offset after them.
fn plan_sealed(index: &Index, id: LogId, next: Offset, bounds: Bounds, plan: &mut Plan) -> Offset {
    let mut reached = next;
    for at in index.entries_from(id, next) {
        if at.base > reached || !plan.wants(reached, bounds) {
            break;
        }
        reached = at.next;
        plan.push(at, Recent { at, cached: None });
    }
    reached
}

/// Whether an entry was trimmed, or removed with its partition.
pub(super) fn is_gone(partition: &Partition, at: EntryRef) -> bool {
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
