//! Kafka's error codes: every number that 4.4 knows, its name, and whether a client may try again.

/// An error as the protocol numbers it; [`ErrorCode::None`] is success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ErrorCode {
    UnknownServerError = -1,
    #[default]
    None = 0,
    OffsetOutOfRange = 1,
    CorruptMessage = 2,
    UnknownTopicOrPartition = 3,
    InvalidFetchSize = 4,
    LeaderNotAvailable = 5,
    NotLeaderOrFollower = 6,
    RequestTimedOut = 7,
    BrokerNotAvailable = 8,
    ReplicaNotAvailable = 9,
    MessageTooLarge = 10,
    StaleControllerEpoch = 11,
    OffsetMetadataTooLarge = 12,
    NetworkException = 13,
    CoordinatorLoadInProgress = 14,
    CoordinatorNotAvailable = 15,
    NotCoordinator = 16,
    InvalidTopicException = 17,
    RecordListTooLarge = 18,
    NotEnoughReplicas = 19,
    NotEnoughReplicasAfterAppend = 20,
    InvalidRequiredAcks = 21,
    IllegalGeneration = 22,
    InconsistentGroupProtocol = 23,
    InvalidGroupId = 24,
    UnknownMemberId = 25,
    InvalidSessionTimeout = 26,
    RebalanceInProgress = 27,
    InvalidCommitOffsetSize = 28,
    TopicAuthorizationFailed = 29,
    GroupAuthorizationFailed = 30,
    ClusterAuthorizationFailed = 31,
    InvalidTimestamp = 32,
    UnsupportedSaslMechanism = 33,
    IllegalSaslState = 34,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    InvalidReplicaAssignment = 39,
    InvalidConfig = 40,
    NotController = 41,
    InvalidRequest = 42,
    UnsupportedForMessageFormat = 43,
    PolicyViolation = 44,
    OutOfOrderSequenceNumber = 45,
    DuplicateSequenceNumber = 46,
    InvalidProducerEpoch = 47,
    InvalidTxnState = 48,
    InvalidProducerIdMapping = 49,
    InvalidTransactionTimeout = 50,
    ConcurrentTransactions = 51,
    TransactionCoordinatorFenced = 52,
    TransactionalIdAuthorizationFailed = 53,
    SecurityDisabled = 54,
    OperationNotAttempted = 55,
    KafkaStorageError = 56,
    LogDirNotFound = 57,
    SaslAuthenticationFailed = 58,
    UnknownProducerId = 59,
    ReassignmentInProgress = 60,
    DelegationTokenAuthDisabled = 61,
    DelegationTokenNotFound = 62,
    DelegationTokenOwnerMismatch = 63,
    DelegationTokenRequestNotAllowed = 64,
    DelegationTokenAuthorizationFailed = 65,
    DelegationTokenExpired = 66,
    InvalidPrincipalType = 67,
    NonEmptyGroup = 68,
    GroupIdNotFound = 69,
    FetchSessionIdNotFound = 70,
    InvalidFetchSessionEpoch = 71,
    ListenerNotFound = 72,
    TopicDeletionDisabled = 73,
    FencedLeaderEpoch = 74,
    UnknownLeaderEpoch = 75,
    UnsupportedCompressionType = 76,
    StaleBrokerEpoch = 77,
    OffsetNotAvailable = 78,
    MemberIdRequired = 79,
    PreferredLeaderNotAvailable = 80,
    GroupMaxSizeReached = 81,
    FencedInstanceId = 82,
    EligibleLeadersNotAvailable = 83,
    ElectionNotNeeded = 84,
    NoReassignmentInProgress = 85,
    GroupSubscribedToTopic = 86,
    InvalidRecord = 87,
    UnstableOffsetCommit = 88,
    ThrottlingQuotaExceeded = 89,
    ProducerFenced = 90,
    ResourceNotFound = 91,
    DuplicateResource = 92,
    UnacceptableCredential = 93,
    InconsistentVoterSet = 94,
    InvalidUpdateVersion = 95,
    FeatureUpdateFailed = 96,
    PrincipalDeserializationFailure = 97,
    SnapshotNotFound = 98,
    PositionOutOfRange = 99,
    UnknownTopicId = 100,
    DuplicateBrokerRegistration = 101,
    BrokerIdNotRegistered = 102,
    InconsistentTopicId = 103,
    InconsistentClusterId = 104,
    TransactionalIdNotFound = 105,
    FetchSessionTopicIdError = 106,
    IneligibleReplica = 107,
    NewLeaderElected = 108,
    OffsetMovedToTieredStorage = 109,
    FencedMemberEpoch = 110,
    UnreleasedInstanceId = 111,
    UnsupportedAssignor = 112,
    StaleMemberEpoch = 113,
    MismatchedEndpointType = 114,
    UnsupportedEndpointType = 115,
    UnknownControllerId = 116,
    UnknownSubscriptionId = 117,
    TelemetryTooLarge = 118,
    InvalidRegistration = 119,
    TransactionAbortable = 120,
    InvalidRecordState = 121,
    ShareSessionNotFound = 122,
    InvalidShareSessionEpoch = 123,
    FencedStateEpoch = 124,
    InvalidVoterKey = 125,
    DuplicateVoter = 126,
    VoterNotFound = 127,
    InvalidRegularExpression = 128,
    RebootstrapRequired = 129,
    StreamsInvalidTopology = 130,
    StreamsInvalidTopologyEpoch = 131,
    StreamsTopologyFenced = 132,
    ShareSessionLimitReached = 133,
    GroupDeletionFailed = 134,
    StreamsTopologyDescriptionUpdateFailed = 135,
    ControllerIdNotRegistered = 136,
}

