//! Metadata (3): the broker, and the topics a caller may see.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 13 |
//! | Behaviour | All topics for a null list, in version 0 for an empty one; from version 1 an empty list is no topic. From version 12 topics are found by id too. An unknown name is created where client and namespace allow it, and answered with its partitions at once. Authorized operations only where asked for |
//! | Differs | One broker, which leads everything and is its only replica. A topic being created is never LEADER_NOT_AVAILABLE. Creating on first use needs Manage, as on Azure |
//! | Skipped | Racks, offline replicas, and the reply of version 13 that sends a client back to bootstrap |

use std::collections::HashSet;

use hub::{
    Access,
    access::{TopicRef, TopicView},
};
use kafka_protocol::messages::{
    MetadataRequest, MetadataResponse, TopicName as WireName,
    metadata_request::MetadataRequestTopic,
    metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
};
use model::{TopicId, TopicName};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, codes, operations, size,
    words::{BROKER, OPERATIONS_NOT_ASKED, text, topic_id, uuid},
};

/// From this version on an empty list asks for no topic instead of all.
const EMPTY_IS_NONE_FROM: i16 = 1;
/// From this version on topics may be named by id, and have no name in the reply.
const TOPIC_IDS_FROM: i16 = 12;

/// What finding and answering a topic take beside its name and its partitions.
const TOPIC_BYTES: usize = 2 * size_of::<Found>() + size::entry::<MetadataResponseTopic>(400);
/// A partition's own bytes on the wire, and its two lists of one replica each.
const PARTITION_BYTES: usize = 120;

pub(crate) struct Metadata;

impl Handler for Metadata {
    type Request = MetadataRequest;

    fn reply_bytes(call: &Call<'_>, request: &MetadataRequest, enough: usize) -> usize {
        let mut sum = size::Sum::new(enough);
        let described = |name: &str, partitions: i32| {
            let each = size::entry::<MetadataResponsePartition>(PARTITION_BYTES);
            let count = usize::try_from(partitions).unwrap_or(0);
            TOPIC_BYTES + 2 * size::text(name.len()) + count.saturating_mul(each)
        };
        let topics = match wanted(call.version, request.topics.as_deref()) {
            Wanted::All => {
                let look = &mut |name: &TopicName, partitions| {
                    sum.add(described(name.as_str(), partitions))
                };
                call.access.look_at_topics(look);
                return sum.bytes();
            }
            Wanted::These(topics) => topics,
        };
        let settings = call.access.settings();
        let creates = request.allow_auto_topic_creation && settings.auto_create;
        let mut seen = HashSet::new();
        for topic in topics {
            let named = topic.name.as_ref().map_or("", |name| name.as_str());
            let id = topic_id(topic.topic_id);
            let by = match id {
                TopicId::ZERO => TopicRef::Name(named),
                _ => TopicRef::Id(id),
            };
            let bytes = match call.access.topic_to_describe(by) {
                Ok(view) if !seen.insert(view.id) => 0,
                Ok(view) => described(view.name.as_str(), view.partition_count),
                // One that is missing may be created.
                Err(_) if creates => described(named, settings.partition_count),
                Err(_) => described(named, 0),
            };
            if sum.add(bytes).is_break() {
                break;
            }
        }
        sum.bytes()
    }

    fn handle(call: &Call<'_>, request: MetadataRequest) -> Answer<MetadataResponse> {
        let access = call.access.clone();
        let mut response = frame_of(call);
        if request.include_cluster_authorized_operations {
            let operations = operations::on_cluster(access.cluster_rights());
            response = response.with_cluster_authorized_operations(operations);
        }
        let operations_asked = request.include_topic_authorized_operations;
        let found: Vec<Found> = match wanted(call.version, request.topics.as_deref()) {
            Wanted::All => access.topics().into_iter().map(Found::Topic).collect(),
            Wanted::These(_) => find_all(&access, call.version, request.topics.unwrap_or_default()),
        };
        let create = request.allow_auto_topic_creation && access.settings().auto_create;
        let missing = |found: &Found| matches!(found, Found::Missing(_));
        if create && found.iter().any(missing) {
            return Answer::later(async move {
                let found = create_missing(&access, found).await;
                complete(response, found, operations_asked)
            });
        }
        Answer::ready(complete(response, found, operations_asked))
    }
}

/// The reply's part that has nothing to do with topics.
fn frame_of(call: &Call<'_>) -> MetadataResponse {
    let endpoint = call.session.endpoint();
    let broker = MetadataResponseBroker::default()
        .with_node_id(BROKER)
        .with_host(text(endpoint.host))
        .with_port(endpoint.port.into());
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(call.access.cluster_id())))
        .with_controller_id(BROKER)
}

enum Wanted<'a> {
    All,
    These(&'a [MetadataRequestTopic]),
}

