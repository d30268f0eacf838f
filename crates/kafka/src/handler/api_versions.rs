//! ApiVersions (18): what is served, and in which versions.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 5 |
//! | Behaviour | The registry as a list; Produce from 0 though 0 to 2 are refused (KAFKA-18659); allowed before login; the client's name and version are kept for the log. An unknown version gets version 0 of the reply with error 35 and the ranges (KIP-511). A client of version 5 that means another node is sent back to its bootstrap servers (KIP-1242) |
//! | Differs | No feature is finalized: no KRaft, no `transaction.version` |
//! | Skipped | The cluster id of version 5 before login, when the namespace is not known yet |

use kafka_protocol::messages::{ApiVersionsResponse, api_versions_response::ApiVersion};
use wire::{api_versions::ApiVersionsRequest, error_code::ErrorCode};

use model::Now;

use super::{Answered, LoginHandler};
use crate::{
    address::NODE_ID,
    registry,
    session::{SessionState, Software},
};

/// From this version on a client says what it is, in words that have a form.
const NAMED_FROM: i16 = 3;

pub(crate) struct ApiVersions;

impl LoginHandler for ApiVersions {
    type Request = ApiVersionsRequest;

    fn handle(
        session: &mut SessionState,
        request: ApiVersionsRequest,
        version: i16,
        _now: Now,
    ) -> Answered<ApiVersionsResponse> {
        let error = match version {
            NAMED_FROM.. => introduce(session, &request),
            _ => ErrorCode::None,
        };
        response(error).into()
    }
}

/// Keeps what the client says of itself; checks whom it means to talk to.
fn introduce(session: &mut SessionState, request: &ApiVersionsRequest) -> ErrorCode {
    let software = Software {
        name: request.client_software_name.to_string(),
        version: request.client_software_version.to_string(),
    };
    if !is_software_word(&software.name) || !is_software_word(&software.version) {
        return ErrorCode::InvalidRequest;
    }
    session.software = Some(software);
    let Some(wanted) = request.cluster_id.as_deref() else {
        return ErrorCode::None;
    };
    let other_node = request.node_id.is_some_and(|node| node != NODE_ID);
    let access = session.login.access();
    if other_node || access.is_some_and(|access| access.cluster_id() != wanted) {
        return ErrorCode::RebootstrapRequired;
    }
    ErrorCode::None
}

/// Letters, digits, dots and dashes, neither dot nor dash at the ends: Kafka's rule.
fn is_software_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.iter().all(|&byte| inner(byte)) && end(bytes.first()) && end(bytes.last())
}

fn response(error: ErrorCode) -> ApiVersionsResponse {
    let keys = registry::served()
        .map(|served| {
            ApiVersion::default()
                .with_api_key(served.api.code())
                .with_min_version(served.advertised.min)
                .with_max_version(served.advertised.max)
        })
        .collect();
    ApiVersionsResponse::default()
        .with_error_code(error.code())
        .with_api_keys(keys)
}

/// The answer to a version nobody here knows, to be written as version 0.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    response(ErrorCode::UnsupportedVersion)
}
