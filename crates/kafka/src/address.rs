//! The address a connection is told to come back to: one answer for all replies of a connection.

use crate::session::Peer;

/// The node id of the one broker a client sees; Event Hubs' is 0 too.
pub(crate) const NODE_ID: i32 = 0;

/// An address as the operator set it for a listener (`advertised`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    pub host: String,
    pub port: u16,
}

/// The address a client is told for every partition and coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    /// The first known of: the listener's setting, the name the client used for TLS, the host in
    /// its connection string if its namespace owns it (`owned`), the address it reached.
    pub(crate) fn of(peer: &Peer, owned: Option<&str>) -> Self {
        let host = match (&peer.advertised, &peer.tls_server_name, owned) {
            (Some(advertised), _, _) => advertised.host.clone(),
            (None, Some(name), _) => name.clone(),
            (None, None, Some(host)) => host.to_owned(),
            (None, None, None) => peer.local.ip().to_canonical().to_string(),
        };
        let port = peer
            .advertised
            .as_ref()
            .map_or_else(|| peer.local.port(), |advertised| advertised.port);
        Self { host, port }
    }
}
