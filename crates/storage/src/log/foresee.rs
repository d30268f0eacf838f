//! Reading ahead of whoever goes through a partition: its pieces lie between those of others, so the
//! file system cannot see by itself what comes next.
//!
//! A read remembers where the same reader will go on, and up to where its bytes were asked for. The
//! read that goes on there asks for more once half of that is used up. A reader that jumps is never
//! found again, and costs one entry until the table is emptied.

use std::collections::HashMap;

use model::{LogId, Offset};

use super::{
    Core,
    gather::{Bounds, neighbours},
};
use crate::{locked::lock, partition::Partition, partition::Recent};

/// Bytes of a partition that are asked for ahead of its reader.
const AHEAD_BYTES: usize = 4 << 20;
/// Readers that are remembered; then all are forgotten, and found again at their second read.
const STREAMS_MAX: usize = 4096;

/// Readers by partition and by the offset where they will go on.
#[derive(Default)]
pub(super) struct Streams(HashMap<(LogId, Offset), Ahead>);

/// What was asked for ahead of a reader.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    until: Offset,
    /// About so many bytes between the reader and `until`.
    bytes: usize,
}

impl Ahead {
    /// What is left ahead of a reader that has got so many bytes, and goes on at `next`.
    pub(super) fn after(self, next: Offset, bytes: usize) -> Self {
        let is_used_up = next >= self.until;
        Self {
            until: self.until.max(next),
            bytes: if is_used_up {
                0
            } else {
                self.bytes.saturating_sub(bytes)
            },
        }
    }
}

impl Core {
    /// Asks for what the planned read needs and, if its reader has come from the read before, for
    /// what it will need then.
    pub(super) fn foresee(
        &self,
        partition: &Partition,
        bounds: Bounds,
        planned: &[Recent],
        planned_until: Offset,
    ) -> Ahead {
        let stream = lock(&self.streams).0.remove(&(partition.id, bounds.from));
        let planned_bytes = planned.iter().map(|entry| entry.at.bytes);
        let planned_bytes = planned_bytes
            .map(|bytes| usize::try_from(bytes).unwrap_or(0))
            .sum();
        let Some(stream) = stream else {
            self.ask_for(planned);
            return Ahead {
                until: planned_until,
                bytes: planned_bytes,
            };
        };
        let ahead = stream.bytes.saturating_sub(planned_bytes);
        if ahead >= AHEAD_BYTES / 2 {
            return stream;
        }
        let from = stream.until.max(planned_until);
        let wanted = Bounds {
            from,
            end: bounds.end,
            bytes_max: AHEAD_BYTES - ahead,
        };
        let (following, until) = self.plan(partition, wanted).unwrap_or((Vec::new(), from));
        self.ask_for(&following);
        let bytes = following.iter().map(|entry| entry.at.bytes);
        let bytes: usize = bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0)).sum();
        Ahead {
            until,
            bytes: stream.bytes.max(planned_bytes).saturating_add(bytes),
        }
    }

    /// Whether the reader that goes on at `from` is one for whom bytes are asked for ahead, and so
    /// many more would leave too few of them.
    pub(super) fn must_ask_for_more(&self, id: LogId, from: Offset, bytes: usize) -> bool {
        let streams = lock(&self.streams);
        let ahead = streams.0.get(&(id, from));
        ahead.is_some_and(|ahead| ahead.bytes.saturating_sub(bytes) < AHEAD_BYTES / 2)
    }

    /// Follows a reader for whom bytes are asked for ahead; others are not remembered.
    pub(super) fn went_on(&self, id: LogId, from: Offset, next: Offset, bytes: usize) {
        let mut streams = lock(&self.streams);
        if let Some(ahead) = streams.0.remove(&(id, from)) {
            streams.0.insert((id, next), ahead.after(next, bytes));
        }
    }

    /// Remembers where a reader will go on.
    pub(super) fn remember_reader(&self, id: LogId, next: Offset, ahead: Ahead) {
        let mut streams = lock(&self.streams);
        if streams.0.len() >= STREAMS_MAX {
            streams.0.clear();
        }
        streams.0.insert((id, next), ahead);
    }

    fn ask_for(&self, entries: &[Recent]) {
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let (together, after) = rest.split_at(neighbours(rest).max(1));
            rest = after;
            let (Some(last), None) = (together.last(), &first.cached) else {
                continue;
            };
            let (start, end) = (first.at.position.byte, last.at.position.byte);
            let bytes = u64::from(end - start) + u64::from(last.at.bytes);
            // It is advice: what cannot be opened is reported by the read itself.
            if let Ok(file) = self.opened.file(&*self.disk, first.at.position.extent) {
                file.will_need(u64::from(start), bytes);
            }
        }
    }
}
