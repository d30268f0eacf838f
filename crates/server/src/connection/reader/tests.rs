//! What a frame costs before it is there.

use std::future::poll_fn;

use model::Now;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{Limits, Reply, Staged, budget::Pool, clock};

/// Takes frames of any length; nothing here dispatches them.
struct Any;

impl Session for Any {
    fn frame_length(&self, prefix: [u8; 4], _first: &[u8]) -> Result<usize, String> {
        usize::try_from(i32::from_be_bytes(prefix)).map_err(|_| "negative".to_owned())
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
    shared: Shared,
}

impl World {
    fn new() -> Self {
        let (client, server) = duplex(1 << 20);
        Self {
            reader: Reader::default(),
            client,
            server,
            shared: Shared::new(Limits::default()),
        }
    }

    /// Polls once, with what has been sent.
    async fn poll(&mut self) -> Poll<Result<Frame, End>> {
        let Self {
            reader,
            server,
            shared,
            ..
        } = self;
        let now = clock::now().monotonic;
        poll_fn(|context| Poll::Ready(reader.poll_frame(context, server, &Any, shared, now))).await
    }

    /// Bytes of memory that the frame under way has taken.
    fn held(&self) -> usize {
        let body = match &self.reader.state {
            State::Body { body, .. } => body.capacity(),
            State::Head | State::Reserving { .. } => 0,
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
    world.shared.incoming = Pool::new(8 << 20);
    let Reserved::Now(all) = world.shared.incoming.reserve(usize::MAX) else {
        panic!("an empty pool gives all it has");
    };
    world
        .client
        .write_all(&100_000_u32.to_be_bytes())
        .await
        .unwrap();
    world.client.write_all(&[7; 100_000]).await.unwrap();
    assert!(world.poll().await.is_pending());
    assert!(world.reader.is_reserving());
    drop(all);
    assert!(matches!(world.poll().await, Poll::Ready(Ok(frame)) if frame.bytes.len() == 100_000));
}
