//! What can go wrong, by who is at fault and what the caller can do. A cause stands in `source`
//! and not in the text: print the whole chain.

use std::{io, time::Duration};

use thiserror::Error;
use wire::{
    api::ApiKey,
    codec::{DecodeError, EncodeError},
    error_code::ErrorCode,
    frame::FrameError,
};

use crate::tls::TrustError;

/// Why there is no usable connection; the variants are the steps of connecting, in their order.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("cannot find the address of {host}")]
    Resolve { host: String, source: io::Error },
    #[error("cannot connect to {address}")]
    Connect { address: String, source: io::Error },
    #[error("no connection to {address} within {} s", after.as_secs())]
    Timeout { address: String, after: Duration },
    #[error("TLS with {address} fails")]
    Tls { address: String, source: io::Error },
    #[error("asking {address} for its versions fails")]
    Versions {
        address: String,
        source: RequestError,
    },
    #[error("login at {address} fails")]
    LoginRequest {
        address: String,
        source: RequestError,
    },
    #[error("login at {address} is refused")]
    LoginRefused {
        address: String,
        source: BrokerError,
    },
}

/// Why a request has no answer. The connection is of no more use.
#[derive(Debug, Error)]
pub enum RequestError {
    #[error("the broker does not speak a version of {api} that this client knows")]
    Unsupported { api: ApiKey },
    #[error("the connection broke")]
    Io(#[from] io::Error),
    #[error("the broker closed the connection")]
    Closed,
    #[error("no answer to {api} within {} ms", after.as_millis())]
    Timeout { api: ApiKey, after: Duration },
    #[error("the answer is no Kafka frame")]
    Frame(#[from] FrameError),
    #[error("the answer cannot be read")]
    Decode(#[from] DecodeError),
    #[error("the request cannot be written")]
    Encode(#[from] EncodeError),
    #[error("the answer belongs to request {found}, not to {expected}")]
    Correlation { expected: i32, found: i32 },
}

/// An error that the broker answered with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}", name(*code), message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
pub struct BrokerError {
    /// `None` for a number that this client does not know.
    pub error: Option<ErrorCode>,
    pub code: i16,
    pub message: Option<String>,
}

impl BrokerError {
    /// `Ok` for code 0.
    pub(crate) fn check(code: i16, message: Option<&str>) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        Err(Self {
            error: ErrorCode::from_code(code),
            code,
            message: message.filter(|text| !text.is_empty()).map(str::to_owned),
        })
    }

    /// Whether it is this error.
    #[must_use]
    pub fn is(&self, error: ErrorCode) -> bool {
        self.error == Some(error)
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.error.is_some_and(ErrorCode::is_retriable)
    }
}

fn name(code: i16) -> String {
    ErrorCode::from_code(code)
        .map_or_else(|| format!("error {code}"), |error| error.name().to_owned())
}

/// Why a call did not do what it says.
#[derive(Debug, Error)]
pub enum CallError {
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The broker refuses, for the named thing.
    #[error("{subject}: {error}")]
    Broker { subject: String, error: BrokerError },
    /// The broker's answer leaves out what was asked for.
    #[error("the broker's answer says nothing about {subject}")]
    Missing { subject: String },
    #[error("{subject}: {error}")]
    Records {
        subject: String,
        error: crate::fetch::RecordsError,
    },
}

impl CallError {
    /// The broker's own error, if that is what it is.
    #[must_use]
    pub fn broker(&self) -> Option<&BrokerError> {
        match self {
            Self::Broker { error, .. } => Some(error),
            Self::Request(_) | Self::Missing { .. } | Self::Records { .. } => None,
        }
    }

    /// `Ok` for code 0; otherwise the broker's refusal about `subject`.
    pub(crate) fn check(
        subject: impl FnOnce() -> String,
        code: i16,
        message: Option<&str>,
    ) -> Result<(), Self> {
        BrokerError::check(code, message).map_err(|error| Self::Broker {
            subject: subject(),
            error,
        })
    }
}
