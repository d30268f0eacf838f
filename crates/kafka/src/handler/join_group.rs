//! JoinGroup (11): become or stay a member, and take part in the next generation.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 9 |
//! | Behaviour | Parked until the rebalance settles. From version 4 a new dynamic member first learns its id (KIP-394); static members from version 5 (KIP-345); protocol type in the reply from 7 (KIP-559); reasons from 8 (KIP-800); a returning static leader skips the assignment from 9 (KIP-814) |
//! | Differs | GROUP_AUTHORIZATION_FAILED also to who may listen to one event hub, where it or the group reads anything else: Kafka asks for the group's name alone. GROUP_MAX_SIZE_REACHED also where members take too much memory |
//! | Skipped | Nothing |

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hub::groups::{
    Command, GroupCallError, GroupError, JoinGroup as Join, Joined, Protocol, Reply,
};
use kafka_protocol::{
    messages::{JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember},
    protocol::StrBytes,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups, words};

/// From this version a new dynamic member needs an id before it may join.
const KNOWN_MEMBER_FROM: i16 = 4;
/// From this version a static leader may be told to keep the assignment.
const SKIP_ASSIGNMENT_FROM: i16 = 9;
/// From this version the absent protocol name is null; before, it is empty.
const NULL_PROTOCOL_FROM: i16 = 7;

pub(crate) struct JoinGroup;

impl Handler for JoinGroup {
    type Request = JoinGroupRequest;

    fn reply_bytes(_call: &Call<'_>, _request: &JoinGroupRequest, _enough: usize) -> usize {
        0
    }

    fn handle(call: &Call<'_>, request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
        let version = call.version;
        let asked_as = request.member_id.clone();
        let reply = groups::ask(call, Command::JoinGroup(command(call, request)));
        Answer::later(async move {
            match reply.await {
                Ok(Reply::JoinGroup(Ok(joined))) => accepted(joined),
                Ok(Reply::JoinGroup(Err(GroupError::MemberIdRequired(member)))) => {
                    let member = words::text(member.as_str());
                    refused(ErrorCode::MemberIdRequired, member, version)
                }
                // Kafka repeats the member's id in every refusal but this one.
                Ok(Reply::JoinGroup(Err(error @ GroupError::NotAuthorized))) => {
                    refused(groups::group_code(&error), StrBytes::default(), version)
                }
                Ok(Reply::JoinGroup(Err(error))) => {
                    refused(groups::group_code(&error), asked_as, version)
                }
                Ok(_) => refused(ErrorCode::UnknownServerError, asked_as, version),
                Err(error @ GroupCallError::Denied) => {
                    refused(groups::call_code(&error), StrBytes::default(), version)
                }
                Err(error) => refused(groups::call_code(&error), asked_as, version),
            }
        })
    }
}

fn command(call: &Call<'_>, request: JoinGroupRequest) -> Join {
    let session_timeout = duration(request.session_timeout_ms);
    let rebalance_timeout = match call.version {
        0 => session_timeout,
        _ => duration(request.rebalance_timeout_ms),
    };
    Join {
        group: groups::group_id(&request.group_id),
        member: groups::member_id(&request.member_id),
        instance: groups::instance_id(request.group_instance_id.as_ref()),
        client_id: Arc::from(call.client_id.unwrap_or_default()),
        client_host: Arc::from(format!("/{}", call.session.peer.remote.ip())),
        session_timeout,
        rebalance_timeout,
        protocol_type: groups::shared(&request.protocol_type),
        protocols: request
            .protocols
            .into_iter()
            .map(|protocol| Protocol {
                name: groups::shared(&protocol.name),
                // Kept for as long as the member stays: not with all of the request.
                metadata: Bytes::copy_from_slice(&protocol.metadata),
            })
            .collect(),
        requires_known_member: call.version >= KNOWN_MEMBER_FROM,
        can_skip_assignment: call.version >= SKIP_ASSIGNMENT_FROM,
        reason: request
            .reason
            .as_ref()
            .map_or_else(|| Arc::from(""), groups::shared),
    }
}

/// A negative time is outside every allowed range, as zero is.
fn duration(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(words::text(member.member.as_str()))
            .with_group_instance_id(groups::wire_instance(member.instance.as_ref()))
            .with_metadata(member.metadata)
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation.0)
        .with_protocol_type(Some(words::text(&joined.protocol_type)))
        .with_protocol_name(Some(words::text(&joined.protocol)))
        .with_leader(words::text(joined.leader.as_str()))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(words::text(joined.member.as_str()))
        .with_members(members.collect())
}

fn refused(code: ErrorCode, member: StrBytes, version: i16) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(code.code())
        .with_generation_id(-1)
        .with_protocol_type(None)
        .with_protocol_name((version < NULL_PROTOCOL_FROM).then(StrBytes::default))
        .with_member_id(member)
}
