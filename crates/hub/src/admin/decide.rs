//! Deciding what exists, in turns: keeping the decision and showing its effect without waiting.

use std::{collections::BTreeMap, sync::Arc};

use coordinator::Sender;
use model::{NamespaceId, TopicId, TopicName};
use tracing::{info, warn};

use super::{
    AlterConfigsError, CreateTopicError, DeleteTopicError, GrowTopicError, NewTopic,
    PartitionCountError,
    check::{self, CheckedTopic},
};
use crate::{
    configs::ConfigChange,
    core::Core,
    groups,
    internal_log::LogFailure,
    metadata::{Command, Record, Refusal},
    namespace::Namespace,
    registry::SubmitError,
    sync::write,
    topic::{Topic, TopicSettings},
    watch::Broken,
};

impl Core {
    /// Whether a topic of this name and size could be created.
    pub(super) fn check_new(
        &self,
        namespace: NamespaceId,
        name: &TopicName,
        partition_count: i32,
    ) -> Result<Result<(), PartitionCountError>, Refusal> {
        self.registry
            .read(|machine| machine.check_name(namespace, name))?;
        Ok(self.check_room(u32::try_from(partition_count).unwrap_or(u32::MAX)))
    }

    pub(super) fn check_room(&self, added: u32) -> Result<(), PartitionCountError> {
        let added = usize::try_from(added).unwrap_or(usize::MAX);
        let present = self.registry.read(|machine| machine.partition_count());
        if present.saturating_add(added) > self.limits.load().partitions_max {
            return Err(PartitionCountError::NoRoom);
        }
        Ok(())
    }

    /// Creates a topic that the file names; nobody's right is asked.
    pub(crate) fn create_configured(
        &self,
        namespace: &Namespace,
        topic: &NewTopic,
    ) -> Result<(), CreateTopicError> {
        let checked = check::new_topic(topic, &namespace.settings.load(), &self.limits.load())?;
        self.create_topic(namespace, checked).map(drop)
    }

    /// Creates a topic and shows it; kept, not yet durable.
    pub(super) fn create_topic(
        &self,
        namespace: &Namespace,
        topic: CheckedTopic,
    ) -> Result<Arc<Topic>, CreateTopicError> {
        let CheckedTopic {
            name,
            partition_count,
            config,
        } = topic;
        let partition_count = u32::try_from(partition_count).unwrap_or(0);
        let turn = self.registry.turn();
        self.registry
            .read(|machine| machine.check_name(namespace.id, &name))
            .map_err(|refusal| CreateTopicError::refused(refusal, &name))?;
        self.check_room(partition_count)?;
        let id = TopicId(uuid::Uuid::new_v4().as_u128());
        let command = Command::CreateTopic {
            namespace: namespace.id,
            id,
            name: name.clone(),
            partition_count,
            configs: check::kept(&config),
        };
        let records = turn.submit(command).map_err(|error| match error {
            SubmitError::Refused(refusal) => CreateTopicError::refused(refusal, &name),
            SubmitError::NotKept(error) => CreateTopicError::Metadata(error.into()),
        })?;
        let record = records.iter().find_map(|record| match record {
            Record::Topic(_, _, topic) => topic.as_ref(),
            _ => None,
        });
        let Some(record) = record else {
            unreachable!("a creation without its record");
        };
        let topic = self.topic(id, record, &namespace.settings.load());
        write(&namespace.topics).insert(Arc::clone(&topic));
        if topic.settings.load().effective.compacts() {
            warn!(namespace = %namespace.name, topic = %name, "compaction is accepted but not carried out yet: nothing is removed by it");
        }
        info!(namespace = %namespace.name, topic = %name, %id, partition_count, "created event hub");
        Ok(topic)
    }

    /// Deletes a topic and frees its disk; gives the wait for its offsets to be forgotten.
    pub(super) fn delete_topic(
        &self,
        namespace: &Arc<Namespace>,
        topic: &Topic,
    ) -> Result<Option<groups::GroupReply>, DeleteTopicError> {
        let turn = self.registry.turn();
        let command = Command::DeleteTopic(namespace.id, topic.id);
        turn.submit(command).map_err(|error| match error {
            SubmitError::Refused(_) => DeleteTopicError::Unknown,
            SubmitError::NotKept(error) => DeleteTopicError::Metadata(error.into()),
        })?;
        write(&namespace.topics).remove(topic.id);
        for partition in topic.partitions.load().iter() {
            partition.close(Broken::Deleted);
            let done = Box::new(LogFailure("remove partition"));
            self.engine.remove(partition.log, done);
        }
        info!(namespace = %namespace.name, topic = %topic.name, id = %topic.id, "deleted event hub");
        let forget = groups::Command::TopicDeleted(topic.name.clone());
        Ok(namespace.group(forget, &Sender::BROKER).ok())
    }

    /// Adds partitions up to the count and shows them.
    pub(crate) fn grow_topic(
        &self,
        namespace: &Namespace,
        topic: &Topic,
        partition_count: i32,
        assignments: Option<&[Vec<i32>]>,
    ) -> Result<(), GrowTopicError> {
        let turn = self.registry.turn();
        let current = topic.partition_count();
        let limits = self.limits.load();
        let added = check::growth(current, partition_count, assignments, &limits)?;
        self.check_room(added)?;
        let command = Command::GrowTopic(namespace.id, topic.id, added);
        let records = turn.submit(command).map_err(|error| match error {
            SubmitError::Refused(_) => GrowTopicError::Unknown,
            SubmitError::NotKept(error) => GrowTopicError::Metadata(error.into()),
        })?;
        let mut partitions = topic.partitions.load().to_vec();
        for record in &records {
            let Record::Topic(_, _, Some(grown)) = record else {
                continue;
            };
            let new = grown.partitions().skip(partitions.len());
            let new: Vec<_> = new.map(|(index, log)| self.partition(log, index)).collect();
            partitions.extend(new);
        }
        topic.partitions.store(Arc::new(partitions));
        info!(namespace = %namespace.name, topic = %topic.name, partition_count, "grew event hub");
        Ok(())
    }

    /// Changes a topic's configuration and puts it in force.
    pub(crate) fn configure(
        &self,
        namespace: &Namespace,
        topic: &Topic,
        changes: &[ConfigChange],
    ) -> Result<(), AlterConfigsError> {
        let turn = self.registry.turn();
        let before = topic.settings.load();
        let given = check::changed(&before.given, changes, &self.limits.load())?;
        if given == before.given {
            return Ok(());
        }
        let kept: BTreeMap<_, _> = check::kept(&given);
        let command = Command::ConfigureTopic(namespace.id, topic.id, kept);
        turn.submit(command).map_err(|error| match error {
            SubmitError::Refused(_) => AlterConfigsError::Unknown,
            SubmitError::NotKept(error) => AlterConfigsError::Metadata(error.into()),
        })?;
        let settings = TopicSettings::new(given, &namespace.settings.load(), &self.limits.load());
        topic.settings.store(Arc::new(settings));
        info!(namespace = %namespace.name, topic = %topic.name, "configured event hub");
        Ok(())
    }
}

impl CreateTopicError {
    pub(super) fn refused(refusal: Refusal, name: &TopicName) -> Self {
        match refusal {
            Refusal::Exists => Self::Exists(name.clone()),
            Refusal::Collides(other) => Self::Collides(name.clone(), other),
            // A namespace is never deleted.
            Refusal::Unknown => Self::Denied,
        }
    }
}
