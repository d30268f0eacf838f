//! The acts themselves. Each decides, keeps and shows its effect in one turn without waiting, so
//! that a caller who goes away leaves nothing half done; then it waits for the disk.

use auth::{Resource, Right};
use model::{Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicId, TopicName};
use storage::Completion;
use tokio::sync::oneshot;
use tracing::warn;

use super::{
    AlterConfigsError, CreateTopicError, CreatedTopic, DeleteRecordsError, DeleteTopicError,
    GrowTopicError, LogDir, LogDirPartition, LogDirScope, MetadataError, NewTopic, ProducerIdError,
    check::{self, CheckedTopic},
};
use crate::{
    Access, AccessError,
    access::{Denied, Need, TopicRef},
    configs::{ConfigChange, ConfigEntry},
    internal_log::KeepError,
    partition::Partition,
    sync::tell,
    topic::{Topic, TopicSettings},
};

const MANAGE: Need = Need::Right(Right::Manage);

impl Access {
    /// Creates a topic (Manage), durable when this returns.
    ///
    /// # Errors
    /// See [`CreateTopicError`].
    pub async fn create_topic(&self, topic: NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        let checked = self.check_new_topic(&topic)?;
        self.charge_management();
        let made = self.core().create_topic(self.inside(), checked);
        // A refusal rests on what was decided before: that must be durable, too.
        self.core().registry.settled().await?;
        let made = made?;
        Ok(self.created(&made))
    }

    /// As [`Access::create_topic`] without the act (`validate_only`).
    ///
    /// # Errors
    /// What creating would answer.
    pub fn validate_topic(&self, topic: &NewTopic) -> Result<CreatedTopic, CreateTopicError> {
        let CheckedTopic {
            name,
            partition_count,
            config,
        } = self.check_new_topic(topic)?;
        let namespace = self.inside();
        let limits = self.core().limits.load();
        self.core()
            .check_new(namespace.id, &name, partition_count)
            .map_err(|refusal| CreateTopicError::refused(refusal, &name))??;
        let of_namespace = namespace.settings.load();
        let settings = TopicSettings::new(config, &of_namespace, &limits);
        Ok(CreatedTopic {
            name,
            id: TopicId::ZERO,
            partition_count,
            configs: check::describe(&settings, &of_namespace, &limits),
        })
    }

    /// Creates a topic with the namespace's defaults because a client asked for it (Manage), where
    /// the namespace allows that. Gives the existing topic if someone was faster.
    ///
    /// # Errors
    /// See [`CreateTopicError`]; `Denied` also where the namespace does not create on demand.
    pub async fn auto_create_topic(&self, name: &str) -> Result<CreatedTopic, CreateTopicError> {
        if !self.settings().auto_create {
            return Err(CreateTopicError::Denied);
        }
        let topic = NewTopic {
            name: name.to_owned(),
            ..NewTopic::default()
        };
        match self.create_topic(topic).await {
            Err(CreateTopicError::Exists(_)) => {
                let topic = self.topic(TopicRef::Name(name), Need::Any);
                let topic = topic.map_err(|_| CreateTopicError::Denied)?;
                Ok(self.created(&topic))
            }
            outcome => outcome,
        }
    }

    fn check_new_topic(&self, topic: &NewTopic) -> Result<CheckedTopic, CreateTopicError> {
        match TopicName::try_from(topic.name.as_str()) {
            Ok(name) => self.authorise(Resource::Topic(&name), MANAGE)?,
            Err(_) => self.authorise(Resource::Namespace, MANAGE)?,
        }
        let settings = self.inside().settings.load();
        check::new_topic(topic, &settings, &self.core().limits.load())
    }

    fn created(&self, topic: &Topic) -> CreatedTopic {
        CreatedTopic {
            name: topic.name.clone(),
            id: topic.id,
            partition_count: topic.partition_count(),
            configs: self.describe(topic),
        }
    }

    fn describes(&self, topic: &Topic) -> bool {
        self.authorise(Resource::Topic(&topic.name), Need::Any)
            .is_ok()
    }

