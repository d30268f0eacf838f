//! AlterConfigs (33): replace a topic's settings as a whole.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | What is not named goes back to its default; needs Manage |
//! | Differs | The broker's settings can't be changed: its file has them |
//! | Skipped | Broker loggers, client metrics and groups: they have no settings |

use hub::{Access, configs::ConfigChange};
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, alter_configs_request::AlterConfigsResource,
    alter_configs_response::AlterConfigsResourceResponse,
};
use model::topic_config::TopicConfigError;
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    configs::{Refusal, ResourceType},
};

pub(crate) struct AlterConfigs;

impl Handler for AlterConfigs {
    type Request = AlterConfigsRequest;

    fn handle(call: &Call<'_>, request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
        let access = call.access.clone();
        Answer::later(async move {
            let mut responses = Vec::with_capacity(request.resources.len());
            for resource in request.resources {
                let altered = match changes(&resource) {
                    Ok(changes) => {
                        let (kind, name) =
                            (resource.resource_type, resource.resource_name.as_str());
                        alter(&access, (kind, name), &changes, request.validate_only).await
                    }
                    Err(error) => Err(Refusal::new(ErrorCode::InvalidConfig, error.to_string())),
                };
                responses.push(response(resource, altered));
            }
            AlterConfigsResponse::default().with_responses(responses)
        })
    }
}

fn changes(resource: &AlterConfigsResource) -> Result<Vec<ConfigChange>, TopicConfigError> {
    let given = resource.configs.iter().map(|config| {
        let name = config.name.to_string();
        match &config.value {
            Some(value) => Ok((name, value.to_string())),
            None => Err(TopicConfigError::Null(name)),
        }
    });
    Ok(vec![ConfigChange::Replace(
        given.collect::<Result<_, _>>()?,
    )])
}

/// Applies changes to the resource of this type and name, for both ways of altering.
pub(super) async fn alter(
    access: &Access,
    (kind, name): (i8, &str),
    changes: &[ConfigChange],
    validate_only: bool,
) -> Result<(), Refusal> {
    match ResourceType::from_code(kind) {
        Some(ResourceType::Topic) => {
            let altered = if validate_only {
                access.validate_topic_configs(name, changes)
            } else {
                access.alter_topic_configs(name, changes).await
            };
            altered.map_err(Refusal::from)
        }
        Some(ResourceType::Broker) => {
            let message = "The broker's settings stand in its configuration file.";
            Err(Refusal::new(ErrorCode::PolicyViolation, message))
        }
        Some(ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group)
        | None => {
            let message = format!("Unsupported resource type: {kind}");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn response(
    resource: AlterConfigsResource,
    altered: Result<(), Refusal>,
) -> AlterConfigsResourceResponse {
    let answer = AlterConfigsResourceResponse::default()
        .with_error_message(None)
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match altered {
        Ok(()) => answer,
        Err(refusal) => answer
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.message),
    }
}
