//! A fetch with no broker: a file goes over the loopback and nothing is looked at. What a broker's
//! fetch is held against.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use gauge::{Sample, float};
use rustix::fs::OFlags;
use rustix::net::sockopt;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use serde::Serialize;

use crate::options::Options;
use crate::transport::{self, Address};

/// As a broker's log that the page cache holds and the processor's does not; --bytes-max is another.
const FILE_BYTES: u64 = 1 << 30;
/// What Tidegate lets a socket hold, reads for TLS at once, and encrypts before it sends.
const SEND_BUFFER_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 64 << 10;
const PIECE_BYTES: usize = 128 << 10;
/// Reads that go past the page cache go into memory that begins at a multiple of this.
const DIRECT_ALIGNMENT: usize = 4096;
/// What the receiving end offers the socket.
const ROOM_BYTES: usize = 256 << 10;
const BYTES_PER_MB: f64 = 1e6;
const BYTES_PER_GB: f64 = 1e9;

/// How the file gets into the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By the kernel, as Kafka and Tidegate do it in plaintext.
    SendFile,
    /// Read and written, as TLS has to, and not encrypted.
    Copy,
    Tls,
    /// As [`Way::Copy`], read past the page cache and no faster than told.
    Cold,
}

impl Way {
    /// What is read at once: for TLS it and what it becomes stay in the processor's cache, and a disk is
    /// asked for as much as Tidegate asks for beside writers.
    const fn read_bytes(self) -> usize {
        match self {
            Self::Cold => PIECE_BYTES,
            Self::SendFile | Self::Copy | Self::Tls => READ_BYTES,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Bare {
    sendfile: Cost,
    copy: Cost,
    tls: Cost,
}

/// Both ends together.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    mb_per_s: f64,
    cpu_s_per_gb: f64,
}

/// Each way in turn, for the set time, over the set number of connections with two threads each.
pub(crate) fn measure(options: &Options) -> Result<Bare> {
    let file = Arc::new(file(options)?);
    let secrets = Secrets::new()?;
    let measure = |way| Fetches::begin(way, &file, &secrets, options)?.measure(options);
    Ok(Bare {
        sendfile: measure(Way::SendFile)?,
        copy: measure(Way::Copy)?,
        tls: measure(Way::Tls)?,
    })
}

/// A file that is there already, past the page cache: as many bytes a second as the set rate of records
/// holds.
pub(crate) fn measure_cold(options: &Options) -> Result<Cost> {
    let path = options.file.as_ref().context("--file")?;
    let direct = i32::try_from(OFlags::DIRECT.bits())?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(direct)
        .open(path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    let secrets = Secrets::new()?;
    Fetches::begin(Way::Cold, &Arc::new(file), &secrets, options)?.measure(options)
}

/// A file that has no name any more.
fn file(options: &Options) -> Result<File> {
    let folder = options.disk.clone().unwrap_or_else(std::env::temp_dir);
    let path = folder.join(format!("bare-fetch-{}", std::process::id()));
    let made = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path);
    let mut file = made.with_context(|| format!("make {}", path.display()))?;
    std::fs::remove_file(&path)?;
    let bytes = vec![7; PIECE_BYTES];
    for _ in 0..options.bytes_max.unwrap_or(FILE_BYTES) / PIECE_BYTES as u64 {
        file.write_all(&bytes)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// A certificate for localhost and who trusts it.
struct Secrets {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Secrets {
    fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let server = ServerConfig::builder_with_provider(transport::provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))?;
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(transport::tls_config(roots)?),
        })
    }
}

/// Connections under way.
struct Fetches {
    received: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Fetches {
    fn begin(way: Way, file: &Arc<File>, secrets: &Secrets, options: &Options) -> Result<Self> {
        let connections = options.connections;
        let bytes_per_s = options
            .rate
            .map(|rate| rate * float(options.record_bytes as u64));
        let bytes_per_s = bytes_per_s.map(|rate| rate / float(connections as u64));
        let mut fetches = Self {
            received: Arc::default(),
            is_over: Arc::default(),
            threads: Vec::new(),
        };
        let file_bytes = file.metadata()?.len();
        for index in 0..connections {
            // Nobody finds in the processor's cache what another one has just read.
            let at = file_bytes / connections as u64 * index as u64;
            let at = at - at % PIECE_BYTES as u64;
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = Address {
                server: format!("localhost:{}", listener.local_addr()?.port()),
                tls: (way == Way::Tls).then(|| Arc::clone(&secrets.client)),
            };
            let (file, config) = (Arc::clone(file), Arc::clone(&secrets.server));
            let is_over = Arc::clone(&fetches.is_over);
            let serving = thread::spawn(move || {
                let (socket, _) = listener.accept()?;
                let mut sender = Sender::new(way, socket, file, at, config)?;
                let (began, mut sent) = (Instant::now(), 0);
                while !is_over.load(Ordering::Relaxed) {
                    sent += sender.send()?;
                    let due_s = bytes_per_s.map_or(0.0, |rate| float(sent) / rate);
                    let due = began + Duration::from_secs_f64(due_s);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                sender.socket.shutdown(Shutdown::Write)
            });
            let received = Arc::clone(&fetches.received);
            let fetching = thread::spawn(move || receive(&address, &received));
            fetches.threads.extend([serving, fetching]);
        }
        Ok(fetches)
    }

    fn measure(self, options: &Options) -> Result<Cost> {
        let now = || {
            let cpu_s = Sample::of(std::process::id()).cpu_s();
            (Instant::now(), self.received.load(Ordering::Relaxed), cpu_s)
        };
        thread::sleep(Duration::from_secs_f64(options.warm_up_seconds));
        let (began, bytes_before, cpu_before) = now();
        thread::sleep(Duration::from_secs_f64(options.seconds));
        let (ended, bytes_after, cpu_after) = now();
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("panic"))??;
        }
        let bytes = float(bytes_after - bytes_before);
        Ok(Cost {
            mb_per_s: bytes / BYTES_PER_MB / (ended - began).as_secs_f64(),
            cpu_s_per_gb: (cpu_after - cpu_before) / (bytes / BYTES_PER_GB),
        })
    }
}

/// Counts what comes until nothing more does.
fn receive(address: &Address, received: &AtomicU64) -> io::Result<()> {
    let mut transport = address.connect()?;
    let mut room = vec![0; ROOM_BYTES];
    loop {
        match transport.receive(&mut room) {
            Ok(count) => received.fetch_add(count as u64, Ordering::Relaxed),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
    }
}

/// The end that has the file.
struct Sender {
    socket: TcpStream,
    session: Option<ServerConnection>,
    way: Way,
    file: Arc<File>,
    file_bytes: u64,
    at: u64,
    scratch: Vec<u8>,
}

impl Sender {
    fn new(
        way: Way,
        socket: TcpStream,
        file: Arc<File>,
        at: u64,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES)?;
        // One that paces would only wait.
        sockopt::set_tcp_congestion(&socket, "reno").ok();
        let mut sender = Self {
            socket,
            session: None,
            way,
            file_bytes: file.metadata()?.len(),
            file,
            at,
            scratch: vec![0; way.read_bytes() + DIRECT_ALIGNMENT],
        };
        if way == Way::Tls {
            let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
            session.set_buffer_limit(None);
            while session.is_handshaking() {
                session.complete_io(&mut sender.socket)?;
            }
            sender.session = Some(session);
        }
        Ok(sender)
    }

    /// Sends a piece of the file, which begins again at its end; gives how many bytes.
    fn send(&mut self) -> io::Result<u64> {
        if self.way == Way::SendFile {
            let mut at = self.at;
            let sent = rustix::fs::sendfile(&self.socket, &self.file, Some(&mut at), PIECE_BYTES)?;
            self.at = (self.at + sent as u64) % self.file_bytes;
            return Ok(sent as u64);
        }
        let aligned = self.scratch.as_ptr().align_offset(DIRECT_ALIGNMENT);
        let mut taken = 0;
        while taken < PIECE_BYTES {
            let room = self.scratch.get_mut(aligned..).unwrap_or_default();
            let room = room.get_mut(..self.way.read_bytes());
            let room = room.unwrap_or_default();
            let count = rustix::io::pread(&self.file, &mut *room, self.at)?;
            let bytes = room.get(..count).unwrap_or_default();
            match &mut self.session {
                Some(session) => session.writer().write_all(bytes)?,
                None => self.socket.write_all(bytes)?,
            }
            self.at = (self.at + count as u64) % self.file_bytes;
            taken += count;
        }
        if let Some(session) = &mut self.session {
            while session.wants_write() {
                session.write_tls(&mut self.socket)?;
            }
        }
        Ok(taken as u64)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn options(mode: &str) -> Options {
        let times = ["--seconds", "0.2", "--warm-up-seconds", "0.1"];
        Options::parse_from(["load", mode].into_iter().chain(times))
    }

    #[test]
    fn what_is_read_past_the_page_cache_comes_at_its_rate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cold");
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let mut options = options("bare-cold");
        options.rate = Some(20_000.0);
        options.file = Some(path);
        match measure_cold(&options) {
            // However late a machine is, it is not early.
            Ok(cost) => assert!(cost.mb_per_s > 0.0 && cost.mb_per_s < 40.0, "{cost:?}"),
            // Not every file system has such reads.
            Err(error) => assert!(error.to_string().starts_with("open "), "{error:?}"),
        }
    }

    #[test]
    fn each_way_brings_bytes() {
        let mut options = options("bare-fetch");
        options.bytes_max = Some(1 << 20);
        let bare = measure(&options).unwrap();
        for cost in [&bare.sendfile, &bare.copy, &bare.tls] {
            assert!(cost.mb_per_s > 0.0, "{bare:?}");
        }
    }
}
