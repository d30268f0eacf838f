//! CreatePartitions (37): let event hubs grow.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 3 |
//! | Behaviour | Counts only grow; a topic named more than once is refused, once; needs Manage |
//! | Differs | An assignment can name broker 0 alone; any other is INVALID_REPLICA_ASSIGNMENT, as for an unknown broker |
//! | Skipped | The timeout: growing takes one commit |

use hub::{
    Access,
    admin::{GrowTopicError, PartitionCountError},
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse,
    create_partitions_request::CreatePartitionsTopic,
    create_partitions_response::CreatePartitionsTopicResult,
};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    configs::Refusal,
    mentions::{Mention, Mentions},
    size,
};

pub(crate) struct CreatePartitions;

impl Handler for CreatePartitions {
    type Request = CreatePartitionsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &CreatePartitionsRequest, enough: usize) -> usize {
        let each = size::entry::<CreatePartitionsTopicResult>(900);
        let topic = |topic: &CreatePartitionsTopic| {
            let assigned = topic.assignments.iter().flatten();
            let assigned = assigned.map(|each| 64 + 4 * each.broker_ids.len());
            each + 3 * size::text(topic.name.len()) + assigned.sum::<usize>()
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(
        call: &Call<'_>,
        request: CreatePartitionsRequest,
    ) -> Answer<CreatePartitionsResponse> {
        let access = call.access.clone();
        Answer::later(async move {
            let names = request.topics.iter().map(|topic| topic.name.clone());
            let mut mentions = Mentions::count(names);
            let mut results = Vec::with_capacity(request.topics.len());
            for topic in &request.topics {
                let grown = match mentions.of(&topic.name) {
                    Mention::Only => grow(&access, topic, request.validate_only).await,
                    Mention::First => Err(Refusal::duplicate_topic()),
                    Mention::Again => continue,
                };
                results.push(result(topic, grown));
            }
            CreatePartitionsResponse::default().with_results(results)
        })
    }
}

async fn grow(
    access: &Access,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let assignments: Option<Vec<Vec<i32>>> = topic.assignments.as_ref().map(|assigned| {
        let brokers =
            |ids: &[kafka_protocol::messages::BrokerId]| ids.iter().map(|id| id.0).collect();
        assigned
            .iter()
            .map(|partition| brokers(&partition.broker_ids))
            .collect()
    });
    let (name, count) = (topic.name.0.as_str(), topic.count);
    let grown = if validate_only {
        access.validate_growth(name, count, assignments.as_deref())
    } else {
        access.grow_topic(name, count, assignments.as_deref()).await
    };
    grown.map_err(|error| match error {
        GrowTopicError::Partitions(PartitionCountError::NotAnIncrease { current, requested }) => {
            let message = if current == requested {
                format!("Topic already has {current} partition(s).")
            } else {
                format!(
                    "The topic {name} currently has {current} partition(s); \
                     {requested} would not be an increase."
                )
            };
            Refusal::new(ErrorCode::InvalidPartitions, message)
        }
        error => error.into(),
    })
}

fn result(
    topic: &CreatePartitionsTopic,
    grown: Result<(), Refusal>,
) -> CreatePartitionsTopicResult {
    let answer = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
    match grown {
        Ok(()) => answer,
        Err(refusal) => answer
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.message),
    }
}
