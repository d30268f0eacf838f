//! Altering configurations, for both ways of asking: each resource at most once in a request, each
//! key at most once in a resource, and all or none of a resource's changes.

use std::collections::HashSet;

use hub::{Access, admin::AlterConfigsError, configs::ConfigChange};
use kafka_protocol::protocol::StrBytes;
use model::TopicName;
use wire::error_code::ErrorCode;

use super::{
    configs::{Refusal, ResourceType, own_broker},
    mentions::{Mention, Mentions},
};

/// What a request wants of one resource.
pub(super) struct Alteration {
    pub(super) kind: i8,
    pub(super) name: StrBytes,
    pub(super) changes: Result<Vec<ConfigChange>, Refusal>,
}

/// What became of it, as both replies say it.
pub(super) struct Altered {
    pub(super) kind: i8,
    pub(super) name: StrBytes,
    pub(super) code: i16,
    pub(super) message: Option<StrBytes>,
}

/// Makes the changes, or only checks them; one answer for each wish, in their order.
pub(super) async fn alter_all(
    access: &Access,
    wishes: Vec<Alteration>,
    validate_only: bool,
) -> Vec<Altered> {
    let resources = wishes.iter().map(|wish| (wish.kind, wish.name.clone()));
    let mut mentions = Mentions::count(resources);
    let mut all = Vec::with_capacity(wishes.len());
    for Alteration {
        kind,
        name,
        changes,
    } in wishes
    {
        let outcome = match (mentions.of(&(kind, name.clone())), changes) {
            (Mention::Only, Ok(changes)) => {
                alter(access, (kind, &name), &changes, validate_only).await
            }
            (Mention::Only, Err(refusal)) => Err(refusal),
            (Mention::First | Mention::Again, _) => {
                let message = "Each resource must appear at most once.";
                Err(Refusal::new(ErrorCode::InvalidRequest, message))
            }
        };
        let (code, message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, refusal.message),
        };
        all.push(Altered {
            kind,
            name,
            code: code.code(),
            message,
        });
    }
    all
}

async fn alter(
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
            altered.map_err(|error| match error {
                AlterConfigsError::Unknown => no_such_topic(access, name),
                error => error.into(),
            })
        }
        Some(ResourceType::Broker) => {
            if !access.cluster_rights().manage {
                return Err(Refusal::denied_cluster());
            }
            own_broker(name)?;
            let message = "Cannot update these configs dynamically: \
                           the broker's settings stand in its configuration file.";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        Some(ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group)
        | None => {
            let message = format!("Unknown resource type {kind}");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

/// What is wrong with a name that no topic has.
fn no_such_topic(access: &Access, name: &str) -> Refusal {
    let Err(error) = TopicName::try_from(name) else {
        let message = format!("The topic '{name}' does not exist.");
        return Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
    };
    // What is wrong with a name is told only to who might alter a topic of any name.
    if !access.cluster_rights().manage {
        return Refusal::denied_topic();
    }
    // Kafka keeps the empty name for defaults of all topics, which nobody can set.
    if name.is_empty() {
        let message = "Default topic resources are not allowed.";
        return Refusal::new(ErrorCode::InvalidRequest, message);
    }
    error.into()
}

/// Refuses a resource that names a key twice.
pub(super) fn check_keys<'a>(mut keys: impl Iterator<Item = &'a StrBytes>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    if keys.all(|key| seen.insert(key)) {
        return Ok(());
    }
    let message = "Error due to duplicate config keys";
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}

/// A change that needs a value and has none.
pub(super) fn null_value(key: &str) -> Refusal {
    let message = format!("Null value not supported for : {key}");
    Refusal::new(ErrorCode::InvalidRequest, message)
}
