//! What a frame costs before it is there.

use std::{future::poll_fn, sync::Arc};

use model::Now;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{
    Intake, Limits, Reply, Staged,
    budget::{Flow, Pool},
    clock,
};

/// Takes frames of any length; nothing here dispatches them.
struct Any;

impl Session for Any {
    fn frame_length(&self, prefix: [u8; 4], _first: &[u8]) -> Result<Intake, String> {
        let length = usize::try_from(i32::from_be_bytes(prefix));
        length.map(Intake::Whole).map_err(|_| "negative".to_owned())
    }

    fn dispatch(&mut self, _frame: Bytes, _now: Now) -> Staged {
        Staged::Ready(Reply::default())
    }

    fn describe(&self) -> String {
        String::new()
    }
}

struct World {
    reader: Reader,
    client: DuplexStream,
    server: DuplexStream,
    shared: Arc<Shared>,
    account: Account,
}

impl World {
    fn new() -> Self {
        Self::beside(&Arc::new(Shared::new(Limits::default())))
    }

    /// A connection of the one tenant.
    fn beside(shared: &Arc<Shared>) -> Self {
        let (client, server) = duplex(1 << 20);
        Self {
            reader: Reader::default(),
            client,
            server,
            shared: Arc::clone(shared),
            account: shared.tenants.account(1),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// Polls once, with what has been sent.
    async fn poll(&mut self) -> Poll<Result<Frame, End>> {
        let Self {
            reader,
            server,
            shared,
            account,
            ..
        } = self;
        let around = Surroundings {
            session: &Any,
            shared,
            account,
            now: clock::now().monotonic,
        };
        let polled = poll_fn(|context| Poll::Ready(reader.poll_frame(context, server, &around)));
        polled.await.map_ok(|arrival| match arrival {
            Arrival::Frame(frame) => frame,
            Arrival::Piece { .. } => panic!("all frames are held"),
        })
    }

    /// Bytes of the memory of all that the frame under way counts.
    fn counted(&self) -> usize {
        match &self.reader.state {
            State::Body(body) => body.share.bytes(),
            State::Head | State::Reserving { .. } | State::Passing(_) => 0,
        }
    }

    /// Bytes of memory that the frame under way has taken.
    fn held(&self) -> usize {
        let body = match &self.reader.state {
            State::Body(body) => body.bytes.capacity(),
            State::Head | State::Reserving { .. } | State::Passing(_) => 0,
        };
        body + self.reader.ahead.capacity()
    }
}

#[tokio::test]
async fn a_lying_length_costs_only_what_has_arrived() {
    let mut world = World::new();
    world
        .client
        .write_all(&(100_i32 << 20).to_be_bytes())
        .await
        .unwrap();
    world.client.write_all(&[7; 100]).await.unwrap();
    assert!(world.poll().await.is_pending());
    assert!(
        world.held() <= FIRST_PIECE_BYTES + SCRATCH_BYTES,
        "{}",
        world.held()
    );
    world.client.write_all(&[7; 300_000]).await.unwrap();
    assert!(world.poll().await.is_pending());
    assert!(
        world.held() <= 4 * 300_100 + SCRATCH_BYTES,
        "{}",
        world.held()
    );
}

#[tokio::test]
async fn memory_of_all_is_counted_as_bytes_arrive_and_not_as_claimed() {
    let mut world = World::new();
    world.send(&(95_u32 << 20).to_be_bytes()).await;
    world.send(&[7; 100]).await;
    assert!(world.poll().await.is_pending());
    assert_eq!(world.counted(), FIRST_PIECE_BYTES);
    let mut arrived = 100;
    for _ in 0..40 {
        world.send(&[7; 250_000]).await;
        arrived += 250_000;
        assert!(world.poll().await.is_pending());
        let counted = world.counted();
        assert!(counted >= arrived && counted <= 2 * arrived + FIRST_PIECE_BYTES);
        assert!(counted <= arrived + STEP_BYTES_MAX, "{counted}");
    }
}

#[tokio::test]
async fn large_frames_that_together_exceed_all_memory_come_in_one_after_the_other() {
    const LENGTH: usize = 3 << 20;
    let shared = Arc::new(Shared {
        incoming: Pool::new(8 << 20, Flow::Incoming),
        ..Shared::new(Limits::default())
    });
    let mut worlds: Vec<World> = (0..20).map(|_| World::beside(&shared)).collect();
    let piece = vec![7; 100_000];
    let mut left = vec![LENGTH; worlds.len()];
    for world in &mut worlds {
        let length = u32::try_from(LENGTH).unwrap();
        world.send(&length.to_be_bytes()).await;
    }
    // All send a piece in turn, each as long as it is read.
    let mut waited = 0;
    let mut rounds = 0;
    while !worlds.is_empty() {
        rounds += 1;
        assert!(rounds < 10_000, "{} frames never come in", worlds.len());
        let mut index = 0;
        while index < worlds.len() {
            let world = &mut worlds[index];
            let size = left[index].min(piece.len());
            if size > 0 && world.reader.waits_since.is_none() {
                world.send(&piece[..size]).await;
                left[index] -= size;
            }
            match world.poll().await {
                Poll::Pending => index += 1,
                Poll::Ready(frame) => {
                    assert_eq!(frame.unwrap().bytes.len(), LENGTH);
                    worlds.remove(index);
                    left.remove(index);
                }
            }
        }
        let waiting = worlds
            .iter()
            .filter(|world| world.reader.waits_since.is_some());
        waited = waited.max(waiting.count());
    }
    assert!(waited > 10, "{waited}");
}

#[tokio::test]
async fn what_a_connection_has_sent_it_may_claim_at_once_and_no_more() {
    let mut world = World::new();
    for (whole, bound) in [
        (300_000, 300_000 + SCRATCH_BYTES),
        (5 << 20, TRUSTED_BYTES_MAX + SCRATCH_BYTES),
    ] {
        let length = u32::try_from(whole).unwrap();
        world.client.write_all(&length.to_be_bytes()).await.unwrap();
        let body = vec![7; whole];
        let mut frame = Poll::Pending;
        for piece in body.chunks(500_000) {
            world.client.write_all(piece).await.unwrap();
            frame = world.poll().await;
        }
        assert!(matches!(frame, Poll::Ready(Ok(frame)) if frame.bytes.len() == whole));
        world
            .client
            .write_all(&(100_i32 << 20).to_be_bytes())
            .await
            .unwrap();
        world.client.write_all(&[7; 100]).await.unwrap();
        assert!(world.poll().await.is_pending());
        assert!(world.held() <= bound, "{} after {whole}", world.held());
        assert!(world.held() >= whole.min(TRUSTED_BYTES_MAX));
        // The claim is not made good; another connection would be needed.
        let largest = world.reader.largest;
        world = World::new();
        world.reader.largest = largest;
    }
}

#[tokio::test]
async fn an_idle_reader_holds_no_memory() {
    let mut world = World::new();
    for size in [10_usize, 9_000, 200_000] {
        let length = u32::try_from(size).unwrap();
        world.client.write_all(&length.to_be_bytes()).await.unwrap();
        world.client.write_all(&vec![7; size]).await.unwrap();
        let Poll::Ready(Ok(frame)) = world.poll().await else {
            panic!("a whole frame was sent");
        };
        assert_eq!(frame.bytes, vec![7; size]);
        assert!(world.poll().await.is_pending());
        assert_eq!(world.held(), 0, "after {size} bytes");
    }
}

#[tokio::test]
async fn a_frame_waits_for_memory_and_gets_it() {
    let mut world = World::new();
    let mut all = Vec::new();
    let shared = Arc::clone(&world.shared);
    while let Reserved::Now(share) = {
        let other = shared.tenants.account(1);
        shared.incoming.reserve(&other, 30_000, 30_000)
    } {
        all.push(share);
    }
    world
        .client
        .write_all(&100_000_u32.to_be_bytes())
        .await
        .unwrap();
    world.client.write_all(&[7; 100_000]).await.unwrap();
    assert!(world.poll().await.is_pending());
    assert!(world.reader.waits_since.is_some());
    drop(all);
    assert!(matches!(world.poll().await, Poll::Ready(Ok(frame)) if frame.bytes.len() == 100_000));
}
