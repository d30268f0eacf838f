//! AlterConfigs (33): replace a topic's settings as a whole.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | What is not named goes back to its default; needs Manage |
//! | Differs | The broker's settings can't be changed: its file has them |
//! | Skipped | Broker loggers, client metrics and groups: they have no settings |

use hub::configs::ConfigChange;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, alter_configs_request::AlterConfigsResource,
    alter_configs_response::AlterConfigsResourceResponse,
};

use super::{
    Answer, Call, Handler,
    altering::{Alteration, Altered, alter_all, check_keys, null_value},
    configs::Refusal,
    size,
};

pub(crate) struct AlterConfigs;

impl Handler for AlterConfigs {
    type Request = AlterConfigsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &AlterConfigsRequest, enough: usize) -> usize {
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

    fn handle(call: &Call<'_>, request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
        let access = call.access.clone();
        let wishes = request.resources.into_iter().map(|resource| Alteration {
            kind: resource.resource_type,
            changes: replacement(&resource).map(|change| vec![change]),
            name: resource.resource_name,
        });
        let wishes = wishes.collect();
        Answer::later(async move {
            let altered = alter_all(&access, wishes, request.validate_only).await;
            let responses = altered.into_iter().map(response).collect();
            AlterConfigsResponse::default().with_responses(responses)
        })
    }
}

fn replacement(resource: &AlterConfigsResource) -> Result<ConfigChange, Refusal> {
    check_keys(resource.configs.iter().map(|config| &config.name))?;
    let given = resource.configs.iter().map(|config| match &config.value {
        Some(value) => Ok((config.name.to_string(), value.to_string())),
        None => Err(null_value(&config.name)),
    });
    Ok(ConfigChange::Replace(given.collect::<Result<_, _>>()?))
}

fn response(altered: Altered) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_resource_type(altered.kind)
        .with_resource_name(altered.name)
        .with_error_code(altered.code)
        .with_error_message(altered.message)
}