use ErrorCode as E;

/// Every error and its name, ascending by number from -1 without a gap.
const NAMES: [(ErrorCode, &str); 138] = [
    (E::UnknownServerError, "UNKNOWN_SERVER_ERROR"),
    (E::None, "NONE"),
    (E::OffsetOutOfRange, "OFFSET_OUT_OF_RANGE"),
    (E::CorruptMessage, "CORRUPT_MESSAGE"),
    (E::UnknownTopicOrPartition, "UNKNOWN_TOPIC_OR_PARTITION"),
    (E::InvalidFetchSize, "INVALID_FETCH_SIZE"),
    (E::LeaderNotAvailable, "LEADER_NOT_AVAILABLE"),
    (E::NotLeaderOrFollower, "NOT_LEADER_OR_FOLLOWER"),
    (E::RequestTimedOut, "REQUEST_TIMED_OUT"),
    (E::BrokerNotAvailable, "BROKER_NOT_AVAILABLE"),
    (E::ReplicaNotAvailable, "REPLICA_NOT_AVAILABLE"),
    (E::MessageTooLarge, "MESSAGE_TOO_LARGE"),
    (E::StaleControllerEpoch, "STALE_CONTROLLER_EPOCH"),
    (E::OffsetMetadataTooLarge, "OFFSET_METADATA_TOO_LARGE"),
    (E::NetworkException, "NETWORK_EXCEPTION"),
    (E::CoordinatorLoadInProgress, "COORDINATOR_LOAD_IN_PROGRESS"),
    (E::CoordinatorNotAvailable, "COORDINATOR_NOT_AVAILABLE"),
    (E::NotCoordinator, "NOT_COORDINATOR"),
    (E::InvalidTopicException, "INVALID_TOPIC_EXCEPTION"),
    (E::RecordListTooLarge, "RECORD_LIST_TOO_LARGE"),
    (E::NotEnoughReplicas, "NOT_ENOUGH_REPLICAS"),
    (
        E::NotEnoughReplicasAfterAppend,
        "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    ),
    (E::InvalidRequiredAcks, "INVALID_REQUIRED_ACKS"),
    (E::IllegalGeneration, "ILLEGAL_GENERATION"),
    (E::InconsistentGroupProtocol, "INCONSISTENT_GROUP_PROTOCOL"),
    (E::InvalidGroupId, "INVALID_GROUP_ID"),
    (E::UnknownMemberId, "UNKNOWN_MEMBER_ID"),
    (E::InvalidSessionTimeout, "INVALID_SESSION_TIMEOUT"),
    (E::RebalanceInProgress, "REBALANCE_IN_PROGRESS"),
    (E::InvalidCommitOffsetSize, "INVALID_COMMIT_OFFSET_SIZE"),
    (E::TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED"),
    (E::GroupAuthorizationFailed, "GROUP_AUTHORIZATION_FAILED"),
    (
        E::ClusterAuthorizationFailed,
        "CLUSTER_AUTHORIZATION_FAILED",
    ),
    (E::InvalidTimestamp, "INVALID_TIMESTAMP"),
    (E::UnsupportedSaslMechanism, "UNSUPPORTED_SASL_MECHANISM"),
    (E::IllegalSaslState, "ILLEGAL_SASL_STATE"),
    (E::UnsupportedVersion, "UNSUPPORTED_VERSION"),
    (E::TopicAlreadyExists, "TOPIC_ALREADY_EXISTS"),
    (E::InvalidPartitions, "INVALID_PARTITIONS"),
    (E::InvalidReplicationFactor, "INVALID_REPLICATION_FACTOR"),
    (E::InvalidReplicaAssignment, "INVALID_REPLICA_ASSIGNMENT"),
    (E::InvalidConfig, "INVALID_CONFIG"),
    (E::NotController, "NOT_CONTROLLER"),
    (E::InvalidRequest, "INVALID_REQUEST"),
    (
        E::UnsupportedForMessageFormat,
        "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    ),
    (E::PolicyViolation, "POLICY_VIOLATION"),
    (E::OutOfOrderSequenceNumber, "OUT_OF_ORDER_SEQUENCE_NUMBER"),
    (E::DuplicateSequenceNumber, "DUPLICATE_SEQUENCE_NUMBER"),
    (E::InvalidProducerEpoch, "INVALID_PRODUCER_EPOCH"),
    (E::InvalidTxnState, "INVALID_TXN_STATE"),
    (E::InvalidProducerIdMapping, "INVALID_PRODUCER_ID_MAPPING"),
    (E::InvalidTransactionTimeout, "INVALID_TRANSACTION_TIMEOUT"),
    (E::ConcurrentTransactions, "CONCURRENT_TRANSACTIONS"),
    (
        E::TransactionCoordinatorFenced,
        "TRANSACTION_COORDINATOR_FENCED",
    ),
    (
        E::TransactionalIdAuthorizationFailed,
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    ),
    (E::SecurityDisabled, "SECURITY_DISABLED"),
    (E::OperationNotAttempted, "OPERATION_NOT_ATTEMPTED"),
    (E::KafkaStorageError, "KAFKA_STORAGE_ERROR"),
    (E::LogDirNotFound, "LOG_DIR_NOT_FOUND"),
    (E::SaslAuthenticationFailed, "SASL_AUTHENTICATION_FAILED"),
    (E::UnknownProducerId, "UNKNOWN_PRODUCER_ID"),
    (E::ReassignmentInProgress, "REASSIGNMENT_IN_PROGRESS"),
    (
        E::DelegationTokenAuthDisabled,
        "DELEGATION_TOKEN_AUTH_DISABLED",
    ),
    (E::DelegationTokenNotFound, "DELEGATION_TOKEN_NOT_FOUND"),
    (
        E::DelegationTokenOwnerMismatch,
        "DELEGATION_TOKEN_OWNER_MISMATCH",
    ),
    (
        E::DelegationTokenRequestNotAllowed,
        "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    ),
    (
        E::DelegationTokenAuthorizationFailed,
        "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    ),
    (E::DelegationTokenExpired, "DELEGATION_TOKEN_EXPIRED"),
    (E::InvalidPrincipalType, "INVALID_PRINCIPAL_TYPE"),
    (E::NonEmptyGroup, "NON_EMPTY_GROUP"),
    (E::GroupIdNotFound, "GROUP_ID_NOT_FOUND"),
    (E::FetchSessionIdNotFound, "FETCH_SESSION_ID_NOT_FOUND"),
    (E::InvalidFetchSessionEpoch, "INVALID_FETCH_SESSION_EPOCH"),
    (E::ListenerNotFound, "LISTENER_NOT_FOUND"),
    (E::TopicDeletionDisabled, "TOPIC_DELETION_DISABLED"),
    (E::FencedLeaderEpoch, "FENCED_LEADER_EPOCH"),
    (E::UnknownLeaderEpoch, "UNKNOWN_LEADER_EPOCH"),
    (
        E::UnsupportedCompressionType,
        "UNSUPPORTED_COMPRESSION_TYPE",
    ),
    (E::StaleBrokerEpoch, "STALE_BROKER_EPOCH"),
    (E::OffsetNotAvailable, "OFFSET_NOT_AVAILABLE"),
    (E::MemberIdRequired, "MEMBER_ID_REQUIRED"),
    (
        E::PreferredLeaderNotAvailable,
        "PREFERRED_LEADER_NOT_AVAILABLE",
    ),
    (E::GroupMaxSizeReached, "GROUP_MAX_SIZE_REACHED"),
    (E::FencedInstanceId, "FENCED_INSTANCE_ID"),
    (
        E::EligibleLeadersNotAvailable,
        "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    ),
    (E::ElectionNotNeeded, "ELECTION_NOT_NEEDED"),
    (E::NoReassignmentInProgress, "NO_REASSIGNMENT_IN_PROGRESS"),
    (E::GroupSubscribedToTopic, "GROUP_SUBSCRIBED_TO_TOPIC"),
    (E::InvalidRecord, "INVALID_RECORD"),
    (E::UnstableOffsetCommit, "UNSTABLE_OFFSET_COMMIT"),
    (E::ThrottlingQuotaExceeded, "THROTTLING_QUOTA_EXCEEDED"),
    (E::ProducerFenced, "PRODUCER_FENCED"),
    (E::ResourceNotFound, "RESOURCE_NOT_FOUND"),
    (E::DuplicateResource, "DUPLICATE_RESOURCE"),
    (E::UnacceptableCredential, "UNACCEPTABLE_CREDENTIAL"),
    (E::InconsistentVoterSet, "INCONSISTENT_VOTER_SET"),
    (E::InvalidUpdateVersion, "INVALID_UPDATE_VERSION"),
    (E::FeatureUpdateFailed, "FEATURE_UPDATE_FAILED"),
    (
        E::PrincipalDeserializationFailure,
        "PRINCIPAL_DESERIALIZATION_FAILURE",
    ),
    (E::SnapshotNotFound, "SNAPSHOT_NOT_FOUND"),
    (E::PositionOutOfRange, "POSITION_OUT_OF_RANGE"),
    (E::UnknownTopicId, "UNKNOWN_TOPIC_ID"),
    (
        E::DuplicateBrokerRegistration,
        "DUPLICATE_BROKER_REGISTRATION",
    ),
    (E::BrokerIdNotRegistered, "BROKER_ID_NOT_REGISTERED"),
    (E::InconsistentTopicId, "INCONSISTENT_TOPIC_ID"),
    (E::InconsistentClusterId, "INCONSISTENT_CLUSTER_ID"),
    (E::TransactionalIdNotFound, "TRANSACTIONAL_ID_NOT_FOUND"),
    (E::FetchSessionTopicIdError, "FETCH_SESSION_TOPIC_ID_ERROR"),
    (E::IneligibleReplica, "INELIGIBLE_REPLICA"),
    (E::NewLeaderElected, "NEW_LEADER_ELECTED"),
    (
        E::OffsetMovedToTieredStorage,
        "OFFSET_MOVED_TO_TIERED_STORAGE",
    ),
    (E::FencedMemberEpoch, "FENCED_MEMBER_EPOCH"),
    (E::UnreleasedInstanceId, "UNRELEASED_INSTANCE_ID"),
    (E::UnsupportedAssignor, "UNSUPPORTED_ASSIGNOR"),
    (E::StaleMemberEpoch, "STALE_MEMBER_EPOCH"),
    (E::MismatchedEndpointType, "MISMATCHED_ENDPOINT_TYPE"),
    (E::UnsupportedEndpointType, "UNSUPPORTED_ENDPOINT_TYPE"),
    (E::UnknownControllerId, "UNKNOWN_CONTROLLER_ID"),
    (E::UnknownSubscriptionId, "UNKNOWN_SUBSCRIPTION_ID"),
    (E::TelemetryTooLarge, "TELEMETRY_TOO_LARGE"),
    (E::InvalidRegistration, "INVALID_REGISTRATION"),
    (E::TransactionAbortable, "TRANSACTION_ABORTABLE"),
    (E::InvalidRecordState, "INVALID_RECORD_STATE"),
    (E::ShareSessionNotFound, "SHARE_SESSION_NOT_FOUND"),
    (E::InvalidShareSessionEpoch, "INVALID_SHARE_SESSION_EPOCH"),
    (E::FencedStateEpoch, "FENCED_STATE_EPOCH"),
    (E::InvalidVoterKey, "INVALID_VOTER_KEY"),
    (E::DuplicateVoter, "DUPLICATE_VOTER"),
    (E::VoterNotFound, "VOTER_NOT_FOUND"),
    (E::InvalidRegularExpression, "INVALID_REGULAR_EXPRESSION"),
    (E::RebootstrapRequired, "REBOOTSTRAP_REQUIRED"),
    (E::StreamsInvalidTopology, "STREAMS_INVALID_TOPOLOGY"),
    (
        E::StreamsInvalidTopologyEpoch,
        "STREAMS_INVALID_TOPOLOGY_EPOCH",
    ),
    (E::StreamsTopologyFenced, "STREAMS_TOPOLOGY_FENCED"),
    (E::ShareSessionLimitReached, "SHARE_SESSION_LIMIT_REACHED"),
    (E::GroupDeletionFailed, "GROUP_DELETION_FAILED"),
    (
        E::StreamsTopologyDescriptionUpdateFailed,
        "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED",
    ),
    (E::ControllerIdNotRegistered, "CONTROLLER_ID_NOT_REGISTERED"),
];

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The error of this number, unless it is one that 4.4 does not know.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        Self::row(code).map(|(error, _)| *error)
    }

    /// Kafka's name, as its documentation and its clients' logs print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::row(self.code()).map_or("UNKNOWN_SERVER_ERROR", |(_, name)| name)
    }

    /// Whether a client may send the same request again.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::CorruptMessage
                | Self::UnknownTopicOrPartition
                | Self::LeaderNotAvailable
                | Self::NotLeaderOrFollower
                | Self::RequestTimedOut
                | Self::ReplicaNotAvailable
                | Self::NetworkException
                | Self::CoordinatorLoadInProgress
                | Self::CoordinatorNotAvailable
                | Self::NotCoordinator
                | Self::NotEnoughReplicas
                | Self::NotEnoughReplicasAfterAppend
                | Self::NotController
                | Self::ConcurrentTransactions
                | Self::KafkaStorageError
                | Self::FetchSessionIdNotFound
                | Self::InvalidFetchSessionEpoch
                | Self::ListenerNotFound
                | Self::FencedLeaderEpoch
                | Self::UnknownLeaderEpoch
                | Self::OffsetNotAvailable
                | Self::PreferredLeaderNotAvailable
                | Self::EligibleLeadersNotAvailable
                | Self::ElectionNotNeeded
                | Self::UnstableOffsetCommit
                | Self::ThrottlingQuotaExceeded
                | Self::UnknownTopicId
                | Self::InconsistentTopicId
                | Self::FetchSessionTopicIdError
                | Self::ShareSessionNotFound
                | Self::InvalidShareSessionEpoch
                | Self::ShareSessionLimitReached
        )
    }

    fn row(code: i16) -> Option<&'static (Self, &'static str)> {
        NAMES.get(usize::try_from(i32::from(code) + 1).ok()?)
    }
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> Self {
        error.code()
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::ResponseError;

    #[test]
    fn every_number_leads_to_its_own_row() {
        for (position, (error, name)) in NAMES.iter().enumerate() {
            assert_eq!(i64::from(error.code()), position as i64 - 1, "{name}");
            assert_eq!(ErrorCode::from_code(error.code()), Some(*error));
            assert_eq!(error.name(), *name);
        }
        assert_eq!(ErrorCode::from_code(-2), None);
        assert_eq!(ErrorCode::from_code(137), None);
        assert_eq!(ErrorCode::from_code(i16::MAX), None);
        assert_eq!(ErrorCode::from_code(i16::MIN), None);
    }

    /// Errors that 4.4 calls retriable and the library, made from 4.1, does not.
    const RETRIABLE_SINCE: [ErrorCode; 1] = [E::ConcurrentTransactions];

    #[test]
    fn names_and_retriability_agree_with_the_library() {
        for (error, name) in &NAMES {
            match ResponseError::try_from_code(error.code()) {
                None => assert_eq!(*error, ErrorCode::None),
                // Newer than the library.
                Some(ResponseError::Unknown(code)) => assert!(code > 133, "{name}"),
                Some(known) => {
                    let differs = RETRIABLE_SINCE.contains(error);
                    assert_eq!(
                        known.is_retriable() != error.is_retriable(),
                        differs,
                        "{name}"
                    );
                    // Acronyms apart, the names are the same.
                    let ours = format!("{error:?}");
                    assert!(
                        known.to_string().eq_ignore_ascii_case(&ours),
                        "{known} {ours}"
                    );
                }
            }
        }
    }
}
