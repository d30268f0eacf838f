//! IncrementalAlterConfigs (44): change single settings of a topic (KIP-339).
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 1 |
//! | Behaviour | Set, delete, append to a list, subtract from it; all or none per resource; needs Manage |
//! | Differs | The broker's settings can't be changed: its file has them. Deleting a name that no setting has is refused, as setting it is; an unknown operation is INVALID_REQUEST, not an unknown error |
//! | Skipped | Broker loggers, client metrics and groups: they have no settings |

use hub::configs::ConfigChange;
use kafka_protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    incremental_alter_configs_response::AlterConfigsResourceResponse,
};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    altering::{Alteration, Altered, alter_all, check_keys, null_value},
    configs::Refusal,
    size,
};

pub(crate) struct IncrementalAlterConfigs;

impl Handler for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;

    fn reply_bytes(
        _call: &Call<'_>,
        request: &IncrementalAlterConfigsRequest,
        enough: usize,
    ) -> usize {
        let each = size::entry::<AlterConfigsResourceResponse>(900);
        let resource = |resource: &AlterConfigsResource| {
            let given = resource.configs.iter().map(|config| {
                let value = config.value.as_ref().map_or(0, |value| value.len());
                400 + 4 * (config.name.len() + value)
            });
            each + 3 * size::text(resource.resource_name.len()) + given.sum::<usize>()
        };
        size::sum(request.resources.iter().map(resource), enough)
    }

    fn handle(
        call: &Call<'_>,
        request: IncrementalAlterConfigsRequest,
    ) -> Answer<IncrementalAlterConfigsResponse> {
        let access = call.access.clone();
        let wishes = request.resources.into_iter().map(|resource| Alteration {
            kind: resource.resource_type,
            changes: changes(&resource),
            name: resource.resource_name,
        });
        let wishes = wishes.collect();
        Answer::later(async move {
            let altered = alter_all(&access, wishes, request.validate_only).await;
            let responses = altered.into_iter().map(response).collect();
            IncrementalAlterConfigsResponse::default().with_responses(responses)
        })
    }
}

fn changes(resource: &AlterConfigsResource) -> Result<Vec<ConfigChange>, Refusal> {
    check_keys(resource.configs.iter().map(|config| &config.name))?;
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
        (0 | 2 | 3, None) => Err(null_value(&name)),
        (operation, _) => {
            let message = format!("Unknown operation {operation} for config {name}");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn response(altered: Altered) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_resource_type(altered.kind)
        .with_resource_name(altered.name)
        .with_error_code(altered.code)
        .with_error_message(altered.message)
}
