//! Order, limits, muting and the orderly end.

use std::sync::atomic::Ordering;

use super::{
    echo::{BIG_REPLY_BYTES, FRAME_BYTES_MAX, MUTE, in_file},
    *,
};

#[tokio::test]
async fn replies_keep_the_order_of_requests_while_later_ones_run() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    for body in [
        &b"l first"[..],
        b"e second",
        b"n none",
        b"l third",
        b"e fourth",
    ] {
        send(&mut stream, body).await;
    }
    // All were dispatched while the first one waits.
    world.echo.dispatched(5).await;
    world.echo.gate.add_permits(2);
    for body in [&b"l first"[..], b"e second", b"l third", b"e fourth"] {
        assert_eq!(receive(&mut stream).await, body);
    }
}

#[tokio::test]
async fn frames_of_every_size_and_split_come_back_whole() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    for size in [
        1,
        7,
        8,
        9,
        8187,
        8188,
        8189,
        65_536,
        65_537,
        300_000,
        FRAME_BYTES_MAX,
    ] {
        let body = vec![b'e'; size];
        send(&mut stream, &body).await;
        send(&mut stream, b"e after").await;
        assert!(receive(&mut stream).await == body, "{size}");
        assert_eq!(receive(&mut stream).await, b"e after");
    }
    for byte in [0, 0, 0, 3, b'e', b'x', b'y'] {
        stream.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(receive(&mut stream).await, b"exy");
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let world = World::plain(Limits {
        requests_in_flight_max: 10,
        ..Limits::default()
    });
    let mut stream = world.connect().await;
    for number in 0..100_u8 {
        send(&mut stream, &[b'l', number]).await;
    }
    world.echo.dispatched(10).await;
    world.echo.gate.add_permits(100);
    for number in 0..100_u8 {
        assert_eq!(receive(&mut stream).await, [b'l', number]);
    }
    assert_eq!(world.echo.in_flight_peak.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_muted_connection_is_not_read() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    send(&mut stream, b"m").await;
    send(&mut stream, b"e").await;
    receive(&mut stream).await;
    receive(&mut stream).await;
    let times = world.echo.dispatched.borrow().clone();
    let waited = times[1].monotonic.duration_since(times[0].monotonic);
    assert!(waited >= MUTE, "{waited:?}");
}

#[tokio::test]
async fn a_last_reply_arrives_though_more_was_sent() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    send(&mut stream, b"l before").await;
    send(&mut stream, b"d last").await;
    for _ in 0..100 {
        send(&mut stream, &vec![b'e'; 10_000]).await;
    }
    world.echo.dispatched(2).await;
    world.echo.gate.add_permits(1);
    assert_eq!(receive(&mut stream).await, b"l before");
    assert_eq!(receive(&mut stream).await, b"d last");
    stream.shutdown().await.unwrap();
    closed(&mut stream).await;
    world.log.wait_for("asked to, after a reply").await;
}

#[tokio::test]
async fn nothing_is_taken_after_a_request_that_ends_the_connection() {
    for last in [&b"c"[..], b"d"] {
        let world = World::plain(Limits::default());
        let mut stream = world.connect().await;
        send(&mut stream, b"l").await;
        send(&mut stream, last).await;
        send(&mut stream, b"e").await;
        world.echo.dispatched(2).await;
        world.echo.gate.add_permits(1);
        assert_eq!(receive(&mut stream).await, b"l");
        world.log.wait_for("connection closed: asked to").await;
        assert_eq!(world.echo.dispatched.borrow().len(), 2);
    }
}

#[tokio::test]
async fn memory_for_frames_is_shared_and_comes_back() {
    // Room for one large frame at a time.
    let world = World::plain(Limits {
        incoming_bytes_max: FRAME_BYTES_MAX,
        outgoing_bytes_max: FRAME_BYTES_MAX,
        ..Limits::default()
    });
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = world.connect().await;
        let body = vec![b'e'; FRAME_BYTES_MAX / 2];
        let sending = tokio::spawn(async move {
            send(&mut stream, &body).await;
            stream
        });
        streams.push(sending);
    }
    for stream in streams {
        let mut stream = within(stream).await.unwrap();
        assert_eq!(receive(&mut stream).await.len(), FRAME_BYTES_MAX / 2);
    }
}

#[tokio::test]
async fn requests_that_wait_without_their_frames_keep_no_memory_from_others() {
    let world = World::plain(Limits {
        incoming_bytes_max: FRAME_BYTES_MAX,
        ..Limits::default()
    });
    let mut waiting = world.connect().await;
    let large = vec![b'w'; FRAME_BYTES_MAX / 2];
    for _ in 0..3 {
        send(&mut waiting, &large).await;
    }
    world.echo.dispatched(3).await;
    world.assert_serves().await;
    // Who waits with what it holds does.
    let mut holding = world.connect().await;
    send(&mut holding, &vec![b'l'; FRAME_BYTES_MAX / 2]).await;
    world.echo.dispatched(5).await;
    let mut late = world.connect().await;
    send(&mut late, &large).await;
    // Much later than it would take.
    for _ in 0..20 {
        world.assert_serves().await;
    }
    assert_eq!(world.echo.dispatched.borrow().len(), 25, "it has no room");
    world.echo.gate.add_permits(5);
    for _ in 0..3 {
        assert_eq!(receive(&mut waiting).await, b"w");
    }
    assert_eq!(receive(&mut holding).await.len(), FRAME_BYTES_MAX / 2);
    assert_eq!(receive(&mut late).await, b"w");
}

