//! The server as a whole, on real sockets, with a front end that does what frames ask for.

mod bad_input;
mod echo;
mod flow;
mod tls;
mod workers;

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Notify,
};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use self::echo::{Echo, EchoFrontend};
use super::*;
use crate::{Security, metrics::Metrics};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

fn listener(security: Security) -> ListenerSettings {
    ListenerSettings {
        name: "main".to_owned(),
        address: "127.0.0.1:0".to_owned(),
        security,
        advertised: None,
        namespace: None,
    }
}

/// A running server with its front end and its log.
struct World {
    echo: Arc<Echo>,
    address: SocketAddr,
    running: Running,
    log: Log,
    metrics: Metrics,
    _guard: DefaultGuard,
}

impl World {
    fn plain(limits: Limits) -> Self {
        Self::new(limits, Security::Plaintext, None)
    }

    fn new(limits: Limits, security: Security, certificates: Option<Arc<Certificates>>) -> Self {
        Self::on(Workers::default(), limits, security, certificates)
    }

    fn on(
        workers: Workers,
        limits: Limits,
        security: Security,
        certificates: Option<Arc<Certificates>>,
    ) -> Self {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let bound = bind(vec![listener(security)], certificates)
            .unwrap()
            .on(workers);
        let address = bound.addresses()[0].1;
        let echo = Arc::new(Echo::default());
        let metrics = Metrics::new("1", "c").unwrap();
        let connections = ConnectionMetrics::new(&metrics).unwrap();
        let frontend = Arc::new(EchoFrontend(Arc::clone(&echo)));
        let running = bound.serve(&frontend, limits, &connections);
        Self {
            echo,
            address,
            running,
            log,
            metrics,
            _guard: guard,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Other clients go on undisturbed.
    async fn assert_serves(&self) {
        let mut stream = self.connect().await;
        send(&mut stream, b"e still here").await;
        assert_eq!(receive(&mut stream).await, b"e still here");
    }
}

/// Limits short enough to be waited for.
fn short() -> Limits {
    Limits {
        idle_timeout: Duration::from_millis(500),
        handshake_timeout: Duration::from_millis(500),
        frame_stall_timeout: Duration::from_millis(500),
        write_stall_timeout: Duration::from_millis(500),
        linger: Duration::from_millis(500),
        ..Limits::default()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in good time")
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap();
    let frame = [&length.to_be_bytes(), body].concat();
    within(stream.write_all(&frame)).await.unwrap();
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    within(async {
        let length = stream.read_u32().await.unwrap();
        let mut body = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        body
    })
    .await
}

/// Waits for the other side to close; a reset is as good.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = Vec::new();
    drop(within(stream.read_to_end(&mut rest)).await);
    assert!(rest.is_empty(), "{} bytes before the end", rest.len());
}

/// What was logged so far, and a way to wait for more.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<u8>>, Notify)>);

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn wait_for(&self, fragment: &str) {
        let wait = async {
            loop {
                let more = self.0.1.notified();
                if self.text().contains(fragment) {
                    return;
                }
                more.await;
            }
        };
        let found = timeout(PATIENCE, wait).await;
        assert!(found.is_ok(), "no {fragment:?} in:\n{}", self.text());
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        drop(log);
        self.0.1.notify_one();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
