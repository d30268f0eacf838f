//! InitProducerId (22): an identity for an idempotent producer.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 5 |
//! | Behaviour | A new id at epoch 0 for every call, never given twice; Send on anything suffices. The id and epoch that a client of version 3 brings along matter to transactions only |
//! | Differs | A transactional id is refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients take as final; an empty one with INVALID_REQUEST, as Kafka does |
//! | Skipped | Transactions; version 6, which Kafka 4.4 marks unstable |

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, codes};

pub(crate) struct InitProducerId;

impl Handler for InitProducerId {
    type Request = InitProducerIdRequest;

    fn reply_bytes(_call: &Call<'_>, _request: &InitProducerIdRequest, _enough: usize) -> usize {
        0
    }

    fn handle(call: &Call<'_>, request: InitProducerIdRequest) -> Answer<InitProducerIdResponse> {
        match request.transactional_id {
            Some(id) if id.is_empty() => return Answer::ready(failed(ErrorCode::InvalidRequest)),
            Some(_) => {
                return Answer::ready(failed(ErrorCode::TransactionalIdAuthorizationFailed));
            }
            None => {}
        }
        let access = call.access.clone();
        Answer::later(async move {
            match access.new_producer().await {
                Ok((id, epoch)) => InitProducerIdResponse::default()
                    .with_producer_id(ProducerId(id.0))
                    .with_producer_epoch(epoch.0),
                Err(error) => failed(codes::producer_id(error)),
            }
        })
    }
}

fn failed(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
