//! Large requests: what takes much memory or time is carried out away from the connection's thread, in
//! memory that is taken before it is used.
//!
//! ```text
//! measure --> take memory for the request --> decode --> estimate the reply
//!                                                          | too large: refused
//!                                                          | memory is there: answer
//!                                                          v memory is short
//!                let go of all, wait for memory for both, decode again
//! ```
//!
//! Whoever waits for memory holds none, so that no two can wait for each other. The connection is not
//! read from meanwhile: requests keep their order.

use std::{any::Any, cell::Cell, fmt, sync::Arc};

use futures_util::future::{BoxFuture, ready};
use hub::{Access, observe::RequestResult};
use model::Now;
use wire::{codec, frame::RequestFrame};

use crate::{
    handler::{Answer, Answered, Call, Handler, ResponseOf, TooLarge},
    session::{Reply, SessionState, Staged},
    spine::Route,
};

/// A request whose decoded form takes more, beside four times its own bytes, is a large one.
const DECODED_FLOOR_BYTES: usize = 4 * 1024;
const DECODED_PER_BODY_BYTE: usize = 4;
/// Or more than this, whatever its bytes.
const DECODED_BYTES_MAX: usize = 256 * 1024;
/// A request is a large one if answering it takes more memory than this: some thousand partitions.
pub(crate) const REPLY_BYTES: usize = 1 << 20;

/// The most memory that a small request of so many bytes takes when it is decoded.
pub(crate) fn decoded_bytes(body_bytes: usize) -> usize {
    let proportion = body_bytes.saturating_mul(DECODED_PER_BODY_BYTE);
    DECODED_BYTES_MAX.min(proportion.saturating_add(DECODED_FLOOR_BYTES))
}

/// Memory of the server for large requests and their replies.
pub trait ReplyMemory: Send + Sync {
    /// Takes so many bytes at once, if they are there.
    fn try_reserve(&self, bytes: usize) -> Option<ReplyShare>;

    /// Waits for so many bytes.
    fn reserve(&self, bytes: usize) -> BoxFuture<'static, ReplyShare>;
}

/// Memory without a limit: for tests and benches.
impl ReplyMemory for () {
    fn try_reserve(&self, _bytes: usize) -> Option<ReplyShare> {
        Some(ReplyShare(Box::new(())))
    }

    fn reserve(&self, _bytes: usize) -> BoxFuture<'static, ReplyShare> {
        Box::pin(ready(ReplyShare(Box::new(()))))
    }
}

/// A part of that memory, given back when dropped; what is inside is the server's.
pub struct ReplyShare(pub Box<dyn Any + Send>);

impl fmt::Debug for ReplyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyShare")
    }
}

/// A large request that has yet to begin.
pub struct LargeRequest(Box<dyn FnOnce(Arc<dyn ReplyMemory>) -> BoxFuture<'static, Reply> + Send>);

impl LargeRequest {
    /// Carries it out: to be polled where it may take its time.
    #[must_use]
    pub fn carry_out(self, memory: Arc<dyn ReplyMemory>) -> BoxFuture<'static, Reply> {
        (self.0)(memory)
    }
}

/// What a large request needs of its connection.
struct Large {
    session: SessionState,
    access: Access,
    frame: RequestFrame,
    now: Now,
}

