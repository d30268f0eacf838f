//! SaslAuthenticate (36): one step of the login.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | A refused login is answered late (against guessing) with error 58, a message that says what was wrong as far as that is safe, and empty bytes that are not null; then the connection ends. Logging in again on a live connection replaces the caller (KIP-368) |
//! | Differs | From Azure, which answers a wrong user name with null bytes that no client can read |
//! | Skipped | The session's lifetime is always 0: nobody is asked to log in again |

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};
use model::Now;
use wire::error_code::ErrorCode;

use super::{Answered, LoginHandler, Throttle, words::text};
use crate::{login::TokenOutcome, session::SessionState};

pub(crate) struct SaslAuthenticate;

impl LoginHandler for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;

    fn handle(
        session: &mut SessionState,
        request: SaslAuthenticateRequest,
        _version: i16,
        _now: Now,
    ) -> Answered<SaslAuthenticateResponse> {
        let response = SaslAuthenticateResponse::default()
            .with_auth_bytes(Bytes::new())
            .with_error_message(None);
        match session.login.token(&request.auth_bytes) {
            TokenOutcome::Accepted(bytes) => response.with_auth_bytes(bytes).into(),
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
