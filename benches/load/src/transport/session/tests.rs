//! A session against rustls's own server, over memory and over a full socket.

use std::os::unix::net::UnixStream;

use bytes::Bytes;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};

use super::*;

/// The server and what is under way to the client: a socket that never blocks.
struct Peer {
    server: ServerConnection,
    /// What the client may read.
    offered: Vec<u8>,
    /// What the client sent, decrypted.
    received: Vec<u8>,
    /// Records that the client sent.
    records: usize,
    reads: usize,
}

impl Peer {
    /// Encrypts bytes for the client, which can't read them yet.
    fn encrypt(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.server.writer().write_all(bytes).unwrap();
        let mut encrypted = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut encrypted).unwrap();
        }
        encrypted
    }

    fn say(&mut self, bytes: &[u8]) {
        let encrypted = self.encrypt(bytes);
        self.offered.extend(encrypted);
    }
}

impl Read for Peer {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.offered.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = room.len().min(self.offered.len());
        let taken: Vec<u8> = self.offered.drain(..count).collect();
        room[..count].copy_from_slice(&taken);
        Ok(count)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.records += record_count(bytes);
        listen(&mut self.server, bytes, &mut self.received);
        while self.server.wants_write() {
            self.server.write_tls(&mut self.offered)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets the server decrypt.
fn listen(server: &mut ServerConnection, mut bytes: &[u8], received: &mut Vec<u8>) {
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).unwrap();
        server.process_new_packets().unwrap();
        let end = server.reader().read_to_end(received);
        assert_eq!(end.unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

/// Counts records by their headers; all are whole.
fn record_count(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
        count += 1;
    }
    count
}

fn pair_of(version: &'static SupportedProtocolVersion) -> (Session, Peer) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let CertifiedKey { cert, signing_key } = made;
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert([cert.der().clone()].into(), key)
        .unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    server.set_buffer_limit(None);
    let mut peer = Peer {
        server,
        offered: Vec::new(),
        received: Vec::new(),
        records: 0,
        reads: 0,
    };
    let name = ServerName::try_from("localhost").unwrap();
    let session = Session::open(Arc::new(client), name, &mut peer).unwrap();
    (session, peer)
}

fn pair() -> (Session, Peer) {
    pair_of(&TLS13)
}

/// Bytes with a period that no record's length is a multiple of.
fn sample(count: usize) -> Vec<u8> {
    (0..251).cycle().take(count).collect()
}

/// What is left to receive, with room for so much at a time.
fn receive_all(session: &mut Session, peer: &mut Peer, room_bytes: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut room = vec![0; room_bytes];
    loop {
        match session.receive(peer, &mut room) {
            Ok(count) => all.extend_from_slice(&room[..count]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                return all;
            }
        }
    }
}

fn outgoing(pieces: &[&[u8]]) -> Outgoing {
    let mut out = Outgoing::default();
    for piece in pieces {
        out.share(Bytes::copy_from_slice(piece));
    }
    out
}

#[test]
fn one_read_brings_many_records() {
    for version in [&TLS13, &TLS12] {
        let (mut session, mut peer) = pair_of(version);
        // The buffer grows to this size by being filled.
        peer.say(&sample(1 << 20));
        assert_eq!(receive_all(&mut session, &mut peer, 1 << 20).len(), 1 << 20);
        let sent = sample(100_000);
        peer.say(&sent);
        peer.reads = 0;
        let mut room = vec![0; 300_000];
        let count = session.receive(&mut peer, &mut room).unwrap();
        assert_eq!((count, peer.reads), (sent.len(), 1));
        assert!(room.starts_with(&sent));
    }
}

#[test]
fn what_finds_no_room_is_kept() {
    let (mut session, mut peer) = pair();
    let sent = sample(50_000);
    for room_bytes in [1, 4, 16_383, 16_384, 16_385, 50_000] {
        peer.say(&sent);
        assert_eq!(receive_all(&mut session, &mut peer, room_bytes), sent);
    }
    assert_eq!(session.receive(&mut peer, &mut []).unwrap(), 0);
}

#[test]
fn a_record_may_be_cut_anywhere() {
    let (mut session, mut peer) = pair();
    let sent = sample(40);
    // Header, content, its type, tag.
    let record_bytes = 5 + 40 + 1 + 16;
    let update_bytes = 5 + 5 + 1 + 16;
    for cut in 0..2 * record_bytes + update_bytes {
        let mut encrypted = peer.encrypt(&sent);
        peer.server.refresh_traffic_keys().unwrap();
        encrypted.extend(peer.encrypt(&sent));
        assert_eq!(encrypted.len(), 2 * record_bytes + update_bytes);
        let (front, back) = encrypted.split_at(cut);
        peer.offered.extend_from_slice(front);
        let mut all = receive_all(&mut session, &mut peer, 1000);
        assert_eq!(all.is_empty(), cut < record_bytes);
        peer.offered.extend_from_slice(back);
        all.extend(receive_all(&mut session, &mut peer, 1000));
        assert_eq!(all, sent.repeat(2));
    }
}

#[test]
fn a_key_update_amid_traffic_is_answered() {
    let (mut session, mut peer) = pair();
    let sent = sample(100_000);
    for round in 1..=3 {
        peer.say(&sent);
        peer.server.refresh_traffic_keys().unwrap();
        peer.say(&sent);
        let all = receive_all(&mut session, &mut peer, 30_000);
        assert_eq!(all, sent.repeat(2));
        // The server has changed keys by itself; it would not understand the old ones after the
        // answer, nor the new ones without it.
        peer.records = 0;
        let mut out = outgoing(&[b"question"]);
        session.send(&mut peer, &mut out).unwrap();
        assert_eq!(peer.received, b"question".repeat(round));
        assert_eq!(peer.records, 2);
    }
}

#[test]
fn a_large_write_passes_through_a_full_socket() {
    let (mut session, mut peer) = pair();
    let (mut near, mut far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let body = sample(3 << 20);
    let mut out = outgoing(&[b"head", &body, b"tail", &body]);
    let sent = [b"head", &body[..], b"tail", &body[..]].concat();
    let mut room = vec![0; 100_000];
    let mut waits = 0;
    while let Err(error) = session.send(&mut near, &mut out) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(session.outgoing.held().len() < OUTGOING_BYTES + 2 * RECORD_BYTES);
        waits += 1;
        let count = far.read(&mut room).unwrap();
        listen(&mut peer.server, &room[..count], &mut peer.received);
    }
    drop(near);
    loop {
        match far.read(&mut room).unwrap() {
            0 => break,
            count => listen(&mut peer.server, &room[..count], &mut peer.received),
        }
    }
    assert!(waits > 0);
    assert!(out.is_empty());
    assert!(peer.received == sent);
}

#[test]
fn small_pieces_share_a_record() {
    let (mut session, mut peer) = pair();
    let body = sample(2 * RECORD_BYTES);
    peer.records = 0;
    let mut out = outgoing(&[b"head", &body, b"tail", b"end"]);
    session.send(&mut peer, &mut out).unwrap();
    assert_eq!(
        peer.received,
        [b"head", &body[..], b"tail", b"end"].concat()
    );
    assert_eq!(peer.records, 3);
}

#[test]
fn what_comes_before_a_sending_is_not_lost() {
    let (mut session, mut peer) = pair();
    let sent = sample(60_000);
    peer.say(&sent);
    let mut prefix = [0; 4];
    assert_eq!(session.receive(&mut peer, &mut prefix).unwrap(), 4);
    let mut out = outgoing(&[b"question"]);
    session.send(&mut peer, &mut out).unwrap();
    assert_eq!(peer.received, b"question");
    let rest = receive_all(&mut session, &mut peer, 1000);
    assert_eq!([&prefix, &rest[..]].concat(), sent);
}

#[test]
fn the_end_comes_behind_the_last_bytes() {
    let (mut session, mut peer) = pair();
    let mut room = vec![0; 1000];
    peer.server.send_close_notify();
    peer.say(b"");
    let error = session.receive(&mut peer, &mut room).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);

    let (mut session, mut peer) = pair();
    peer.say(b"last words");
    peer.server.send_close_notify();
    peer.say(b"");
    assert_eq!(session.receive(&mut peer, &mut room).unwrap(), 10);
    for _ in 0..2 {
        let error = session.receive(&mut peer, &mut room).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn a_cut_connection_is_an_end_too() {
    let (mut session, mut peer) = pair();
    let encrypted = peer.encrypt(b"never whole");
    let mut cut = &encrypted[..10];
    let error = session.receive(&mut cut, &mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_forged_record_is_an_error() {
    let (mut session, mut peer) = pair();
    let mut encrypted = peer.encrypt(b"forged");
    *encrypted.last_mut().unwrap() ^= 1;
    peer.offered.extend(encrypted);
    let error = session.receive(&mut peer, &mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
}

#[test]
fn an_idle_connection_is_small() {
    let (mut session, mut peer) = pair();
    peer.say(b"welcome");
    receive_all(&mut session, &mut peer, 100);
    assert!(session.incoming.room(0).len() <= 2 * READ_BYTES_MIN);
    assert!(session.outgoing.room(0).len() <= READ_BYTES_MIN);
}
