//! Reading ahead of whoever goes through a partition: its pieces lie between those of others, so the
//! file system cannot see by itself what comes next.
//!
//! A read from the disk remembers where the same reader will go on, and up to where its bytes were
//! asked for. Once half of that is used up more is asked for: by the next read if it goes to the
//! disk, else beside it. A reader that jumps is never found again, and costs one entry until the
//! table is emptied.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

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
pub(super) struct Streams(HashMap<(LogId, Offset), Arc<Stream>>);

/// What is to be asked for beside a reader: for [`crate::Log::look_ahead`].
#[derive(Clone, Debug)]
pub struct LookAhead {
    id: LogId,
    next: Offset,
    stream: Arc<Stream>,
}

/// A reader on its way through a partition.
#[derive(Debug)]
struct Stream {
    ahead: Mutex<Ahead>,
    /// Somebody asks for more just now.
    asking: AtomicBool,
}

/// What was asked for ahead of a reader.
#[derive(Clone, Copy, Debug)]
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
        let stream = stream.map(|stream| *lock(&stream.ahead));
        let planned_bytes = total_bytes(planned);
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
        let bytes = total_bytes(&following);
        Ahead {
            until,
            bytes: stream.bytes.max(planned_bytes).saturating_add(bytes),
        }
    }

    /// Follows a reader for whom bytes are asked for ahead; others are not remembered. Gives the
    /// errand to run when more should be asked for.
    pub(super) fn went_on(
        &self,
        id: LogId,
        from: Offset,
        next: Offset,
        bytes: usize,
    ) -> Option<LookAhead> {
        let mut streams = lock(&self.streams);
        let stream = streams.0.remove(&(id, from))?;
        let mut ahead = lock(&stream.ahead);
        *ahead = ahead.after(next, bytes);
        let is_low = ahead.bytes < AHEAD_BYTES / 2;
        drop(ahead);
        let errand = (is_low && !stream.asking.swap(true, Ordering::Relaxed)).then(|| LookAhead {
            id,
            next,
            stream: Arc::clone(&stream),
        });
        streams.0.insert((id, next), stream);
        errand
    }

    /// Asks for what comes after what was asked for, unless it is in memory.
    pub(super) fn look_ahead(&self, errand: &LookAhead) {
        let LookAhead { id, next, stream } = errand;
        let ahead = *lock(&stream.ahead);
        let from = ahead.until.max(*next);
        if let Ok(partition) = self.partition(*id) {
            let wanted = Bounds {
                from,
                end: partition.durable_end(),
                bytes_max: AHEAD_BYTES.saturating_sub(ahead.bytes),
            };
            let (following, until) = self.plan(&partition, wanted).unwrap_or((Vec::new(), from));
            if !following.last().is_some_and(|last| self.is_cached(last)) {
                self.ask_for(&following);
            }
            let mut ahead = lock(&stream.ahead);
            ahead.until = ahead.until.max(until);
            ahead.bytes = ahead.bytes.saturating_add(total_bytes(&following));
        }
        stream.asking.store(false, Ordering::Relaxed);
    }

    /// Remembers where a reader will go on.
    pub(super) fn remember_reader(&self, id: LogId, next: Offset, ahead: Ahead) {
        let stream = Stream {
            ahead: Mutex::new(ahead),
            asking: AtomicBool::new(false),
        };
        let mut streams = lock(&self.streams);
        if streams.0.len() >= STREAMS_MAX {
            streams.0.clear();
        }
        streams.0.insert((id, next), Arc::new(stream));
    }

    /// Whether the entry's end is in memory, ours or the system's.
    fn is_cached(&self, entry: &Recent) -> bool {
        let end = u64::from(entry.at.position.byte) + u64::from(entry.at.bytes.max(1)) - 1;
        let file = self.opened.files.find(entry.at.position.extent);
        let read = file.map(|file| file.read_if_cached(end, &mut [0]));
        entry.cached.is_some() || matches!(read, Some(Ok(true)))
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

fn total_bytes(entries: &[Recent]) -> usize {
    let bytes = entries.iter().map(|entry| entry.at.bytes);
    bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0)).sum()
}
