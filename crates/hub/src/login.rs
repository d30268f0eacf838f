//! Login: which namespace, which caller.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use auth::{Caller, FAILED_LOGIN_HOLD, MECHANISM_PLAIN};
use bytes::Bytes;
use model::{NamespaceName, Now, Timestamp};
use thiserror::Error;

use crate::{
    Access, Hub, access::Standing, connection::Connection, core::Core, namespace::Namespace,
};

/// What is known of a connection before anyone has logged in.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The TLS server name.
    pub server_name: Option<String>,
    /// The listener's namespace.
    pub listener_namespace: Option<NamespaceName>,
    /// Whether a refusal tells the caller what else only the log says: a developer on the
    /// broker's own machine.
    pub hears_reasons: bool,
}

/// A SASL exchange in progress.
pub struct Login {
    core: Arc<Core>,
    origin: Origin,
    /// The caller so far, whom a new login may only renew.
    before: Option<Access>,
}

/// What a step of the exchange led to.
pub enum LoginStep {
    /// Send these bytes and wait for the client's next.
    Continue(Login, Bytes),
    /// The caller is known; send these bytes with the success.
    Done(Box<Access>, Bytes),
}

/// A refused login.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct LoginError {
    /// For the caller. A stranger does not learn from it what there is.
    pub message: String,
    /// For the log.
    pub reason: String,
    /// Answer this much later, against guessing.
    pub delay: Duration,
}

/// No mechanism of this name; the list is what to offer instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unsupported SASL mechanism")]
pub struct UnknownMechanism {
    pub offered: &'static [&'static str],
}

/// What SaslHandshake lists.
const MECHANISMS: &[&str] = &[MECHANISM_PLAIN];

impl Hub {
    /// Begins a SASL exchange (SaslHandshake). Where a caller has logged in before, its client
    /// renews a token (KIP-368), which must not make another caller of it.
    ///
    /// # Errors
    /// The mechanism is not offered.
    pub fn login(
        &self,
        mechanism: &str,
        origin: Origin,
        before: Option<Access>,
    ) -> Result<Login, UnknownMechanism> {
        if mechanism != MECHANISM_PLAIN {
            return Err(UnknownMechanism {
                offered: MECHANISMS,
            });
        }
        Ok(Login {
            core: Arc::clone(&self.core),
            origin,
            before,
        })
    }

    /// What SaslHandshake lists.
    #[must_use]
    pub fn mechanisms(&self) -> &'static [&'static str] {
        MECHANISMS
    }

    /// The caller on a listener without login: all rights in its namespace. `None` when neither
    /// the server name nor the listener leads to a namespace.
    #[must_use]
    pub fn anonymous(&self, origin: &Origin) -> Option<Access> {
        let namespace = self.core.namespaces.load().resolve(origin.candidates())?;
        let connection = Connection::new(&namespace);
        Some(Access::new(
            Arc::clone(&self.core),
            namespace,
            Caller::Anonymous,
            None,
            Standing::default(),
            connection,
        ))
    }
}

impl Origin {
    fn candidates(&self) -> [Option<&str>; 2] {
        [
            self.server_name.as_deref(),
            self.listener_namespace.as_ref().map(NamespaceName::as_str),
        ]
    }
}

impl Login {
    /// Takes the client's bytes (SaslAuthenticate, or the raw token after handshake version 0).
    ///
    /// # Errors
    /// The login is refused; the connection is closed after the answer.
    pub fn step(self, token: &[u8]) -> Result<LoginStep, LoginError> {
        let refused = |message: String, reason: String| LoginError {
            message,
            reason,
            delay: FAILED_LOGIN_HOLD,
        };
        let access = self.verify(token).map_err(|error| {
            let reason = error.to_string();
            let message = if self.origin.hears_reasons {
                reason.clone()
            } else {
                error.for_strangers()
            };
            refused(message, reason)
        })?;
        if let Some(before) = &self.before
            && !before.is_same_caller(&access)
        {
            let message = format!(
                "a connection that logs in again stays with its policy ({:?} in namespace {}) and \
                 its event hub; another needs another connection",
                before.principal(),
                before.namespace(),
            );
            return Err(refused(message.clone(), message));
        }
        Ok(LoginStep::Done(Box::new(access), Bytes::new()))
    }

    fn verify(&self, token: &[u8]) -> Result<Access, auth::LoginError> {
        let login = auth::Login::parse(token)?;
        let namespaces = self.core.namespaces.load();
        let [server_name, listener] = self.origin.candidates();
        let host = login.host().trim_end_matches('.').to_ascii_lowercase();
        let namespace: Arc<Namespace> = namespaces
            .resolve([Some(host.as_str()), server_name, listener])
            .ok_or_else(|| login.verify_nowhere(auth::LoginError::NoNamespace))?;
        // A token names its namespace itself; a name that is none of ours, such as one of Azure,
        // does not count.
        let other = login
            .token_host()
            .and_then(|host| namespaces.owner(host.trim_end_matches('.')))
            .filter(|owner| owner.id != namespace.id);
        if other.is_some() {
            return Err(login.verify_nowhere(auth::LoginError::OtherNamespace));
        }
        let now = self.core.clock.now();
        // Read first: policies that are replaced meanwhile are looked at once more.
        let version = namespace.policies_version.load(Ordering::Acquire);
        let principal = login.verify(&namespace.policies.load(), now.wall)?;
        let expires = principal.expires.map(|expires| instant(now, expires));
        let owned = namespaces
            .owner(&host)
            .is_some_and(|owner| owner.id == namespace.id);
        // A login that follows another on its connection is of the same namespace, or refused.
        let connection = match &self.before {
            Some(before) => Arc::clone(before.connection()),
            None => Connection::new(&namespace),
        };
        Ok(Access::new(
            Arc::clone(&self.core),
            namespace,
            Caller::Principal(principal),
            owned.then_some(host),
            Standing::new(expires, version),
            connection,
        ))
    }
}

/// The moment of a timestamp on the monotonic clock.
fn instant(now: Now, at: Timestamp) -> std::time::Instant {
    let ms = u64::try_from(at.0.saturating_sub(now.wall.0)).unwrap_or(0);
    // A century is as good as for ever, and safe to add.
    let span = Duration::from_millis(ms).min(Duration::from_hours(876_000));
    now.monotonic + span
}
