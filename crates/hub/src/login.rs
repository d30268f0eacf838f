//! Login: which namespace, which caller.

use std::time::Duration;

use bytes::Bytes;
use model::NamespaceName;
use thiserror::Error;

use crate::{Access, Hub};

/// What is known of a connection before anyone has logged in.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The TLS server name.
    pub server_name: Option<String>,
    /// The listener's namespace.
    pub listener_namespace: Option<NamespaceName>,
}

/// A SASL exchange in progress.
#[derive(Debug)]
pub struct Login {
    _private: (),
}

/// What a step of the exchange led to.
#[derive(Debug)]
pub enum LoginStep {
    /// Send these bytes and wait for the client's next.
    Continue(Login, Bytes),
    /// The caller is known; send these bytes with the success.
    Done(Box<Access>, Bytes),
}

/// A refused login. The message is safe to show to the client.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct LoginError {
    pub message: String,
    /// Answer this much later, against guessing.
    pub delay: Duration,
}

/// No mechanism of this name; the list is what to offer instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unsupported SASL mechanism")]
pub struct UnknownMechanism {
    pub offered: &'static [&'static str],
}

impl Hub {
    /// Begins a SASL exchange (SaslHandshake).
    ///
    /// # Errors
    /// The mechanism is not offered.
    pub fn login(&self, _mechanism: &str, _origin: Origin) -> Result<Login, UnknownMechanism> {
        unimplemented!()
    }

    /// The caller on a listener without login: all rights in its namespace. `None` when neither
    /// the server name nor the listener leads to a namespace.
    #[must_use]
    pub fn anonymous(&self, _origin: &Origin) -> Option<Access> {
        unimplemented!()
    }
}

impl Login {
    /// Takes the client's bytes (SaslAuthenticate, or the raw token after handshake version 0).
    ///
    /// # Errors
    /// The login is refused; the connection is closed after the answer.
    pub fn step(self, _token: &[u8]) -> Result<LoginStep, LoginError> {
        unimplemented!()
    }
}
