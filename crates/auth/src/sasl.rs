//! The SASL exchange: mechanism, message, verdict. PLAIN is the mechanism, Event Hubs' way: the
//! user is `$ConnectionString`, the password is the string itself (or a token, which Azure refuses
//! and we take).
//!
//! | State | handshake | message | accepted | refused |
//! |---|---|---|---|---|
//! | Idle | => Expecting | error | - | - |
//! | Expecting | => Expecting | => Verifying | - | - |
//! | Verifying | error | error | => Done | => Failed |
//! | Done | => Expecting (KIP-368) | error | - | - |
//! | Failed | error | error | - | - |

use std::{str, sync::Arc, time::Duration};

use model::{NamespaceName, Timestamp};
use thiserror::Error;

use crate::{
    ConnectionString, ConnectionStringError, Credential, Key, Policy, PolicySet, Principal,
    SasToken, Scope, TokenError,
};

/// The one mechanism, by its registered name.
pub const MECHANISM_PLAIN: &str = "PLAIN";
/// How long the reply to a failed login is held back, against guessing.
pub const FAILED_LOGIN_HOLD: Duration = Duration::from_secs(1);

/// The user name that Event Hubs' clients log in with.
const USER_NAME: &str = "$ConnectionString";
/// A PLAIN message longer than this is nobody's connection string.
const MESSAGE_LEN_MAX: usize = 16 * 1024;

/// How the client's SASL messages are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The next frame after the handshake is the bare message.
    Raw,
    /// Messages come inside authenticate requests.
    Wrapped,
}

/// Where a connection stands in its login.
#[derive(Debug, Default)]
pub struct Sasl {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Expecting(Framing),
    Verifying,
    Done,
    Failed,
}

/// A step out of turn.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SaslError {
    #[error("the mechanism is not supported; use PLAIN")]
    Mechanism,
    #[error("a SASL message came before the handshake that announces it")]
    NoHandshake,
    #[error("a SASL message came after the login was decided")]
    Decided,
    #[error(transparent)]
    Login(#[from] LoginError),
}

impl Sasl {
    /// The client names its mechanism. Also after a login: clients log in again before a token
    /// ends.
    pub fn handshake(&mut self, mechanism: &str, framing: Framing) -> Result<(), SaslError> {
        match self.state {
            State::Verifying | State::Failed => Err(SaslError::Decided),
            State::Idle | State::Expecting(_) | State::Done if mechanism == MECHANISM_PLAIN => {
                self.state = State::Expecting(framing);
                Ok(())
            }
            State::Idle | State::Expecting(_) | State::Done => Err(SaslError::Mechanism),
        }
    }

    /// Whether the next frame is a bare message instead of a request.
    #[must_use]
    pub fn expects_raw_message(&self) -> bool {
        self.state == State::Expecting(Framing::Raw)
    }

    /// Whether a login has succeeded and none has been begun anew.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The client's message. The verdict on the login is given by [`Self::accepted`] or
    /// [`Self::refused`]; a message that is no login is refused here.
    pub fn message(&mut self, message: &[u8]) -> Result<Login, SaslError> {
        match self.state {
            State::Idle => Err(SaslError::NoHandshake),
            State::Verifying | State::Done | State::Failed => Err(SaslError::Decided),
            State::Expecting(_) => match Login::parse(message) {
                Ok(login) => {
                    self.state = State::Verifying;
                    Ok(login)
                }
                Err(error) => {
                    self.state = State::Failed;
                    Err(error.into())
                }
            },
        }
    }

    /// The login was verified.
    pub fn accepted(&mut self) {
        assert_eq!(self.state, State::Verifying, "a verdict follows a message");
        self.state = State::Done;
    }

    /// The login was found wanting; nothing more is taken on this connection.
    pub fn refused(&mut self) {
        self.state = State::Failed;
    }
}

/// A credential that was shown but not yet verified.
#[derive(Debug)]
pub struct Login {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    ConnectionString(ConnectionString),
    Token(SasToken),
}

/// Why a login failed, in words that are safe to send to whoever tried it: they name what the
/// caller named, and never a key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    #[error("the PLAIN message is malformed")]
    Malformed,
    #[error(
        "the user name must be \"$ConnectionString\" and the password an Event Hubs connection \
         string"
    )]
    UserName,
    #[error("acting on behalf of another user is not supported")]
    AuthorizationId,
    #[error(transparent)]
    ConnectionString(#[from] ConnectionStringError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(
        "no namespace here goes by the name in the connection string, by the TLS server name or \
         by default on this listener"
    )]
    NoNamespace,
    #[error("no policy {policy:?} in namespace {namespace}")]
    UnknownPolicy {
        policy: String,
        namespace: NamespaceName,
    },
    #[error("the key does not match policy {policy:?} in namespace {namespace}")]
    WrongKey {
        policy: String,
        namespace: NamespaceName,
    },
    #[error("the token is not signed by policy {policy:?} in namespace {namespace}")]
    WrongSignature {
        policy: String,
        namespace: NamespaceName,
    },
    #[error("the token has expired")]
    Expired,
    #[error("the token's resource (sr) and EntityPath name different event hubs")]
    EntityPathMismatch,
}

