//! DeleteGroups (42): forget groups and their offsets.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 3 |
//! | Behaviour | Only groups without members; a group named twice is answered once; needs Manage. The error message of version 3 is null, as Kafka's is for groups of this protocol |
//! | Differs | Nothing |
//! | Skipped | Nothing |

use hub::groups::{Command, Reply};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
};
use model::GroupId;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups, size};

pub(crate) struct DeleteGroups;

impl Handler for DeleteGroups {
    type Request = DeleteGroupsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &DeleteGroupsRequest, enough: usize) -> usize {
        let each = size::entry::<DeletableGroupResult>(500);
        let names = request.groups_names.iter();
        size::sum(
            names.map(|group| each + 3 * size::text(group.0.len())),
            enough,
        )
    }

    fn handle(call: &Call<'_>, request: DeleteGroupsRequest) -> Answer<DeleteGroupsResponse> {
        let asked = groups::each_once(&request.groups_names);
        let reply = groups::ask(call, Command::DeleteGroups(asked.clone()));
        Answer::later(async move {
            let all = |code: ErrorCode| asked.iter().map(|group| result(group, code)).collect();
            let results = match reply.await {
                Ok(Reply::DeleteGroups(deleted)) => deleted
                    .iter()
                    .map(|done| {
                        let code = done.result.as_ref().err().map(groups::group_code);
                        result(&done.group, code.unwrap_or(ErrorCode::None))
                    })
                    .collect(),
                Ok(_) => all(ErrorCode::UnknownServerError),
                Err(error) => all(groups::call_code(&error)),
            };
            DeleteGroupsResponse::default().with_results(results)
        })
    }
}

fn result(group: &GroupId, code: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default()
        .with_group_id(groups::wire_group(group))
        .with_error_code(code.code())
}
