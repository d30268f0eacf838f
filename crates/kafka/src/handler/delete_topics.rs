//! DeleteTopics (20): delete event hubs, their records and their committed offsets.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 6 |
//! | Behaviour | By name, from version 6 also by id (KIP-516); needs Manage |
//! | Differs | Nothing |
//! | Skipped | The timeout: deleting takes one commit |

use hub::{Access, access::TopicRef, admin::DeleteTopicError};
use kafka_protocol::messages::{
    DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_request::DeleteTopicState,
    delete_topics_response::DeletableTopicResult,
};
use model::TopicId;
use uuid::Uuid;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, configs::Refusal};

/// From this version each topic is named by name or by id.
const STATES_FROM: i16 = 6;

pub(crate) struct DeleteTopics;

impl Handler for DeleteTopics {
    type Request = DeleteTopicsRequest;

    fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
        let access = call.access.clone();
        let by_name = |name| DeleteTopicState::default().with_name(Some(name));
        let asked = if call.version >= STATES_FROM {
            request.topics
        } else {
            request.topic_names.into_iter().map(by_name).collect()
        };
        Answer::later(async move {
            let mut responses = Vec::with_capacity(asked.len());
            for topic in asked {
                responses.push(delete(&access, topic).await);
            }
            DeleteTopicsResponse::default().with_responses(responses)
        })
    }
}

async fn delete(access: &Access, topic: DeleteTopicState) -> DeletableTopicResult {
    let answer = DeletableTopicResult::default().with_name(topic.name.clone());
    let answer = answer.with_topic_id(topic.topic_id);
    let deleted = match &topic.name {
        Some(_) if !topic.topic_id.is_nil() => {
            let message = "Topic name and topic id can not both be specified.";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        Some(name) => {
            let named = TopicRef::Name(name.0.as_str());
            access.delete_topic(named).await.map_err(Refusal::from)
        }
        None => delete_by_id(access, topic.topic_id).await,
    };
    match deleted {
        Ok(()) => answer,
        Err(refusal) => answer
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.message),
    }
}

async fn delete_by_id(access: &Access, id: Uuid) -> Result<(), Refusal> {
    let deleted = access
        .delete_topic(TopicRef::Id(TopicId(id.as_u128())))
        .await;
    deleted.map_err(|error| match error {
        DeleteTopicError::Unknown => {
            let message = "This server does not host this topic ID.";
            Refusal::new(ErrorCode::UnknownTopicId, message)
        }
        DeleteTopicError::Denied | DeleteTopicError::Metadata(_) => error.into(),
    })
}
