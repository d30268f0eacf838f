//! The listeners at work: accepting, counting, handshakes, and an orderly end.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rustls::ServerConnection;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinError, JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, error, info, warn};

use crate::{
    BindError, Certificates, End, Frontend, Limits, ListenerSettings, Peer, Session, clock,
    connection::{Connection, Shared},
    doors::{Doors, Refusals},
    listener::listen,
    metrics::{ConnectionMetrics, ListenerMetrics},
    phase::{Phase, Phases},
    sniff, socket,
    stream::{Stream, TLS_SESSION_BYTES},
    workers::{Seat, Workers},
};

/// After a failed accept (out of descriptors, mostly) the next waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often the certificate's files are looked at.
const CERTIFICATE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Listeners that are open but not yet served.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<Open>,
    certificates: Option<Arc<Certificates>>,
    workers: Arc<Workers>,
}

#[derive(Debug)]
struct Open {
    settings: Arc<ListenerSettings>,
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls(TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// Opens the listeners, inside a tokio runtime; nothing is accepted before [`Bound::serve`].
///
/// # Errors
/// An address is bad or taken, or a listener speaks TLS and there is no certificate.
pub fn bind(
    listeners: Vec<ListenerSettings>,
    certificates: Option<Arc<Certificates>>,
) -> Result<Bound, BindError> {
    let listeners = listeners
        .into_iter()
        .map(|settings| Open::bind(settings, certificates.as_deref()))
        .collect::<Result<_, _>>()?;
    Ok(Bound {
        listeners,
        certificates,
        workers: Arc::default(),
    })
}

impl Open {
    fn bind(
        settings: ListenerSettings,
        certificates: Option<&Certificates>,
    ) -> Result<Self, BindError> {
        let name = || settings.name.clone();
        let tls = match (settings.security.is_tls(), certificates) {
            (false, _) => None,
            (true, None) => return Err(BindError::NoCertificate { name: name() }),
            (true, Some(certificates)) => Some(acceptor(certificates, name())?),
        };
        let socket = listen(&settings.name, &settings.address)?;
        let address = socket.local_addr().map_err(|source| BindError::Listen {
            name: name(),
            address: settings.address.clone(),
            source,
        })?;
        Ok(Self {
            settings: Arc::new(settings),
            socket,
            address,
            tls,
        })
    }
}

fn acceptor(certificates: &Certificates, name: String) -> Result<Tls, BindError> {
    certificates
        .acceptor()
        .map(Tls)
        .map_err(|source| BindError::Tls { name, source })
}

impl Bound {
    /// The listeners' names and the addresses they really have.
    #[must_use]
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.listeners
            .iter()
            .map(|open| (open.settings.name.clone(), open.address))
            .collect()
    }

    /// Lets connections live on these threads, instead of on the runtime around.
    #[must_use]
    pub fn on(mut self, workers: Workers) -> Self {
        self.workers = Arc::new(workers);
        self
    }

    /// Begins to accept connections for the front end.
    #[must_use]
    pub fn serve<F: Frontend>(
        self,
        frontend: &Arc<F>,
        limits: Limits,
        metrics: &ConnectionMetrics,
    ) -> Running {
        let (phase, phases) = Phases::new();
        let mut shared = Shared::new(limits);
        shared.large = self.workers.large();
        let shared = Arc::new(shared);
        let doors = Arc::new(Doors::default());
        let mut tasks = Vec::new();
        for open in self.listeners {
            info!(
                listener = open.settings.name,
                address = %open.address,
                security = ?open.settings.security,
                "listening"
            );
            let listener = Arc::new(Listener {
                metrics: metrics.of_listener(&open.settings.name),
                settings: open.settings,
                tls: open.tls,
                frontend: Arc::clone(frontend),
                shared: Arc::clone(&shared),
                doors: Arc::clone(&doors),
                workers: Arc::clone(&self.workers),
                refusals: Refusals::default(),
                phases: phases.clone(),
            });
            tasks.push(tokio::spawn(listener.accept_all(open.socket)));
        }
        tasks.push(tokio::spawn(tidy_frames(shared, phases.clone())));
        let balance = Arc::clone(&self.workers).balance(phases.clone());
        tasks.push(tokio::spawn(balance));
        if let Some(certificates) = self.certificates {
            tasks.push(tokio::spawn(watch_certificates(certificates, phases)));
        }
        Running {
            phase,
            tasks,
            workers: self.workers,
        }
    }
}

/// Listeners at work.
#[derive(Debug)]
pub struct Running {
    phase: watch::Sender<Phase>,
    tasks: Vec<JoinHandle<usize>>,
    workers: Arc<Workers>,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off with requests in flight.
    pub cut_count: usize,
}

/// How long cutting off may take.
const CUT_TIME: Duration = Duration::from_secs(1);

impl Running {
    /// Has every connection ask anew whether its login still counts, after rights were changed.
    pub fn recheck_logins(&self) {
        // Whoever watches is woken, finds the phase as it was, and its connection looks around.
        self.phase.send_modify(|_| {});
    }

