//! DeleteTopics (20): delete event hubs, their records and their committed offsets.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 6 |
//! | Behaviour | By name, from version 6 also by id (KIP-516); the reply to either names both, a refusal the name where the caller may see the topic. A topic named more than once is refused, once; needs Manage |
//! | Differs | Nothing |
//! | Skipped | The timeout: deleting takes one commit |

use hub::{
    Access,
    access::{AccessError, TopicRef, TopicView},
    admin::DeleteTopicError,
};
use kafka_protocol::messages::{
    DeleteTopicsRequest, DeleteTopicsResponse, TopicName as WireTopicName,
    delete_topics_request::DeleteTopicState, delete_topics_response::DeletableTopicResult,
};
use uuid::Uuid;
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler,
    configs::Refusal,
    groups,
    mentions::{Mention, Mentions},
    size, words,
};

/// From this version each topic is named by name or by id.
const STATES_FROM: i16 = 6;

pub(crate) struct DeleteTopics;

impl Handler for DeleteTopics {
    type Request = DeleteTopicsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &DeleteTopicsRequest, enough: usize) -> usize {
        let each = size::entry::<DeletableTopicResult>(2 * size_of::<Wish>() + 700);
        let states = request.topics.iter().map(|topic| topic.name.as_ref());
        let names = request.topic_names.iter().map(Some);
        let bytes =
            |name: Option<&WireTopicName>| each + 2 * size::text(name.map_or(0, |name| name.len()));
        size::sum(states.chain(names).map(bytes), enough)
    }

    fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
        let access = call.access.clone();
        let by_name = |name| DeleteTopicState::default().with_name(Some(name));
        let asked = if call.version >= STATES_FROM {
            request.topics
        } else {
            request.topic_names.into_iter().map(by_name).collect()
        };
        let wishes: Vec<Wish> = asked
            .into_iter()
            .map(|asked| Wish::new(&access, asked))
            .collect();
        Answer::later(async move {
            let mut mentions = Mentions::count(wishes.iter().map(Wish::key));
            let mut responses = Vec::with_capacity(wishes.len());
            for wish in &wishes {
                let deleted = match mentions.of(&wish.key()) {
                    Mention::Only => wish.delete(&access).await,
                    Mention::First => Err(Refusal::duplicate_topic()),
                    Mention::Again => continue,
                };
                responses.push(wish.answer(deleted));
            }
            DeleteTopicsResponse::default().with_responses(responses)
        })
    }
}

/// A topic to delete, with what the caller may know of it.
struct Wish {
    asked: DeleteTopicState,
    seen: Result<TopicView, AccessError>,
}

impl Wish {
    fn new(access: &Access, asked: DeleteTopicState) -> Self {
        let seen = match reference(&asked) {
            Ok(named) => access.topic_to_describe(named),
            Err(_) => Err(AccessError::Unknown),
        };
        Self { asked, seen }
    }

    /// The same for each way to name a topic that is there.
    fn key(&self) -> (Option<WireTopicName>, Uuid) {
        match &self.seen {
            Ok(view) => (None, words::uuid(view.id)),
            Err(_) => (self.asked.name.clone(), self.asked.topic_id),
        }
    }

    async fn delete(&self, access: &Access) -> Result<(), Refusal> {
        let named = reference(&self.asked)?;
        let deleted = access.delete_topic(named).await;
        deleted.map_err(|error| match (error, named, &self.seen) {
            (DeleteTopicError::Unknown, TopicRef::Id(_), _) => {
                let message = "This server does not host this topic ID.";
                Refusal::new(ErrorCode::UnknownTopicId, message)
            }
            // Who could see the topic is told that there is none, not that it may not be deleted.
            (DeleteTopicError::Denied, _, Err(AccessError::Unknown)) => Refusal::unknown_topic(),
            (error, _, _) => error.into(),
        })
    }

    fn answer(&self, deleted: Result<(), Refusal>) -> DeletableTopicResult {
        let asked = &self.asked;
        let name = match &self.seen {
            Ok(view) => Some(groups::wire_topic(&view.name)),
            Err(_) => asked.name.clone(),
        };
        let answer = DeletableTopicResult::default()
            .with_error_message(None)
            .with_name(name)
            .with_topic_id(asked.topic_id);
        match (deleted, &self.seen) {
            (Ok(()), Ok(view)) => answer.with_topic_id(words::uuid(view.id)),
            (Ok(()), Err(_)) => answer,
            (Err(refusal), _) => answer
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.message),
        }
    }
}

fn reference(asked: &DeleteTopicState) -> Result<TopicRef<'_>, Refusal> {
    let message = match (&asked.name, asked.topic_id.is_nil()) {
        (Some(name), true) => return Ok(TopicRef::Name(name.0.as_str())),
        (None, false) => return Ok(TopicRef::Id(words::topic_id(asked.topic_id))),
        (Some(_), false) => "You may not specify both topic name and topic id.",
        (None, true) => "Neither topic name nor id were specified.",
    };
    Err(Refusal::new(ErrorCode::InvalidRequest, message))
}
