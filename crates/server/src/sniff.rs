//! What a connection's first bytes say about who speaks: people mix up ports.

use crate::End;

/// How HTTP requests begin. None of these is the length of a frame that any limit allows: the
/// smallest is over 1 GiB.
const HTTP_METHODS: [&[u8; 4]; 8] = [
    b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"DELE", b"PATC", b"PRI ",
];
/// The type of a TLS record that carries a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;
/// The major version in every TLS record, up to TLS 1.3.
const TLS_MAJOR_VERSION: u8 = 3;

/// Judges the first bytes on a listener without TLS.
pub(crate) fn on_plaintext(first: [u8; 4]) -> Result<(), End> {
    match first {
        [TLS_HANDSHAKE, TLS_MAJOR_VERSION, ..] => Err(End::TlsOnPlaintext),
        _ if HTTP_METHODS.contains(&&first) => Err(End::Http),
        _ => Ok(()),
    }
}

/// Judges the first bytes, at least one, on a TLS listener.
pub(crate) fn on_tls(first: &[u8]) -> Result<(), End> {
    match first {
        [TLS_HANDSHAKE, ..] | [] => Ok(()),
        _ if HTTP_METHODS.iter().any(|method| first.starts_with(*method)) => Err(End::Http),
        _ => Err(End::PlaintextOnTls),
    }
}
