//! Topics and configurations: created, described, altered, deleted.

use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeConfigsRequest, DescribeLogDirsRequest,
    IncrementalAlterConfigsRequest, ListConfigResourcesRequest, ListPartitionReassignmentsRequest,
    alter_configs_request,
    create_partitions_request::CreatePartitionsTopic,
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    create_topics_response::CreatableTopicResult,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics_request::DeleteTopicState,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request,
};
use uuid::Uuid;

use crate::{
    metadata::name,
    produce::produce,
    world::{Client, LISTENER, World},
};

fn topic(text: &str, partitions: i32, factor: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name(text))
        .with_num_partitions(partitions)
        .with_replication_factor(factor)
}

fn with_config(topic: CreatableTopic, key: &'static str, value: &'static str) -> CreatableTopic {
    let config = CreatableTopicConfig::default()
        .with_name(key.into())
        .with_value(Some(value.into()));
    topic.with_configs(vec![config])
}

async fn create(
    client: &mut Client<'_>,
    version: i16,
    topics: Vec<CreatableTopic>,
) -> Vec<CreatableTopicResult> {
    let request = CreateTopicsRequest::default().with_topics(topics);
    client.call(version, &request).await.topics
}

/// One configuration of a topic: its value and where it comes from.
async fn config(client: &mut Client<'_>, of: &str, key: &'static str) -> (String, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(of.to_owned().into())
        .with_configuration_keys(Some(vec![key.into()]));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let response = client.call(4, &request).await;
    assert_eq!(response.results[0].error_code, 0);
    let found = &response.results[0].configs[0];
    assert!(
        found
            .documentation
            .as_ref()
            .is_some_and(|text| !text.is_empty())
    );
    (
        found.value.clone().unwrap().to_string(),
        found.config_source,
    )
}

#[tokio::test]
async fn every_version_creates_and_tells_what_it_can() {
    let world = World::new();
    let mut client = world.connect();
    for version in 2..=7 {
        let wanted = format!("t{version}");
        let made = create(&mut client, version, vec![topic(&wanted, 3, 3)]).await;
        assert_eq!(
            (made[0].error_code, &made[0].error_message),
            (0, &None),
            "{version}"
        );
        if version >= 5 {
            assert_eq!((made[0].num_partitions, made[0].replication_factor), (3, 1));
            assert!(
                made[0]
                    .configs
                    .as_ref()
                    .is_some_and(|configs| configs.len() > 20)
            );
        }
        assert_eq!(made[0].topic_id == Uuid::nil(), version < 7);
    }
    let default = create(&mut client, 7, vec![topic("default", -1, -1)]).await;
    assert_eq!(default[0].num_partitions, 4);
}

#[tokio::test]
async fn what_cannot_be_created_says_why() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, 7, vec![topic("a.b", 1, 1)]).await;
    let cases = [
        (topic("a.b", 1, 1), 36),
        (topic("a_b", 1, 1), 17),
        (topic("a/b", 1, 1), 17),
        (topic("zero", 0, 1), 37),
        (topic("less", -2, 1), 37),
        (topic("factor", 1, 0), 38),
        (with_config(topic("unknown", 1, 1), "no.such", "1"), 40),
        (with_config(topic("bad", 1, 1), "retention.ms", "soon"), 40),
    ];
    for (wanted, code) in cases {
        let made = create(&mut client, 7, vec![wanted.clone()]).await;
        assert_eq!(made[0].error_code, code, "{:?}", wanted.name);
        assert!(
            made[0]
                .error_message
                .as_ref()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let twice = create(&mut client, 7, vec![topic("x", 1, 1), topic("x", 2, 1)]).await;
    assert_eq!((twice.len(), twice[0].error_code), (1, 42));
    let mut listener = world.login(LISTENER).await;
    assert_eq!(
        create(&mut listener, 7, vec![topic("y", 1, 1)]).await[0].error_code,
        29
    );
}

#[tokio::test]
async fn configurations_are_described_and_altered() {
    let world = World::new();
    let mut client = world.connect();
    let wanted = with_config(topic("orders", 1, 1), "retention.ms", "60000");
    create(&mut client, 7, vec![wanted]).await;
    assert_eq!(
        config(&mut client, "orders", "retention.ms").await,
        ("60000".to_owned(), 1)
    );
    let source = config(&mut client, "orders", "max.message.bytes").await.1;
    assert_ne!(source, 1, "nobody set it on the topic");

    let set = incremental_alter_configs_request::AlterableConfig::default()
        .with_name("retention.ms".into())
        .with_value(Some("70000".into()));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("orders".into())
        .with_configs(vec![set.clone()]);
    let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![resource.clone()]);
    let dry = alter.clone().with_validate_only(true);
    let validated = &client.call(1, &dry).await.responses[0];
    assert_eq!((validated.error_code, &validated.error_message), (0, &None));
    assert_eq!(
        config(&mut client, "orders", "retention.ms").await.0,
        "60000"
    );
    assert_eq!(client.call(1, &alter).await.responses[0].error_code, 0);
    assert_eq!(
        config(&mut client, "orders", "retention.ms").await.0,
        "70000"
    );
    let delete = resource.with_configs(vec![set.with_value(None).with_config_operation(1)]);
    let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![delete]);
    assert_eq!(client.call(1, &alter).await.responses[0].error_code, 0);
    assert_ne!(config(&mut client, "orders", "retention.ms").await.1, 1);

    let kept = alter_configs_request::AlterableConfig::default()
        .with_name("segment.bytes".into())
        .with_value(Some("1048576".into()));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name("orders".into())
        .with_configs(vec![kept]);
    let replace = AlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(client.call(2, &replace).await.responses[0].error_code, 0);
    let segment = config(&mut client, "orders", "segment.bytes").await;
    assert_eq!(segment, ("1048576".to_owned(), 1));
}