    fn describe(&self, topic: &Topic) -> Vec<ConfigEntry> {
        check::describe(
            &topic.settings.load(),
            &self.inside().settings.load(),
            &self.core().limits.load(),
        )
    }

    /// Deletes a topic, its records and its committed offsets (Manage).
    ///
    /// # Errors
    /// See [`DeleteTopicError`].
    pub async fn delete_topic(&self, topic: TopicRef<'_>) -> Result<(), DeleteTopicError> {
        let topic = self.topic(topic, MANAGE)?;
        self.charge_management();
        let core = self.core();
        let forgotten = core.delete_topic(self.inside(), &topic)?;
        core.registry.settled().await?;
        if let Some(forgotten) = forgotten {
            // The topic is gone either way; offsets that stay are only clutter.
            if let Err(error) = forgotten.await {
                warn!(topic = %topic.name, %error, "committed offsets were not forgotten");
            }
        }
        Ok(())
    }

    /// Raises the number of partitions (Manage). `assignments` are the new partitions' brokers.
    ///
    /// # Errors
    /// See [`GrowTopicError`].
    pub async fn grow_topic(
        &self,
        name: &str,
        partition_count: i32,
        assignments: Option<&[Vec<i32>]>,
    ) -> Result<(), GrowTopicError> {
        self.validate_growth(name, partition_count, assignments)?;
        self.charge_management();
        let topic = self.topic(TopicRef::Name(name), MANAGE)?;
        self.core()
            .grow_topic(self.inside(), &topic, partition_count, assignments)?;
        Ok(self.core().registry.settled().await?)
    }

    /// As [`Access::grow_topic`] without the act.
    ///
    /// # Errors
    /// What growing would answer.
    pub fn validate_growth(
        &self,
        name: &str,
        partition_count: i32,
        assignments: Option<&[Vec<i32>]>,
    ) -> Result<(), GrowTopicError> {
        let topic = self.topic(TopicRef::Name(name), MANAGE)?;
        let current = topic.partition_count();
        let limits = self.core().limits.load();
        let added = check::growth(current, partition_count, assignments, &limits)?;
        self.core().check_room(added)?;
        Ok(())
    }