    /// Stops accepting, lets requests in flight end, and cuts off what has not ended by then.
    pub async fn shutdown(self, patience: Duration) -> Drained {
        // The threads stay until all has ended.
        let (phase, tasks, _workers) = (self.phase, self.tasks, self.workers);
        phase.send_replace(Phase::Drain);
        let mut ended = pin!(join_all(tasks));
        let counts = match timeout(patience, &mut ended).await {
            Ok(counts) => counts,
            Err(_) => {
                phase.send_replace(Phase::Cut);
                // A thread that a request holds does not even hear of it.
                let cut = timeout(CUT_TIME, &mut ended).await;
                cut.inspect_err(|_| warn!("a held thread is not waited for"))
                    .unwrap_or_default()
            }
        };
        Drained {
            cut_count: counts.into_iter().filter_map(Result::ok).sum(),
        }
    }
}

/// One listener's part in serving.
struct Listener<F> {
    settings: Arc<ListenerSettings>,
    tls: Option<Tls>,
    frontend: Arc<F>,
    shared: Arc<Shared>,
    doors: Arc<Doors>,
    workers: Arc<Workers>,
    refusals: Refusals,
    metrics: ListenerMetrics,
    phases: Phases,
}

impl<F: Frontend> Listener<F> {
    /// Accepts until the server drains, then waits for the connections; gives how many were cut.
    async fn accept_all(self: Arc<Self>, socket: TcpListener) -> usize {
        let mut connections = JoinSet::new();
        let mut phases = self.phases.clone();
        loop {
            // All three can be dropped half-way without loss.
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok((stream, remote)) => self.admit(stream, remote, &mut connections),
                    Err(error) => {
                        warn!(listener = self.settings.name, %error, "cannot accept");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => self.ended(ended),
                () = phases.reach(Phase::Drain) => break,
            }
        }
        drop(socket);
        loop {
            tokio::select! {
                ended = connections.join_next() => match ended {
                    Some(ended) => self.ended(ended),
                    None => return 0,
                },
                () = phases.reach(Phase::Cut) => break,
            }
        }
        let cut_count = connections.len();
        connections.shutdown().await;
        cut_count
    }

    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        connections: &mut JoinSet<()>,
    ) {
        match self.doors.enter(remote.ip(), &self.shared.limits) {
            Ok(entered) => {
                let listener = Arc::clone(self);
                let serve = move |stream, seat| async move {
                    listener.serve(stream, remote, seat).await;
                    drop(entered);
                };
                if let Err(error) = self.workers.spawn(connections, stream, serve) {
                    warn!(listener = self.settings.name, %error, "cannot serve a connection");
                }
            }
            Err(full) => {
                self.metrics.refused();
                if let Some(count) = self.refusals.note(clock::now().monotonic) {
                    let listener = &self.settings.name;
                    warn!(listener, %remote, count, "connection refused: {full}");
                }
            }
        }
    }

    /// A panic ends the one connection where it happened.
    fn ended(&self, ended: Result<(), JoinError>) {
        if let Err(panic) = ended {
            error!(listener = self.settings.name, %panic, "a connection's task failed");
        }
    }

    /// A connection's whole life. What is large here would be kept by every idle connection, so the
    /// handshake and the goodbye have memory of their own, for as long as they last.
    async fn serve(&self, stream: TcpStream, remote: SocketAddr, seat: Option<Seat>) {
        let open = self.metrics.open();
        let accepted = Accepted {
            remote,
            local: stream.local_addr().unwrap_or(remote),
            at: clock::now().monotonic,
        };
        socket::prepare(&stream, remote, &self.shared.limits);
        let name = &self.settings.name;
        debug!(listener = name, %remote, "connection opened");
        let (end, who) = match &self.tls {
            None => converse(self.open(stream, accepted, None), self.phases.clone(), seat).await,
            Some(Tls(acceptor)) => {
                // A handshake can be dropped at any point: nobody is owed anything yet.
                let mut phases = self.phases.clone();
                let shaken = tokio::select! {
                    shaken = Box::pin(self.handshake(acceptor, stream, accepted)) => shaken,
                    () = phases.reach(Phase::Drain) => Err(End::Drained),
                };
                match shaken {
                    Ok(connection) => converse(connection, self.phases.clone(), seat).await,
                    Err(end) => (end, String::new()),
                }
            }
        };
        drop(open);
        self.metrics.ended(&end);
        if end.is_ordinary() {
            debug!(listener = name, %remote, who, "connection closed: {end}");
        } else {
            info!(listener = name, %remote, who, "connection closed: {end}");
        }
    }