fn wanted(version: i16, topics: Option<&[MetadataRequestTopic]>) -> Wanted<'_> {
    match topics {
        None => Wanted::All,
        Some(topics) if topics.is_empty() && version < EMPTY_IS_NONE_FROM => Wanted::All,
        Some(topics) => Wanted::These(topics),
    }
}

/// Each topic once, however it is named: as with Kafka an id counts, and not the name beside it.
fn find_all(access: &Access, version: i16, mut topics: Vec<MetadataRequestTopic>) -> Vec<Found> {
    let mut asked = HashSet::new();
    topics.retain(|topic| match (topic.topic_id, &topic.name) {
        (id, name) if id.is_nil() => asked.insert((id, name.clone())),
        (id, _) => asked.insert((id, None)),
    });
    let mut seen = HashSet::new();
    let found = topics
        .into_iter()
        .map(|topic| find(access, version, topic))
        .filter(|found| match found {
            Found::Topic(view) => seen.insert(view.id),
            Found::Missing(_) | Found::Failed(_) => true,
        });
    found.collect()
}

/// What became of one topic of the request.
enum Found {
    Topic(TopicView),
    /// No such topic; the name is a good one.
    Missing(TopicName),
    Failed(MetadataResponseTopic),
}

fn find(access: &Access, version: i16, topic: MetadataRequestTopic) -> Found {
    let id = topic_id(topic.topic_id);
    let failed = |error: ErrorCode| {
        // Before version 12 a topic without a name cannot be written.
        let name = if version < TOPIC_IDS_FROM {
            Some(topic.name.clone().unwrap_or_default())
        } else {
            topic.name.clone().filter(|_| id == TopicId::ZERO)
        };
        Found::Failed(
            MetadataResponseTopic::default()
                .with_error_code(error.code())
                .with_name(name)
                .with_topic_id(topic.topic_id),
        )
    };
    if version < TOPIC_IDS_FROM && (id != TopicId::ZERO || topic.name.is_none()) {
        return failed(ErrorCode::InvalidRequest);
    }
    if id != TopicId::ZERO {
        let by_id = TopicRef::Id(id);
        return match access.topic_to_describe(by_id) {
            Ok(view) => Found::Topic(view),
            Err(error) => failed(codes::access(error, by_id)),
        };
    }
    let Some(name) = &topic.name else {
        return failed(ErrorCode::InvalidRequest);
    };
    let by_name = TopicRef::Name(name);
    match access.topic_to_describe(by_name) {
        Ok(view) => Found::Topic(view),
        Err(hub::AccessError::Denied) => failed(ErrorCode::TopicAuthorizationFailed),
        Err(hub::AccessError::Unknown) => match TopicName::try_from(name.as_str()) {
            Ok(name) => Found::Missing(name),
            Err(_) => failed(ErrorCode::InvalidTopicException),
        },
    }
}

async fn create_missing(access: &Access, found: Vec<Found>) -> Vec<Found> {
    let mut result = Vec::with_capacity(found.len());
    for entry in found {
        let Found::Missing(name) = entry else {
            result.push(entry);
            continue;
        };
        result.push(match access.auto_create_topic(name.as_str()).await {
            Ok(_) => match access.topic_to_describe(TopicRef::Name(name.as_str())) {
                Ok(view) => Found::Topic(view),
                // Deleted again before anyone saw it.
                Err(_) => Found::Missing(name),
            },
            Err(error) => {
                tracing::debug!(topic = %name, %error, "topic not created on demand");
                Found::Failed(failure(&name, codes::create_topic(&error)))
            }
        });
    }
    result
}

fn failure(name: &TopicName, error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_name(Some(WireName(text(name.as_str()))))
}

fn complete(
    response: MetadataResponse,
    found: Vec<Found>,
    operations_asked: bool,
) -> MetadataResponse {
    let topics = found.into_iter().map(|entry| match entry {
        Found::Topic(view) => described(&view, operations_asked),
        Found::Missing(name) => failure(&name, ErrorCode::UnknownTopicOrPartition),
        Found::Failed(topic) => topic,
    });
    response.with_topics(topics.collect())
}

fn described(view: &TopicView, operations_asked: bool) -> MetadataResponseTopic {
    let partitions = (0..view.partition_count).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BROKER)
            .with_leader_epoch(view.leader_epoch.0)
            .with_replica_nodes(vec![BROKER])
            .with_isr_nodes(vec![BROKER])
    });
    let operations = if operations_asked {
        operations::on_topic(view.rights)
    } else {
        OPERATIONS_NOT_ASKED
    };
    MetadataResponseTopic::default()
        .with_name(Some(WireName(text(view.name.as_str()))))
        .with_topic_id(uuid(view.id))
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(operations)
}
