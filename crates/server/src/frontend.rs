//! What a protocol gives the server: a limit for each frame, and staged replies.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use model::{Now, Piece};

use crate::{
    ListenerSettings,
    budget::{LargeMemory, Share},
};

/// A protocol, shared by all its connections.
pub trait Frontend: Send + Sync + 'static {
    type Session: Session;

    /// A new connection, before its first byte (and after its TLS handshake).
    fn open(&self, peer: Peer) -> Self::Session;
}

/// One connection as its protocol sees it.
pub trait Session: Send + 'static {
    /// Judges the next frame by its four-byte length prefix and as many of the following bytes as
    /// have arrived; gives the frame's length without the prefix, and what becomes of it. Called before anything is
    /// allocated for the frame: as soon as the prefix is there, and last when eight bytes more (or
    /// the whole of a shorter frame) are.
    ///
    /// # Errors
    /// Why the connection is closed instead.
    fn frame_length(&self, prefix: [u8; 4], first: &[u8]) -> Result<Intake, String>;

    /// Takes the next bytes of a frame that is not held.
    ///
    /// # Errors
    /// Why the connection is closed instead.
    fn skim(&mut self, bytes: &[u8]) -> Result<(), String> {
        let _unused = bytes;
        Err("frames are not read in part here".to_owned())
    }

    /// Answers the frame whose last bytes have been given to [`Session::skim`].
    fn dispatch_skimmed(&mut self, now: Now) -> Staged {
        let _unused = now;
        Staged::Silent
    }

    /// Takes a frame, without its prefix, to its first stage: whatever has an order has its place
    /// when this returns. Must not block.
    fn dispatch(&mut self, frame: Bytes, now: Now) -> Staged;

    /// How long the connection is not to be read from, on account of the frame dispatched last.
    fn take_pause(&mut self) -> Duration {
        Duration::ZERO
    }

    /// What the reply that begins next may hold in memory.
    fn allow_reply(&mut self, bytes: usize) {
        let _unused = bytes;
    }

    /// The number of whom the memory of this connection is counted to, as well as to itself.
    fn tenant(&self) -> u64 {
        0
    }

    /// Whether the client has yet to log in.
    fn awaits_login(&self) -> bool {
        false
    }

    /// When the login ends, where it does by itself.
    fn expires(&self) -> Option<Instant> {
        None
    }

    /// Why the login counts no more, if there was one. What is owed to it by then is never sent.
    fn lapse(&self, now: Instant) -> Option<String> {
        let _unused = now;
        None
    }

    /// Who is at the other end, for the log.
    fn describe(&self) -> String;
}

/// What becomes of a frame of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    Whole(usize),
    /// It is too large to be held: its bytes are given to [`Session::skim`] as they come.
    Skimmed(usize),
}

/// A reply that finishes in the background.
pub type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A request after its first stage.
pub enum Staged {
    Ready(Reply),
    /// Finishes in the background; its place among the replies is taken already. The request's
    /// memory is others' as soon as nobody holds its bytes.
    Later(ReplyFuture),
    /// As later, but it does nothing before it is polled, which is when the replies before it have been
    /// taken, and then holds no more memory than [`Session::allow_reply`] was told last.
    InTurn(ReplyFuture),
    /// As later, but the request's bytes were copied into a queue: its memory counts until the reply.
    Queued(ReplyFuture),
    /// Takes much memory or time: carried out on threads for such requests, in memory of the replies'
    /// pool. Nothing more is read from the connection until its reply is there.
    Large(LargeRequest),
    /// No reply is owed.
    Silent,
    /// The connection ends, for this reason, once the earlier replies are out.
    Close(String),
}

impl Staged {
    /// Whether the connection's end is certain by now.
    pub(crate) const fn decides(&self) -> bool {
        match self {
            Self::Ready(reply) => reply.close.is_some(),
            Self::Later(_) | Self::InTurn(_) | Self::Queued(_) | Self::Large(_) | Self::Silent => {
                false
            }
            Self::Close(_) => true,
        }
    }
}

/// What goes back, and what follows it.
#[derive(Debug, Default)]
pub struct Reply {
    /// The whole frame, its length prefix included. Chunks are written as they are, never joined.
    pub chunks: Vec<Piece>,
    /// The connection is not read for so long after this reply.
    pub mute: Duration,
    /// The connection ends after this reply, for this reason.
    pub close: Option<String>,
    /// What was taken for it before it was made, where it is large.
    pub(crate) memory: Option<Share>,
}

/// A large request that has yet to begin.
pub struct LargeRequest(pub(crate) LargeWork);

type LargeWork = Box<dyn FnOnce(LargeMemory) -> ReplyFuture + Send>;

/// What is known of a connection before its first byte.
#[derive(Clone, Debug)]
pub struct Peer {
    pub remote: SocketAddr,
    pub local: SocketAddr,
    pub listener: Arc<ListenerSettings>,
    /// The name that the client asked for in its TLS handshake.
    pub tls_server_name: Option<String>,
}