    async fn handshake(
        &self,
        acceptor: &TlsAcceptor,
        stream: TcpStream,
        accepted: Accepted,
    ) -> Result<Box<Connection<TlsStream<TcpStream>, F::Session>>, End> {
        let limit = self.shared.limits.handshake_timeout;
        let handshake = async {
            let mut first = [0; 4];
            let count = stream.peek(&mut first).await.map_err(End::Broken)?;
            if count == 0 {
                return Err(End::ClientClosed);
            }
            sniff::on_tls(first.get(..count).unwrap_or_default())?;
            let wide = |session: &mut ServerConnection| {
                session.set_buffer_limit(Some(TLS_SESSION_BYTES));
            };
            let accepting = acceptor.accept_with(stream, wide);
            accepting.await.map_err(End::Handshake)
        };
        let stream = timeout(limit, handshake)
            .await
            .unwrap_or(Err(End::HandshakeTooSlow(limit)))?;
        let server_name = stream.get_ref().1.server_name().map(str::to_owned);
        Ok(self.open(stream, accepted, server_name))
    }

    fn open<I: Stream>(
        &self,
        io: I,
        accepted: Accepted,
        tls_server_name: Option<String>,
    ) -> Box<Connection<I, F::Session>> {
        let session = self.frontend.open(Peer {
            remote: accepted.remote,
            local: accepted.local,
            listener: Arc::clone(&self.settings),
            tls_server_name,
        });
        let shared = Arc::clone(&self.shared);
        Box::new(Connection::new(io, session, shared, accepted.at))
    }
}

/// What accepting tells of a connection.
#[derive(Clone, Copy)]
struct Accepted {
    remote: SocketAddr,
    local: SocketAddr,
    at: Instant,
}

/// A part of a connection's life, on one thread.
enum Part<I, S> {
    Ended(End, String),
    /// It goes on where its seat is.
    Moves(Box<Connection<I, S>>, Seat),
}

/// Serves until the client, the server or a fault ends it; gives the end and who it was.
async fn converse<I: Stream, S: Session>(
    connection: Box<Connection<I, S>>,
    phases: Phases,
    seat: Option<Seat>,
) -> (End, String) {
    let mut part = stay(connection, phases.clone(), seat).await;
    loop {
        match part {
            Part::Ended(end, who) => return (end, who),
            Part::Moves(connection, seat) => {
                let phases = phases.clone();
                let goes_on = |seat| settle(connection, phases, seat);
                // Few connections need its memory.
                match Box::pin(seat.elsewhere(goes_on)).await {
                    Some(next) => part = next,
                    None => return (End::Drained, String::new()),
                }
            }
        }
    }
}

/// Goes on serving on another thread.
async fn settle<I: Stream, S: Session>(
    mut connection: Box<Connection<I, S>>,
    phases: Phases,
    seat: Seat,
) -> Part<I, S> {
    match connection.settle() {
        Ok(()) => stay(connection, phases, Some(seat)).await,
        Err(error) => Part::Ended(End::Broken(error), connection.describe()),
    }
}

/// Serves until the end, or for as long as the connection stays on this thread.
async fn stay<I: Stream, S: Session>(
    mut connection: Box<Connection<I, S>>,
    mut phases: Phases,
    seat: Option<Seat>,
) -> Part<I, S> {
    let stays = |bytes| seat.as_ref().is_none_or(|seat| seat.stays(bytes));
    // Both can be dropped half-way: the connection keeps its state.
    let ended = tokio::select! {
        end = connection.run_while(stays) => Some(end),
        () = phases.reach(Phase::Drain) => None,
    };
    let end = match (ended, seat) {
        (Some(Some(end)), _) => end,
        (Some(None), Some(seat)) => return Part::Moves(connection, seat),
        _ => {
            connection.drain();
            connection.run().await
        }
    };
    let who = connection.describe();
    if !matches!(
        end,
        End::ClientClosed | End::ClientClosedInFrame | End::Broken(_)
    ) {
        Box::pin(connection.close()).await;
    }
    Part::Ended(end, who)
}

/// Gives back the memory of frames that is not used any more.
async fn tidy_frames(shared: Arc<Shared>, mut phases: Phases) -> usize {
    // Both can be dropped half-way without loss.
    tokio::select! {
        () = shared.frames.tidy() => 0,
        () = phases.reach(Phase::Drain) => 0,
    }
}

/// Looks for new certificates until the server stops.
async fn watch_certificates(certificates: Arc<Certificates>, mut phases: Phases) -> usize {
    loop {
        // Both can be dropped half-way without loss.
        tokio::select! {
            () = sleep(CERTIFICATE_CHECK_INTERVAL) => {}
            () = phases.reach(Phase::Drain) => return 0,
        }
        match certificates.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => info!("the certificate was exchanged"),
            Err(error) => error!(
                error = &error as &dyn std::error::Error,
                "the new certificate cannot be used; the old one stays"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
