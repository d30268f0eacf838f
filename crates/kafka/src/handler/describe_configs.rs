//! DescribeConfigs (32): configurations with values, sources and words.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 4 |
//! | Behaviour | A resource named more than once is answered once. Topics: every setting that Kafka 4.4 knows; synonyms where asked (KIP-226), types and documentation from version 3 (KIP-569). The broker, by its id: the limits in force, read-only; nothing by the empty name, which asks for what was set while running |
//! | Differs | Kafka answers each mention of a resource. Broker settings are a short list: the file has its own words for the rest |
//! | Skipped | Broker loggers, client metrics and groups: they have no settings |

use std::collections::{HashMap, HashSet};

use hub::{
    Access, AccessError,
    configs::{ConfigEntry, ConfigSource},
};
use kafka_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{
            DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
        },
    },
    protocol::StrBytes,
};
use model::{TopicName, topic_config::DEFINITIONS};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, TooLarge,
    broker_configs::{BrokerConfig, broker_configs},
    configs::{Refusal, ResourceType, kind_code, own_broker, source_code},
    size, words,
};

/// What describing one setting takes beside its entry and its documentation: its synonyms, its texts.
const CONFIG_BYTES: usize = 3 * size_of::<DescribeConfigsSynonym>() + 900;
/// What a resource takes beside its settings and its name.
const RESOURCE_BYTES: usize = size::entry::<DescribeConfigsResult>(900);
/// What looking for one key takes.
const KEY_BYTES: usize = 100;

pub(crate) struct DescribeConfigs;

impl Handler for DescribeConfigs {
    type Request = DescribeConfigsRequest;

    fn reply_bytes(call: &Call<'_>, request: &DescribeConfigsRequest, enough: usize) -> usize {
        let texts = if request.include_documentation {
            let words = DEFINITIONS.iter().map(|each| each.documentation.len());
            2 * words.sum::<usize>()
        } else {
            0
        };
        let each = size::entry::<DescribeConfigsResourceResult>(CONFIG_BYTES);
        let all = DEFINITIONS.len() * each + texts;
        let mut seen = HashSet::new();
        let resources = request.resources.iter().map(|resource| {
            let name = resource.resource_name.as_str();
            let keys = resource.configuration_keys.as_ref().map_or(0, Vec::len);
            let own = RESOURCE_BYTES + 3 * size::text(name.len()) + keys * KEY_BYTES;
            if !seen.insert((resource.resource_type, name)) {
                return own;
            }
            let given = match ResourceType::from_code(resource.resource_type) {
                Some(ResourceType::Topic) => call.access.topic_config_bytes(name),
                Some(ResourceType::Broker) => Some(0),
                _ => None,
            };
            own + given.map_or(0, |given| all + 8 * given)
        });
        size::sum(resources, enough)
    }

    fn too_large(
        request: DescribeConfigsRequest,
        _version: i16,
        refusal: &TooLarge,
    ) -> Option<DescribeConfigsResponse> {
        let refused = |resource: DescribeConfigsResource| {
            DescribeConfigsResult::default()
                .with_error_code(TooLarge::CODE.code())
                .with_error_message(Some(words::text(refusal.to_string())))
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name)
        };
        refusal.has_room(request.resources.len()).then(|| {
            let results = each_once(request.resources).into_iter().map(refused);
            DescribeConfigsResponse::default().with_results(results.collect())
        })
    }

    fn handle(call: &Call<'_>, request: DescribeConfigsRequest) -> Answer<DescribeConfigsResponse> {
        let detail = Detail {
            synonyms: request.include_synonyms,
            documentation: request.include_documentation,
        };
        let results = each_once(request.resources).into_iter().map(|resource| {
            let described = describe(&call.access, &resource, detail);
            let answer = DescribeConfigsResult::default()
                .with_error_message(None)
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name);
            match described {
                Ok(configs) => answer.with_configs(configs),
                Err(refusal) => answer
                    .with_error_code(refusal.code.code())
                    .with_error_message(refusal.message),
            }
        });
        Answer::ready(DescribeConfigsResponse::default().with_results(results.collect()))
    }
}

