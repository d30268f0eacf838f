//! The admin listener: metrics, health, readiness. Plain HTTP, read only, for scrapers and probes.

use std::{
    borrow::Cow,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::oneshot,
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    BindError,
    listener::listen,
    metrics::Metrics,
    phase::{Phase, Phases},
    workers::Pulses,
};

/// Scrapers and probes are few.
const CONNECTIONS_MAX: usize = 64;
/// What a request's head may hold.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADER_COUNT_MAX: usize = 64;
/// How long a request's head may take, and a connection may idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection lives at most: nobody holds a place for ever.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whether the broker has recovered and serves. Shared with whoever knows.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    ready: Arc<AtomicBool>,
    threads: Arc<OnceLock<Pulses>>,
    disk: Arc<Mutex<DiskState>>,
}

/// What the disk lets the broker do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskState {
    #[default]
    Sound,
    /// Reads go on; writes resume by themselves.
    Full,
    /// Reads go on; writes do not until a restart.
    Failed,
}

impl Readiness {
    /// Recovered, or about to stop.
    pub fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// The threads that must turn from now on.
    pub fn watch_threads(&self, pulses: &Pulses) {
        self.threads.get_or_init(|| pulses.clone());
    }

    /// How the disk is from now on.
    pub fn set_disk(&self, state: DiskState) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn disk(&self) -> DiskState {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process whose log is closed needs a restart, which is what this page is asked for.
    fn healthz(&self) -> (StatusCode, &'static str) {
        match self.disk() {
            DiskState::Sound | DiskState::Full => (StatusCode::OK, "alive\n"),
            DiskState::Failed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "alive, but the disk failed: no writes until a restart\n",
            ),
        }
    }

    /// Reads are worth being sent here also while the disk is full.
    fn readyz(&self) -> (StatusCode, Cow<'static, str>) {
        if self.is_ready()
            && let Some((thread, rest)) = self.threads.get().and_then(Pulses::stalled)
        {
            let seconds = rest.as_secs();
            let reason = format!("thread connections-{thread} has not turned for {seconds} s\n");
            return (StatusCode::SERVICE_UNAVAILABLE, reason.into());
        }
        let (status, text) = match self.disk() {
            DiskState::Failed => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the disk failed: no writes until a restart\n",
            ),
            _ if !self.is_ready() => (StatusCode::SERVICE_UNAVAILABLE, "recovering or stopping\n"),
            DiskState::Full => (
                StatusCode::OK,
                "ready for reads: the disk is full, writes are refused\n",
            ),
            DiskState::Sound => (StatusCode::OK, "ready\n"),
        };
        (status, text.into())
    }
}

/// The admin listener, open but not yet served.
#[derive(Debug)]
pub struct AdminBound {
    socket: TcpListener,
    address: SocketAddr,
}

/// The admin listener at work.
#[derive(Debug)]
pub struct AdminRunning {
    phase: watch::Sender<Phase>,
    ended: oneshot::Receiver<()>,
}

/// Opens the admin listener, inside a tokio runtime.
///
/// # Errors
/// The address is bad or taken.
pub fn bind(address: &str) -> Result<AdminBound, BindError> {
    let socket = listen("admin", address)?;
    let address = socket.local_addr().map_err(|source| BindError::Listen {
        name: "admin".to_owned(),
        address: address.to_owned(),
        source,
    })?;
    Ok(AdminBound { socket, address })
}

impl AdminBound {
    /// The address it really has.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer, on a thread of its own: whatever holds the others, it says so.
    ///
    /// # Errors
    /// The system refuses a thread or what its runtime needs.
    pub fn serve(self, metrics: Arc<Metrics>, readiness: Readiness) -> io::Result<AdminRunning> {
        info!(address = %self.address, "admin listening");
        let (phase, phases) = Phases::new();
        let site = Site { metrics, readiness };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let socket = self.socket.into_std()?;
        let (tell, ended) = oneshot::channel();
        thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    match TcpListener::from_std(socket) {
                        Ok(socket) => accept_all(socket, site, phases).await,
                        Err(error) => warn!(%error, "cannot serve the admin listener"),
                    }
                });
                // A scrape that something holds is not waited for.
                runtime.shutdown_background();
                // Who does not wait has gone.
                tell.send(()).ok();
            })?;
        Ok(AdminRunning { phase, ended })
    }
}

impl AdminRunning {
    /// Stops answering, at once: a scrape has nothing to lose.
    pub async fn shutdown(self) {
        self.phase.send_replace(Phase::Cut);
        if self.ended.await.is_err() {
            warn!("the admin listener's thread failed");
        }
    }
}

/// What there is to see.
#[derive(Clone)]
struct Site {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

async fn accept_all(socket: TcpListener, site: Site, mut phases: Phases) {
    let mut connections = JoinSet::new();
    loop {
        // All three can be dropped half-way without loss.
        tokio::select! {
            accepted = socket.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, remote)) => {
                    connections.spawn(serve(stream, remote, site.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept on the admin listener");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    warn!(%error, "an admin connection's task failed");
                }
            }
            () = phases.reach(Phase::Cut) => break,
        }
    }
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, remote: SocketAddr, site: Site) {
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADER_COUNT_MAX)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%remote, %error, "admin connection closed"),
        Err(_) => debug!(%remote, "admin connection closed: it lasted too long"),
    }
}

impl Site {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/metrics" | "/healthz" | "/readyz" if !is_read => {
                let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
                answer
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                answer
            }
            "/metrics" => {
                // It takes locks that somebody may hold for long; the other pages do not wait for it.
                let metrics = Arc::clone(&self.metrics);
                let Ok(scrape) = spawn_blocking(move || metrics.scrape()).await else {
                    let failed = "the metrics cannot be read\n".to_owned();
                    return text(StatusCode::INTERNAL_SERVER_ERROR, failed);
                };
                let mut answer = text(StatusCode::OK, scrape);
                answer.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
                );
                answer
            }
            "/healthz" => page(self.readiness.healthz()),
            "/readyz" => {
                let (status, body) = self.readiness.readyz();
                text(status, body.into_owned())
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "here are /metrics, /healthz and /readyz\n".to_owned(),
            ),
        }
    }
}

fn page((status, body): (StatusCode, &str)) -> Response<Full<Bytes>> {
    text(status, body.to_owned())
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

#[cfg(test)]
mod tests;
