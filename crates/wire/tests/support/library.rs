//! Every request and response that `kafka-protocol` knows, behind plain functions.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request};

/// One API of the library.
pub(crate) struct Row {
    pub(crate) api_key: i16,
    pub(crate) request: Codec,
    pub(crate) response: Codec,
}

/// A message of the library.
pub(crate) struct Codec {
    pub(crate) name: fn() -> &'static str,
    pub(crate) versions: (i16, i16),
    /// Decodes; bytes left over, or the error.
    pub(crate) decode: fn(&Bytes, i16) -> Result<usize, String>,
    /// Decodes and encodes again.
    pub(crate) recode: fn(&Bytes, i16) -> Result<Vec<u8>, String>,
}

const fn row<R: Request>() -> Row {
    Row {
        api_key: R::KEY,
        request: codec::<R>(),
        response: codec::<R::Response>(),
    }
}

const fn codec<M: Message + Decodable + Encodable>() -> Codec {
    Codec {
        name: std::any::type_name::<M>,
        versions: (M::VERSIONS.min, M::VERSIONS.max),
        decode: decode::<M>,
        recode: recode::<M>,
    }
}

fn decode<M: Decodable>(body: &Bytes, version: i16) -> Result<usize, String> {
    let mut body = body.clone();
    let message = M::decode(&mut body, version).map_err(|error| error.to_string())?;
    std::hint::black_box(&message);
    Ok(body.len())
}

fn recode<M: Decodable + Encodable>(body: &Bytes, version: i16) -> Result<Vec<u8>, String> {
    let mut body = body.clone();
    let message = M::decode(&mut body, version).map_err(|error| error.to_string())?;
    let mut again = BytesMut::new();
    message
        .encode(&mut again, version)
        .map_err(|error| error.to_string())?;
    Ok(again.to_vec())
}

/// All of them.
pub(crate) static ROWS: [Row; 87] = [
    row::<m::ProduceRequest>(),
    row::<m::FetchRequest>(),
    row::<m::ListOffsetsRequest>(),
    row::<m::MetadataRequest>(),
    row::<m::OffsetCommitRequest>(),
    row::<m::OffsetFetchRequest>(),
    row::<m::FindCoordinatorRequest>(),
    row::<m::JoinGroupRequest>(),
    row::<m::HeartbeatRequest>(),
    row::<m::LeaveGroupRequest>(),
    row::<m::SyncGroupRequest>(),
    row::<m::DescribeGroupsRequest>(),
    row::<m::ListGroupsRequest>(),
    row::<m::SaslHandshakeRequest>(),
    row::<m::ApiVersionsRequest>(),
    row::<m::CreateTopicsRequest>(),
    row::<m::DeleteTopicsRequest>(),
    row::<m::DeleteRecordsRequest>(),
    row::<m::InitProducerIdRequest>(),
    row::<m::OffsetForLeaderEpochRequest>(),
    row::<m::AddPartitionsToTxnRequest>(),
    row::<m::AddOffsetsToTxnRequest>(),
    row::<m::EndTxnRequest>(),
    row::<m::WriteTxnMarkersRequest>(),
    row::<m::TxnOffsetCommitRequest>(),
    row::<m::DescribeAclsRequest>(),
    row::<m::CreateAclsRequest>(),
    row::<m::DeleteAclsRequest>(),
    row::<m::DescribeConfigsRequest>(),
    row::<m::AlterConfigsRequest>(),
    row::<m::AlterReplicaLogDirsRequest>(),
    row::<m::DescribeLogDirsRequest>(),
    row::<m::SaslAuthenticateRequest>(),
    row::<m::CreatePartitionsRequest>(),
    row::<m::CreateDelegationTokenRequest>(),
    row::<m::RenewDelegationTokenRequest>(),
    row::<m::ExpireDelegationTokenRequest>(),
    row::<m::DescribeDelegationTokenRequest>(),
    row::<m::DeleteGroupsRequest>(),
    row::<m::ElectLeadersRequest>(),
    row::<m::IncrementalAlterConfigsRequest>(),
    row::<m::AlterPartitionReassignmentsRequest>(),
    row::<m::ListPartitionReassignmentsRequest>(),
    row::<m::OffsetDeleteRequest>(),
    row::<m::DescribeClientQuotasRequest>(),
    row::<m::AlterClientQuotasRequest>(),
    row::<m::DescribeUserScramCredentialsRequest>(),
    row::<m::AlterUserScramCredentialsRequest>(),
    row::<m::VoteRequest>(),
    row::<m::BeginQuorumEpochRequest>(),
    row::<m::EndQuorumEpochRequest>(),
    row::<m::DescribeQuorumRequest>(),
    row::<m::AlterPartitionRequest>(),
    row::<m::UpdateFeaturesRequest>(),
    row::<m::EnvelopeRequest>(),
    row::<m::FetchSnapshotRequest>(),
    row::<m::DescribeClusterRequest>(),
    row::<m::DescribeProducersRequest>(),
    row::<m::BrokerRegistrationRequest>(),
    row::<m::BrokerHeartbeatRequest>(),
    row::<m::UnregisterBrokerRequest>(),
    row::<m::DescribeTransactionsRequest>(),
    row::<m::ListTransactionsRequest>(),
    row::<m::AllocateProducerIdsRequest>(),
    row::<m::ConsumerGroupHeartbeatRequest>(),
    row::<m::ConsumerGroupDescribeRequest>(),
    row::<m::ControllerRegistrationRequest>(),
    row::<m::GetTelemetrySubscriptionsRequest>(),
    row::<m::PushTelemetryRequest>(),
    row::<m::AssignReplicasToDirsRequest>(),
    row::<m::ListConfigResourcesRequest>(),
    row::<m::DescribeTopicPartitionsRequest>(),
    row::<m::ShareGroupHeartbeatRequest>(),
    row::<m::ShareGroupDescribeRequest>(),
    row::<m::ShareFetchRequest>(),
    row::<m::ShareAcknowledgeRequest>(),
    row::<m::AddRaftVoterRequest>(),
    row::<m::RemoveRaftVoterRequest>(),
    row::<m::UpdateRaftVoterRequest>(),
    row::<m::InitializeShareGroupStateRequest>(),
    row::<m::ReadShareGroupStateRequest>(),
    row::<m::WriteShareGroupStateRequest>(),
    row::<m::DeleteShareGroupStateRequest>(),
    row::<m::ReadShareGroupStateSummaryRequest>(),
    row::<m::DescribeShareGroupOffsetsRequest>(),
    row::<m::AlterShareGroupOffsetsRequest>(),
    row::<m::DeleteShareGroupOffsetsRequest>(),
];