/// What a request wants to know of each setting.
#[derive(Clone, Copy)]
struct Detail {
    synonyms: bool,
    documentation: bool,
}

/// Each resource at its first mention, with the keys of all its mentions.
fn each_once(named: Vec<DescribeConfigsResource>) -> Vec<DescribeConfigsResource> {
    let mut places = HashMap::new();
    let mut once: Vec<DescribeConfigsResource> = Vec::with_capacity(named.len());
    for resource in named {
        let key = (resource.resource_type, resource.resource_name.clone());
        let place = *places.entry(key).or_insert(once.len());
        let Some(first) = once.get_mut(place) else {
            once.push(resource);
            continue;
        };
        let more = resource.configuration_keys.filter(|keys| !keys.is_empty());
        match (&mut first.configuration_keys, more) {
            (Some(keys), Some(more)) if !keys.is_empty() => keys.extend(more),
            (keys, _) => *keys = None,
        }
    }
    once
}

fn describe(
    access: &Access,
    resource: &DescribeConfigsResource,
    detail: Detail,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let keys = resource.configuration_keys.as_deref().unwrap_or_default();
    let keys: HashSet<&str> = keys.iter().map(StrBytes::as_str).collect();
    // As with Kafka, no keys at all are all keys, too.
    let wanted = |name: &str| keys.is_empty() || keys.contains(name);
    let name = resource.resource_name.as_str();
    match ResourceType::from_code(resource.resource_type) {
        Some(ResourceType::Topic) => {
            TopicName::try_from(name)?;
            match access.describe_topic_configs(name) {
                Ok(entries) => Ok(entries
                    .iter()
                    .filter(|entry| wanted(entry.definition.name))
                    .map(|entry| topic_config(entry, detail))
                    .collect()),
                Err(AccessError::Denied) => Err(Refusal::denied_topic()),
                Err(AccessError::Unknown) => Err(Refusal::unknown_topic()),
            }
        }
        Some(ResourceType::Broker) => {
            own_broker(name)?;
            // The empty name asks for what was set for all brokers while they run: nothing can be.
            if name.is_empty() {
                return Ok(Vec::new());
            }
            let configs = broker_configs(access).into_iter();
            Ok(configs
                .filter(|config| wanted(config.name))
                .map(|config| broker_config(config, detail))
                .collect())
        }
        Some(ResourceType::BrokerLogger) => own_broker(name).map(|()| Vec::new()),
        Some(ResourceType::ClientMetrics | ResourceType::Group) => Ok(Vec::new()),
        None => {
            let message = format!("Unsupported resource type: {}", resource.resource_type);
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn topic_config(entry: &ConfigEntry, detail: Detail) -> DescribeConfigsResourceResult {
    let synonyms = entry
        .synonyms
        .iter()
        .filter(|_| detail.synonyms)
        .map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(words::text(synonym.name))
                .with_value(Some(words::text(&synonym.value)))
                .with_source(source_code(synonym.source))
        });
    let documentation = detail
        .documentation
        .then_some(entry.definition.documentation);
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(entry.definition.name))
        .with_value(Some(words::text(&entry.value)))
        .with_config_source(source_code(entry.source))
        .with_synonyms(synonyms.collect())
        .with_config_type(kind_code(entry.definition.kind))
        .with_documentation(documentation.map(StrBytes::from_static_str))
}

fn broker_config(config: BrokerConfig, detail: Detail) -> DescribeConfigsResourceResult {
    let source = source_code(ConfigSource::Broker);
    let name = StrBytes::from_static_str(config.name);
    let value = Some(StrBytes::from_string(config.value));
    let synonym = DescribeConfigsSynonym::default()
        .with_name(name.clone())
        .with_value(value.clone())
        .with_source(source);
    let documentation = detail.documentation.then_some(config.documentation);
    DescribeConfigsResourceResult::default()
        .with_name(name)
        .with_value(value)
        .with_synonyms(detail.synonyms.then_some(synonym).into_iter().collect())
        .with_documentation(documentation.map(StrBytes::from_static_str))
        .with_read_only(true)
        .with_config_source(source)
        .with_config_type(kind_code(config.kind))
}