#[tokio::test]
async fn partitions_grow_and_never_shrink() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, 7, vec![topic("orders", 2, 1)]).await;
    for (count, code) in [(3, 0), (3, 37), (1, 37), (0, 37)] {
        let wanted = CreatePartitionsTopic::default()
            .with_name(name("orders"))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![wanted]);
        assert_eq!(
            client.call(3, &request).await.results[0].error_code,
            code,
            "{count}"
        );
    }
}

#[tokio::test]
async fn topics_are_deleted_by_name_and_by_id() {
    let world = World::new();
    let mut client = world.connect();
    let made = create(&mut client, 7, vec![topic("a", 1, 1), topic("b", 1, 1)]).await;
    let by_name = DeleteTopicsRequest::default().with_topic_names(vec![name("a"), name("nope")]);
    let codes: Vec<i16> = client
        .call(5, &by_name)
        .await
        .responses
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes, [0, 3]);
    let state = |id| {
        DeleteTopicState::default()
            .with_name(None)
            .with_topic_id(id)
    };
    let ids = vec![state(made[1].topic_id), state(Uuid::from_u128(7))];
    let deleted = client
        .call(6, &DeleteTopicsRequest::default().with_topics(ids))
        .await;
    let codes: Vec<i16> = deleted
        .responses
        .iter()
        .map(|result| result.error_code)
        .collect();
    assert_eq!(codes, [0, 100]);
    let made_again = create(&mut client, 7, vec![topic("a", 1, 1)]).await;
    assert_ne!(made_again[0].topic_id, made[0].topic_id);
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, 7, vec![topic("orders", 1, 1)]).await;
    for value in ["a", "b", "c"] {
        produce(&mut client, "orders", 0, &[value]).await;
    }
    for (offset, code, low_watermark) in [(1, 0, 1), (4, 1, -1), (-1, 0, 3), (0, 0, 3)] {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let wanted = DeleteRecordsTopic::default()
            .with_name(name("orders"))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![wanted]);
        let answer = &client.call(2, &request).await.topics[0].partitions[0];
        let told = (answer.error_code, answer.low_watermark);
        assert_eq!(told, (code, low_watermark), "before {offset}");
    }
}

#[tokio::test]
async fn the_cluster_lists_its_directory_and_resources_and_no_reassignment() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, 7, vec![topic("orders", 2, 1)]).await;
    produce(&mut client, "orders", 0, &["a"]).await;
    for version in 1..=5 {
        let all = DescribeLogDirsRequest::default().with_topics(None);
        let dirs = client.call(version, &all).await;
        assert_eq!((dirs.error_code, dirs.results.len()), (0, 1), "{version}");
        assert_eq!(dirs.results[0].topics[0].partitions.len(), 2);
    }
    let resources = client.call(1, &ListConfigResourcesRequest::default()).await;
    let kinds: Vec<i8> = resources
        .config_resources
        .iter()
        .map(|resource| resource.resource_type)
        .collect();
    assert_eq!(kinds, [2, 4]);
    let moving = ListPartitionReassignmentsRequest::default().with_topics(None);
    assert_eq!(client.call(0, &moving).await.topics, vec![]);
}
