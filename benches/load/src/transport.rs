//! A connection's bytes: a socket, plain or under TLS, first blocking while it is set up and then
//! ready for the loop.

mod session;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::outgoing::Outgoing;
use session::Session;

/// How to reach the broker.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) server: String,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Address {
    /// With `ca`, the connection is under TLS and the broker must prove its name.
    pub(crate) fn new(server: &str, ca: Option<&Path>) -> Result<Self> {
        let tls = ca.map(|ca| tls_config(roots(ca)?)).transpose()?;
        let tls = tls.map(Arc::new);
        Ok(Self {
            server: server.to_owned(),
            tls,
        })
    }

    pub(crate) fn connect(&self) -> io::Result<Transport> {
        let mut socket = TcpStream::connect(&self.server)?;
        socket.set_nodelay(true)?;
        let mut session = None;
        if let Some(config) = &self.tls {
            let host = self.server.rsplit_once(':').map_or("", |(host, _)| host);
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let opened = Session::open(Arc::clone(config), name, &mut socket)?;
            session = Some(Box::new(opened));
        }
        Ok(Transport { socket, session })
    }
}

fn roots(ca: &Path) -> Result<RootCertStore> {
    let pem = fs::read(ca).with_context(|| format!("read {}", ca.display()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

pub(crate) fn tls_config(roots: RootCertStore) -> Result<ClientConfig> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// What the broker has, too.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) struct Transport {
    socket: TcpStream,
    session: Option<Box<Session>>,
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

    /// Sends what waits; true if all of it has gone.
    pub(crate) fn send(&mut self, out: &mut Outgoing) -> io::Result<bool> {
        let sent = match &mut self.session {
            None => out.drain(|slices| self.socket.write_vectored(slices)),
            Some(session) => session.send(&mut self.socket, out),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Some of what has come; [`ErrorKind::WouldBlock`] when that is nothing. Where room is left,
    /// whatever else has come is still in the socket, which says so.
    pub(crate) fn receive(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.session {
            None => not_the_end(self.socket.read(room)?),
            Some(session) => session.receive(&mut self.socket, room),
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

fn not_the_end(count: usize) -> io::Result<usize> {
    if count == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(count)
}
