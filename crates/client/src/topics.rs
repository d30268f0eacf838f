//! Topics: what there is, creating, growing, deleting, configuration.

use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    MetadataRequest,
    create_partitions_request::CreatePartitionsTopic,
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    delete_topics_request::DeleteTopicState,
    describe_configs_request::DescribeConfigsResource,
    metadata_request::MetadataRequestTopic,
    metadata_response::MetadataResponseTopic,
};

use crate::{
    BrokerError, CallError, Client,
    client::{text, topic_name},
};

/// DescribeConfigs' number for a topic.
const RESOURCE_TOPIC: i8 = 2;

/// What Metadata says about the cluster.
#[derive(Clone, Debug)]
pub struct ClusterListing {
    pub cluster_id: Option<String>,
    pub brokers: Vec<BrokerListing>,
    pub topics: Vec<TopicListing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerListing {
    pub id: i32,
    pub host: String,
    pub port: i32,
}

#[derive(Clone, Debug)]
pub struct TopicListing {
    pub name: String,
    /// Why the broker says nothing more about it.
    pub error: Option<BrokerError>,
    pub is_internal: bool,
    /// Ascending by index.
    pub partitions: Vec<PartitionListing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionListing {
    pub index: i32,
    pub leader: i32,
    pub leader_epoch: i32,
}

/// A topic to be created.
#[derive(Clone, Debug, Default)]
pub struct NewTopic {
    pub name: String,
    /// `None` is the broker's default.
    pub partitions: Option<i32>,
    pub configs: Vec<(String, String)>,
}

/// One configuration of a topic.
#[derive(Clone, Debug)]
pub struct TopicConfig {
    pub name: String,
    pub value: Option<String>,
    /// Whether it was set on the topic itself.
    pub is_own: bool,
}

/// DescribeConfigs' number for "set on the topic itself".
const SOURCE_TOPIC: i8 = 1;

impl Client {
    /// The cluster with all topics that the caller may see, or with those named.
    ///
    /// # Errors
    /// No answer, or a refusal as a whole; a refusal of one topic stands in its listing.
    pub async fn metadata(
        &mut self,
        topics: Option<&[&str]>,
        create: bool,
    ) -> Result<ClusterListing, CallError> {
        let named = topics.map(|names| {
            let topic =
                |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
            names.iter().map(topic).collect()
        });
        let request = MetadataRequest::default()
            .with_topics(named)
            .with_allow_auto_topic_creation(create);
        let answer = self.call(&request).await?;
        CallError::check(|| "metadata".to_owned(), answer.error_code, None)?;
        Ok(ClusterListing {
            cluster_id: answer.cluster_id.as_ref().map(ToString::to_string),
            brokers: answer
                .brokers
                .iter()
                .map(|broker| BrokerListing {
                    id: broker.node_id.0,
                    host: broker.host.to_string(),
                    port: broker.port,
                })
                .collect(),
            topics: answer.topics.iter().map(topic_listing).collect(),
        })
    }

    /// One topic.
    ///
    /// # Errors
    /// The broker refuses or does not know it.
    pub async fn topic(&mut self, name: &str, create: bool) -> Result<TopicListing, CallError> {
        let listing = self.metadata(Some(&[name]), create).await?;
        let found = listing.topics.into_iter().find(|topic| topic.name == name);
        let topic = found.ok_or_else(|| CallError::Missing {
            subject: name.to_owned(),
        })?;
        match topic.error.clone() {
            None => Ok(topic),
            Some(error) => Err(CallError::Broker {
                subject: name.to_owned(),
                error,
            }),
        }
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn create_topic(&mut self, topic: &NewTopic) -> Result<(), CallError> {
        let config = |(name, value): &(String, String)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(Some(text(value)))
        };
        let creatable = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partitions.unwrap_or(-1))
            .with_replication_factor(-1)
            .with_configs(topic.configs.iter().map(config).collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable])
            .with_timeout_ms(self.timeout_ms());
        let answer = self.call(&request).await?;
        let result = answer.topics.first();
        let result = result.ok_or_else(|| CallError::Missing {
            subject: topic.name.clone(),
        })?;
        let message = result.error_message.as_deref();
        CallError::check(|| topic.name.clone(), result.error_code, message)
    }

    /// Raises a topic's partitions to `count`.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn grow_topic(&mut self, name: &str, count: i32) -> Result<(), CallError> {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.timeout_ms());
        let answer = self.call(&request).await?;
        let result = answer.results.first();
        let result = result.ok_or_else(|| CallError::Missing {
            subject: name.to_owned(),
        })?;
        let message = result.error_message.as_deref();
        CallError::check(|| name.to_owned(), result.error_code, message)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), CallError> {
        // The form of version 6, which every broker since Kafka 2.8 knows.
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![
                DeleteTopicState::default().with_name(Some(topic_name(name))),
            ])
            .with_timeout_ms(self.timeout_ms());
        let answer = self.call(&request).await?;
        let result = answer.responses.first();
        let result = result.ok_or_else(|| CallError::Missing {
            subject: name.to_owned(),
        })?;
        let message = result.error_message.as_deref();
        CallError::check(|| name.to_owned(), result.error_code, message)
    }

    /// A topic's configuration.
    ///
    /// # Errors
    /// The broker refuses.
    pub async fn topic_configs(&mut self, name: &str) -> Result<Vec<TopicConfig>, CallError> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(RESOURCE_TOPIC)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = self.call(&request).await?;
        let result = answer.results.first();
        let result = result.ok_or_else(|| CallError::Missing {
            subject: name.to_owned(),
        })?;
        let message = result.error_message.as_deref();
        CallError::check(|| name.to_owned(), result.error_code, message)?;
        let config = |config: &kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult| TopicConfig {
            name: config.name.to_string(),
            value: config.value.as_ref().map(ToString::to_string),
            is_own: config.config_source == SOURCE_TOPIC,
        };
        Ok(result.configs.iter().map(config).collect())
    }
}

fn topic_listing(topic: &MetadataResponseTopic) -> TopicListing {
    let mut partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| PartitionListing {
            index: partition.partition_index,
            leader: partition.leader_id.0,
            leader_epoch: partition.leader_epoch,
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    TopicListing {
        name: topic
            .name
            .as_ref()
            .map(|name| name.to_string())
            .unwrap_or_default(),
        error: BrokerError::check(topic.error_code, None).err(),
        is_internal: topic.is_internal,
        partitions,
    }
}
