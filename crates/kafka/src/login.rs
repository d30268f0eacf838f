//! A connection's login: which step it is at, and who came out of it.
//!
//! ```text
//!  listener without login: Open
//!  listener with login:    Handshake --SaslHandshake 1--> Wrapped --SaslAuthenticate--> LoggedIn
//!                                    --SaslHandshake 0--> Raw     --token frame-------> LoggedIn
//! ```
//! A caller who is logged in may begin again (KIP-368), and stays the same caller; who failed once
//! is finished. A login ends with its token: nothing but a new one is served from then on.

use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use hub::{
    Access, Hub,
    login::{Login as Exchange, LoginError, LoginStep, Origin, UnknownMechanism},
};
use model::Now;
use wire::api::ApiKey;

use crate::{
    handler::Throttle,
    session::{Kafka, LoginReasons, Peer, Reply, SessionState, Staged},
    spine,
};

/// Where a connection stands with its login, and the caller once known.
pub(crate) struct Login {
    step: Step,
    access: Option<Access>,
    /// Who failed to log in again, to whom replies may still be owed.
    former: Option<Access>,
}

enum Step {
    /// The listener asks for no login.
    Open,
    /// SaslHandshake comes next, or nothing more.
    Handshake,
    /// SaslAuthenticate comes next.
    Wrapped(Exchange),
    /// A frame that is nothing but the token comes next.
    Raw(Exchange),
    Failed,
}

/// How the client sends its tokens: what SaslHandshake's version decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Raw,
    Wrapped,
}

/// Why SaslHandshake was refused.
pub(crate) enum HandshakeError {
    /// Nobody logs in here, or not any more.
    State,
    Mechanism(UnknownMechanism),
}

/// What a token led to.
pub(crate) enum TokenOutcome {
    /// These bytes go back; the exchange goes on or is done, until a token's end if one was shown.
    Accepted {
        bytes: Bytes,
        expires: Option<Instant>,
    },
    Refused(LoginError),
    /// No exchange is open.
    State,
}

impl Login {
    /// The state before a connection's first frame.
    pub(crate) fn start(hub: &Hub, peer: &Peer) -> Self {
        if peer.sasl_required {
            return Self {
                step: Step::Handshake,
                access: None,
                former: None,
            };
        }
        Self {
            step: Step::Open,
            access: hub.anonymous(&origin(peer, LoginReasons::Logged)),
            former: None,
        }
    }

    /// Of a caller whose request is carried out away from its connection: nobody logs in there.
    pub(crate) fn of(access: &Access) -> Self {
        Self {
            step: Step::Open,
            access: Some(access.clone()),
            former: None,
        }
    }

    /// The caller, once known.
    pub(crate) const fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// The caller to whom replies may be owed: also one who failed to log in again since.
    pub(crate) fn creditor(&self) -> Option<&Access> {
        self.access.as_ref().or(self.former.as_ref())
    }

    /// Why there is no caller, for the log.
    pub(crate) const fn why_unknown(&self) -> &'static str {
        match self.step {
            Step::Open => "on a listener that leads to no namespace",
            Step::Handshake | Step::Wrapped(_) | Step::Raw(_) | Step::Failed => "before login",
        }
    }

    pub(crate) const fn expects_raw_token(&self) -> bool {
        matches!(self.step, Step::Raw(_))
    }

    /// Begins an exchange.
    pub(crate) fn handshake(
        &mut self,
        kafka: &Kafka,
        peer: &Peer,
        mechanism: &str,
        framing: Framing,
    ) -> Result<(), HandshakeError> {
        match self.step {
            Step::Open | Step::Failed | Step::Wrapped(_) | Step::Raw(_) => {
                return Err(HandshakeError::State);
            }
            Step::Handshake => {}
        }
        let origin = origin(peer, kafka.limits.login_reasons);
        let exchange = kafka
            .hub
            .login(mechanism, origin, self.access.clone())
            .map_err(HandshakeError::Mechanism)?;
        self.step = match framing {
            Framing::Raw => Step::Raw(exchange),
            Framing::Wrapped => Step::Wrapped(exchange),
        };
        Ok(())
    }

    /// Takes the client's token one step further.
    pub(crate) fn token(&mut self, token: &[u8]) -> TokenOutcome {
        let framing = self.framing();
        let exchange = match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Wrapped(exchange) | Step::Raw(exchange) => exchange,
            other @ (Step::Open | Step::Handshake | Step::Failed) => {
                self.step = other;
                return TokenOutcome::State;
            }
        };
        match exchange.step(token) {
            Ok(LoginStep::Continue(exchange, bytes)) => {
                self.step = match framing {
                    Framing::Raw => Step::Raw(exchange),
                    Framing::Wrapped => Step::Wrapped(exchange),
                };
                TokenOutcome::Accepted {
                    bytes,
                    expires: None,
                }
            }
            Ok(LoginStep::Done(access, bytes)) => {
                self.step = Step::Handshake;
                let expires = access.expires();
                self.access = Some(*access);
                TokenOutcome::Accepted { bytes, expires }
            }
            Err(error) => {
                // Who fails to log in again is nobody, until the connection ends.
                self.former = self.access.take();
                TokenOutcome::Refused(error)
            }
        }
    }

    const fn framing(&self) -> Framing {
        match self.step {
            Step::Raw(_) => Framing::Raw,
            Step::Open | Step::Handshake | Step::Wrapped(_) | Step::Failed => Framing::Wrapped,
        }
    }
}

/// What may be asked before login: how to speak, and login itself.
pub(crate) const fn is_open_to_all(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate
    )
}

fn origin(peer: &Peer, reasons: LoginReasons) -> Origin {
    let is_here = peer.remote.ip().to_canonical().is_loopback();
    Origin {
        server_name: peer.tls_server_name.clone(),
        listener_namespace: peer.namespace.clone(),
        hears_reasons: is_here && reasons == LoginReasons::ToldOnLoopback,
    }
}

/// Takes the frame after SaslHandshake 0: a token without any header, answered likewise. There is
/// no field for an error, so a refusal is a closed connection.
pub(crate) fn raw_token(session: &mut SessionState, token: &[u8], now: Now) -> Staged {
    match session.login.token(token) {
        TokenOutcome::Accepted { bytes, .. } => Staged::Ready(Reply {
            chunks: vec![length_prefixed(&bytes).into()],
            ..Reply::default()
        }),
        TokenOutcome::Refused(error) => {
            let reply = Reply::closing(format!("login failed: {error}"));
            spine::stage(&session.kafka, reply, Throttle::Delay(error.delay), now)
        }
        TokenOutcome::State => Staged::Close("a token without a handshake".to_owned()),
    }
}

fn length_prefixed(bytes: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + bytes.len());
    // A SASL reply is bounded far below 2 GiB.
    frame.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    frame.extend_from_slice(bytes);
    frame.freeze()
}
