//! Heartbeat (12): a group member shows that it lives.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 4 |
//! | Behaviour | Answered by the group's coordinator; REBALANCE_IN_PROGRESS tells the member to join again |
//! | Differs | GROUP_AUTHORIZATION_FAILED also to who may listen to one event hub, where the group reads anything else |
//! | Skipped | Nothing |

use hub::groups::{Command, Heartbeat as Beat, Reply};
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use model::GenerationId;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups};

pub(crate) struct Heartbeat;

impl Handler for Heartbeat {
    type Request = HeartbeatRequest;

    fn reply_bytes(_call: &Call<'_>, _request: &HeartbeatRequest, _enough: usize) -> usize {
        0
    }

    fn handle(call: &Call<'_>, request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
        let command = Command::Heartbeat(Beat {
            group: groups::group_id(&request.group_id),
            member: groups::member_id(&request.member_id),
            instance: groups::instance_id(request.group_instance_id.as_ref()),
            generation: GenerationId(request.generation_id),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            let code = match reply.await {
                Ok(Reply::Heartbeat(Ok(()))) => ErrorCode::None,
                Ok(Reply::Heartbeat(Err(error))) => groups::group_code(&error),
                Ok(_) => ErrorCode::UnknownServerError,
                Err(error) => groups::call_code(&error),
            };
            HeartbeatResponse::default().with_error_code(code.code())
        })
    }
}
