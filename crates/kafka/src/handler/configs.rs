//! What the handlers of topics and configurations share: resource types, and codes with messages
//! for the hub's refusals.

use hub::admin::{
    AlterConfigsError, CreateTopicError, DeleteRecordsError, DeleteTopicError, GrowTopicError,
    MetadataError,
};
use hub::configs::ConfigSource;
use kafka_protocol::protocol::StrBytes;
use model::{TopicNameError, topic_config::Kind};
use wire::error_code::ErrorCode;

use super::{codes, words};
use crate::address::NODE_ID;

/// What a configuration may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    pub(super) const fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    pub(super) fn from_code(code: i8) -> Option<Self> {
        [
            Self::Topic,
            Self::Broker,
            Self::BrokerLogger,
            Self::ClientMetrics,
            Self::Group,
        ]
        .into_iter()
        .find(|kind| kind.code() == code)
    }
}

/// A refusal as the wire has it: a code, and a text for a person.
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: Option<StrBytes>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: Some(words::text(message.as_ref())),
        }
    }

    const fn bare(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

impl From<CreateTopicError> for Refusal {
    fn from(error: CreateTopicError) -> Self {
        let message = match &error {
            CreateTopicError::Denied => "Authorization failed.".to_owned(),
            _ => error.to_string(),
        };
        Self::new(codes::create_topic(&error), message)
    }
}

impl From<TopicNameError> for Refusal {
    fn from(error: TopicNameError) -> Self {
        CreateTopicError::Name(error).into()
    }
}

impl From<GrowTopicError> for Refusal {
    fn from(error: GrowTopicError) -> Self {
        match error {
            GrowTopicError::Denied => Self::bare(ErrorCode::TopicAuthorizationFailed),
            GrowTopicError::Unknown => Self::unknown_topic(),
            GrowTopicError::Partitions(error) => {
                Self::new(codes::partition_count(&error), error.to_string())
            }
            GrowTopicError::Metadata(error) => error.into(),
        }
    }
}

impl From<AlterConfigsError> for Refusal {
    fn from(error: AlterConfigsError) -> Self {
        match error {
            AlterConfigsError::Denied => Self::denied_topic(),
            AlterConfigsError::Unknown => Self::unknown_topic(),
            AlterConfigsError::Config(error) => {
                Self::new(ErrorCode::InvalidConfig, error.to_string())
            }
            AlterConfigsError::Metadata(error) => error.into(),
        }
    }
}

impl From<DeleteTopicError> for Refusal {
    fn from(error: DeleteTopicError) -> Self {
        match error {
            DeleteTopicError::Denied => Self::denied_topic(),
            DeleteTopicError::Unknown => Self::unknown_topic(),
            DeleteTopicError::Metadata(error) => error.into(),
        }
    }
}

impl From<MetadataError> for Refusal {
    fn from(error: MetadataError) -> Self {
        Self::new(codes::metadata(error), error.to_string())
    }
}

impl Refusal {
    /// A topic that a request names more than once is refused once, and nothing is done with it.
    pub(super) fn duplicate_topic() -> Self {
        Self::new(ErrorCode::InvalidRequest, "Duplicate topic name.")
    }

    pub(super) fn denied_topic() -> Self {
        let message = "Topic authorization failed.";
        Self::new(ErrorCode::TopicAuthorizationFailed, message)
    }

    /// A broker's settings are the cluster's.
    pub(super) const fn denied_cluster() -> Self {
        Self::bare(ErrorCode::ClusterAuthorizationFailed)
    }

    pub(super) fn unknown_topic() -> Self {
        let message = "This server does not host this topic-partition.";
        Self::new(ErrorCode::UnknownTopicOrPartition, message)
    }
}

/// A broker resource is this broker, by its id, or all brokers, by the empty name.
pub(super) fn own_broker(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || name == NODE_ID.to_string() {
        return Ok(());
    }
    let message = match name.parse::<i32>() {
        Ok(id) => {
            format!("Unexpected broker id, expected {NODE_ID} or empty string, but received {id}")
        }
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}

pub(super) const fn delete_records_code(error: DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::Denied => ErrorCode::TopicAuthorizationFailed,
        DeleteRecordsError::Unknown => ErrorCode::UnknownTopicOrPartition,
        DeleteRecordsError::OffsetOutOfRange => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::PolicyViolation => ErrorCode::PolicyViolation,
        DeleteRecordsError::Storage => ErrorCode::KafkaStorageError,
    }
}

/// Where a value comes from, in DescribeConfigs' numbers.
pub(super) const fn source_code(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::Topic => 1,
        ConfigSource::Broker => 4,
        ConfigSource::Default => 5,
    }
}

/// A value's type, in DescribeConfigs' numbers.
pub(super) const fn kind_code(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::String => 2,
        Kind::Int => 3,
        Kind::Long => 5,
        Kind::Double => 6,
        Kind::List => 7,
    }
}
