//! SyncGroup (14): the leader brings the assignments, everyone gets their own.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 5 |
//! | Behaviour | Followers wait for the leader. Protocol type and name are checked from version 5 (KIP-559) |
//! | Differs | GROUP_AUTHORIZATION_FAILED also to who may listen to one event hub, where the group reads anything else. GROUP_MAX_SIZE_REACHED to a leader whose assignments take too much memory |
//! | Skipped | Nothing |

use bytes::Bytes;
use hub::groups::{Command, Reply, SyncGroup as Sync};
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use model::GenerationId;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups, words};

/// From this version the request must name the group's protocol.
const PROTOCOL_FROM: i16 = 5;

pub(crate) struct SyncGroup;

impl Handler for SyncGroup {
    type Request = SyncGroupRequest;

    fn reply_bytes(_call: &Call<'_>, _request: &SyncGroupRequest, _enough: usize) -> usize {
        0
    }

    fn handle(call: &Call<'_>, request: SyncGroupRequest) -> Answer<SyncGroupResponse> {
        let nameless = request.protocol_type.is_none() || request.protocol_name.is_none();
        if call.version >= PROTOCOL_FROM && nameless {
            return Answer::ready(refused(ErrorCode::InconsistentGroupProtocol));
        }
        let command = Command::SyncGroup(Sync {
            group: groups::group_id(&request.group_id),
            member: groups::member_id(&request.member_id),
            instance: groups::instance_id(request.group_instance_id.as_ref()),
            generation: GenerationId(request.generation_id),
            protocol_type: request.protocol_type.as_ref().map(groups::shared),
            protocol: request.protocol_name.as_ref().map(groups::shared),
            assignments: request
                .assignments
                .into_iter()
                .map(|given| {
                    // Kept for as long as the generation lasts: not with all of the request.
                    let assignment = Bytes::copy_from_slice(&given.assignment);
                    (groups::member_id(&given.member_id), assignment)
                })
                .collect(),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            match reply.await {
                Ok(Reply::SyncGroup(Ok(synced))) => SyncGroupResponse::default()
                    .with_protocol_type(Some(words::text(&synced.protocol_type)))
                    .with_protocol_name(Some(words::text(&synced.protocol)))
                    .with_assignment(synced.assignment),
                Ok(Reply::SyncGroup(Err(error))) => refused(groups::group_code(&error)),
                Ok(_) => refused(ErrorCode::UnknownServerError),
                Err(error) => refused(groups::call_code(&error)),
            }
        })
    }
}

fn refused(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.code())
}
