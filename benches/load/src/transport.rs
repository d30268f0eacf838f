//! A connection's bytes: a socket, plain or under TLS, first blocking while it is set up and then
//! ready for the loop.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::outgoing::Outgoing;

/// Bytes handed to TLS before the socket must take some.
const TLS_BUFFER_BYTES: usize = 256 << 10;

/// How to reach the broker.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) server: String,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Address {
    /// With `ca`, the connection is under TLS and the broker must prove its name.
    pub(crate) fn new(server: &str, ca: Option<&Path>) -> Result<Self> {
        let tls = ca.map(tls_config).transpose()?.map(Arc::new);
        Ok(Self {
            server: server.to_owned(),
            tls,
        })
    }

    pub(crate) fn connect(&self) -> io::Result<Transport> {
        let socket = TcpStream::connect(&self.server)?;
        socket.set_nodelay(true)?;
        let Some(config) = &self.tls else {
            return Ok(Transport {
                socket,
                session: None,
            });
        };
        let host = self.server.rsplit_once(':').map_or("", |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut session =
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        Ok(Transport {
            socket,
            session: Some(Box::new(session)),
        })
    }
}

fn tls_config(ca: &Path) -> Result<ClientConfig> {
    let pem = fs::read(ca).with_context(|| format!("read {}", ca.display()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

pub(crate) struct Transport {
    socket: TcpStream,
    session: Option<Box<ClientConnection>>,
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport {
    /// From here on nothing blocks.
    pub(crate) fn enter_loop(&self) -> io::Result<()> {
        self.socket.set_nonblocking(true)
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.session.is_none()
    }

    /// Sends what waits; true if all of it has gone.
    pub(crate) fn send(&mut self, out: &mut Outgoing) -> io::Result<bool> {
        let sent = match &mut self.session {
            None => out.drain(|slices| self.socket.write_vectored(slices)),
            Some(session) => send_tls(session, &mut self.socket, out),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One read; [`ErrorKind::WouldBlock`] when there is nothing yet.
    pub(crate) fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return not_the_end(self.socket.read(room)?);
        };
        loop {
            match session.reader().read(room) {
                Ok(count) => return not_the_end(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            not_the_end(session.read_tls(&mut self.socket)?)?;
            session.process_new_packets().map_err(io::Error::other)?;
            // Key updates and the handshake answer at once.
            while session.wants_write() {
                session.write_tls(&mut self.socket)?;
            }
        }
    }

    /// While blocking: sends all and reads exactly one answer into `frame`.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Outgoing::default();
        out.copy(request);
        self.send(&mut out)?;
        let mut prefix = [0; 4];
        self.receive_all(&mut prefix)?;
        let length = usize::try_from(i32::from_be_bytes(prefix));
        let length = length.map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
        let mut frame = vec![0; length];
        self.receive_all(&mut frame)?;
        Ok(frame)
    }

    fn receive_all(&mut self, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            let count = self.receive(room)?;
            room = room.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }
}

fn send_tls(
    session: &mut ClientConnection,
    socket: &mut TcpStream,
    out: &mut Outgoing,
) -> io::Result<()> {
    // The blocking handshake of a new connection takes its turns here.
    while session.is_handshaking() {
        session.complete_io(socket)?;
    }
    let flush = |session: &mut ClientConnection, socket: &mut TcpStream| -> io::Result<()> {
        while session.wants_write() {
            session.write_tls(socket)?;
        }
        Ok(())
    };
    // What the session has taken is gone from `out`: nothing may fail between the two.
    out.drain(|slices| {
        flush(session, socket)?;
        session.writer().write_vectored(slices)
    })?;
    flush(session, socket)
}

fn not_the_end(count: usize) -> io::Result<usize> {
    if count == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(count)
}
