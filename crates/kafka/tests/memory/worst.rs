//! The worst that each API can be asked for, in a broker that has much to tell.

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        self as m, GroupId, TopicName, alter_configs_request as alter,
        create_topics_request::CreatableTopic, incremental_alter_configs_request as incremental,
    },
    protocol::StrBytes,
};
use uuid::Uuid;
use wire::{
    api::ApiKey,
    api_versions::ApiVersionsRequest,
    codec::{self, Request},
};

use crate::world::{Client, World};

const WIDE: &str = "wide";
const WIDE_PARTITIONS: i32 = 20_000;
const MANY_TOPICS: usize = 1_000;
const GROUPS: usize = 4;
const OFFSETS: i32 = 200;

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn name(topic: impl Into<String>) -> TopicName {
    TopicName(text(topic))
}

fn group(number: usize) -> GroupId {
    GroupId(text(format!("group-{number}")))
}

/// Distinct and short.
fn words(count: usize) -> impl Iterator<Item = StrBytes> {
    (0..count).map(|number| text(format!("{number:x}")))
}

fn creatable(topic: String, partitions: i32) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
}

/// A topic of many partitions, many topics, groups with members of a megabyte, offsets with long texts.
pub(crate) async fn fill(world: &World) {
    let mut client = world.connect();
    let topics = (0..MANY_TOPICS).map(|number| creatable(format!("{number:0>100}"), 1));
    let topics = topics.chain([creatable(WIDE.to_owned(), WIDE_PARTITIONS)]);
    let request = m::CreateTopicsRequest::default().with_topics(topics.collect());
    let created = client.call(5, &request).await;
    assert!(created.topics.iter().all(|topic| topic.error_code == 0));
    for number in 0..GROUPS {
        join(&mut client, number).await;
        let partitions = (0..OFFSETS).map(|index| {
            m::offset_commit_request::OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_metadata(Some(text("t".repeat(4_000))))
        });
        let topic = m::offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(name(WIDE))
            .with_partitions(partitions.collect());
        let request = m::OffsetCommitRequest::default()
            .with_group_id(GroupId(text(format!("offsets-{number}"))))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let committed = client.call(8, &request).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    }
}

async fn join(client: &mut Client<'_>, number: usize) {
    let protocol = m::join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from(vec![7; 1_000_000]));
    let request = m::JoinGroupRequest::default()
        .with_group_id(group(number))
        .with_session_timeout_ms(1_000_000)
        .with_rebalance_timeout_ms(1_000_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let staged = client.send(3, &request);
    client
        .world
        .clock
        .advance(std::time::Duration::from_secs(4));
    let reply = crate::world::settle(staged).await;
    let joined = client.decode::<m::JoinGroupRequest>(3, &reply);
    assert_eq!(joined.error_code, 0);
    let assigned = m::sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from(vec![8; 500_000]));
    let request = m::SyncGroupRequest::default()
        .with_group_id(group(number))
        .with_member_id(joined.member_id)
        .with_generation_id(joined.generation_id)
        .with_assignments(vec![assigned]);
    assert_eq!(client.call(3, &request).await.error_code, 0);
}

fn frame<R: Request>(version: i16, request: &R) -> Bytes {
    let frame = codec::encode_request(version, 1, "worst", request).unwrap();
    frame.slice(4..)
}

/// The requests, in which form the answer is largest.
pub(crate) fn frames(api: ApiKey) -> Vec<Bytes> {
    match api {
        ApiKey::Produce | ApiKey::Fetch | ApiKey::ListOffsets | ApiKey::OffsetForLeaderEpoch => {
            of_records(api)
        }
        ApiKey::Metadata
        | ApiKey::CreateTopics
        | ApiKey::DeleteTopics
        | ApiKey::CreatePartitions
        | ApiKey::DeleteRecords
        | ApiKey::DescribeLogDirs
        | ApiKey::ListPartitionReassignments
        | ApiKey::DescribeTopicPartitions => of_topics(api),
        ApiKey::DescribeConfigs
        | ApiKey::AlterConfigs
        | ApiKey::IncrementalAlterConfigs
        | ApiKey::ListConfigResources => of_configs(api),
        ApiKey::ApiVersions => vec![frame(4, &ApiVersionsRequest::default())],
        ApiKey::SaslHandshake => vec![frame(1, &m::SaslHandshakeRequest::default())],
        ApiKey::SaslAuthenticate => vec![frame(2, &m::SaslAuthenticateRequest::default())],
        ApiKey::InitProducerId => vec![frame(5, &m::InitProducerIdRequest::default())],
        ApiKey::DescribeCluster => vec![frame(2, &m::DescribeClusterRequest::default())],
        _ => of_groups(api),
    }
}