impl Login {
    /// Reads `authzid NUL authcid NUL passwd` (RFC 4616).
    pub fn parse(message: &[u8]) -> Result<Self, LoginError> {
        if message.len() > MESSAGE_LEN_MAX {
            return Err(LoginError::Malformed);
        }
        let text = str::from_utf8(message).map_err(|_| LoginError::Malformed)?;
        let mut parts = text.split('\0');
        let (Some(authorization), Some(user), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(LoginError::Malformed);
        };
        if user != USER_NAME {
            return Err(LoginError::UserName);
        }
        if !authorization.is_empty() && authorization != user {
            return Err(LoginError::AuthorizationId);
        }
        let shown = if SasToken::looks_like(password) {
            Shown::Token(SasToken::parse(password)?)
        } else {
            Shown::ConnectionString(ConnectionString::parse(password)?)
        };
        Ok(Self { shown })
    }

    /// The host that the credential is for: the first candidate of
    /// [`resolve_namespace`](crate::resolve_namespace).
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.shown {
            Shown::ConnectionString(string) => &string.endpoint.host,
            Shown::Token(token) => token.host(),
        }
    }

    /// Checks the credential against the policies of the namespace it was resolved to. The
    /// credential's own host is not checked again: a string that names Azure stays valid here.
    pub fn verify(&self, policies: &PolicySet, now: Timestamp) -> Result<Principal, LoginError> {
        match &self.shown {
            Shown::Token(token) => verify_token(token, None, policies, now),
            Shown::ConnectionString(string) => match &string.credential {
                Credential::Token(token) => {
                    verify_token(token, string.entity_path.as_ref(), policies, now)
                }
                Credential::Key { policy, key } => {
                    verify_key(policy, key, string.entity_path.as_ref(), policies)
                }
            },
        }
    }
}

fn verify_key(
    name: &str,
    key: &Key,
    entity_path: Option<&model::TopicName>,
    policies: &PolicySet,
) -> Result<Principal, LoginError> {
    find(policies, entity_path, name, |ours| ours.matches(key)).map_err(|missing| {
        let (policy, namespace) = (name.to_owned(), policies.namespace().clone());
        match missing {
            Missing::Policy => LoginError::UnknownPolicy { policy, namespace },
            Missing::Key => LoginError::WrongKey { policy, namespace },
        }
    })
}

fn verify_token(
    token: &SasToken,
    entity_path: Option<&model::TopicName>,
    policies: &PolicySet,
    now: Timestamp,
) -> Result<Principal, LoginError> {
    let hub = match (token.hub(), entity_path) {
        (Some(hub), Some(path)) if !hub.as_str().eq_ignore_ascii_case(path.as_str()) => {
            return Err(LoginError::EntityPathMismatch);
        }
        (hub, path) => hub.or(path),
    };
    let name = token.policy();
    let principal =
        find(policies, hub, name, |key| token.is_signed_by(key)).map_err(|missing| {
            let (policy, namespace) = (name.to_owned(), policies.namespace().clone());
            match missing {
                Missing::Policy => LoginError::UnknownPolicy { policy, namespace },
                Missing::Key => LoginError::WrongSignature { policy, namespace },
            }
        })?;
    // After the signature, so that only the token's holder learns of its age.
    if token.expires() <= now {
        return Err(LoginError::Expired);
    }
    Ok(Principal {
        expires: Some(token.expires()),
        ..principal
    })
}

enum Missing {
    Policy,
    Key,
}

/// The first policy of that name with a key that satisfies the test.
fn find(
    policies: &PolicySet,
    hub: Option<&model::TopicName>,
    name: &str,
    test: impl Fn(&Key) -> bool,
) -> Result<Principal, Missing> {
    let mut missing = Missing::Policy;
    for (owner, policy) in policies.candidates(hub, name) {
        if let Some(key) = policy.key_that(&test) {
            return Ok(principal(policy, key, owner, hub));
        }
        missing = Missing::Key;
    }
    Err(missing)
}

fn principal(
    policy: &Policy,
    key: &Key,
    owner: Option<&model::TopicName>,
    hub: Option<&model::TopicName>,
) -> Principal {
    let scope = match (owner, hub) {
        (Some(owner), _) => Scope::Hub(owner.clone()),
        (None, Some(hub)) => Scope::NarrowedTo(hub.clone()),
        (None, None) => Scope::Namespace,
    };
    Principal {
        policy: Arc::from(policy.name.as_str()),
        rights: policy.rights,
        scope,
        expires: None,
        key: key.clone(),
    }
}

#[cfg(test)]
mod tests;
