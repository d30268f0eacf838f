//! What the door gives out: topics and partitions with one right each.

use std::sync::Arc;

use model::{PartitionIndex, TopicId, TopicName};

use super::Access;
use crate::{partition::Partition, topic::Topic};

/// A topic that may be appended to.
#[derive(Clone)]
pub struct SendTopic {
    pub(super) access: Access,
    pub(super) topic: Arc<Topic>,
}

impl SendTopic {
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.topic.name
    }

    #[must_use]
    pub fn id(&self) -> TopicId {
        self.topic.id
    }

    /// Whether the records of compressed batches are looked at.
    #[must_use]
    pub fn looks_inside(&self) -> bool {
        self.topic.settings.load().rules.looks_inside()
    }

    /// A partition, if the topic has it.
    #[must_use]
    pub fn partition(&self, index: PartitionIndex) -> Option<SendPartition> {
        Some(SendPartition {
            access: self.access.clone(),
            topic: Arc::clone(&self.topic),
            partition: self.topic.partition(index)?,
        })
    }
}

/// A topic that may be read.
#[derive(Clone)]
pub struct ListenTopic {
    pub(super) topic: Arc<Topic>,
}

impl ListenTopic {
    #[must_use]
    pub fn name(&self) -> &TopicName {
        &self.topic.name
    }

    #[must_use]
    pub fn id(&self) -> TopicId {
        self.topic.id
    }

    /// A partition, if the topic has it.
    #[must_use]
    pub fn partition(&self, index: PartitionIndex) -> Option<ListenPartition> {
        Some(ListenPartition {
            topic: Arc::clone(&self.topic),
            partition: self.topic.partition(index)?,
        })
    }
}

/// A partition that may be appended to: see [`crate::append`].
#[derive(Clone)]
pub struct SendPartition {
    pub(crate) access: Access,
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: Arc<Partition>,
}

/// A partition that may be read: see [`crate::fetch`] and [`crate::offsets`].
#[derive(Clone)]
pub struct ListenPartition {
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: Arc<Partition>,
}

macro_rules! debug_by_name {
    ($($handle:ident: $name:expr),*) => {$(
        impl std::fmt::Debug for $handle {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let name: fn(&Self) -> &dyn std::fmt::Display = $name;
                write!(f, "{}({})", stringify!($handle), name(self))
            }
        }
    )*};
}
debug_by_name! {
    Access: |access| access.namespace(),
    SendTopic: |topic| topic.name(),
    ListenTopic: |topic| topic.name(),
    SendPartition: |partition| &partition.topic.name,
    ListenPartition: |partition| &partition.topic.name
}
