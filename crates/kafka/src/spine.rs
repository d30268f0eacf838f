//! The one way of every request: header, version, state, decode, handler, encode, throttle.

use std::{cell::Cell, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{BoxFuture, select};
use hub::{Access, observe::RequestResult};
use model::Now;
use wire::{
    api::ApiKey,
    codec::{self, Request},
    frame::{RequestFrame, ResponseFrame},
    skim::SkimmedProduce,
};

use crate::{
    handler::{
        Answer, Answered, Call, Content, Handler, LoginHandler, ResponseOf, Throttle,
        api_versions::{self, ApiVersions},
        outcome::{self, ErrorCodes},
        produce::{self, Produce},
    },
    large, login,
    registry::{self, Run},
    session::{Kafka, Reply, SessionState, Staged},
};

/// Carries one frame, its length prefix taken off, from bytes to a staged reply.
pub(crate) fn carry(session: &mut SessionState, frame: Bytes, now: Now) -> Staged {
    if session.login.expects_raw_token() {
        return login::raw_token(session, &frame, now);
    }
    let request = match RequestFrame::parse(frame) {
        Ok(request) => request,
        Err(error) => return Staged::Close(format!("unreadable request header: {error}")),
    };
    session.note_client(&request);
    let version = request.api_version;
    let Some(row) = request.api.and_then(registry::find) else {
        let (key, name) = (request.api_key, session.client_name());
        return Staged::Close(format!(
            "API key {key} version {version} is unknown, from {name}"
        ));
    };
    let api = row.api;
    let access = session.login.access().cloned();
    if access.is_none() && !login::is_open_to_all(api) {
        let name = session.client_name();
        let reason = session.login.why_unknown();
        return Staged::Close(format!("{api} version {version} {reason}, from {name}"));
    }
    // Who logs in again may; anything else ends the connection, as Kafka does it (KIP-368).
    if let Some(lapse) = access
        .as_ref()
        .and_then(|access| access.lapse(now.monotonic))
        && !login::is_open_to_all(api)
    {
        let name = session.client_name();
        return Staged::Close(format!("{api} version {version} {lapse}, from {name}"));
    }
    if !api.accepts(version) {
        return refuse_version(session, api, &request, now);
    }
    match (row.run, access) {
        (Run::Anyone(run), _) => run(session, &request, now),
        (Run::Caller(run), Some(access)) => {
            let client_id = request.client_id.as_deref();
            let call = Call {
                session,
                access,
                version,
                client_id,
                now,
                pause: Cell::default(),
                is_large: false,
            };
            let staged = run(&call, &request);
            session.pause = call.pause.get();
            staged
        }
        (Run::Caller(_), None) => Staged::Close(format!("{api} before login")),
    }
}

/// Answers a Produce request of so many bytes that was too large to be held.
pub(crate) fn refuse_too_large(
    session: &mut SessionState,
    request: SkimmedProduce,
    bytes: usize,
    now: Now,
) -> Staged {
    session.note_client(&request.frame);
    let frame = request.frame.clone();
    let Some(access) = session.login.access().cloned() else {
        return Staged::Close("Produce before login".to_owned());
    };
    if let Some(lapse) = access.lapse(now.monotonic) {
        return Staged::Close(format!("Produce {lapse}, from {}", session.client_name()));
    }
    let call = Call {
        session,
        access: access.clone(),
        version: frame.api_version,
        client_id: frame.client_id.as_deref(),
        now,
        pause: Cell::default(),
        is_large: false,
    };
    let answered = produce::refuse_too_large(&call, request, bytes);
    let mut route = Route::new(session, frame.api_version, &frame, now);
    route.access = Some(access);
    route.finish::<<Produce as Handler>::Request>(answered)
}

/// ApiVersions is answered in a form that every client can read (KIP-511); nothing else can be.
fn refuse_version(session: &SessionState, api: ApiKey, request: &RequestFrame, now: Now) -> Staged {
    let version = request.api_version;
    if api == ApiKey::ApiVersions {
        let content = Content::Message(api_versions::unsupported());
        let route = Route::new(session, 0, request, now);
        return route.finish::<<ApiVersions as LoginHandler>::Request>(Answered::new(content));
    }
    let accepted = api.facts().accepted;
    Staged::Close(format!(
        "{api} version {version} is not supported (versions {} to {} are), from {}",
        accepted.min,
        accepted.max,
        session.client_name()
    ))
}

/// Decodes, handles and encodes a request of anyone: what a row of the registry points to.
pub(crate) fn run_login<H: LoginHandler>(
    session: &mut SessionState,
    frame: &RequestFrame,
    now: Now,
) -> Staged {
    let version = frame.api_version;
    match codec::decode_request::<H::Request>(version, &frame.body) {
        Ok(request) => {
            let answered = H::handle(session, request, version, now);
            Route::new(session, version, frame, now).finish::<H::Request>(answered)
        }
        Err(error) => Staged::Close(format!("{error}, from {}", session.client_name())),
    }
}

/// Decodes, handles and encodes a request of a caller: what a row of the registry points to.
pub(crate) fn run<H: Handler>(call: &Call<'_>, frame: &RequestFrame) -> Staged
where
    ResponseOf<H>: 'static,
{
    let decoded_max = large::decoded_bytes(frame.body.len());
    let decoded = codec::decode_small_request::<H::Request>(call.version, &frame.body, decoded_max);
    let request = match decoded {
        Ok(Some(request)) => request,
        Ok(None) => return large::stage::<H>(call, frame),
        Err(error) => {
            call.access.count_request(RequestResult::UserError);
            return Staged::Close(format!("{error}, from {}", call.session.client_name()));
        }
    };
    if H::reply_bytes(call, &request, large::REPLY_BYTES) > large::REPLY_BYTES {
        return large::stage::<H>(call, frame);
    }
    let route = Route::new(call.session, call.version, frame, call.now).of(call.access.clone());
    match H::handle(call, request) {
        Answer::Ready(answered) => route.finish::<H::Request>(answered),
        Answer::Later(answered) => Staged::Later(route.finish_later::<H::Request>(answered)),
        Answer::InTurn(answered) => Staged::InTurn(route.finish_later::<H::Request>(answered)),
        Answer::Queued(answered) => Staged::Queued(route.finish_later::<H::Request>(answered)),
        Answer::Elsewhere => large::stage::<H>(call, frame),
    }
}

/// The way back of one reply.
pub(crate) struct Route {
    kafka: Arc<Kafka>,
    access: Option<Access>,
    version: i16,
    correlation_id: i32,
    /// When the request came in.
    now: Now,
}

impl Route {
    pub(crate) fn new(
        session: &SessionState,
        version: i16,
        frame: &RequestFrame,
        now: Now,
    ) -> Self {
        Self {
            kafka: Arc::clone(&session.kafka),
            access: None,
            version,
            correlation_id: frame.correlation_id,
            now,
        }
    }

    /// The way back to a caller, for whom the request counts.
    pub(crate) fn of(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    pub(crate) fn finish_later<R: Request<Response: ErrorCodes + Send + 'static>>(
        self,
        answered: BoxFuture<'static, Answered<R::Response>>,
    ) -> BoxFuture<'static, Reply> {
        Box::pin(async move {
            match self.finish::<R>(answered.await) {
                Staged::Ready(reply) => reply,
                Staged::Later(delayed) | Staged::InTurn(delayed) | Staged::Queued(delayed) => {
                    delayed.await
                }
                Staged::Silent | Staged::Large(_) => Reply::default(),
                Staged::Close(reason) => Reply::closing(reason),
            }
        })
    }

    /// Turns an answer into bytes, counts it and applies its throttle.
    fn finish<R: Request<Response: ErrorCodes>>(&self, answered: Answered<R::Response>) -> Staged {
        let Answered {
            content,
            throttle,
            result,
            is_counted,
            close,
        } = answered;
        if let Some(access) = self.access.as_ref().filter(|_| !is_counted) {
            let result = result.unwrap_or_else(|| match &content {
                Content::Message(message) => outcome::of_reply(message),
                Content::Chunks(_) | Content::Silent => RequestResult::Success,
            });
            access.count_request(match throttle {
                Throttle::None => result,
                Throttle::Mute(_) | Throttle::Delay(_) => RequestResult::Throttled,
            });
        }
        let (version, correlation_id) = (self.version, self.correlation_id);
        let frame = match content {
            Content::Silent => ResponseFrame::default(),
            Content::Chunks(body) => ResponseFrame::new(R::API, version, correlation_id, body),
            Content::Message(message) => {
                match codec::encode_response::<R>(version, correlation_id, &message) {
                    Ok(frame) => frame,
                    Err(error) => {
                        tracing::error!(%error, "a reply of ours cannot be written");
                        return Staged::Close(format!("reply cannot be written: {error}"));
                    }
                }
            }
        };
        let mute = match throttle {
            Throttle::Mute(wait) => wait,
            Throttle::None | Throttle::Delay(_) => Duration::ZERO,
        };
        stage(
            &self.kafka,
            Reply {
                chunks: frame.chunks,
                mute,
                close,
                memory: None,
            },
            throttle,
            self.now,
        )
    }
}

/// Lets a reply go: at once, or `throttle` after the request came in (at `now`), or when the broker
/// stops. The connection's later replies wait behind a late one.
pub(crate) fn stage(kafka: &Kafka, reply: Reply, throttle: Throttle, now: Now) -> Staged {
    if let Throttle::Delay(wait) = throttle {
        let wait = kafka.clock.sleep_until(now.monotonic + wait);
        let waits_ended = Box::pin(kafka.hub.waits_ended());
        return Staged::Later(Box::pin(async move {
            select(wait, waits_ended).await;
            reply
        }));
    }
    if reply.is_void() {
        return Staged::Silent;
    }
    Staged::Ready(reply)
}
