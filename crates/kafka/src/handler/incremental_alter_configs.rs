//! IncrementalAlterConfigs (44): change single settings of a topic (KIP-339).
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 1 |
//! | Behaviour | Set, delete, append to a list, subtract from it; all or none per resource; needs Manage |
//! | Differs | The broker's settings can't be changed: its file has them |
//! | Skipped | Broker loggers, client metrics and groups: they have no settings |

use std::collections::HashSet;

use hub::configs::ConfigChange;
use kafka_protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    incremental_alter_configs_response::AlterConfigsResourceResponse,
};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, alter_configs::alter, configs::Refusal};

pub(crate) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;

    fn handle(
        call: &Call<'_>,
        request: IncrementalAlterConfigsRequest,
    ) -> Answer<IncrementalAlterConfigsResponse> {
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
                    Err(refusal) => Err(refusal),
                };
                responses.push(response(resource, altered));
            }
            IncrementalAlterConfigsResponse::default().with_responses(responses)
        })
    }
}

fn changes(resource: &AlterConfigsResource) -> Result<Vec<ConfigChange>, Refusal> {
    let mut names = HashSet::new();
    if !resource
        .configs
        .iter()
        .all(|config| names.insert(&config.name))
    {
        let message = "Error due to duplicate config keys";
        return Err(Refusal::new(ErrorCode::InvalidRequest, message));
    }
    resource.configs.iter().map(change).collect()
}

fn change(config: &AlterableConfig) -> Result<ConfigChange, Refusal> {
    let name = config.name.to_string();
    let value = config.value.as_ref().map(ToString::to_string);
    match (config.config_operation, value) {
        (1, _) => Ok(ConfigChange::Delete(name)),
        (0, Some(value)) => Ok(ConfigChange::Set(name, value)),
        (2, Some(value)) => Ok(ConfigChange::Append(name, value)),
        (3, Some(value)) => Ok(ConfigChange::Subtract(name, value)),
        (0 | 2 | 3, None) => {
            let message = format!("Null value not supported for : {name}");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        (operation, _) => {
            let message = format!("Unknown operation {operation} for config {name}");
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
