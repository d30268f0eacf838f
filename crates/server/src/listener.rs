//! A listener's settings, and binding its socket.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
};

use model::NamespaceName;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::TlsError;

/// Connections that may wait for their accept; the kernel caps it with `somaxconn`.
const BACKLOG: i32 = 4096;

/// Where and how clients reach the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    pub name: String,
    /// `host:port`; port 0 takes a free one.
    pub address: String,
    pub security: Security,
    /// What clients are told to connect to, where it is not what they used.
    pub advertised: Option<Advertised>,
    /// The namespace of connections that name none.
    pub namespace: Option<NamespaceName>,
}

/// Whether a listener speaks TLS and asks for a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Plaintext,
    Tls,
    SaslPlaintext,
    SaslTls,
}

impl Security {
    /// Whether connections begin with a TLS handshake.
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SaslTls)
    }

    /// Whether nothing is served before a login.
    #[must_use]
    pub const fn asks_for_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslTls)
    }
}

/// An address for clients; without a port, the listener's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub host: String,
    pub port: Option<u16>,
}

/// Why a listener could not be opened.
#[derive(Debug, Error)]
pub enum BindError {
    #[error("listener {name}: {address:?} is not an address")]
    Address {
        name: String,
        address: String,
        source: io::Error,
    },
    #[error("listener {name}: cannot listen on {address}")]
    Listen {
        name: String,
        address: String,
        source: io::Error,
    },
    #[error("listener {name} speaks TLS, but there is no certificate")]
    NoCertificate { name: String },
    #[error("listener {name}: TLS cannot be set up")]
    Tls { name: String, source: TlsError },
}

/// Opens a listening socket for the address; must run inside a tokio runtime.
pub(crate) fn listen(name: &str, address: &str) -> Result<TcpListener, BindError> {
    let resolved = address
        .to_socket_addrs()
        .and_then(|mut all| {
            all.next()
                .ok_or_else(|| io::Error::other("the name has no address"))
        })
        .map_err(|source| BindError::Address {
            name: name.to_owned(),
            address: address.to_owned(),
            source,
        })?;
    open(resolved).map_err(|source| BindError::Listen {
        name: name.to_owned(),
        address: address.to_owned(),
        source,
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
