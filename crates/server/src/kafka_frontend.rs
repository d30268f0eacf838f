//! The Kafka front end on this server: `kafka`'s session behind the server's own trait, with its
//! latency measured. The one file here that knows which protocol it serves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::Now;
use prometheus::{Histogram, HistogramOpts, HistogramVec};

use crate::{
    Bound, Frontend, Intake, LargeRequest, Limits, Peer, Reply, Running, Session, Staged,
    budget::{LargeMemory, Reserved, Share},
    clock,
    metrics::{ConnectionMetrics, Metrics, RegisterError},
};

/// Upper bounds in seconds: from a cached read to a long poll.
const BOUNDS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// The first two bytes of the requests whose latency is worth a histogram.
const PRODUCE: [u8; 2] = [0, 0];
const FETCH: [u8; 2] = [0, 1];

/// Opens Kafka sessions.
pub struct KafkaFrontend {
    kafka: Arc<kafka::Kafka>,
    latency: LatencyMetrics,
}

impl KafkaFrontend {
    #[must_use]
    pub fn new(kafka: Arc<kafka::Kafka>, latency: LatencyMetrics) -> Self {
        Self { kafka, latency }
    }
}

/// Histograms of the two requests that carry events, by stage: `dispatch`, until the request has
/// its place in order, and `complete`, until its reply is ready (durable, or found enough to read).
#[derive(Clone)]
pub struct LatencyMetrics {
    produce: Stages,
    fetch: Stages,
}

#[derive(Clone)]
struct Stages {
    dispatch: Histogram,
    complete: Histogram,
}

impl LatencyMetrics {
    /// Registers the histograms.
    ///
    /// # Errors
    /// Registered before.
    pub fn new(metrics: &Metrics) -> Result<Self, RegisterError> {
        let options = HistogramOpts::new(
            "tidegate_request_duration_seconds",
            "Time from a request's arrival to the end of a stage.",
        )
        .buckets(BOUNDS.to_vec());
        let all = metrics.register(HistogramVec::new(options, &["request", "stage"]))?;
        let stages = |request| Stages {
            dispatch: all.with_label_values(&[request, "dispatch"]),
            complete: all.with_label_values(&[request, "complete"]),
        };
        Ok(Self {
            produce: stages("produce"),
            fetch: stages("fetch"),
        })
    }

    fn of_frame(&self, frame: &[u8]) -> Option<&Stages> {
        match frame.first_chunk() {
            Some(&PRODUCE) => Some(&self.produce),
            Some(&FETCH) => Some(&self.fetch),
            Some(_) | None => None,
        }
    }
}

impl Bound {
    /// Begins to accept Kafka connections. Not generic, so that the connections' code is compiled
    /// in this crate, as fast as the rest of it.
    #[must_use]
    pub fn serve_kafka(
        self,
        frontend: &Arc<KafkaFrontend>,
        limits: Limits,
        metrics: &ConnectionMetrics,
    ) -> Running {
        self.serve(frontend, limits, metrics)
    }
}

impl Frontend for KafkaFrontend {
    type Session = KafkaSession;

    fn open(&self, peer: Peer) -> KafkaSession {
        let Peer {
            remote,
            local,
            listener,
            tls_server_name,
        } = peer;
        let advertised = listener
            .advertised
            .as_ref()
            .map(|advertised| kafka::Advertised {
                host: advertised.host.clone(),
                port: advertised.port.unwrap_or_else(|| local.port()),
            });
        let peer = kafka::Peer {
            remote,
            local,
            listener: listener.name.clone(),
            namespace: listener.namespace.clone(),
            advertised,
            tls_server_name,
            sasl_required: listener.security.asks_for_login(),
        };
        KafkaSession {
            session: Box::new(kafka::Session::new(&self.kafka, peer)),
            latency: self.latency.clone(),
        }
    }
}

/// One Kafka connection.
pub struct KafkaSession {
    session: Box<kafka::Session>,
    latency: LatencyMetrics,
}