#[tokio::test]
async fn slow_readers_hold_up_neither_producers_nor_each_other_for_ever() {
    let world = World::plain(Limits {
        outgoing_bytes_max: 4 * BIG_REPLY_BYTES,
        outgoing_bytes_per_connection_max: 2 * BIG_REPLY_BYTES,
        ..short()
    });
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = world.connect().await;
        // Far more replies than the sockets' own buffers take.
        for _ in 0..100 {
            send(&mut stream, b"b").await;
        }
        slow.push(stream);
    }
    world.assert_serves().await;
    world.log.wait_for("took in nothing for").await;
    // One that reads gets all of it, when the others are gone.
    let mut reader = world.connect().await;
    for _ in 0..20 {
        send(&mut reader, b"b").await;
        assert_eq!(receive(&mut reader).await.len(), BIG_REPLY_BYTES);
    }
    drop(slow);
}

#[tokio::test]
async fn places_are_limited_and_come_back() {
    let world = World::plain(Limits {
        connection_count_max: 2,
        ..Limits::default()
    });
    let mut first = world.connect().await;
    let mut second = world.connect().await;
    for stream in [&mut first, &mut second] {
        send(stream, b"e").await;
        receive(stream).await;
    }
    closed(&mut world.connect().await).await;
    world.log.wait_for("all 2 connections are taken").await;
    let text = world.metrics.scrape();
    for line in [
        "tidegate_active_connections{listener=\"main\"} 2",
        "tidegate_connections_refused_total{listener=\"main\"} 1",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
    drop(first);
    world.log.wait_for("the client closed it").await;
    world.assert_serves().await;
}

#[tokio::test]
async fn shutdown_lets_requests_in_flight_end() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    let mut idle = world.connect().await;
    send(&mut stream, b"l").await;
    world.echo.dispatched(1).await;
    let shutdown = tokio::spawn(world.running.shutdown(PATIENCE));
    closed(&mut idle).await;
    assert!(TcpStream::connect(world.address).await.is_err());
    world.echo.gate.add_permits(1);
    assert_eq!(receive(&mut stream).await, b"l");
    closed(&mut stream).await;
    drop((stream, idle));
    assert_eq!(within(shutdown).await.unwrap().cut_count, 0);
}

#[tokio::test]
async fn shutdown_cuts_off_what_does_not_end_in_time() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    send(&mut stream, b"l").await;
    world.echo.dispatched(1).await;
    let drained = within(world.running.shutdown(Duration::from_millis(50))).await;
    assert_eq!(drained.cut_count, 1);
    closed(&mut stream).await;
}

#[tokio::test]
async fn requests_that_wait_end_at_once_with_a_login_that_is_withdrawn() {
    let world = World::plain(Limits::default());
    let mut waiting = world.connect().await;
    send(&mut waiting, b"l").await;
    let mut idle = world.connect().await;
    send(&mut idle, b"e").await;
    receive(&mut idle).await;
    world.echo.dispatched(2).await;
    world.echo.withdrawn.store(true, Ordering::SeqCst);
    world.running.recheck_logins();
    closed(&mut waiting).await;
    drop(waiting);
    let reason = "what was owed is not sent after its key was withdrawn";
    world.log.wait_for(reason).await;
    // Whoever waits for nothing is told at its next request.
    send(&mut idle, b"e").await;
    assert_eq!(receive(&mut idle).await, b"e");
}

#[tokio::test]
async fn what_lies_in_a_file_is_sent_in_its_place_among_the_rest() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    gets_files_in_their_places(&mut stream).await;
    world.assert_serves().await;
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_of_a_file() {
    let world = World::plain(Limits::default());
    let mut stream = world.connect().await;
    gets_a_file_slowly(&mut stream).await;
}

pub(super) async fn gets_files_in_their_places<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I) {
    let expected = [b"f1", in_file().as_slice(), b"f1"].concat();
    // The second waits behind the first, which is larger than what the socket takes at once.
    for _ in 0..20 {
        send(stream, b"f1").await;
    }
    for _ in 0..20 {
        assert!(receive(stream).await == expected);
    }
}

pub(super) async fn gets_a_file_slowly<I: AsyncRead + AsyncWrite + Unpin>(stream: &mut I) {
    send(stream, b"f").await;
    let mut got = vec![0; 4 + 2 + BIG_REPLY_BYTES];
    for piece in got.chunks_mut(10_007) {
        within(stream.read_exact(piece)).await.unwrap();
    }
    assert!(got.get(5..got.len() - 1) == Some(in_file().as_slice()));
}
