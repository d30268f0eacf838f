//! The worst reply of every API takes no more memory than was taken for it before, and gives it back.
//! Alone in its binary, because it bounds what the whole process allocates: what is not taken from the
//! server's memory first is not there, and ends the process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(
    dead_code,
    reason = "what the session tests share; not all is needed here"
)]
#[path = "../session/world.rs"]
mod world;
mod worst;

use std::{
    alloc::System,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use cap::Cap;
use futures_util::future::{BoxFuture, ready};
use kafka::{KafkaLimits, Reply, ReplyMemory, ReplyShare, Staged, served};

use crate::world::World;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What a request that takes no memory first may do with, and what others of the process do meanwhile.
const SMALL_BYTES: usize = 6 << 20;
/// What may stay behind of a request: tables that have grown, what the log keeps for readers.
const LEFT_BYTES: usize = 1 << 20;

/// Memory that is there only once it has been taken.
#[derive(Default)]
struct Taken(Arc<AtomicUsize>);

struct Share(Arc<AtomicUsize>, usize);

impl Taken {
    fn take(&self, bytes: usize) -> ReplyShare {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        ALLOCATOR.set_limit(ALLOCATOR.limit() + bytes).unwrap();
        ReplyShare(Box::new(Share(Arc::clone(&self.0), bytes)))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl ReplyMemory for Taken {
    fn try_reserve(&self, bytes: usize) -> Option<ReplyShare> {
        // Half of all requests find nothing at once, and wait for all that they need.
        bytes.is_multiple_of(2).then(|| self.take(bytes))
    }

    fn reserve(&self, bytes: usize) -> BoxFuture<'static, ReplyShare> {
        Box::pin(ready(self.take(bytes)))
    }
}

#[tokio::test]
async fn the_worst_reply_of_every_api_takes_only_what_was_taken_for_it() {
    let world = World::with(KafkaLimits::default(), |_| {});
    worst::fill(&world).await;
    for api in served().map(|served| served.api) {
        for frame in worst::frames(api) {
            let before = ALLOCATOR.allocated();
            ALLOCATOR.set_limit(before + SMALL_BYTES).unwrap();
            // An abort says nothing, and what is printed as usual would be lost with it.
            writeln!(std::io::stderr(), "{api}: {} bytes", frame.len()).unwrap();
            let memory = Arc::new(Taken::default());
            let taken = Arc::clone(&memory.0);
            let reply = match world.connect().dispatch(frame) {
                Staged::Large(request) => request.carry_out(memory).await,
                Staged::Close(_) => Reply::default(),
                staged => world::settle(staged).await,
            };
            let bytes: usize = reply.chunks.iter().map(model::Piece::len).sum();
            let held = taken.load(Ordering::Relaxed);
            assert!(
                bytes <= held.max(SMALL_BYTES),
                "{api}: {bytes} bytes where {held} were taken"
            );
            drop(reply);
            assert_eq!(taken.load(Ordering::Relaxed), 0, "{api} keeps its memory");
            ALLOCATOR.set_limit(usize::MAX).unwrap();
            let left = ALLOCATOR.allocated().saturating_sub(before);
            assert!(left <= LEFT_BYTES, "{api}: {left} bytes stay behind");
        }
    }
}