/// Puts a request off until somebody has time for it.
pub(crate) fn stage<H: Handler>(call: &Call<'_>, frame: &RequestFrame) -> Staged
where
    ResponseOf<H>: 'static,
{
    let large = Large {
        session: call.session.of_caller(&call.access),
        access: call.access.clone(),
        frame: frame.clone(),
        now: call.now,
    };
    Staged::Large(LargeRequest(Box::new(move |memory| {
        Box::pin(large.carry_out::<H>(memory))
    })))
}

/// How far a large request has come.
enum Step<R> {
    /// It has what it takes; the reply keeps the second, where that was needed.
    Answered(BoxFuture<'static, Answered<R>>, Option<ReplyShare>),
    /// So much memory is to be waited for, without any.
    Short(usize),
    Closed(Reply),
}

impl Large {
    async fn carry_out<H: Handler>(self, memory: Arc<dyn ReplyMemory>) -> Reply
    where
        ResponseOf<H>: 'static,
    {
        let (version, body) = (self.frame.api_version, &self.frame.body);
        let request_bytes = match codec::request_bytes::<H::Request>(version, body) {
            Ok(bytes) => bytes,
            Err(error) => return self.close(&error.to_string()),
        };
        let mut held = request_bytes;
        let mut share = memory.reserve(held).await;
        loop {
            match self.step::<H>(request_bytes, held, &*memory) {
                Step::Closed(reply) => return reply,
                Step::Short(wanted) => {
                    drop(share);
                    held = wanted;
                    share = memory.reserve(held).await;
                }
                Step::Answered(answered, more) => {
                    let mut reply = self.route().finish_later::<H::Request>(answered).await;
                    reply.memory = Some(more.unwrap_or(share));
                    return reply;
                }
            }
        }
    }

    /// Decodes, estimates and begins, if the memory suffices that is held or to be had at once.
    fn step<H: Handler>(
        &self,
        request_bytes: usize,
        held: usize,
        memory: &dyn ReplyMemory,
    ) -> Step<ResponseOf<H>>
    where
        ResponseOf<H>: 'static,
    {
        let version = self.frame.api_version;
        let request = match codec::decode_request::<H::Request>(version, &self.frame.body) {
            Ok(request) => request,
            Err(error) => return Step::Closed(self.close(&error.to_string())),
        };
        let call = self.call();
        let max = self.session.kafka.limits.reply_bytes_max;
        let reply_bytes = H::reply_bytes(&call, &request, max);
        if reply_bytes > max {
            return self.refuse::<H>(request, max);
        }
        let wanted = request_bytes.saturating_add(reply_bytes);
        let more = match wanted.saturating_sub(held) {
            0 => None,
            missing => match memory.try_reserve(missing) {
                None => return Step::Short(wanted),
                more => more,
            },
        };
        Step::Answered(later(H::handle(&call, request)), more)
    }

    /// A call like that of a small request.
    fn call(&self) -> Call<'_> {
        Call {
            session: &self.session,
            access: self.access.clone(),
            version: self.frame.api_version,
            client_id: self.frame.client_id.as_deref(),
            now: self.now,
            pause: Cell::default(),
            is_large: true,
        }
    }

    fn route(&self) -> Route {
        let route = Route::new(&self.session, self.frame.api_version, &self.frame, self.now);
        route.of(self.access.clone())
    }

    /// Says that the answer would be too large where the protocol has a place for it, else hangs up.
    fn refuse<H: Handler>(&self, request: H::Request, max: usize) -> Step<ResponseOf<H>>
    where
        ResponseOf<H>: 'static,
    {
        let refusal = TooLarge { max };
        let api = <H::Request as codec::Request>::API;
        let name = self.session.client_name();
        match H::too_large(request, self.frame.api_version, &refusal) {
            Some(response) => {
                tracing::info!(%api, client = name, "{refusal}");
                let answered = Answered::from(response).counted(RequestResult::UserError);
                Step::Answered(Box::pin(ready(answered)), None)
            }
            None => Step::Closed(self.close(&format!("{api}: {refusal}"))),
        }
    }

    fn close(&self, reason: &str) -> Reply {
        self.access.count_request(RequestResult::UserError);
        Reply::closing(format!("{reason}, from {}", self.session.client_name()))
    }
}

fn later<R: Send + 'static>(answer: Answer<R>) -> BoxFuture<'static, Answered<R>> {
    match answer {
        Answer::Ready(answered) => Box::pin(ready(answered)),
        Answer::Later(answered) | Answer::InTurn(answered) | Answer::Queued(answered) => answered,
        Answer::Elsewhere => unreachable!("a request is carried out where it was put off to"),
    }
}
