//! Why a connection ended: what the log says.

use std::{io, time::Duration};

use thiserror::Error;

/// The end of a connection.
#[derive(Debug, Error)]
pub enum End {
    #[error("the client closed it")]
    ClientClosed,
    #[error("the client closed it in the middle of a frame")]
    ClientClosedInFrame,
    #[error("the server is stopping")]
    Drained,
    /// In the front end's words.
    #[error("{0}")]
    Refused(String),
    /// In the front end's words.
    #[error("what was owed is not sent {0}")]
    Lapsed(String),
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    #[error("a frame made no progress for {0:?}")]
    FrameStalled(Duration),
    #[error("a frame took longer than {0:?}")]
    FrameTooSlow(Duration),
    #[error("a frame arrived at less than {0} bytes a second (limits: transfer rate)")]
    FrameTrickles(u64),
    #[error(
        "the client took in its replies at less than {0} bytes a second (limits: transfer rate)"
    )]
    RepliesTrickle(u64),
    #[error("memory was short for {0:?} (limits: incoming and outgoing bytes)")]
    MemoryShort(Duration),
    #[error("memory was short, and others waited {0:?} for the rest of its frame")]
    HeldUpOthers(Duration),
    #[error("the client took in nothing for {0:?} while replies waited for it")]
    WriteStalled(Duration),
    #[error("no login within {0:?} of connecting")]
    LoginTooSlow(Duration),
    #[error("the TLS handshake took longer than {0:?}")]
    HandshakeTooSlow(Duration),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    #[error(
        "the client speaks TLS on a listener without TLS: use security.protocol PLAINTEXT or \
         SASL_PLAINTEXT here, or the TLS listener's port"
    )]
    TlsOnPlaintext,
    #[error(
        "the client speaks without TLS on a TLS listener: use security.protocol SSL or SASL_SSL \
         here, or the plaintext listener's port"
    )]
    PlaintextOnTls,
    #[error("the client speaks HTTP: metrics and health are on the admin listener")]
    Http,
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

impl End {
    /// In a word, for the metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ClientClosed | Self::ClientClosedInFrame => "client",
            Self::Drained => "shutdown",
            Self::Refused(_) => "refused",
            Self::Lapsed(_) => "login_ended",
            Self::Idle(_) => "idle",
            Self::FrameStalled(_) | Self::FrameTooSlow(_) | Self::FrameTrickles(_) => {
                "slow_request"
            }
            Self::WriteStalled(_) | Self::RepliesTrickle(_) => "slow_reader",
            Self::MemoryShort(_) => "memory_short",
            Self::HeldUpOthers(_) => "held_up_others",
            Self::LoginTooSlow(_) => "slow_login",
            Self::HandshakeTooSlow(_) | Self::Handshake(_) => "tls_handshake",
            Self::TlsOnPlaintext | Self::PlaintextOnTls | Self::Http => "wrong_protocol",
            Self::Broken(_) => "broken",
        }
    }

    /// Whether it is the ordinary end of a connection, of which the log need not speak.
    #[must_use]
    pub const fn is_ordinary(&self) -> bool {
        matches!(
            self,
            Self::ClientClosed
                | Self::ClientClosedInFrame
                | Self::Drained
                | Self::Idle(_)
                | Self::Broken(_)
        )
    }
}
