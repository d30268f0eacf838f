//! DescribeGroups (15): state, members and assignments of groups.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 6 |
//! | Behaviour | A group named more than once is answered once. An unknown group is `Dead` without an error up to version 5, GROUP_ID_NOT_FOUND with a message from 6 (KIP-1043) |
//! | Differs | Kafka answers each mention of a group. Groups have no configurations, so neither have the authorized operations. GROUP_AUTHORIZATION_FAILED to who may not listen, and to who may listen to one event hub, where the group reads anything else |
//! | Skipped | Groups of the newer protocols: there are none |

use hub::groups::{Command, DescribedGroup as Described, GroupError, GroupState, Reply};
use kafka_protocol::messages::{
    DescribeGroupsRequest, DescribeGroupsResponse,
    describe_groups_response::{DescribedGroup, DescribedGroupMember},
};
use model::GroupId;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, TooLarge, groups, operations, size, words};

/// From this version an unknown group is an error.
const NOT_FOUND_FROM: i16 = 6;

pub(crate) struct DescribeGroups;

impl Handler for DescribeGroups {
    type Request = DescribeGroupsRequest;

    fn reply_bytes(call: &Call<'_>, request: &DescribeGroupsRequest, enough: usize) -> usize {
        let mut sum = size::Sum::new(enough);
        let names = request
            .groups
            .iter()
            .map(|group| size::entry::<DescribedGroup>(500) + 3 * size::text(group.0.len()));
        if sum.add_all(names).is_break() {
            return sum.bytes();
        }
        let each = size::entry::<DescribedGroupMember>(400);
        let mut once = groups::each_once(&request.groups).into_iter();
        call.access
            .look_at_members(&mut once, &mut |bytes| sum.add(each + 2 * bytes));
        sum.bytes()
    }

    fn too_large(
        request: DescribeGroupsRequest,
        _version: i16,
        refusal: &TooLarge,
    ) -> Option<DescribeGroupsResponse> {
        let asked = groups::each_once(&request.groups);
        let refused = |group: DescribedGroup| {
            group.with_error_message(Some(words::text(refusal.to_string())))
        };
        refusal.has_room(asked.len()).then(|| {
            let groups = all_refused(&asked, TooLarge::CODE).into_iter();
            DescribeGroupsResponse::default().with_groups(groups.map(refused).collect())
        })
    }

    fn handle(call: &Call<'_>, request: DescribeGroupsRequest) -> Answer<DescribeGroupsResponse> {
        let version = call.version;
        let operations = if request.include_authorized_operations {
            operations::on_group(call.access.cluster_rights())
        } else {
            words::OPERATIONS_NOT_ASKED
        };
        let asked = groups::each_once(&request.groups);
        let reply = groups::ask(call, Command::DescribeGroups(asked.clone()));
        Answer::later(async move {
            let described = match reply.await {
                Ok(Reply::DescribeGroups(described)) => described
                    .into_iter()
                    .map(|group| found(group, version, operations))
                    .collect(),
                Ok(_) => all_refused(&asked, ErrorCode::UnknownServerError),
                Err(error) => all_refused(&asked, groups::call_code(&error)),
            };
            DescribeGroupsResponse::default().with_groups(described)
        })
    }
}

fn found(group: Described, version: i16, operations: i32) -> DescribedGroup {
    let answer = DescribedGroup::default()
        .with_group_id(groups::wire_group(&group.group))
        .with_authorized_operations(operations);
    let description = match group.result {
        Ok(description) => description,
        Err(GroupError::GroupIdNotFound) if version < NOT_FOUND_FROM => {
            return answer.with_group_state(words::text(GroupState::Dead.as_str()));
        }
        Err(error @ GroupError::NotAuthorized) => {
            return refused(&group.group, groups::group_code(&error));
        }
        Err(error) => {
            let message = format!("Group {} not found.", group.group);
            return answer
                .with_error_code(groups::group_code(&error).code())
                .with_error_message(Some(words::text(&message)))
                .with_authorized_operations(words::OPERATIONS_NOT_ASKED)
                .with_group_state(words::text(GroupState::Dead.as_str()));
        }
    };
    let members = description.members.into_iter().map(|member| {
        DescribedGroupMember::default()
            .with_member_id(words::text(member.member.as_str()))
            .with_group_instance_id(groups::wire_instance(member.instance.as_ref()))
            .with_client_id(words::text(&member.client_id))
            .with_client_host(words::text(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    });
    answer
        .with_group_state(words::text(description.state.as_str()))
        .with_protocol_type(words::text(&description.protocol_type))
        .with_protocol_data(words::text(&description.protocol))
        .with_members(members.collect())
}

fn all_refused(asked: &[GroupId], code: ErrorCode) -> Vec<DescribedGroup> {
    asked.iter().map(|group| refused(group, code)).collect()
}

fn refused(group: &GroupId, code: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(groups::wire_group(group))
        .with_error_code(code.code())
        .with_authorized_operations(words::OPERATIONS_NOT_ASKED)
}