    /// Every configuration of a topic with value and source (any right on it).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn describe_topic_configs(&self, name: &str) -> Result<Vec<ConfigEntry>, AccessError> {
        let topic = self.topic(TopicRef::Name(name), Need::Any)?;
        Ok(self.describe(&topic))
    }

    /// Applies the changes in order, all or none (Manage). AlterConfigs replaces: the handler
    /// sends [`ConfigChange::Replace`] alone.
    ///
    /// # Errors
    /// See [`AlterConfigsError`].
    pub async fn alter_topic_configs(
        &self,
        name: &str,
        changes: &[ConfigChange],
    ) -> Result<(), AlterConfigsError> {
        let topic = self.topic(TopicRef::Name(name), MANAGE)?;
        self.charge_management();
        self.core().configure(self.inside(), &topic, changes)?;
        Ok(self.core().registry.settled().await?)
    }

    /// As [`Access::alter_topic_configs`] without the act.
    ///
    /// # Errors
    /// What altering would answer.
    pub fn validate_topic_configs(
        &self,
        name: &str,
        changes: &[ConfigChange],
    ) -> Result<(), AlterConfigsError> {
        let topic = self.topic(TopicRef::Name(name), MANAGE)?;
        check::changed(
            &topic.settings.load().given,
            changes,
            &self.core().limits.load(),
        )?;
        Ok(())
    }

    /// Deletes the records below `before` (`None`: up to the high watermark) (Manage); gives the
    /// new first offset.
    ///
    /// # Errors
    /// See [`DeleteRecordsError`].
    pub async fn delete_records(
        &self,
        topic: &str,
        partition: PartitionIndex,
        before: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError> {
        let topic = self.topic(TopicRef::Name(topic), MANAGE)?;
        self.charge_management();
        let partition = topic
            .partition(partition)
            .ok_or(DeleteRecordsError::Unknown)?;
        if !topic.settings.load().deletes {
            return Err(DeleteRecordsError::PolicyViolation);
        }
        let positions = partition.watermarks();
        let before = before.unwrap_or(positions.durable_end);
        if before < Offset::ZERO || before > positions.durable_end {
            return Err(DeleteRecordsError::OffsetOutOfRange);
        }
        if before > positions.start {
            let (done, outcome) = oneshot::channel();
            let engine = &partition.engine;
            engine.trim(partition.log, before, Box::new(Told(done)));
            match outcome.await {
                Ok(Ok(())) => partition.trimmed(before),
                Ok(Err(_)) | Err(_) => return Err(DeleteRecordsError::Storage),
            }
        }
        Ok(partition.watermarks().start)
    }

    /// A producer id that was never given before, at epoch 0 (Send on any resource).
    ///
    /// # Errors
    /// See [`ProducerIdError`].
    pub async fn new_producer(&self) -> Result<(ProducerId, ProducerEpoch), ProducerIdError> {
        self.authorise(Resource::Namespace, Need::Right(Right::Send))
            .map_err(|Denied| ProducerIdError::Denied)?;
        let id = self.core().registry.new_producer().await;
        Ok((id.map_err(MetadataError::from)?, ProducerEpoch(0)))
    }

    /// The data directory with those of the partitions that the caller may describe, in the order of
    /// their topics' names.
    ///
    /// # Errors
    /// Needs Manage or Listen on the namespace.
    pub fn log_dir(&self, scope: LogDirScope<'_>) -> Result<LogDir, AccessError> {
        self.authorise(Resource::Namespace, Need::Right(Right::Listen))?;
        let core = self.core();
        let mut partitions = Vec::new();
        let mut add = |topic: &Topic, partition: &Partition| {
            partitions.push(LogDirPartition {
                topic: topic.name.clone(),
                partition: partition.index,
                size_bytes: core.engine.size(partition.log),
            });
        };
        match scope {
            LogDirScope::All => {
                for topic in self.inside().topics() {
                    if self.describes(&topic) {
                        let all = topic.partitions.load();
                        all.iter().for_each(|partition| add(&topic, partition));
                    }
                }
            }
            LogDirScope::These(asked) => {
                for (name, indexes) in asked {
                    let found = self.inside().topic_named(name);
                    let Some(topic) = found.filter(|topic| self.describes(topic)) else {
                        continue;
                    };
                    let indexes = indexes.iter().map(|index| PartitionIndex(*index));
                    let these = indexes.filter_map(|index| topic.partition(index));
                    these.for_each(|partition| add(&topic, &partition));
                }
            }
        }
        let stats = core.engine.stats();
        Ok(LogDir {
            path: format!("/{}", self.namespace()),
            total_bytes: stats.free_space_bytes.saturating_add(stats.live_bytes),
            usable_bytes: stats.free_space_bytes,
            partitions,
        })
    }
}

/// A completion that somebody waits for.
struct Told(oneshot::Sender<Result<(), storage::AppendError>>);

impl Completion for Told {
    fn durable(self: Box<Self>, result: Result<(), storage::AppendError>) {
        tell(self.0, result);
    }
}

impl From<KeepError> for MetadataError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::DiskFull => Self::DiskFull,
            KeepError::LogClosed => Self::LogClosed,
            KeepError::ShuttingDown => Self::ShuttingDown,
        }
    }
}

macro_rules! from_parts {
    ($($error:ident),*) => {$(
        impl From<KeepError> for $error {
            fn from(error: KeepError) -> Self {
                Self::Metadata(error.into())
            }
        }
    )*};
}
from_parts!(
    CreateTopicError,
    DeleteTopicError,
    GrowTopicError,
    AlterConfigsError
);

macro_rules! from_access {
    ($($error:ident),*) => {$(
        impl From<AccessError> for $error {
            fn from(error: AccessError) -> Self {
                match error {
                    AccessError::Denied => Self::Denied,
                    AccessError::Unknown => Self::Unknown,
                }
            }
        }
    )*};
}
from_access!(
    DeleteTopicError,
    GrowTopicError,
    AlterConfigsError,
    DeleteRecordsError
);

impl From<Denied> for CreateTopicError {
    fn from(_: Denied) -> Self {
        Self::Denied
    }
}
