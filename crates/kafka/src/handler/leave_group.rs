//! LeaveGroup (13): one member of its own will, or several by an administrator.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 5 |
//! | Behaviour | Up to version 2 one member, whose error is the request's; from 3 a list, each with its own (KIP-345) |
//! | Differs | GROUP_AUTHORIZATION_FAILED also to who may listen to one event hub, where the group reads anything else; only the connection over which a member joined may let it leave then |
//! | Skipped | The reason (version 5) is not kept |

use hub::groups::{Command, LeaveGroup as Leave, LeavingMember, LeftMember, Reply};
use kafka_protocol::messages::{
    LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups, size, words};

/// From this version several members may leave with one request.
const LIST_FROM: i16 = 3;

pub(crate) struct LeaveGroup;

impl Handler for LeaveGroup {
    type Request = LeaveGroupRequest;

    fn reply_bytes(_call: &Call<'_>, request: &LeaveGroupRequest, enough: usize) -> usize {
        let each = size::entry::<MemberResponse>(320);
        let names = request.members.iter().map(|member| {
            let instance = member.group_instance_id.as_ref();
            each + 2 * size::text(member.member_id.len() + instance.map_or(0, |id| id.len()))
        });
        size::sum(names, enough)
    }

    fn handle(call: &Call<'_>, request: LeaveGroupRequest) -> Answer<LeaveGroupResponse> {
        let listed = call.version >= LIST_FROM;
        let members = if listed {
            request
                .members
                .iter()
                .map(|leaving| LeavingMember {
                    member: groups::member_id(&leaving.member_id),
                    instance: groups::instance_id(leaving.group_instance_id.as_ref()),
                })
                .collect()
        } else {
            let member = groups::member_id(&request.member_id);
            vec![LeavingMember {
                member,
                instance: None,
            }]
        };
        let group = groups::group_id(&request.group_id);
        let reply = groups::ask(call, Command::LeaveGroup(Leave { group, members }));
        Answer::later(async move {
            match reply.await {
                Ok(Reply::LeaveGroup(Ok(left))) if listed => LeaveGroupResponse::default()
                    .with_members(left.iter().map(member_response).collect()),
                Ok(Reply::LeaveGroup(Ok(left))) => {
                    refused(left.first().map_or(ErrorCode::None, code))
                }
                Ok(Reply::LeaveGroup(Err(error))) => refused(groups::group_code(&error)),
                Ok(_) => refused(ErrorCode::UnknownServerError),
                Err(error) => refused(groups::call_code(&error)),
            }
        })
    }
}

fn code(left: &LeftMember) -> ErrorCode {
    left.result
        .as_ref()
        .map_or_else(groups::group_code, |()| ErrorCode::None)
}

fn member_response(left: &LeftMember) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(words::text(left.member.as_str()))
        .with_group_instance_id(groups::wire_instance(left.instance.as_ref()))
        .with_error_code(code(left).code())
}

fn refused(code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(code.code())
}
