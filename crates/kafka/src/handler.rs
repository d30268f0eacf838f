//! The handlers, one file per API, and what they have in common: the call they are given and the
//! answer they give.
//!
//! A handler translates: wire message to domain values, one or more hub calls, result to wire
//! message. It never sees bytes, correlation ids or sockets. Everything before the first `await`
//! of its answer runs in the order of the connection's requests.

use std::{cell::Cell, fmt, time::Duration};

use futures_util::future::BoxFuture;
use hub::{Access, observe::RequestResult};
use model::{Now, Piece};
use wire::{codec::Request, error_code::ErrorCode};

use self::outcome::ErrorCodes;
use crate::session::SessionState;

pub(crate) mod alter_configs;
mod altering;
pub(crate) mod api_versions;
mod broker_configs;
mod codes;
mod configs;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_topic_partitions;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
mod groups;
pub(crate) mod heartbeat;
pub(crate) mod incremental_alter_configs;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_config_resources;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_partition_reassignments;
mod mentions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
mod operations;
pub(crate) mod outcome;
pub(crate) mod produce;
pub(crate) mod sasl_authenticate;
pub(crate) mod sasl_handshake;
mod size;
pub(crate) mod sync_group;
mod words;

/// An API for callers who are known.
pub(crate) trait Handler: 'static {
    type Request: Request<Response: ErrorCodes + Send + 'static>;

    /// Upper estimate of the memory that answering takes, a small fixed part and a fetch's records
    /// apart. Need not count on beyond `enough`.
    fn reply_bytes(call: &Call<'_>, request: &Self::Request, enough: usize) -> usize;

    /// The reply that says it would be too large; none where the protocol has no place for that, or
    /// it would itself be.
    fn too_large(
        _request: Self::Request,
        _version: i16,
        _refusal: &TooLarge,
    ) -> Option<ResponseOf<Self>> {
        None
    }

    /// Takes the request's place in order and gives its answer, at once or later.
    fn handle(call: &Call<'_>, request: Self::Request) -> Answer<ResponseOf<Self>>;
}

/// An API that anyone may ask, and that may change who is known.
pub(crate) trait LoginHandler {
    type Request: Request<Response: ErrorCodes>;

    /// Gives the answer; nothing here takes time.
    fn handle(
        session: &mut SessionState,
        request: Self::Request,
        version: i16,
        now: Now,
    ) -> Answered<<Self::Request as Request>::Response>;
}

/// The response message that belongs to a handler's request.
pub(crate) type ResponseOf<H> = <<H as Handler>::Request as Request>::Response;

/// What a handler knows besides the message.
pub(crate) struct Call<'a> {
    pub(crate) session: &'a SessionState,
    /// The only way to the data: every method of it checks the caller's rights.
    pub(crate) access: Access,
    pub(crate) version: i16,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) now: Now,
    /// How long the connection is not read from on account of this request, known at once.
    pub(crate) pause: Cell<Duration>,
    /// The request is carried out away from its connection, in memory that others wait for.
    pub(crate) is_large: bool,
}

/// Why a request is not answered: the reply would take more memory than one may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLarge {
    pub(crate) max: usize,
}

impl TooLarge {
    pub(crate) const CODE: ErrorCode = ErrorCode::PolicyViolation;

    /// Whether so many entries may be refused one by one.
    pub(crate) const fn has_room(&self, entries: usize) -> bool {
        entries < self.max / REFUSED_BYTES
    }
}

/// What an entry that says no takes at most, its message and a name of ordinary length included.
const REFUSED_BYTES: usize = 1024;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.max;
        write!(
            f,
            "the reply would take more than limits.reply_bytes_max, {max} bytes"
        )
    }
}

/// A handler's answer.
pub(crate) enum Answer<R> {
    Ready(Answered<R>),
    Later(BoxFuture<'static, Answered<R>>),
    /// As later, but it does nothing before it is polled, when its turn has come.
    InTurn(BoxFuture<'static, Answered<R>>),
    /// As later, while what the request brought waits in the log's queue.
    Queued(BoxFuture<'static, Answered<R>>),
    /// Nothing was done yet, it takes too long for the connection's thread: to be carried out as a large
    /// request.
    Elsewhere,
}

/// What goes back to the client, and what happens to its connection.
pub(crate) struct Answered<R> {
    pub(crate) content: Content<R>,
    pub(crate) throttle: Throttle,
    /// How the request counts in the metrics, where the message's error codes do not tell it.
    pub(crate) result: Option<RequestResult>,
    /// It was counted when it came.
    pub(crate) is_counted: bool,
    /// Why the connection ends after this reply, if it does.
    pub(crate) close: Option<String>,
}

/// The reply's content.
pub(crate) enum Content<R> {
    Message(R),
    /// A body that is encoded already, so that stored records are not copied.
    Chunks(Vec<Piece>),
    /// The client expects no reply.
    Silent,
}

/// How a caller above its allowance is slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Throttle {
    None,
    /// The reply leaves at once and says how long; the connection is not read for that long.
    Mute(Duration),
    /// The reply leaves late, for clients that do not keep away by themselves.
    Delay(Duration),
}

impl Throttle {
    /// The kind of waiting that fits a client: told to wait, or made to wait.
    pub(crate) const fn new(wait: Duration, client_keeps_away: bool) -> Self {
        match (wait.is_zero(), client_keeps_away) {
            (true, _) => Self::None,
            (false, true) => Self::Mute(wait),
            (false, false) => Self::Delay(wait),
        }
    }

    /// What the reply's `throttle_time_ms` says.
    pub(crate) fn reported_ms(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Mute(wait) | Self::Delay(wait) => {
                i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
            }
        }
    }
}

impl<R> Answered<R> {
    pub(crate) const fn new(content: Content<R>) -> Self {
        Self {
            content,
            throttle: Throttle::None,
            result: None,
            is_counted: false,
            close: None,
        }
    }

    pub(crate) const fn throttled(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    pub(crate) const fn counted(mut self, result: RequestResult) -> Self {
        self.result = Some(result);
        self
    }

    /// For a request that nobody may be there for in the end.
    pub(crate) const fn counted_before(mut self) -> Self {
        self.is_counted = true;
        self
    }

    pub(crate) fn closing(mut self, reason: impl Into<String>) -> Self {
        self.close = Some(reason.into());
        self
    }
}

impl<R> From<R> for Answered<R> {
    fn from(message: R) -> Self {
        Self::new(Content::Message(message))
    }
}

impl<R> Answer<R> {
    /// An answer that is known at once.
    pub(crate) fn ready(message: R) -> Self {
        Self::Ready(message.into())
    }

    /// An answer that takes its time, without throttling or closing.
    pub(crate) fn later<F>(message: F) -> Self
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        Self::Later(Box::pin(async move { message.await.into() }))
    }
}
