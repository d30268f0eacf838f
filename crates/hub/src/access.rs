//! The door: what one caller may do in one namespace.
//!
//! A front end holds an [`Access`] and nothing else. Each method names the resource it touches and
//! passes through [`Access::authorise`] before anything is given out or done:
//!
//! | Right needed | Acts |
//! |---|---|
//! | Send | append, producer ids |
//! | Listen | fetch, list offsets, groups |
//! | Manage | create, delete, grow, alter configurations, delete groups, offsets and records |
//! | any | describe |

use model::{NamespaceName, PartitionIndex, TopicId, TopicName};
use thiserror::Error;

use crate::{
    observe::RequestResult,
    settings::{Limits, NamespaceSettings},
};

/// A caller in its namespace. Cheap to clone; a connection keeps one.
#[derive(Clone, Debug)]
pub struct Access {
    _private: (),
}

/// How a request names a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(TopicId),
}

/// Why a handle was not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The caller lacks the right. Told before it is looked up whether a *name* exists; of an *id*
    /// only when it exists.
    #[error("not authorized")]
    Denied,
    /// No such topic (or group) in this namespace.
    #[error("unknown in this namespace")]
    Unknown,
}

/// What a caller may do with a resource, for the `authorized_operations` fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub send: bool,
    pub listen: bool,
    pub manage: bool,
}

impl Access {
    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &NamespaceName {
        unimplemented!()
    }

    /// The namespace's persistent cluster id: 22 characters of base64.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        unimplemented!()
    }

    /// The host of the connection string's endpoint, if this namespace owns it.
    #[must_use]
    pub fn endpoint_host(&self) -> Option<&str> {
        unimplemented!()
    }

    /// When the login ends (a token's expiry), for SaslAuthenticate's session lifetime.
    #[must_use]
    pub fn expires(&self) -> Option<std::time::Instant> {
        unimplemented!()
    }

    /// A name for logs: the policy, or `anonymous`.
    #[must_use]
    pub fn principal(&self) -> &str {
        unimplemented!()
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        unimplemented!()
    }

    /// The namespace's settings in force (defaults, automatic creation).
    #[must_use]
    pub fn settings(&self) -> std::sync::Arc<NamespaceSettings> {
        unimplemented!()
    }

    /// The rights on the namespace as a whole (Kafka: the cluster).
    #[must_use]
    pub fn cluster_rights(&self) -> Rights {
        unimplemented!()
    }

    /// The rights on the topic of that name, whether it exists or not.
    #[must_use]
    pub fn topic_rights(&self, _name: &str) -> Rights {
        unimplemented!()
    }

    /// A topic to append to (Send).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_send(&self, _topic: TopicRef<'_>) -> Result<SendTopic, AccessError> {
        unimplemented!()
    }

    /// A topic to read from (Listen).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_listen(&self, _topic: TopicRef<'_>) -> Result<ListenTopic, AccessError> {
        unimplemented!()
    }

    /// What a topic is (any right on it).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_describe(&self, _topic: TopicRef<'_>) -> Result<TopicView, AccessError> {
        unimplemented!()
    }

    /// Every topic on which the caller has any right, in the order of names.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicView> {
        unimplemented!()
    }

    /// Charges the units' events for a management call (Event Hubs counts them), and counts the
    /// request for the metrics. The spine calls it once per request.
    pub fn count_request(&self, _result: RequestResult) {
        unimplemented!()
    }

    /// Whether `bytes` and `events` more would wait longer than `timeout`, where the namespace is
    /// configured to refuse (POLICY_VIOLATION) instead of delaying beyond it.
    #[must_use]
    pub fn overruns(&self, _bytes: u64, _events: u64, _timeout: std::time::Duration) -> bool {
        unimplemented!()
    }
}

/// What Metadata and its kin say about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    pub name: TopicName,
    pub id: TopicId,
    /// Partitions are 0 to `partition_count - 1`.
    pub partition_count: i32,
    /// The epoch in force: the same for every partition of the process.
    pub leader_epoch: model::LeaderEpoch,
    pub rights: Rights,
}

/// A topic that may be appended to.
#[derive(Clone, Debug)]
pub struct SendTopic {
    _private: (),
}

impl SendTopic {
    #[must_use]
    pub fn name(&self) -> &TopicName {
        unimplemented!()
    }

    #[must_use]
    pub fn id(&self) -> TopicId {
        unimplemented!()
    }

    /// A partition, if the topic has it.
    #[must_use]
    pub fn partition(&self, _index: PartitionIndex) -> Option<SendPartition> {
        unimplemented!()
    }
}

/// A topic that may be read.
#[derive(Clone, Debug)]
pub struct ListenTopic {
    _private: (),
}

impl ListenTopic {
    #[must_use]
    pub fn name(&self) -> &TopicName {
        unimplemented!()
    }

    #[must_use]
    pub fn id(&self) -> TopicId {
        unimplemented!()
    }

    /// A partition, if the topic has it.
    #[must_use]
    pub fn partition(&self, _index: PartitionIndex) -> Option<ListenPartition> {
        unimplemented!()
    }
}

/// A partition that may be appended to: see [`crate::append`].
#[derive(Clone, Debug)]
pub struct SendPartition {
    _private: (),
}

/// A partition that may be read: see [`crate::fetch`] and [`crate::offsets`].
#[derive(Clone, Debug)]
pub struct ListenPartition {
    _private: (),
}
