//! FindCoordinator (10): who coordinates a consumer group. Always the broker that is asked.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 6; from 4 on many keys at once, each answered once |
//! | Behaviour | Groups need Listen; without it GROUP_AUTHORIZATION_FAILED. The address is the connection's own |
//! | Differs | Kafka answers each mention of a key. Coordinators of transactions are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED (what clients take as final) and a message; of share groups, and unknown types, with INVALID_REQUEST |
//! | Skipped | Transactions, share groups |

use std::collections::HashSet;

use kafka_protocol::{
    messages::{
        BrokerId, FindCoordinatorRequest, FindCoordinatorResponse,
        find_coordinator_response::Coordinator,
    },
    protocol::StrBytes,
};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, size,
    words::{BROKER, text},
};

/// From this version on keys come in a list, and so do the answers.
const BATCHED_FROM: i16 = 4;

/// The words of a refusal.
const MESSAGE_BYTES: usize = 160;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub(crate) struct FindCoordinator;

impl Handler for FindCoordinator {
    type Request = FindCoordinatorRequest;

    fn reply_bytes(call: &Call<'_>, request: &FindCoordinatorRequest, enough: usize) -> usize {
        let host = call.session.endpoint().host.len().max(MESSAGE_BYTES);
        let each = size::entry::<Coordinator>(160) + host;
        let keys = request.coordinator_keys.iter();
        size::sum(keys.map(|key| each + key.len()), enough)
    }

    fn handle(call: &Call<'_>, request: FindCoordinatorRequest) -> Answer<FindCoordinatorResponse> {
        let verdict = judge(call, request.key_type);
        let response = FindCoordinatorResponse::default().with_error_message(None);
        if call.version >= BATCHED_FROM {
            let mut seen = HashSet::new();
            let keys = request.coordinator_keys.into_iter();
            let keys = keys.filter(|key| seen.insert(key.clone()));
            let coordinators = keys.map(|key| coordinator(key, &verdict));
            return Answer::ready(response.with_coordinators(coordinators.collect()));
        }
        let only = coordinator(request.key, &verdict);
        Answer::ready(
            response
                .with_error_code(only.error_code)
                .with_error_message(only.error_message)
                .with_node_id(only.node_id)
                .with_host(only.host)
                .with_port(only.port),
        )
    }
}

/// Where every key's coordinator is; the texts are shared by all answers.
struct Place {
    host: StrBytes,
    port: i32,
}

struct Refusal {
    error: ErrorCode,
    message: StrBytes,
}

fn judge(call: &Call<'_>, key_type: i8) -> Result<Place, Refusal> {
    let refuse = |error, message: String| {
        let message = text(message);
        Err(Refusal { error, message })
    };
    match key_type {
        GROUP if call.access.cluster_rights().listen => {
            let endpoint = call.session.endpoint();
            Ok(Place {
                host: text(&endpoint.host),
                port: endpoint.port.into(),
            })
        }
        GROUP => refuse(
            ErrorCode::GroupAuthorizationFailed,
            "Group authorization failed.".to_owned(),
        ),
        TRANSACTION => refuse(
            ErrorCode::TransactionalIdAuthorizationFailed,
            "FindCoordinator asked for coordinator with type code 1 (transaction) which is not \
             supported: this broker has no transactions."
                .to_owned(),
        ),
        other => refuse(
            ErrorCode::InvalidRequest,
            format!(
                "FindCoordinator asked for coordinator with type code {other} which is not supported."
            ),
        ),
    }
}

fn coordinator(key: StrBytes, verdict: &Result<Place, Refusal>) -> Coordinator {
    let entry = Coordinator::default()
        .with_key(key)
        .with_error_message(None);
    match verdict {
        Ok(Place { host, port }) => entry
            .with_node_id(BROKER)
            .with_host(host.clone())
            .with_port(*port),
        Err(Refusal { error, message }) => entry
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(error.code())
            .with_error_message(Some(message.clone())),
    }
}