fn of_records(api: ApiKey) -> Vec<Bytes> {
    let indexes = 0..150_000;
    match api {
        ApiKey::Produce => {
            let partition =
                |index| m::produce_request::PartitionProduceData::default().with_index(index);
            let topic = m::produce_request::TopicProduceData::default()
                .with_name(name(WIDE))
                .with_partition_data(indexes.map(partition).collect());
            let request = m::ProduceRequest::default()
                .with_acks(-1)
                .with_topic_data(vec![topic]);
            vec![frame(9, &request)]
        }
        ApiKey::Fetch => {
            let partition = |index| {
                m::fetch_request::FetchPartition::default()
                    .with_partition(index)
                    .with_partition_max_bytes(1 << 20)
            };
            let topic = m::fetch_request::FetchTopic::default()
                .with_topic(name(WIDE))
                .with_partitions(indexes.map(partition).collect());
            let request = m::FetchRequest::default()
                .with_replica_id((-1).into())
                .with_max_bytes(50 << 20)
                .with_topics(vec![topic]);
            let alone = request.clone().with_session_epoch(-1);
            vec![frame(12, &alone), frame(12, &request)]
        }
        ApiKey::ListOffsets => {
            let partition = |index| {
                m::list_offsets_request::ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_timestamp(-1)
            };
            let topic = m::list_offsets_request::ListOffsetsTopic::default()
                .with_name(name(WIDE))
                .with_partitions(indexes.map(partition).collect());
            let request = m::ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_topics(vec![topic]);
            vec![frame(7, &request)]
        }
        _ => {
            let partition = |index| {
                m::offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
                    .with_partition(index)
            };
            let topic = m::offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
                .with_topic(name(WIDE))
                .with_partitions(indexes.map(partition).collect());
            let request = m::OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            vec![frame(4, &request)]
        }
    }
}

fn of_metadata() -> Vec<Bytes> {
    let topic = |name: StrBytes| {
        m::metadata_request::MetadataRequestTopic::default().with_name(Some(TopicName(name)))
    };
    let missing = words(150_000).map(topic);
    let wide = || topic(text(WIDE));
    let aliases = words(20_000).map(|alias| topic(alias).with_topic_id(Uuid::from_u128(1)));
    let asking = |topics: Option<Vec<_>>| {
        m::MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(false)
    };
    vec![
        frame(9, &asking(Some(missing.collect()))),
        frame(9, &asking(None)),
        frame(9, &asking(Some(vec![wide(); 20_000]))),
        frame(13, &asking(Some(aliases.collect()))),
    ]
}

fn of_topics(api: ApiKey) -> Vec<Bytes> {
    match api {
        ApiKey::Metadata => of_metadata(),
        ApiKey::CreateTopics => {
            let topics = (0..5_000).map(|number| creatable(format!("v{number}"), 1));
            let request = m::CreateTopicsRequest::default()
                .with_validate_only(true)
                .with_topics(topics.collect());
            vec![frame(7, &request)]
        }
        ApiKey::DeleteTopics => {
            let names = words(100_000).map(TopicName).collect();
            let request = m::DeleteTopicsRequest::default().with_topic_names(names);
            vec![frame(5, &request)]
        }
        ApiKey::CreatePartitions => {
            let topic = |name: StrBytes| {
                m::create_partitions_request::CreatePartitionsTopic::default()
                    .with_name(TopicName(name))
                    .with_count(7)
            };
            let request = m::CreatePartitionsRequest::default()
                .with_validate_only(true)
                .with_topics(words(60_000).map(topic).collect());
            vec![frame(3, &request)]
        }
        ApiKey::DeleteRecords => {
            let partition = |index| {
                m::delete_records_request::DeleteRecordsPartition::default()
                    .with_partition_index(index)
                    .with_offset(7)
            };
            let topic = m::delete_records_request::DeleteRecordsTopic::default()
                .with_name(name(WIDE))
                .with_partitions((0..150_000).map(partition).collect());
            let request = m::DeleteRecordsRequest::default().with_topics(vec![topic]);
            vec![frame(2, &request)]
        }
        ApiKey::DescribeLogDirs => {
            let topic = m::describe_log_dirs_request::DescribableLogDirTopic::default()
                .with_topic(name(WIDE))
                .with_partitions((0..900_000).collect());
            let request = m::DescribeLogDirsRequest::default();
            let all = request.clone().with_topics(None);
            vec![
                frame(4, &all),
                frame(4, &request.with_topics(Some(vec![topic; 2]))),
            ]
        }
        ApiKey::DescribeTopicPartitions => {
            let request = m::DescribeTopicPartitionsRequest::default()
                .with_response_partition_limit(i32::MAX);
            let topic = |name: StrBytes| {
                m::describe_topic_partitions_request::TopicRequest::default()
                    .with_name(TopicName(name))
            };
            let named = request
                .clone()
                .with_topics(words(100_000).map(topic).collect());
            vec![frame(0, &request), frame(0, &named)]
        }
        _ => vec![frame(0, &m::ListPartitionReassignmentsRequest::default())],
    }
}

