//! One connection's state, and the face that `server` drives: a limit for the next frame, and
//! frames to staged replies.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hub::{Clock, Hub, access::Lapse};
use model::{NamespaceName, Now, Piece};
use wire::{
    api::ApiKey,
    frame::{self, FrameError, FrameLimits, RequestFrame},
    skim::ProduceSkim,
};

use crate::{
    address::{Advertised, Endpoint},
    fetch_session::FetchSessions,
    large::{LargeRequest, ReplyShare},
    login::Login,
    spine,
};

/// What every connection of the Kafka front end shares.
pub struct Kafka {
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: KafkaLimits,
    pub(crate) fetch_sessions: FetchSessions,
}

/// The front end's limits; each is a setting of the operator.
#[derive(Clone, Copy, Debug)]
pub struct KafkaLimits {
    pub frames: FrameLimits,
    /// Incremental fetch sessions over all connections (KIP-227).
    pub fetch_session_count_max: usize,
    /// Partitions over all fetch sessions together.
    pub fetch_session_partition_count_max: usize,
    /// Memory that making one reply may take, a fetch's records apart.
    pub reply_bytes_max: usize,
    /// Who hears why a login was refused.
    pub login_reasons: LoginReasons,
}

/// Who hears of a refused login whether it was the namespace, the policy or the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReasons {
    /// The log.
    Logged,
    /// The log, and callers on the broker's own machine.
    ToldOnLoopback,
}

impl Default for KafkaLimits {
    fn default() -> Self {
        Self {
            frames: FrameLimits::default(),
            fetch_session_count_max: 1_000,
            fetch_session_partition_count_max: 200_000,
            reply_bytes_max: 256 << 20,
            login_reasons: LoginReasons::Logged,
        }
    }
}

/// What is known about a connection before its first byte.
#[derive(Clone, Debug)]
pub struct Peer {
    pub remote: SocketAddr,
    pub local: SocketAddr,
    /// The listener's name, for the log.
    pub listener: String,
    /// The namespace the listener falls back to.
    pub namespace: Option<NamespaceName>,
    pub advertised: Option<Advertised>,
    pub tls_server_name: Option<String>,
    pub sasl_required: bool,
}

/// What becomes of a frame of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    Whole(usize),
    /// A Produce request that is too large to be held: its bytes are given to [`Session::skim`], and it
    /// is answered with errors.
    Skimmed(usize),
}

