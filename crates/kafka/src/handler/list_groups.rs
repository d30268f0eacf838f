//! ListGroups (16): the groups of the namespace.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 5 |
//! | Behaviour | Filters by state from version 4 (KIP-518), by type from 5 (KIP-848) |
//! | Differs | Who may listen to one event hub sees the groups that read that one and nothing else; who may not listen sees none |
//! | Skipped | Groups of the newer protocols: there are none |

use hub::groups::{Command, GroupState, GroupType, ListGroups as List, Reply};
use kafka_protocol::{
    messages::{ListGroupsRequest, ListGroupsResponse, list_groups_response::ListedGroup},
    protocol::StrBytes,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, TooLarge, groups, size, words};

pub(crate) struct ListGroups;

impl Handler for ListGroups {
    type Request = ListGroupsRequest;

    fn reply_bytes(call: &Call<'_>, _request: &ListGroupsRequest, enough: usize) -> usize {
        let mut sum = size::Sum::new(enough);
        let each = size::entry::<ListedGroup>(300);
        call.access
            .look_at_group_names(&mut |bytes| sum.add(each + 2 * size::text(bytes)));
        sum.bytes()
    }

    fn too_large(
        _request: ListGroupsRequest,
        _version: i16,
        _refusal: &TooLarge,
    ) -> Option<ListGroupsResponse> {
        Some(refused(TooLarge::CODE))
    }

    fn handle(call: &Call<'_>, request: ListGroupsRequest) -> Answer<ListGroupsResponse> {
        let command = Command::ListGroups(List {
            states: filter(&request.states_filter, GroupState::from_name),
            types: filter(&request.types_filter, GroupType::from_name),
        });
        let reply = groups::ask(call, command);
        Answer::later(async move {
            match reply.await {
                Ok(Reply::ListGroups(listed)) => {
                    let listed = listed.into_iter().map(|group| {
                        ListedGroup::default()
                            .with_group_id(groups::wire_group(&group.group))
                            .with_protocol_type(words::text(&group.protocol_type))
                            .with_group_state(words::text(group.state.as_str()))
                            .with_group_type(words::text(group.group_type.as_str()))
                    });
                    ListGroupsResponse::default().with_groups(listed.collect())
                }
                Ok(_) => refused(ErrorCode::UnknownServerError),
                // Kafka shows a caller without rights an empty list.
                Err(hub::groups::GroupCallError::Denied) => ListGroupsResponse::default(),
                Err(error) => refused(groups::call_code(&error)),
            }
        })
    }
}

/// An empty filter filters nothing; a name that is none of ours matches nothing.
fn filter<T: PartialEq>(names: &[StrBytes], known: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut wanted = Vec::new();
    for each in names.iter().filter_map(|name| known(name.as_str())) {
        // There are few of them, however many names.
        if !wanted.contains(&each) {
            wanted.push(each);
        }
    }
    (!names.is_empty()).then_some(wanted)
}

fn refused(code: ErrorCode) -> ListGroupsResponse {
    ListGroupsResponse::default().with_error_code(code.code())
}
