//! ListPartitionReassignments (46): which partitions are on their way to other brokers.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 |
//! | Behaviour | None ever is: there is one broker |
//! | Differs | Nothing |
//! | Skipped | Nothing |

use kafka_protocol::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler};

pub(crate) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;

    fn reply_bytes(
        _call: &Call<'_>,
        _request: &ListPartitionReassignmentsRequest,
        _enough: usize,
    ) -> usize {
        0
    }

    fn handle(
        call: &Call<'_>,
        _request: ListPartitionReassignmentsRequest,
    ) -> Answer<ListPartitionReassignmentsResponse> {
        let rights = call.access.cluster_rights();
        let code = if rights.send || rights.listen || rights.manage {
            ErrorCode::None
        } else {
            ErrorCode::ClusterAuthorizationFailed
        };
        let response = ListPartitionReassignmentsResponse::default().with_error_message(None);
        Answer::ready(response.with_error_code(code.code()))
    }
}