/// A request after its first stage.
pub enum Staged {
    Ready(Reply),
    /// Finishes in the background; its place among the connection's replies is taken already.
    Later(BoxFuture<'static, Reply>),
    /// As later, but it does nothing before it is polled, and then holds no more memory than
    /// [`Session::allow_reply`] was told last.
    InTurn(BoxFuture<'static, Reply>),
    /// As later, but the request's bytes were copied into the log's queue: its memory counts until the
    /// reply.
    Queued(BoxFuture<'static, Reply>),
    /// Takes much memory or time: to be carried out elsewhere, and nothing more is read from the
    /// connection until its reply is there.
    Large(LargeRequest),
    /// The client expects no reply and none is owed.
    Silent,
    /// The connection ends without a reply to this request, for this reason.
    Close(String),
}

/// A complete frame, its length prefix included, and what follows it.
#[derive(Debug, Default)]
pub struct Reply {
    /// Empty where the client expects no reply.
    pub chunks: Vec<Piece>,
    /// How long the connection is not read from once the reply has been sent (KIP-219).
    pub mute: Duration,
    /// Why the connection ends once the reply has been sent, if it does.
    pub close: Option<String>,
    /// What was taken for it before it was made, where it is large; at least what its chunks take.
    pub memory: Option<ReplyShare>,
}

impl Reply {
    /// Whether there is nothing to send and nothing to do.
    pub(crate) fn is_void(&self) -> bool {
        self.chunks.is_empty() && self.mute.is_zero() && self.close.is_none()
    }

    /// No bytes, but the end of the connection.
    pub(crate) fn closing(reason: String) -> Self {
        Self {
            close: Some(reason),
            ..Self::default()
        }
    }
}

impl Kafka {
    /// A front end over `hub`; `clock` holds back the replies that must leave late.
    #[must_use]
    pub fn new(hub: Arc<Hub>, clock: Arc<dyn Clock>, limits: KafkaLimits) -> Arc<Self> {
        let sessions = FetchSessions::new(
            limits.fetch_session_count_max,
            limits.fetch_session_partition_count_max,
        );
        Arc::new(Self {
            hub,
            clock,
            limits,
            fetch_sessions: sessions,
        })
    }
}

/// One connection, from its first frame to its end.
pub struct Session {
    state: SessionState,
    /// What is known of the request that is not held, and how much of it has come.
    skim: Option<Box<(ProduceSkim, usize)>>,
}

/// What the spine and the handlers see of a connection.
pub(crate) struct SessionState {
    pub(crate) kafka: Arc<Kafka>,
    pub(crate) peer: Peer,
    pub(crate) login: Login,
    pub(crate) software: Option<Software>,
    /// As the first request with one said it, shortened for the log.
    client_id: Option<String>,
    /// What [`Session::take_pause`] gives.
    pub(crate) pause: Duration,
    /// What a reply that is read for may hold in memory when it begins.
    pub(crate) reply_bytes_max: Arc<AtomicUsize>,
}

/// What a client says it is (ApiVersions 3 and later).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Software {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Session {
    #[must_use]
    pub fn new(kafka: &Arc<Kafka>, peer: Peer) -> Self {
        let login = Login::start(&kafka.hub, &peer);
        Self {
            state: SessionState {
                kafka: Arc::clone(kafka),
                peer,
                login,
                software: None,
                client_id: None,
                pause: Duration::ZERO,
                reply_bytes_max: Arc::new(AtomicUsize::new(usize::MAX)),
            },
            skim: None,
        }
    }

    /// Judges the next frame by its length prefix and, once they have arrived, its first bytes
    /// (two suffice); gives the frame's length and what becomes of it. To be asked before anything is
    /// allocated for it, and again when the first bytes are there.
    ///
    /// Large frames are for callers who may send: nobody else has use for them.
    ///
    /// # Errors
    /// The frame is too long for what it is: the connection ends.
    pub fn frame_length(&self, prefix: [u8; 4], first: &[u8]) -> Result<Intake, FrameError> {
        let frames = &self.state.kafka.limits.frames;
        let login = &self.state.login;
        let within = |limit| frame::frame_length(prefix, limit).map(Intake::Whole);
        let Some(access) = login.access().filter(|_| !login.expects_raw_token()) else {
            return within(frames.before_login_bytes_max);
        };
        let Some(key) = first.first_chunk::<2>() else {
            return within(frames.largest().max(frames.skimmed_bytes_max()));
        };
        let key = i16::from_be_bytes(*key);
        let limit = frames.limit(frame::Login::Done, key);
        if key != ApiKey::Produce.code() {
            return within(limit);
        }
        let bytes = frame::frame_length(prefix, frames.skimmed_bytes_max())?;
        let is_small = bytes <= frames.before_login_bytes_max;
        if bytes <= limit && (is_small || access.may_send()) {
            return Ok(Intake::Whole(bytes));
        }
        Ok(Intake::Skimmed(bytes))
    }

    /// Takes the next bytes of a frame that is not held.
    ///
    /// # Errors
    /// Why it can't be answered: the connection ends.
    pub fn skim(&mut self, bytes: &[u8]) -> Result<(), String> {
        let (skim, count) = &mut **self.skim.get_or_insert_default();
        *count += bytes.len();
        let fed = skim.feed(bytes);
        fed.map_err(|error| format!("{error}, from {}", self.state.client_name()))
    }

    /// Answers the frame whose last bytes have been given to [`Self::skim`].
    pub fn dispatch_skimmed(&mut self, now: Now) -> Staged {
        let (skim, bytes) = *self.skim.take().unwrap_or_default();
        match skim.finish() {
            Ok(request) => spine::refuse_too_large(&mut self.state, request, bytes, now),
            Err(error) => Staged::Close(format!("{error}, from {}", self.state.client_name())),
        }
    }

    /// Takes one frame, its length prefix taken off, to its first stage: whatever has an order
    /// (a place in a log, a command to a group) has its place when this returns. Never blocks.
    pub fn dispatch(&mut self, frame: Bytes, now: Now) -> Staged {
        spine::carry(&mut self.state, frame, now)
    }

    /// How long the connection is not to be read from, on account of the frame dispatched last:
    /// what is known of its throttling before its reply. Asked once after each frame.
    pub fn take_pause(&mut self) -> Duration {
        std::mem::take(&mut self.state.pause)
    }

    /// What the reply that begins next may hold in memory.
    pub fn allow_reply(&mut self, bytes: usize) {
        self.state.reply_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// The number of the caller's namespace; 0 before the login.
    #[must_use]
    pub fn tenant(&self) -> u64 {
        let access = self.state.login.access();
        access.map_or(0, |access| u64::from(access.namespace_id().0) + 1)
    }

    /// Whether the listener asks for a login and none has succeeded yet.
    #[must_use]
    pub fn awaits_login(&self) -> bool {
        self.state.peer.sasl_required && self.state.login.access().is_none()
    }

    /// When the login ends by itself: with its token.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.state.login.creditor()?.expires()
    }

    /// Why the login counts no more, if there was one.
    #[must_use]
    pub fn lapse(&self, now: Instant) -> Option<Lapse> {
        self.state.login.creditor()?.lapse(now)
    }

    /// Who is at the other end, for the log.
    #[must_use]
    pub fn describe(&self) -> String {
        self.state.client_name()
    }
}

impl SessionState {
    /// As much of it as a caller's request needs that is carried out elsewhere.
    pub(crate) fn of_caller(&self, access: &hub::Access) -> Self {
        Self {
            kafka: Arc::clone(&self.kafka),
            peer: self.peer.clone(),
            login: Login::of(access),
            software: self.software.clone(),
            client_id: self.client_id.clone(),
            pause: Duration::ZERO,
            reply_bytes_max: Arc::clone(&self.reply_bytes_max),
        }
    }

    /// Keeps the name that the client goes by.
    pub(crate) fn note_client(&mut self, request: &RequestFrame) {
        if self.client_id.is_none() {
            self.client_id = request.client_id.as_deref().map(shown);
        }
    }

    /// The client's own names for itself, as far as it said them.
    pub(crate) fn client_name(&self) -> String {
        let id = self.client_id.as_deref().unwrap_or("without id");
        match &self.software {
            Some(Software { name, version }) => {
                format!("client {id} ({} {})", shown(name), shown(version))
            }
            None => format!("client {id}"),
        }
    }

    /// The address of this connection, the same in all its replies.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let owned = self.login.access().and_then(hub::Access::endpoint_host);
        Endpoint::of(&self.peer, owned)
    }
}

/// The most characters of a client's text that a line of the log shows.
const SHOWN_MAX: usize = 80;

/// A client's text, fit for a line of the log: short, and without anything that could fake one.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}