impl Session for KafkaSession {
    fn frame_length(&self, prefix: [u8; 4], first: &[u8]) -> Result<Intake, String> {
        match self.session.frame_length(prefix, first) {
            Ok(kafka::Intake::Whole(length)) => Ok(Intake::Whole(length)),
            Ok(kafka::Intake::Skimmed(length)) => Ok(Intake::Skimmed(length)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn skim(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.session.skim(bytes)
    }

    fn dispatch_skimmed(&mut self, now: Now) -> Staged {
        match self.session.dispatch_skimmed(now) {
            kafka::Staged::Silent => Staged::Silent,
            kafka::Staged::Close(reason) => Staged::Close(reason),
            kafka::Staged::Ready(reply) => Staged::Ready(reply.into()),
            kafka::Staged::Large(request) => Staged::Large(large(request, None, now.monotonic)),
            kafka::Staged::Later(later)
            | kafka::Staged::InTurn(later)
            | kafka::Staged::Queued(later) => {
                Staged::Later(Box::pin(async move { later.await.into() }))
            }
        }
    }

    fn take_pause(&mut self) -> Duration {
        self.session.take_pause()
    }

    fn dispatch(&mut self, frame: Bytes, now: Now) -> Staged {
        let stages = self.latency.of_frame(&frame).cloned();
        let staged = self.session.dispatch(frame, now);
        let began = now.monotonic;
        if let Some(stages) = &stages {
            observe(&stages.dispatch, began);
        }
        match staged {
            kafka::Staged::Silent => Staged::Silent,
            kafka::Staged::Close(reason) => Staged::Close(reason),
            kafka::Staged::Ready(reply) => {
                if let Some(stages) = &stages {
                    observe(&stages.complete, began);
                }
                Staged::Ready(reply.into())
            }
            kafka::Staged::Large(request) => Staged::Large(large(request, stages, began)),
            kafka::Staged::Later(future) => Staged::Later(complete(future, stages, began)),
            kafka::Staged::InTurn(future) => Staged::InTurn(complete(future, stages, began)),
            kafka::Staged::Queued(future) => Staged::Queued(complete(future, stages, began)),
        }
    }

    fn allow_reply(&mut self, bytes: usize) {
        self.session.allow_reply(bytes);
    }

    fn tenant(&self) -> u64 {
        self.session.tenant()
    }

    fn awaits_login(&self) -> bool {
        self.session.awaits_login()
    }

    fn expires(&self) -> Option<Instant> {
        self.session.expires()
    }

    fn lapse(&self, now: Instant) -> Option<String> {
        self.session.lapse(now).map(|lapse| lapse.to_string())
    }

    fn describe(&self) -> String {
        self.session.describe()
    }
}

impl From<kafka::Reply> for Reply {
    fn from(reply: kafka::Reply) -> Self {
        let kafka::Reply {
            chunks,
            mute,
            close,
            memory,
        } = reply;
        let share = memory.and_then(|memory| memory.0.downcast::<Option<Share>>().ok());
        Self {
            chunks,
            mute,
            close,
            memory: share.and_then(|share| *share),
        }
    }
}

impl kafka::ReplyMemory for LargeMemory {
    fn try_reserve(&self, bytes: usize) -> Option<kafka::ReplyShare> {
        match self.take(bytes) {
            Reserved::Now(share) => Some(kafka::ReplyShare(Box::new(Some(share)))),
            Reserved::Later(_) => None,
        }
    }

    fn reserve(&self, bytes: usize) -> BoxFuture<'static, kafka::ReplyShare> {
        let reserved = self.take(bytes);
        Box::pin(async move {
            let share = match reserved {
                Reserved::Now(share) => Some(share),
                // None only if the pool were closed, which it is not.
                Reserved::Later(waiting) => waiting.await,
            };
            kafka::ReplyShare(Box::new(share))
        })
    }
}

fn large(request: kafka::LargeRequest, stages: Option<Stages>, began: Instant) -> LargeRequest {
    LargeRequest(Box::new(move |memory| {
        complete(request.carry_out(Arc::new(memory)), stages, began)
    }))
}

/// The reply of a request that finishes in the background.
fn complete(
    reply: BoxFuture<'static, kafka::Reply>,
    stages: Option<Stages>,
    began: Instant,
) -> BoxFuture<'static, Reply> {
    Box::pin(async move {
        let reply = reply.await;
        if let Some(stages) = &stages {
            observe(&stages.complete, began);
        }
        reply.into()
    })
}

fn observe(histogram: &Histogram, began: Instant) {
    let elapsed = clock::now().monotonic.saturating_duration_since(began);
    histogram.observe(elapsed.as_secs_f64());
}
