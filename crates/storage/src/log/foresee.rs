//! Reading ahead of whoever goes through a partition: its pieces lie between those of others, so the
//! file system cannot see by itself what comes next.
//!
//! A read from the disk remembers where the same reader will go on, and up to where its bytes were
//! asked for. Once half of that is used up more is asked for, beside the reader. A reader that jumps is
//! never found again, and costs one entry until the table is emptied.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use model::{LogId, Offset};

use super::{Core, cold_cache::For, gather::Bounds};
use crate::{ReadOutcome, locked::lock, partition::Recent};

/// Bytes of a partition that are asked for ahead of its reader.
const AHEAD_BYTES: usize = 1 << 20;
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
    asking: Arc<Asking>,
}

/// A stream for which an errand is under way, or was given up.
#[derive(Debug)]
struct Asking(Arc<Stream>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Relaxed);
    }
}

/// A reader on its way through a partition.
#[derive(Debug)]
struct Stream {
    ahead: Mutex<Ahead>,
    /// Somebody asks for more just now.
    asking: AtomicBool,
    /// What comes next was in memory already: the reader is not followed any further.
    is_over: AtomicBool,
}

/// What was asked for ahead of a reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    pub(super) until: Offset,
    /// About so many bytes between the reader and `until`.
    pub(super) bytes: usize,
}

impl Ahead {
    /// What is left ahead of a reader that has got so many bytes, and goes on at `next`.
    fn after(self, next: Offset, bytes: usize) -> Self {
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

impl Streams {
    /// The stream that goes on at `from`, entered anew where its reader will go on then.
    fn move_on(&mut self, id: LogId, from: Offset, next: Offset) -> Option<Arc<Stream>> {
        let stream = self.0.remove(&(id, from))?;
        if stream.is_over.load(Ordering::Relaxed) {
            return None;
        }
        self.0.insert((id, next), Arc::clone(&stream));
        Some(stream)
    }

    #[cfg(test)]
    pub(super) fn knows(&self, id: LogId, next: Offset) -> bool {
        self.0.contains_key(&(id, next))
    }

    fn begin(&mut self, id: LogId, next: Offset, ahead: Ahead) {
        if self.0.len() >= STREAMS_MAX {
            self.0.clear();
        }
        let stream = Stream {
            ahead: Mutex::new(ahead),
            asking: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        };
        self.0.insert((id, next), Arc::new(stream));
    }
}

impl Core {
    /// Follows a reader that was served from memory, if it is one that came from the disk. Gives the
    /// errand to run when more should be asked for.
    pub(super) fn went_on(&self, id: LogId, from: Offset, read: &ReadOutcome) -> Option<LookAhead> {
        let stream = lock(&self.streams).move_on(id, from, read.next)?;
        self.errand(id, stream, read)
    }

    /// As [`Core::went_on`], of a reader for whom `brought` was read in. At its second read it is
    /// known to go on.
    pub(super) fn was_brought(
        &self,
        id: LogId,
        from: Offset,
        read: &ReadOutcome,
        brought: Ahead,
    ) -> Option<LookAhead> {
        let mut streams = lock(&self.streams);
        if let Some(stream) = streams.move_on(id, from, read.next) {
            drop(streams);
            return self.errand(id, stream, read);
        }
        streams.begin(id, read.next, brought.after(read.next, read.bytes));
        None
    }

    /// Reads in what comes after what was asked for, unless it is in memory.
    pub(super) fn look_ahead(&self, errand: &LookAhead) {
        let LookAhead { id, next, asking } = errand;
        let Ok(partition) = self.partition(*id) else {
            return;
        };
        let ahead = *lock(&asking.0.ahead);
        let from = ahead.until.max(*next);
        let wanted = Bounds {
            from,
            end: partition.durable_end(),
            bytes_max: AHEAD_BYTES.saturating_sub(ahead.bytes),
        };
        let (following, until) = self.plan(&partition, wanted).unwrap_or((Vec::new(), from));
        let brought = self.bring_in(&following, For::Ahead);
        if brought.is_short {
            // It is asked for again at the reader's next step.
            return;
        }
        let is_over = brought.bytes == 0 && !following.is_empty();
        asking.0.is_over.store(is_over, Ordering::Relaxed);
        let mut ahead = lock(&asking.0.ahead);
        ahead.until = ahead.until.max(until);
        ahead.bytes = ahead.bytes.saturating_add(total_bytes(&following));
    }

    /// Uses up what was ahead of a reader; gives the errand to run when little is left and the disk
    /// is not needed by others.
    fn errand(&self, id: LogId, stream: Arc<Stream>, read: &ReadOutcome) -> Option<LookAhead> {
        let is_low = {
            let mut ahead = lock(&stream.ahead);
            *ahead = ahead.after(read.next, read.bytes);
            ahead.bytes < AHEAD_BYTES / 2 && self.gate.is_wide()
        };
        (is_low && !stream.asking.swap(true, Ordering::Relaxed)).then(|| LookAhead {
            id,
            next: read.next,
            asking: Arc::new(Asking(stream)),
        })
    }
}

pub(super) fn total_bytes(entries: &[Recent]) -> usize {
    let bytes = entries.iter().map(|entry| entry.at.bytes);
    bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0)).sum()
}
