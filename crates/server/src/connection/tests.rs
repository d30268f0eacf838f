//! Deadlines, in time that only moves when everybody waits.

mod limits;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use model::Now;
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinHandle,
    time::{advance, sleep},
};

use super::*;
use crate::Intake;

impl Stream for DuplexStream {}

/// What fits between the two ends.
const PIPE_BYTES: usize = 4096;
const LOGIN: &[u8] = b"\0\0\0\x01i";
const ECHO: &[u8] = b"\0\0\0\x01e";

/// Answers `e` at once, `l` after an hour, `r` in its turn with as much as it may, `b` with more than the pipe takes; `i` logs in, and what
/// was to expire does so no more.
#[derive(Default)]
struct Script {
    awaits_login: bool,
    expires: Option<Instant>,
    /// What each reply that has begun to be read for was allowed.
    begun: Arc<Mutex<Vec<usize>>>,
    allowed: Arc<AtomicUsize>,
    skimmed_bytes: usize,
}

/// Larger frames are not held.
const HELD_BYTES_MAX: usize = 300 << 20;

impl Session for Script {
    fn frame_length(&self, prefix: [u8; 4], _first: &[u8]) -> Result<Intake, String> {
        let length = usize::try_from(i32::from_be_bytes(prefix));
        let intake = length.map(|length| match length {
            ..HELD_BYTES_MAX => Intake::Whole(length),
            _ => Intake::Skimmed(length),
        });
        intake.map_err(|_| "negative".to_owned())
    }

    fn skim(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.skimmed_bytes += bytes.len();
        if bytes.contains(&b'!') {
            return Err("not that".to_owned());
        }
        Ok(())
    }

    fn dispatch_skimmed(&mut self, _now: Now) -> Staged {
        let count = std::mem::take(&mut self.skimmed_bytes);
        Staged::Ready(Reply {
            chunks: vec![Bytes::from(count.to_string()).into()],
            ..Reply::default()
        })
    }

    fn dispatch(&mut self, frame: Bytes, _now: Now) -> Staged {
        let reply = |body: Bytes| Reply {
            chunks: vec![body.into()],
            ..Reply::default()
        };
        match frame.first() {
            Some(b'l') => Staged::Later(Box::pin(async move {
                sleep(Duration::from_hours(1)).await;
                reply(frame)
            })),
            Some(b'b') => Staged::Ready(reply(Bytes::from(vec![b'b'; 4 * PIPE_BYTES]))),
            Some(b'r') => {
                let (begun, allowed) = (Arc::clone(&self.begun), Arc::clone(&self.allowed));
                Staged::InTurn(Box::pin(async move {
                    let allowed = allowed.load(Ordering::SeqCst);
                    begun.lock().unwrap().push(allowed);
                    reply(Bytes::from(vec![b'r'; allowed]))
                }))
            }
            Some(b'i') => {
                self.awaits_login = false;
                self.expires = None;
                Staged::Ready(reply(frame))
            }
            _ => Staged::Ready(reply(frame)),
        }
    }

    fn awaits_login(&self) -> bool {
        self.awaits_login
    }

    fn allow_reply(&mut self, bytes: usize) {
        self.allowed.store(bytes, Ordering::SeqCst);
    }

    fn expires(&self) -> Option<Instant> {
        self.expires
    }

    fn lapse(&self, now: Instant) -> Option<String> {
        let lapsed = self.expires.is_some_and(|expires| expires <= now);
        lapsed.then(|| "after its end".to_owned())
    }

    fn describe(&self) -> String {
        String::new()
    }
}

fn awaiting_login() -> Script {
    Script {
        awaits_login: true,
        ..Script::default()
    }
}

/// A client and the connection at its other end.
struct World {
    client: DuplexStream,
    serving: JoinHandle<(End, Duration)>,
    shared: Arc<Shared>,
}

impl World {
    fn new() -> Self {
        Self::with(Script::default())
    }

    /// With a login that ends after so many seconds.
    fn expiring(seconds: u64) -> Self {
        Self::with(Script {
            expires: Some(clock::now().monotonic + Duration::from_secs(seconds)),
            ..Script::default()
        })
    }

    fn with(script: Script) -> Self {
        Self::limited(script, Limits::default())
    }

