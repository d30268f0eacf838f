//! CreateTopics (19): make event hubs.
//!
//! | Card | |
//! |---|---|
//! | Versions | 2 to 7 |
//! | Behaviour | Durable before the reply. A count or factor of -1 means the default (from version 4, KIP-464); the reply tells partitions, factor and configurations from 5 (KIP-525), the topic id from 7 (KIP-516) |
//! | Differs | Any valid replication factor is accepted and reported as 1. A wish that is wrong in itself is told so even where the name is taken. Names of Kafka's internal topics are as free as any. `validate_only` gives the zero id |
//! | Skipped | The timeout: creating takes one commit |

use std::collections::BTreeMap;

use hub::{
    Access,
    admin::{CreatedTopic, NewTopic},
};
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, TopicName as WireTopicName,
    create_topics_request::CreatableTopic,
    create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
};
use model::topic_config::DEFINITIONS;
use uuid::Uuid;
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, TooLarge,
    configs::{Refusal, source_code},
    mentions::{Mention, Mentions},
    size, words,
};

/// From this version on the reply tells each topic's configurations.
const CONFIGS_FROM: i16 = 5;
/// What making and answering a topic take beside its name and its configurations.
const TOPIC_BYTES: usize = size::entry::<CreatableTopicResult>(1500);
/// A configuration's name and value, and what stands behind it, with its bytes on the wire.
const CONFIG_BYTES: usize = 700;

/// What a request says for "the default".
const DEFAULT: i32 = -1;

pub(crate) struct CreateTopics;

impl Handler for CreateTopics {
    type Request = CreateTopicsRequest;

    fn reply_bytes(call: &Call<'_>, request: &CreateTopicsRequest, enough: usize) -> usize {
        let configs = if call.version >= CONFIGS_FROM {
            let each = size::entry::<CreatableTopicConfigs>(CONFIG_BYTES);
            DEFINITIONS.len() * each
        } else {
            0
        };
        let topic = |topic: &CreatableTopic| {
            let given = topic.configs.iter().map(|config| {
                let value = config.value.as_ref().map_or(0, |value| value.len());
                4 * size::text(config.name.len() + value)
            });
            let assigned = topic
                .assignments
                .iter()
                .map(|each| 64 + 4 * each.broker_ids.len());
            let own = TOPIC_BYTES + 2 * size::text(topic.name.len()) + configs;
            own + given.sum::<usize>() + assigned.sum::<usize>()
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn too_large(
        request: CreateTopicsRequest,
        _version: i16,
        refusal: &TooLarge,
    ) -> Option<CreateTopicsResponse> {
        refusal.has_room(request.topics.len()).then(|| {
            let refused = |topic: CreatableTopic| {
                let refusal = Refusal::new(TooLarge::CODE, refusal.to_string());
                result(topic.name, Err(refusal))
            };
            let topics = request.topics.into_iter().map(refused);
            CreateTopicsResponse::default().with_topics(topics.collect())
        })
    }

    fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
        let access = call.access.clone();
        Answer::later(async move {
            let names = request.topics.iter().map(|topic| topic.name.clone());
            let mut mentions = Mentions::count(names);
            let mut results = Vec::with_capacity(request.topics.len());
            for topic in request.topics {
                let name = topic.name.clone();
                let created = match mentions.of(&name) {
                    Mention::Only => create(&access, topic, request.validate_only).await,
                    Mention::First => Err(Refusal::duplicate_topic()),
                    Mention::Again => continue,
                };
                results.push(result(name, created));
            }
            CreateTopicsResponse::default().with_topics(results)
        })
    }
}

async fn create(
    access: &Access,
    topic: CreatableTopic,
    validate_only: bool,
) -> Result<CreatedTopic, Refusal> {
    let topic = new_topic(topic)?;
    let created = if validate_only {
        access.validate_topic(&topic)
    } else {
        access.create_topic(topic).await
    };
    created.map_err(Refusal::from)
}

fn new_topic(topic: CreatableTopic) -> Result<NewTopic, Refusal> {
    let configs = topic.configs.into_iter().map(|config| {
        let value = config.value.map(|value| value.to_string());
        (config.name.to_string(), value)
    });
    let mut assignments = BTreeMap::new();
    for assigned in topic.assignments {
        let index = assigned.partition_index;
        let brokers = assigned.broker_ids.iter().map(|broker| broker.0).collect();
        if assignments.insert(index, brokers).is_some() {
            let message =
                format!("Found multiple manual partition assignments for partition {index}");
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
    }
    Ok(NewTopic {
        name: topic.name.to_string(),
        partition_count: (topic.num_partitions != DEFAULT).then_some(topic.num_partitions),
        replication_factor: (i32::from(topic.replication_factor) != DEFAULT)
            .then_some(topic.replication_factor),
        assignments,
        configs: configs.collect(),
    })
}

fn result(name: WireTopicName, created: Result<CreatedTopic, Refusal>) -> CreatableTopicResult {
    let answer = CreatableTopicResult::default()
        .with_error_message(None)
        .with_name(name);
    let created = match created {
        Ok(created) => created,
        Err(refusal) => {
            return answer
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.message)
                .with_num_partitions(-1)
                .with_replication_factor(-1)
                .with_configs(Some(Vec::new()));
        }
    };
    let configs = created.configs.iter().map(|entry| {
        CreatableTopicConfigs::default()
            .with_name(words::text(entry.definition.name))
            .with_value(Some(words::text(&entry.value)))
            .with_config_source(source_code(entry.source))
    });
    answer
        .with_topic_id(Uuid::from_u128(created.id.0))
        .with_num_partitions(created.partition_count)
        .with_replication_factor(1)
        .with_configs(Some(configs.collect()))
}
