//! The table of what is served: one row per API. ApiVersions is computed from it, and so is the
//! compatibility table in the documentation.

use model::Now;
use wire::{
    api::{ApiKey, VersionRange},
    codec::Request,
    frame::RequestFrame,
};

use crate::{
    handler::{self, Call, Handler, LoginHandler, ResponseOf},
    session::{SessionState, Staged},
    spine,
};

/// One row: an API and the function that carries its requests through decode, handler and encode.
pub(crate) struct Row {
    pub(crate) api: ApiKey,
    pub(crate) run: Run,
}

/// Who may be served.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Anyone who reached the listener.
    Anyone(fn(&mut SessionState, &RequestFrame, Now) -> Staged),
    /// Callers who are known; what they may do is in the call's `Access`.
    Caller(fn(&Call<'_>, &RequestFrame) -> Staged),
}

const fn open<H: LoginHandler>() -> Row {
    Row {
        api: H::Request::API,
        run: Run::Anyone(spine::run_login::<H>),
    }
}

const fn row<H: Handler>() -> Row
where
    ResponseOf<H>: 'static,
{
    Row {
        api: H::Request::API,
        run: Run::Caller(spine::run::<H>),
    }
}

/// Ascending by key.
const ROWS: &[Row] = &[
    row::<handler::produce::Produce>(),
    row::<handler::fetch::Fetch>(),
    row::<handler::list_offsets::ListOffsets>(),
    row::<handler::metadata::Metadata>(),
    row::<handler::offset_commit::OffsetCommit>(),
    row::<handler::offset_fetch::OffsetFetch>(),
    row::<handler::find_coordinator::FindCoordinator>(),
    row::<handler::join_group::JoinGroup>(),
    row::<handler::heartbeat::Heartbeat>(),
    row::<handler::leave_group::LeaveGroup>(),
    row::<handler::sync_group::SyncGroup>(),
    row::<handler::describe_groups::DescribeGroups>(),
    row::<handler::list_groups::ListGroups>(),
    open::<handler::sasl_handshake::SaslHandshake>(),
    open::<handler::api_versions::ApiVersions>(),
    row::<handler::create_topics::CreateTopics>(),
    row::<handler::delete_topics::DeleteTopics>(),
    row::<handler::delete_records::DeleteRecords>(),
    row::<handler::init_producer_id::InitProducerId>(),
    row::<handler::offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    row::<handler::describe_configs::DescribeConfigs>(),
    row::<handler::alter_configs::AlterConfigs>(),
    row::<handler::describe_log_dirs::DescribeLogDirs>(),
    open::<handler::sasl_authenticate::SaslAuthenticate>(),
    row::<handler::create_partitions::CreatePartitions>(),
    row::<handler::delete_groups::DeleteGroups>(),
    row::<handler::incremental_alter_configs::IncrementalAlterConfigs>(),
    row::<handler::list_partition_reassignments::ListPartitionReassignments>(),
    row::<handler::offset_delete::OffsetDelete>(),
    row::<handler::describe_cluster::DescribeCluster>(),
    row::<handler::list_config_resources::ListConfigResources>(),
    row::<handler::describe_topic_partitions::DescribeTopicPartitions>(),
];

/// The row of an API, if it is served.
pub(crate) fn find(api: ApiKey) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.api == api)
}

/// One served API, as ApiVersions and the documentation name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedApi {
    pub api: ApiKey,
    pub advertised: VersionRange,
    pub accepted: VersionRange,
}

/// Everything that is served, ascending by key.
pub fn served() -> impl Iterator<Item = ServedApi> {
    ROWS.iter().map(|row| ServedApi {
        api: row.api,
        advertised: row.api.facts().advertised,
        accepted: row.api.facts().accepted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_keys_and_none_twice() {
        let codes: Vec<i16> = ROWS.iter().map(|row| row.api.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    }
}