fn of_configs(api: ApiKey) -> Vec<Bytes> {
    match api {
        ApiKey::DescribeConfigs => {
            let resource = |name: StrBytes| {
                m::describe_configs_request::DescribeConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(name)
                    .with_configuration_keys(None)
            };
            let all = (0..MANY_TOPICS).map(|number| resource(text(format!("{number:0>100}"))));
            let request = m::DescribeConfigsRequest::default()
                .with_include_synonyms(true)
                .with_include_documentation(true);
            let same = vec![resource(text(WIDE)); 70_000];
            let missing = words(100_000).map(resource).collect();
            [all.collect(), same, missing]
                .map(|resources| frame(4, &request.clone().with_resources(resources)))
                .to_vec()
        }
        ApiKey::AlterConfigs => {
            let resource = |name: StrBytes| {
                alter::AlterConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(name)
            };
            let request = m::AlterConfigsRequest::default()
                .with_validate_only(true)
                .with_resources(words(60_000).map(resource).collect());
            vec![frame(2, &request)]
        }
        ApiKey::IncrementalAlterConfigs => {
            let resource = |name: StrBytes| {
                incremental::AlterConfigsResource::default()
                    .with_resource_type(2)
                    .with_resource_name(name)
            };
            let request = m::IncrementalAlterConfigsRequest::default()
                .with_validate_only(true)
                .with_resources(words(60_000).map(resource).collect());
            vec![frame(1, &request)]
        }
        _ => vec![frame(1, &m::ListConfigResourcesRequest::default())],
    }
}

fn of_groups(api: ApiKey) -> Vec<Bytes> {
    let all = (0..GROUPS).map(group);
    match api {
        ApiKey::DescribeGroups => {
            let groups = all.cycle().take(2_000).collect();
            let request = m::DescribeGroupsRequest::default();
            let missing = words(100_000).map(GroupId).collect();
            [groups, missing]
                .map(|groups| frame(6, &request.clone().with_groups(groups)))
                .to_vec()
        }
        ApiKey::ListGroups => vec![frame(5, &m::ListGroupsRequest::default())],
        ApiKey::DeleteGroups => {
            let names = words(100_000).map(GroupId).collect();
            vec![frame(
                2,
                &m::DeleteGroupsRequest::default().with_groups_names(names),
            )]
        }
        ApiKey::FindCoordinator => {
            let keys = words(600_000).collect();
            let request = m::FindCoordinatorRequest::default().with_coordinator_keys(keys);
            let refused = request.clone().with_key_type(1);
            vec![frame(4, &request), frame(4, &refused)]
        }
        ApiKey::JoinGroup => vec![frame(3, &m::JoinGroupRequest::default())],
        ApiKey::SyncGroup => vec![frame(3, &m::SyncGroupRequest::default())],
        ApiKey::Heartbeat => vec![frame(3, &m::HeartbeatRequest::default())],
        ApiKey::LeaveGroup => {
            let member =
                |id: StrBytes| m::leave_group_request::MemberIdentity::default().with_member_id(id);
            let request = m::LeaveGroupRequest::default()
                .with_group_id(group(0))
                .with_members(words(100_000).map(member).collect());
            vec![frame(5, &request)]
        }
        _ => of_offsets(api),
    }
}

fn of_offsets(api: ApiKey) -> Vec<Bytes> {
    match api {
        ApiKey::OffsetFetch => {
            let topic = m::offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(name(WIDE))
                .with_partition_indexes((0..50_000).collect());
            let asked = |number: usize, topics| {
                m::offset_fetch_request::OffsetFetchRequestGroup::default()
                    .with_group_id(GroupId(text(format!("offsets-{number}"))))
                    .with_topics(topics)
            };
            let all = (0..2_000).map(|number| asked(number % GROUPS, None));
            let named = (0..GROUPS).map(|number| asked(number, Some(vec![topic.clone()])));
            [all.collect(), named.collect()]
                .map(|groups| frame(8, &m::OffsetFetchRequest::default().with_groups(groups)))
                .to_vec()
        }
        ApiKey::OffsetCommit => {
            let partition = |index| {
                m::offset_commit_request::OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
            };
            let topic = m::offset_commit_request::OffsetCommitRequestTopic::default()
                .with_name(name("none"))
                .with_partitions((0..150_000).map(partition).collect());
            let request = m::OffsetCommitRequest::default()
                .with_group_id(group(99))
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic]);
            vec![frame(8, &request)]
        }
        ApiKey::OffsetDelete => {
            let partition = |index| {
                m::offset_delete_request::OffsetDeleteRequestPartition::default()
                    .with_partition_index(index)
            };
            let topic = m::offset_delete_request::OffsetDeleteRequestTopic::default()
                .with_name(name(WIDE))
                .with_partitions((0..150_000).map(partition).collect());
            let request = m::OffsetDeleteRequest::default()
                .with_group_id(GroupId(text("offsets-0")))
                .with_topics(vec![topic]);
            vec![frame(0, &request)]
        }
        other => panic!("{other} has no worst request yet"),
    }
}
