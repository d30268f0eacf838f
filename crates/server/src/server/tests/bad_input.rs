//! Whatever comes instead of a client: it is closed, the log says why, the others go on.

use super::*;

/// The start of a TLS 1.3 client's first record.
const CLIENT_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

#[tokio::test]
async fn what_is_no_frame_is_closed_and_the_log_says_why() {
    let cases: [(&[u8], &str); 8] = [
        (
            CLIENT_HELLO,
            "the client speaks TLS on a listener without TLS",
        ),
        (b"GET / HTTP/1.1\r\n\r\n", "the client speaks HTTP"),
        (b"POST /topics HTTP/1.1\r\n", "the client speaks HTTP"),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "the client speaks HTTP",
        ),
        (b"\xff\xff\xff\xffgarbage", "frame length is negative"),
        (b"\x7f\xff\xff\xffgarbage", "exceeds the limit"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "exceeds the limit"),
        (b"\0\0\0\x01c", "asked to"),
    ];
    for (bytes, expected) in cases {
        let world = World::plain(short());
        let mut stream = world.connect().await;
        stream.write_all(bytes).await.unwrap();
        closed(&mut stream).await;
        // The server listens for a while to who does not hang up.
        drop(stream);
        world.log.wait_for(expected).await;
        world.assert_serves().await;
    }
}

#[tokio::test]
async fn http_in_the_middle_of_a_conversation_is_only_a_length_too_large() {
    let world = World::plain(short());
    let mut stream = world.connect().await;
    send(&mut stream, b"e").await;
    receive(&mut stream).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    closed(&mut stream).await;
    drop(stream);
    world.log.wait_for("exceeds the limit").await;
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let world = World::plain(Limits::default());
    for bytes in [
        &b""[..],
        b"\0\0",
        b"\0\0\0\x08lon",
        b"\0\0\0\x01l",
        b"\0\0\0\x01b",
    ] {
        let mut stream = world.connect().await;
        stream.write_all(bytes).await.unwrap();
        drop(stream);
    }
    world.assert_serves().await;
    let drained = within(world.running.shutdown(PATIENCE)).await;
    assert_eq!(drained.cut_count, 0);
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    let world = World::plain(Limits::default());
    let mut other = world.connect().await;
    send(&mut other, b"e").await;
    receive(&mut other).await;
    let mut stream = world.connect().await;
    send(&mut stream, b"p").await;
    closed(&mut stream).await;
    send(&mut other, b"e again").await;
    assert_eq!(receive(&mut other).await, b"e again");
    world.log.wait_for("a connection's task failed").await;
}
