//! SaslHandshake (17): which mechanism, and how the tokens will come.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 1 |
//! | Behaviour | After version 0 the next frame is a raw token, after version 1 a SaslAuthenticate. An unknown mechanism gets the list of known ones, then the connection ends. On a listener without login, or in the middle of an exchange: ILLEGAL_SASL_STATE |
//! | Differs | A success lists the chosen mechanism only; no client reads it |
//! | Skipped | Nothing |

use std::sync::Arc;

use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};
use model::Now;
use wire::error_code::ErrorCode;

use super::{Answered, LoginHandler, words::text};
use crate::{
    login::{Framing, HandshakeError},
    session::{SessionState, shown},
};

/// From this version on tokens are wrapped into SaslAuthenticate.
const WRAPPED_FROM: i16 = 1;

pub(crate) struct SaslHandshake;

impl LoginHandler for SaslHandshake {
    type Request = SaslHandshakeRequest;

    fn handle(
        session: &mut SessionState,
        request: SaslHandshakeRequest,
        version: i16,
        _now: Now,
    ) -> Answered<SaslHandshakeResponse> {
        let framing = if version < WRAPPED_FROM {
            Framing::Raw
        } else {
            Framing::Wrapped
        };
        let kafka = Arc::clone(&session.kafka);
        let peer = &session.peer;
        let mechanism = request.mechanism;
        let response = SaslHandshakeResponse::default();
        match session.login.handshake(&kafka, peer, &mechanism, framing) {
            Ok(()) => response.with_mechanisms(vec![mechanism]).into(),
            Err(HandshakeError::State) => {
                Answered::from(response.with_error_code(ErrorCode::IllegalSaslState.code()))
                    .closing("a SASL handshake where none is due")
            }
            Err(HandshakeError::Mechanism(error)) => Answered::from(
                response
                    .with_error_code(ErrorCode::UnsupportedSaslMechanism.code())
                    .with_mechanisms(error.offered.iter().map(text).collect()),
            )
            .closing(format!(
                "SASL mechanism {} is not offered",
                shown(&mechanism)
            )),
        }
    }
}
