//! Requests of administrators as clients send them.

use kafka_protocol::messages::{
    AlterConfigsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeConfigsRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    alter_configs_request,
    create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
    create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics_request::DeleteTopicState,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};
use uuid::Uuid;

use crate::{metadata::name, requests::text};

/// Resource types of configurations.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;

/// Operations on configurations.
pub(crate) const SET: i8 = 0;
pub(crate) const DELETE: i8 = 1;
pub(crate) const APPEND: i8 = 2;
pub(crate) const SUBTRACT: i8 = 3;

pub(crate) fn topic(topic: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(factor)
}

pub(crate) fn configured(
    topic: CreatableTopic,
    configs: &[(&str, Option<&str>)],
) -> CreatableTopic {
    let configs = configs.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(value.map(text))
    });
    topic.with_configs(configs.collect())
}

pub(crate) fn assigned(topic: CreatableTopic, assignments: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = assignments.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.iter().copied().map(BrokerId).collect())
    });
    topic.with_assignments(assignments.collect())
}

pub(crate) fn creating(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics)
}

/// By name, up to version 5.
pub(crate) fn deleting(topics: &[&str]) -> DeleteTopicsRequest {
    let names = topics.iter().map(|topic| name(topic));
    DeleteTopicsRequest::default().with_topic_names(names.collect())
}

/// By name or id, from version 6.
pub(crate) fn deleting_states(topics: &[(Option<&str>, Uuid)]) -> DeleteTopicsRequest {
    let states = topics.iter().map(|(topic, id)| {
        DeleteTopicState::default()
            .with_name(topic.map(name))
            .with_topic_id(*id)
    });
    DeleteTopicsRequest::default().with_topics(states.collect())
}

pub(crate) fn growing(topics: &[(&str, i32)]) -> CreatePartitionsRequest {
    let topics = topics.iter().map(|(topic, count)| {
        CreatePartitionsTopic::default()
            .with_name(name(topic))
            .with_count(*count)
            .with_assignments(None)
    });
    CreatePartitionsRequest::default().with_topics(topics.collect())
}

/// One topic, with the brokers of each new partition.
pub(crate) fn growing_on(
    topic: &str,
    count: i32,
    assignments: &[&[i32]],
) -> CreatePartitionsRequest {
    let mut request = growing(&[(topic, count)]);
    let assignments = assignments.iter().map(|brokers| {
        let brokers = brokers.iter().copied().map(BrokerId);
        CreatePartitionsAssignment::default().with_broker_ids(brokers.collect())
    });
    request.topics[0].assignments = Some(assignments.collect());
    request
}

pub(crate) fn deleting_records(topic: &str, partitions: &[(i32, i64)]) -> DeleteRecordsRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        DeleteRecordsPartition::default()
            .with_partition_index(*index)
            .with_offset(*offset)
    });
    let topic = DeleteRecordsTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    DeleteRecordsRequest::default().with_topics(vec![topic])
}

/// A resource with the keys to describe: `None` for all.
pub(crate) fn resource(kind: i8, of: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()))
}

pub(crate) fn describing(resources: Vec<DescribeConfigsResource>) -> DescribeConfigsRequest {
    DescribeConfigsRequest::default().with_resources(resources)
}

/// A resource with changes to single keys: key, operation, value.
pub(crate) fn change(
    kind: i8,
    of: &str,
    configs: &[(&str, i8, Option<&str>)],
) -> incremental_alter_configs_request::AlterConfigsResource {
    let configs = configs.iter().map(|(key, operation, value)| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configs(configs.collect())
}

pub(crate) fn changing(
    resources: Vec<incremental_alter_configs_request::AlterConfigsResource>,
) -> IncrementalAlterConfigsRequest {
    IncrementalAlterConfigsRequest::default().with_resources(resources)
}

/// A resource with all that it shall have: key, value.
pub(crate) fn replacement(
    kind: i8,
    of: &str,
    configs: &[(&str, Option<&str>)],
) -> alter_configs_request::AlterConfigsResource {
    let configs = configs.iter().map(|(key, value)| {
        alter_configs_request::AlterableConfig::default()
            .with_name(text(key))
            .with_value(value.map(text))
    });
    alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(of))
        .with_configs(configs.collect())
}

pub(crate) fn replacing(
    resources: Vec<alter_configs_request::AlterConfigsResource>,
) -> AlterConfigsRequest {
    AlterConfigsRequest::default().with_resources(resources)
}

/// Partitions of one topic, each with a time.
pub(crate) fn listing_offsets(topic: &str, partitions: &[(i32, i64)]) -> ListOffsetsRequest {
    let partitions = partitions.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_timestamp(*timestamp)
    });
    let topic = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic])
}

/// Partition 0 of a topic: the epoch that the client believes in, and the one it asks about.
pub(crate) fn asking_epoch(topic: &str, current: i32, wanted: i32) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default()
        .with_current_leader_epoch(current)
        .with_leader_epoch(wanted);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(name(topic))
        .with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
}
