//! Memory of large frames, kept for the next ones while they keep coming: asking the allocator each
//! time would cost a fault for every page of every frame, or twice the memory in what it keeps.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{sync::Notify, time::sleep};

/// Smaller frames are the allocator's.
const BYTES_MIN: usize = 64 * 1024;
/// Larger buffers are not kept.
const BYTES_MAX: usize = 2 << 20;
/// Buffers that are kept; what comes back then goes.
const COUNT_MAX: usize = 16;
/// A frame takes no buffer that is longer than so many times what it needs.
const CAPACITY_PER_BYTE_MAX: usize = 4;
/// What was not used for one to two of these is given back.
const UNUSED: Duration = Duration::from_secs(1);

/// Buffers of frames that are gone, for all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameMemory(Arc<Store>);

#[derive(Debug, Default)]
struct Store {
    /// The one that came back last is at the end: the processor still has some of it.
    free: Mutex<Vec<Free>>,
    filled: Notify,
}

#[derive(Debug)]
struct Free {
    buffer: BytesMut,
    is_fresh: bool,
}

/// A frame's buffer, which goes back when nobody holds any of it.
#[derive(Debug)]
struct Lent {
    buffer: BytesMut,
    store: Arc<Store>,
}

/// What the bytes of a frame refer to.
struct Owner(Arc<Lent>);

/// Tells whether anybody still holds a part of a frame.
#[derive(Debug)]
pub(crate) struct Trace(Weak<Lent>);

impl Trace {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl FrameMemory {
    /// An empty buffer for at least so many bytes, the last one that became free if there is one.
    pub(crate) fn take(&self, bytes: usize) -> BytesMut {
        if bytes >= BYTES_MIN {
            let mut free = self.0.free();
            // No more than what the frame's share of memory is meant for.
            let most = bytes.saturating_mul(CAPACITY_PER_BYTE_MAX);
            let fits = |free: &Free| (bytes..=most).contains(&free.buffer.capacity());
            if let Some(index) = free.iter().rposition(fits) {
                return free.remove(index).buffer;
            }
        }
        BytesMut::with_capacity(bytes)
    }

    /// Makes a frame of a buffer's bytes, and keeps the buffer once the frame is gone.
    pub(crate) fn finish(&self, body: BytesMut) -> (Bytes, Trace) {
        let lent = Arc::new(Lent {
            buffer: body,
            store: Arc::clone(&self.0),
        });
        let trace = Trace(Arc::downgrade(&lent));
        (Bytes::from_owner(Owner(lent)), trace)
    }

    /// Gives back what is not used any more, for ever.
    pub(crate) async fn tidy(&self) {
        loop {
            self.0.filled.notified().await;
            while !self.0.free().is_empty() {
                sleep(UNUSED).await;
                self.0
                    .free()
                    .retain_mut(|free| mem::take(&mut free.is_fresh));
            }
        }
    }
}

impl Store {
    fn put_back(&self, mut buffer: BytesMut) {
        if !(BYTES_MIN..=BYTES_MAX).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut free = self.free();
        if free.is_empty() {
            self.filled.notify_one();
        }
        if free.len() < COUNT_MAX {
            free.push(Free {
                buffer,
                is_fresh: true,
            });
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Free>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.store.put_back(mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;

    use super::*;

    /// A frame in memory of the store's, as a connection makes it.
    fn frame(memory: &FrameMemory, bytes: usize) -> Bytes {
        let mut body = memory.take(bytes);
        assert!(body.capacity() >= bytes && body.is_empty());
        body.put_bytes(7, bytes);
        memory.finish(body).0
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
    fn a_frame_of_which_somebody_holds_a_part_is_not_gone() {
        let memory = FrameMemory::default();
        for bytes in [100, 100_000, 3 << 20] {
            let mut body = memory.take(bytes);
            body.put_bytes(7, bytes);
            let (frame, trace) = memory.finish(body);
            let part = frame.slice(10..20);
            drop(frame);
            assert!(!trace.is_gone(), "{bytes}");
            drop(part);
            assert!(trace.is_gone(), "{bytes}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let memory = FrameMemory::default();
        drop(frame(&memory, BYTES_MIN - 1));
        drop(frame(&memory, BYTES_MAX + 1));
        assert_eq!(memory.0.free().len(), 0);
        let held: Vec<Bytes> = (0..3 * COUNT_MAX)
            .map(|_| frame(&memory, BYTES_MIN))
            .collect();
        assert!(held.iter().all(|frame| frame.iter().all(|&byte| byte == 7)));
        drop(held);
        assert_eq!(memory.0.free().len(), COUNT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_that_is_not_used_is_given_back() {
        let memory = FrameMemory::default();
        let tidying = memory.clone();
        let tidying = tokio::spawn(async move { tidying.tidy().await });
        for _ in 0..5 {
            drop(frame(&memory, 100_000));
            sleep(UNUSED / 2).await;
            assert_eq!(memory.0.free().len(), 1);
        }
        sleep(2 * UNUSED).await;
        assert_eq!(memory.0.free().len(), 0);
        drop(frame(&memory, 100_000));
        sleep(3 * UNUSED).await;
        assert_eq!(memory.0.free().len(), 0, "it goes on");
        tidying.abort();
    }
}
