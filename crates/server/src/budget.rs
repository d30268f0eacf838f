//! Memory that all connections share: what comes in and what goes out, in pools of their own, so
//! that slow readers cannot starve producers.
//!
//! ```text
//! incoming: 7/8 for frames of any size, 1/8 for small ones   (a full pool: sockets are not read)
//! outgoing: 7/8 for replies of any size, 1/8 for small ones  (a full pool: replies wait, and
//!                                                             their connections are not read)
//! ```
//!
//! The small ones' share keeps heartbeats and acknowledgements moving while bulk waits.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What counts as small.
const SMALL_BYTES_MAX: usize = 16 * 1024;

/// A share of memory; given back when dropped.
pub(crate) type Share = OwnedSemaphorePermit;

/// A share that has to be waited for.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = Option<Share>> + Send>>;

/// Bytes for all connections in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    large: Lane,
    small: Lane,
}

#[derive(Clone, Debug)]
struct Lane {
    semaphore: Arc<Semaphore>,
    bytes: u32,
}

/// A share, at once or after a wait.
pub(crate) enum Reserved {
    Now(Share),
    Later(Waiting),
}

impl Pool {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            large: Lane::new(bytes / 8 * 7),
            small: Lane::new(bytes / 8),
        }
    }

    /// Reserves the bytes. What is larger than the whole pool gets all of it, so that it comes
    /// through alone instead of never.
    pub(crate) fn reserve(&self, bytes: usize) -> Reserved {
        let lane = if bytes <= SMALL_BYTES_MAX {
            &self.small
        } else {
            &self.large
        };
        let count = u32::try_from(bytes).unwrap_or(u32::MAX).min(lane.bytes);
        match Arc::clone(&lane.semaphore).try_acquire_many_owned(count) {
            Ok(share) => Reserved::Now(share),
            Err(_) => {
                let semaphore = Arc::clone(&lane.semaphore);
                // The pools are never closed, so this waits for its turn and gets it.
                Reserved::Later(Box::pin(async move {
                    semaphore.acquire_many_owned(count).await.ok()
                }))
            }
        }
    }
}

impl Pool {
    /// Moves a share to the lane of large ones, if there is room: what is held for long must not keep
    /// small requests out.
    pub(crate) fn make_large(&self, share: Share) -> Share {
        let count = u32::try_from(share.num_permits()).unwrap_or(u32::MAX);
        let large = Arc::clone(&self.large.semaphore);
        large.try_acquire_many_owned(count).unwrap_or(share)
    }
}

impl Lane {
    fn new(bytes: usize) -> Self {
        let bytes = u32::try_from(bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            semaphore: Arc::new(Semaphore::new(usize::try_from(bytes).unwrap_or(usize::MAX))),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_pool_makes_large_frames_wait_but_small_ones_pass() {
        let pool = Pool::new(8 << 20);
        let Reserved::Now(all) = pool.reserve(usize::MAX) else {
            panic!("an empty pool gives all it has");
        };
        assert!(matches!(pool.reserve(1 << 20), Reserved::Later(_)));
        assert!(matches!(pool.reserve(100), Reserved::Now(_)));
        drop(all);
        assert!(matches!(pool.reserve(1 << 20), Reserved::Now(_)));
    }

    #[test]
    fn small_shares_that_are_held_for_long_leave_their_lane() {
        let pool = Pool::new(80_000);
        let mut held = Vec::new();
        // Seven find room among the large ones, the eighth stays.
        for _ in 0..8 {
            let Reserved::Now(share) = pool.reserve(10_000) else {
                panic!("the small lane has room for one");
            };
            held.push(pool.make_large(share));
        }
        assert!(matches!(pool.reserve(100), Reserved::Later(_)));
        held.pop();
        assert!(matches!(pool.reserve(100), Reserved::Now(_)));
    }
}