    fn limited(script: Script, limits: Limits) -> Self {
        let (client, io) = duplex(PIPE_BYTES);
        let shared = Arc::new(Shared::new(limits));
        let opened = clock::now().monotonic;
        let mut connection = Connection::new(io, script, Arc::clone(&shared), opened);
        let serving = tokio::spawn(async move {
            let end = connection.run().await;
            (end, clock::now().monotonic - opened)
        });
        Self {
            client,
            serving,
            shared,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    /// Sends and takes the reply of one byte.
    async fn call(&mut self, frame: &[u8]) {
        self.send(frame).await;
        self.client.read_u8().await.unwrap();
    }

    /// How the connection ended, and how many seconds after its beginning.
    async fn end(self) -> (String, u64) {
        let (end, after) = self.serving.await.unwrap();
        (end.to_string(), after.as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn silent_and_half_open_connections_are_closed() {
    let stalled = ("a frame made no progress for 30s", 30);
    let cases: [(&[u8], (&str, u64)); 5] = [
        (b"", ("nothing came for 600s", 600)),
        (b"\0\0", stalled),
        (b"\0\0\0\x04", stalled),
        (b"\0\0\0\x04ab", stalled),
        // The length claims what never comes.
        (b"\0\x0f\xff\xff12345678", stalled),
    ];
    for (bytes, (reason, seconds)) in cases {
        let mut world = World::new();
        world.send(bytes).await;
        assert_eq!(world.end().await, (reason.to_owned(), seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn idle_time_counts_from_the_last_frame() {
    let mut world = World::new();
    advance(Duration::from_secs(500)).await;
    world.call(ECHO).await;
    assert_eq!(
        world.end().await,
        ("nothing came for 600s".to_owned(), 1100)
    );
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_only_trickles_is_closed() {
    let World {
        mut client,
        serving,
        ..
    } = World::new();
    client.write_all(b"\0\x0f\xff\xff").await.unwrap();
    let trickle = async {
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(20)).await;
        }
    };
    let ((), ended) = tokio::join!(trickle, serving);
    let (end, after) = ended.unwrap();
    assert!(end.to_string().contains("less than 4096 bytes a second"));
    assert_eq!(after.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_frame_on_a_slow_link_comes_in_as_long_as_it_keeps_its_pace() {
    let mut world = World::new();
    let mut frame = (1_u32 << 20).to_be_bytes().to_vec();
    frame.resize(4 + (1 << 20), b'x');
    for piece in frame.chunks(8 << 10) {
        world.send(piece).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.client.read_u8().await.unwrap(), b'x');
    drop(world.client);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_begins_quickly_and_then_trickles_is_closed() {
    let World {
        mut client,
        serving,
        ..
    } = World::new();
    client.write_all(b"\x0f\xff\xff\xff").await.unwrap();
    client.write_all(&vec![b'x'; 5 << 20]).await.unwrap();
    let trickle = async {
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(8)).await;
        }
    };
    let ((), ended) = tokio::join!(trickle, serving);
    let (end, after) = ended.unwrap();
    assert!(end.to_string().contains("less than 4096 bytes a second"));
    assert!(after.as_secs() <= 60, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_replies_in_drop_by_drop_is_closed() {
    let World {
        mut client,
        serving,
        ..
    } = World::new();
    client.write_all(b"\0\0\0\x01b").await.unwrap();
    let trickle = async move {
        while client.read_u8().await.is_ok() {
            sleep(Duration::from_secs(8)).await;
        }
    };
    let trickle = tokio::spawn(trickle);
    let (end, after) = serving.await.unwrap();
    trickle.abort();
    assert!(
        end.to_string().contains("less than 4096 bytes a second"),
        "{end}"
    );
    assert!((60..=65).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_memory_in_vain_is_closed_with_the_reason() {
    let mut world = World::new();
    let shared = Arc::clone(&world.shared);
    // Whole requests, which nobody ends: none of them waits for another.
    let mut held = Vec::new();
    while let Reserved::Now(share) = {
        let other = shared.tenants.account(0);
        shared.incoming.reserve(&other, 1 << 20, 1 << 20)
    } {
        held.push(share);
    }
    while let Reserved::Now(share) = {
        let other = shared.tenants.account(0);
        shared.incoming.reserve(&other, 1 << 10, 1 << 20)
    } {
        held.push(share);
    }
    world
        .send(&[&(1_u32 << 20).to_be_bytes()[..], b"more than a head"].concat())
        .await;
    let (reason, after) = world.end().await;
    assert!(reason.contains("memory was short for 30s"), "{reason}");
    assert_eq!(after, 30);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_its_reply_is_not_idle() {
    let mut world = World::new();
    world.call(b"\0\0\0\x01l").await;
    assert_eq!(
        world.end().await,
        ("nothing came for 600s".to_owned(), 3600 + 600)
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_in_nothing_is_closed() {
    let mut world = World::new();
    world.send(b"\0\0\0\x01b").await;
    assert_eq!(
        world.end().await,
        (
            "the client took in nothing for 60s while replies waited for it".to_owned(),
            60
        )
    );
}

#[tokio::test(start_paused = true)]
async fn who_never_logs_in_is_closed_however_much_it_says() {
    let awaiting = || World::with(awaiting_login());
    let expected = ("no login within 30s of connecting".to_owned(), 30);
    assert_eq!(awaiting().end().await, expected, "silent");

    let mut half_open = awaiting();
    sleep(Duration::from_secs(20)).await;
    half_open.send(b"\0\0").await;
    assert_eq!(half_open.end().await, expected, "in a frame");

    let mut talkative = awaiting();
    let talk = async {
        loop {
            talkative.client.write_all(ECHO).await.unwrap();
            if talkative.client.read_u8().await.is_err() {
                return;
            }
            sleep(Duration::from_secs(7)).await;
        }
    };
    let ended = tokio::select! {
        () = talk => panic!("hung up before its end"),
        ended = talkative.serving => ended.unwrap(),
    };
    assert_eq!((ended.0.to_string(), ended.1.as_secs()), expected);
}

#[tokio::test(start_paused = true)]
async fn who_logs_in_in_time_may_be_silent_for_the_idle_time() {
    let mut world = World::with(awaiting_login());
    sleep(Duration::from_secs(29)).await;
    world.call(LOGIN).await;
    assert_eq!(world.end().await, ("nothing came for 600s".to_owned(), 629));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_tls_handshake_counts_towards_the_login() {
    let opened = clock::now().monotonic;
    sleep(Duration::from_secs(9)).await;
    let (_client, io) = duplex(PIPE_BYTES);
    let limits = Limits::default();
    let shared = Arc::new(Shared::new(limits));
    let script = awaiting_login();
    let end = Connection::new(io, script, shared, opened).run().await;
    assert!(matches!(end, End::LoginTooSlow(_)), "{end}");
    assert_eq!(clock::now().monotonic - opened, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_the_login_ends_gets_nothing_more() {
    let lapsed = ("what was owed is not sent after its end".to_owned(), 50);
    let mut waiting = World::expiring(50);
    waiting.send(b"\0\0\0\x01l\0\0\0\x01e").await;
    assert_eq!(waiting.end().await, lapsed, "for a reply");

    let mut reading = World::expiring(50);
    reading.send(b"\0\0\0\x01b").await;
    sleep(Duration::from_secs(49)).await;
    // Something was taken in just now, so nothing stalls.
    assert_eq!(reading.client.read_u8().await.unwrap(), b'b');
    assert_eq!(reading.end().await, lapsed, "for the rest of a reply");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_nothing_when_the_login_ends_may_begin_a_new_one() {
    let mut world = World::expiring(50);
    world.call(ECHO).await;
    sleep(Duration::from_secs(100)).await;
    world.call(LOGIN).await;
    world.call(b"\0\0\0\x01l").await;
    assert_eq!(
        world.end().await,
        ("nothing came for 600s".to_owned(), 100 + 3600 + 600)
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_login_before_the_old_ones_end_keeps_what_waits() {
    let mut world = World::expiring(50);
    world.send(b"\0\0\0\x01l").await;
    sleep(Duration::from_secs(40)).await;
    world.send(LOGIN).await;
    assert_eq!(world.client.read_u8().await.unwrap(), b'l');
    assert_eq!(world.client.read_u8().await.unwrap(), b'i');
    assert_eq!(world.end().await.1, 3600 + 600);
}

#[tokio::test(start_paused = true)]
async fn replies_are_read_for_when_those_before_them_have_been_taken() {
    const READ: &[u8] = b"\0\0\0\x01r";
    let script = Script::default();
    let begun = Arc::clone(&script.begun);
    let mut world = World::with(script);
    let window = 1 << 20;
    world.send(&READ.repeat(20)).await;
    sleep(Duration::from_secs(10)).await;
    // The pipe has taken a little of the first.
    assert_eq!(*begun.lock().unwrap(), [window; 2], "nothing was taken");

    // Others are worked on meanwhile, and the order stays.
    world.send(ECHO).await;
    let mut taken = vec![0; 20 * window];
    world.client.read_exact(&mut taken).await.unwrap();
    assert!(taken.iter().all(|&byte| byte == b'r'));
    assert_eq!(world.client.read_u8().await.unwrap(), b'e');
    assert_eq!(*begun.lock().unwrap(), [window; 20]);

    // A client that has taken all of a reply gets twice as much.
    // The last reply, of one byte, does not tell.
    for times in [1, 2, 4, 8] {
        world.send(READ).await;
        let mut taken = vec![0; times * window];
        world.client.read_exact(&mut taken).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_not_held_is_given_away_as_it_comes_and_the_next_one_is_served() {
    let mut world = World::new();
    world.call(ECHO).await;
    world
        .send(&u32::try_from(HELD_BYTES_MAX).unwrap().to_be_bytes())
        .await;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..HELD_BYTES_MAX >> 20 {
        world.send(&piece).await;
    }
    world.send(ECHO).await;
    let mut reply = [0; 10];
    world.client.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, format!("{HELD_BYTES_MAX}e").as_bytes());

    world
        .send(&u32::try_from(HELD_BYTES_MAX).unwrap().to_be_bytes())
        .await;
    world.send(b"twelve bytes and then! some").await;
    assert_eq!(world.end().await.0, "not that");
}
