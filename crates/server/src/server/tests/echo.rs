//! A front end whose frames say what is to happen to them.
//!
//! | First byte | Then |
//! |---|---|
//! | `e` | the frame comes back at once |
//! | `l` | it comes back when the test opens the gate |
//! | `w` | a byte comes back when the test opens the gate |
//! | `g` | it is a large request: the name of its thread comes back when the test opens the gate |
//! | `h` | its thread is held until the test lets go |
//! | `n` | no reply is owed |
//! | `m` | it comes back, and the connection is muted for 50 ms |
//! | `b` | 256 KiB come back |
//! | `f` | it comes back, 256 KiB of a file behind it, and it again |
//! | `t` | the name of the thread comes back |
//! | `d` | it comes back and the connection ends |
//! | `c` | the connection ends |
//! | `p` | panic |

use std::{
    fs::File,
    io::Write,
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use model::{FileRange, LentFile, Now, Piece};
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::{Intake, LargeRequest, Reply, Session, Staged};

/// The largest frame taken.
pub(super) const FRAME_BYTES_MAX: usize = 1 << 20;
pub(super) const BIG_REPLY_BYTES: usize = 256 << 10;
pub(super) const MUTE: Duration = Duration::from_millis(50);

pub(super) struct Echo {
    /// Each permit lets one `l` go.
    pub(super) gate: Arc<Semaphore>,
    /// When each frame was dispatched.
    pub(super) dispatched: watch::Sender<Vec<Now>>,
    pub(super) in_flight: Arc<AtomicUsize>,
    pub(super) in_flight_peak: Arc<AtomicUsize>,
    pub(super) server_name: Mutex<Option<String>>,
    /// What an `h` waits for.
    pub(super) held: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    /// Every login is withdrawn.
    pub(super) withdrawn: AtomicBool,
}

impl Default for Echo {
    fn default() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            dispatched: watch::channel(Vec::new()).0,
            in_flight: Arc::default(),
            in_flight_peak: Arc::default(),
            server_name: Mutex::default(),
            held: Mutex::default(),
            withdrawn: AtomicBool::default(),
        }
    }
}

impl Echo {
    /// Waits until so many frames have been dispatched.
    pub(super) async fn dispatched(&self, count: usize) {
        let mut seen = self.dispatched.subscribe();
        drop(
            within(seen.wait_for(|frames| frames.len() >= count))
                .await
                .unwrap(),
        );
    }
}

/// The front end, as the server takes it.
pub(super) struct EchoFrontend(pub(super) Arc<Echo>);

impl Frontend for EchoFrontend {
    type Session = EchoSession;

    fn open(&self, peer: Peer) -> EchoSession {
        *self.0.server_name.lock().unwrap() = peer.tls_server_name;
        EchoSession(Arc::clone(&self.0))
    }
}

pub(super) struct EchoSession(Arc<Echo>);

impl Session for EchoSession {
    fn frame_length(&self, prefix: [u8; 4], _first: &[u8]) -> Result<Intake, String> {
        let length = usize::try_from(i32::from_be_bytes(prefix))
            .map_err(|_| "frame length is negative".to_owned())?;
        if length > FRAME_BYTES_MAX {
            return Err(format!("frame of {length} bytes exceeds the limit"));
        }
        Ok(Intake::Whole(length))
    }

    fn dispatch(&mut self, frame: Bytes, now: Now) -> Staged {
        self.0.dispatched.send_modify(|frames| frames.push(now));
        let reply = reply(frame.clone());
        match frame.first() {
            Some(b'l') => self.later(reply),
            Some(b'w') => self.later(self::reply(Bytes::from_static(b"w"))),
            Some(b'g') => self.large(),
            Some(b'h') => self.hold(),
            Some(b'n') => Staged::Silent,
            Some(b'm') => Staged::Ready(Reply {
                mute: MUTE,
                ..reply
            }),
            Some(b'b') => Staged::Ready(self::reply(Bytes::from(vec![b'b'; BIG_REPLY_BYTES]))),
            Some(b'f') => Staged::Ready(reply_with_file(&frame)),
            Some(b't') => Staged::Ready(self::reply(thread_name())),
            Some(b'd') => Staged::Ready(Reply {
                close: Some("asked to, after a reply".to_owned()),
                ..reply
            }),
            Some(b'c') => Staged::Close("asked to".to_owned()),
            Some(b'p') => panic!("asked to panic"),
            _ => Staged::Ready(reply),
        }
    }

    fn lapse(&self, _now: Instant) -> Option<String> {
        let withdrawn = self.0.withdrawn.load(Ordering::SeqCst);
        withdrawn.then(|| "after its key was withdrawn".to_owned())
    }

    fn describe(&self) -> String {
        "an echo".to_owned()
    }
}

impl EchoSession {
    fn hold(&self) -> Staged {
        let held = self.0.held.lock().unwrap().take();
        // The test lets go by dropping the other end.
        held.map(|held| held.recv());
        Staged::Silent
    }

    fn large(&self) -> Staged {
        let gate = Arc::clone(&self.0.gate);
        Staged::Large(LargeRequest(Box::new(move |_| {
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                reply(thread_name())
            })
        })))
    }

    fn later(&self, reply: Reply) -> Staged {
        let (gate, in_flight) = (Arc::clone(&self.0.gate), Arc::clone(&self.0.in_flight));
        let count = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.in_flight_peak.fetch_max(count, Ordering::SeqCst);
        Staged::Later(Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            in_flight.fetch_sub(1, Ordering::SeqCst);
            reply
        }))
    }
}

fn thread_name() -> Bytes {
    let thread = std::thread::current();
    Bytes::copy_from_slice(thread.name().unwrap_or_default().as_bytes())
}

fn reply(body: Bytes) -> Reply {
    let length = u32::try_from(body.len()).unwrap();
    let length = Bytes::copy_from_slice(&length.to_be_bytes());
    Reply {
        chunks: vec![length.into(), body.into()],
        ..Reply::default()
    }
}

/// What [`reply_with_file`] sends out of the file.
pub(super) fn in_file() -> Vec<u8> {
    let numbers = 0..u32::try_from(BIG_REPLY_BYTES / 4).unwrap();
    numbers.flat_map(u32::to_le_bytes).collect()
}

struct Temporary(File);

impl AsFd for Temporary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl LentFile for Temporary {}

fn reply_with_file(frame: &Bytes) -> Reply {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"not this").unwrap();
    file.write_all(&in_file()).unwrap();
    file.write_all(b"nor this").unwrap();
    let lent: Arc<dyn LentFile> = Arc::new(Temporary(file));
    // Two ranges, one after the other.
    let parts = [(8, 100), (108, BIG_REPLY_BYTES - 100)];
    let parts = parts.map(|(at, len)| Piece::File(FileRange::new(Arc::clone(&lent), at, len)));
    let length = u32::try_from(2 * frame.len() + BIG_REPLY_BYTES).unwrap();
    let mut chunks = vec![Bytes::copy_from_slice(&length.to_be_bytes()).into()];
    chunks.push(frame.clone().into());
    chunks.extend(parts);
    chunks.push(frame.clone().into());
    Reply {
        chunks,
        ..Reply::default()
    }
}
