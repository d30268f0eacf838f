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

/// What a stranger is told of every credential that opens nothing here.
const REFUSED: &str = "the credential opens nothing here: no such namespace or policy, or not its \
                       key; the broker's log says which";

/// Why a login failed, in words for the log: they name what the caller named, and never a key.
/// [`LoginError::for_strangers`] are the words for whoever tried it.
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
    #[error("the token is for another namespace than the connection string")]
    OtherNamespace,
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

impl LoginError {
    /// The words that anyone may read. They tell what is wrong with the message itself, but not
    /// which namespaces, event hubs and policies there are.
    #[must_use]
    pub fn for_strangers(&self) -> String {
        match self {
            Self::NoNamespace
            | Self::OtherNamespace
            | Self::UnknownPolicy { .. }
            | Self::WrongKey { .. }
            | Self::WrongSignature { .. } => REFUSED.to_owned(),
            // Only the holder of a signed token gets as far as its age.
            Self::Malformed
            | Self::UserName
            | Self::AuthorizationId
            | Self::ConnectionString(_)
            | Self::Token(_)
            | Self::Expired
            | Self::EntityPathMismatch => self.to_string(),
        }
    }
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

    /// The host that the token is for, where there is one: beside a connection string's own
    /// endpoint.
    #[must_use]
    pub fn token_host(&self) -> Option<&str> {
        match &self.shown {
            Shown::ConnectionString(string) => match &string.credential {
                Credential::Token(token) => Some(token.host()),
                Credential::Key { .. } => None,
            },
            Shown::Token(token) => Some(token.host()),
        }
    }

    /// Refuses a credential that leads to no namespace, after as much work as one that does.
    #[must_use]
    pub fn verify_nowhere(&self, error: LoginError) -> LoginError {
        let has_hub = match &self.shown {
            Shown::ConnectionString(string) => string.entity_path.is_some(),
            Shown::Token(token) => token.hub().is_some(),
        };
        for _ in 0..=usize::from(has_hub) {
            match &self.shown {
                Shown::Token(token)
                | Shown::ConnectionString(ConnectionString {
                    credential: Credential::Token(token),
                    ..
                }) => try_nobody(|key| token.is_signed_by(key)),
                Shown::ConnectionString(ConnectionString {
                    credential: Credential::Key { key, .. },
                    ..
                }) => try_nobody(|ours| ours.matches(key)),
            }
        }
        error
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

/// The first policy of that name with a key that satisfies the test: the event hub's own, then the
/// namespace's. Where there is none, a key of nobody takes its place, so that the time tells no
/// more than the answer.
fn find(
    policies: &PolicySet,
    hub: Option<&model::TopicName>,
    name: &str,
    test: impl Fn(&Key) -> bool,
) -> Result<Principal, Missing> {
    let mut missing = Missing::Policy;
    if let Some(hub) = hub {
        let mut candidates = policies.of_hub(hub, name).peekable();
        if candidates.peek().is_none() {
            try_nobody(&test);
        }
        for (owner, policy) in candidates {
            if let Some(key) = policy.key_that(&test) {
                return Ok(principal(policy, key, Scope::Hub(owner.clone())));
            }
            missing = Missing::Key;
        }
    }
    let Some(policy) = policies.of_namespace(name) else {
        try_nobody(&test);
        return Err(missing);
    };
    let scope = hub.map_or(Scope::Namespace, |hub| Scope::NarrowedTo(hub.clone()));
    policy
        .key_that(&test)
        .map(|key| principal(policy, key, scope))
        .ok_or(Missing::Key)
}

/// Does the work of a policy that is not there: two tests with a key that nobody has, whatever
/// comes out.
fn try_nobody(test: impl Fn(&Key) -> bool) {
    let nobody = Key::from("this is no policy's key, and 44 characters  ");
    std::hint::black_box(test(&nobody));
    std::hint::black_box(test(&nobody));
}

fn principal(policy: &Policy, key: &Key, scope: Scope) -> Principal {
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
