//! SaslAuthenticate (36): one step of the login.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | A refused login is answered late (against guessing) with error 58, a message that says what was wrong as far as a stranger may know it (the log says all of it, and on a development broker so does the message to callers on the same machine), and empty bytes that are not null; then the connection ends. With a token, the session's lifetime is what is left of it; once it is over, the next request ends the connection, unless it begins a new login (KIP-368). Logging in again keeps the caller: another policy is refused as a failed login is |
//! | Differs | From Azure, which answers a wrong user name with null bytes that no client can read |
//! | Skipped | A lifetime for logins by key, which never end (`connections.max.reauth.ms`) |

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use model::Now;
use wire::error_code::ErrorCode;

use super::{Answered, LoginHandler, Throttle, words::text};
use crate::{login::TokenOutcome, session::SessionState};

/// From this version on a client learns how long its login counts.
const LIFETIME_FROM: i16 = 1;

pub(crate) struct SaslAuthenticate;

impl LoginHandler for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;

    fn handle(
        session: &mut SessionState,
        request: SaslAuthenticateRequest,
        version: i16,
        now: Now,
    ) -> Answered<SaslAuthenticateResponse> {
        let response = SaslAuthenticateResponse::default()
            .with_auth_bytes(Bytes::new())
            .with_error_message(None);
        match session.login.token(&request.auth_bytes) {
            TokenOutcome::Accepted { bytes, expires } => {
                let left = expires.filter(|_| version >= LIFETIME_FROM);
                let left = left.map(|at| at.saturating_duration_since(now.monotonic));
                let left_ms = left.map_or(0, |left| i64::try_from(left.as_millis()).unwrap_or(0));
                response
                    .with_auth_bytes(bytes)
                    .with_session_lifetime_ms(left_ms)
                    .into()
            }
            TokenOutcome::Refused(error) => Answered::from(
                response
                    .with_error_code(ErrorCode::SaslAuthenticationFailed.code())
                    .with_error_message(Some(text(&error.message))),
            )
            .throttled(Throttle::Delay(error.delay))
            .closing(format!("login failed: {error}")),
            TokenOutcome::State => Answered::from(
                response
                    .with_error_code(ErrorCode::IllegalSaslState.code())
                    .with_error_message(Some(text("SaslHandshake comes first"))),
            )
            .closing("a SASL token where none is due"),
        }
    }
}
