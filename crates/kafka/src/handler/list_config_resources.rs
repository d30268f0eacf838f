//! ListConfigResources (74): what has configurations of its own.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 1 |
//! | Behaviour | Version 0 asks for client metrics resources alone (KIP-1000); version 1 names the types, none meaning all (KIP-1142): topics, the broker |
//! | Differs | Nothing |
//! | Skipped | Client metrics, broker loggers and groups have no configurations here |

use kafka_protocol::messages::{
    ListConfigResourcesRequest, ListConfigResourcesResponse,
    list_config_resources_response::ConfigResource,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, TooLarge, configs::ResourceType, size, words};
use crate::address::NODE_ID;

/// From this version the request names the types it wants.
const TYPES_FROM: i16 = 1;

pub(crate) struct ListConfigResources;

impl Handler for ListConfigResources {
    type Request = ListConfigResourcesRequest;

    fn reply_bytes(call: &Call<'_>, _request: &ListConfigResourcesRequest, enough: usize) -> usize {
        let each = size::entry::<ConfigResource>(300);
        let mut sum = size::Sum::new(enough);
        call.access
            .look_at_topics(&mut |name, _| sum.add(each + size::text(name.as_str().len())));
        sum.bytes()
    }

    fn too_large(
        _request: ListConfigResourcesRequest,
        _version: i16,
        _refusal: &TooLarge,
    ) -> Option<ListConfigResourcesResponse> {
        let response = ListConfigResourcesResponse::default();
        Some(response.with_error_code(TooLarge::CODE.code()))
    }

    fn handle(
        call: &Call<'_>,
        request: ListConfigResourcesRequest,
    ) -> Answer<ListConfigResourcesResponse> {
        let response = ListConfigResourcesResponse::default();
        let rights = call.access.cluster_rights();
        if !(rights.send || rights.listen || rights.manage) {
            let code = ErrorCode::ClusterAuthorizationFailed;
            return Answer::ready(response.with_error_code(code.code()));
        }
        if call.version < TYPES_FROM {
            return Answer::ready(response);
        }
        let unknown = |&wanted: &i8| ResourceType::from_code(wanted).is_none();
        if request.resource_types.iter().any(unknown) {
            let code = ErrorCode::UnsupportedVersion;
            return Answer::ready(response.with_error_code(code.code()));
        }
        let wants = |kind: ResourceType| {
            request.resource_types.is_empty() || request.resource_types.contains(&kind.code())
        };
        let mut resources = Vec::new();
        if wants(ResourceType::Topic) {
            let topics = call.access.topics();
            resources.extend(
                topics
                    .iter()
                    .map(|topic| resource(ResourceType::Topic, topic.name.as_str())),
            );
        }
        if wants(ResourceType::Broker) {
            resources.push(resource(ResourceType::Broker, &NODE_ID.to_string()));
        }
        Answer::ready(response.with_config_resources(resources))
    }
}

fn resource(kind: ResourceType, name: &str) -> ConfigResource {
    ConfigResource::default()
        .with_resource_name(words::text(name))
        .with_resource_type(kind.code())
}
