//! Memory of large frames, kept for the next ones while they keep coming: asking the allocator each
//! time would cost a fault for every page of every frame, or twice the memory in what it keeps.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{sync::Notify, time::sleep};

/// Smaller frames are the allocator's.
const BYTES_MIN: usize = 64 * 1024;
/// Larger buffers are not kept.
const BYTES_MAX: usize = 2 << 20;
/// Buffers that are kept, whether their frame is still in use or not.
const COUNT_MAX: usize = 16;
/// What was not used for one to two of these is given back.
const UNUSED: Duration = Duration::from_secs(1);

/// Buffers that were used before, for all connections.
#[derive(Debug, Default)]
pub(crate) struct FrameMemory {
    kept: Mutex<Vec<Kept>>,
    filled: Notify,
}

#[derive(Debug)]
struct Kept {
    /// The empty rest of a frame's buffer: it has all of it again once the frame is gone.
    rest: BytesMut,
    is_fresh: bool,
}

impl FrameMemory {
    /// An empty buffer for at least so many bytes, the last one that became free if there is one.
    pub(crate) fn take(&self, bytes: usize) -> BytesMut {
        if bytes >= BYTES_MIN {
            let mut kept = self.lock();
            let free = kept
                .iter_mut()
                .rposition(|kept| kept.rest.try_reclaim(bytes));
            if let Some(index) = free {
                return kept.remove(index).rest;
            }
        }
        BytesMut::with_capacity(bytes)
    }

    /// Makes a frame of a buffer's bytes, and keeps the buffer for when the frame is gone.
    pub(crate) fn finish(&self, mut body: BytesMut) -> Bytes {
        // A buffer that was kept before may be longer by what lies before its bytes, but as a whole
        // it was judged when it was kept first.
        if !(BYTES_MIN..=BYTES_MAX).contains(&body.capacity()) {
            return body.freeze();
        }
        let frame = body.split().freeze();
        let mut kept = self.lock();
        if kept.is_empty() {
            self.filled.notify_one();
        } else if kept.len() == COUNT_MAX {
            kept.remove(0);
        }
        kept.push(Kept {
            rest: body,
            is_fresh: true,
        });
        frame
    }

    /// Gives back what is not used any more, for ever.
    pub(crate) async fn tidy(&self) {
        loop {
            self.filled.notified().await;
            while !self.lock().is_empty() {
                sleep(UNUSED).await;
                self.lock()
                    .retain_mut(|kept| std::mem::take(&mut kept.is_fresh));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BufMut;

    use super::*;

    /// A frame in memory of the store's, as a connection makes it.
    fn frame(memory: &FrameMemory, bytes: usize) -> Bytes {
        let mut body = memory.take(bytes);
        assert!(body.capacity() >= bytes && body.is_empty());
        body.put_bytes(7, bytes);
        memory.finish(body)
    }

    #[test]
    fn a_frame_takes_the_memory_of_one_that_is_gone_and_of_no_other() {
        let memory = FrameMemory::default();
        let held = frame(&memory, 100_000);
        let gone = frame(&memory, 100_000).as_ptr();
        assert_ne!(held.as_ptr(), gone);
        assert_eq!(frame(&memory, 90_000).as_ptr(), gone);
        let larger = frame(&memory, 200_000);
        assert_ne!(larger.as_ptr(), gone);
        assert_eq!(held, vec![7; 100_000]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let memory = FrameMemory::default();
        drop(frame(&memory, BYTES_MIN - 1));
        drop(frame(&memory, BYTES_MAX + 1));
        assert_eq!(memory.lock().len(), 0);
        let held: Vec<Bytes> = (0..3 * COUNT_MAX)
            .map(|_| frame(&memory, BYTES_MIN))
            .collect();
        assert_eq!(memory.lock().len(), COUNT_MAX);
        assert!(held.iter().all(|frame| frame.iter().all(|&byte| byte == 7)));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_is_not_used_is_given_back() {
        let memory = Arc::new(FrameMemory::default());
        let tidying = Arc::clone(&memory);
        let tidying = tokio::spawn(async move { tidying.tidy().await });
        for _ in 0..5 {
            drop(frame(&memory, 100_000));
            sleep(UNUSED / 2).await;
            assert_eq!(memory.lock().len(), 1);
        }
        sleep(2 * UNUSED).await;
        assert_eq!(memory.lock().len(), 0);
        drop(frame(&memory, 100_000));
        sleep(3 * UNUSED).await;
        assert_eq!(memory.lock().len(), 0, "it goes on");
        tidying.abort();
    }
}
