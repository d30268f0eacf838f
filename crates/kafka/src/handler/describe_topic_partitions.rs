//! DescribeTopicPartitions (75): topics in the order of names, in pages of partitions.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 |
//! | Behaviour | No topic named means all that the caller sees. At most 2000 partitions a page, or fewer if the client says so; the cursor names the next one |
//! | Differs | No eligible leader replicas are named |
//! | Skipped | Nothing |

use std::collections::BTreeSet;

use hub::access::{AccessError, TopicRef, TopicView};
use kafka_protocol::messages::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName as WireName,
    describe_topic_partitions_response::{
        Cursor, DescribeTopicPartitionsResponsePartition as Partition,
        DescribeTopicPartitionsResponseTopic as Topic,
    },
};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, codes, operations, size,
    words::{BROKER, text, uuid},
};

/// Kafka's `max.request.partition.size.limit`.
const PARTITIONS_PER_PAGE_MAX: i32 = 2000;

pub(crate) struct DescribeTopicPartitions;

impl Handler for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;

    fn reply_bytes(
        call: &Call<'_>,
        request: &DescribeTopicPartitionsRequest,
        enough: usize,
    ) -> usize {
        let limit = request
            .response_partition_limit
            .clamp(1, PARTITIONS_PER_PAGE_MAX);
        let partitions = usize::try_from(limit).unwrap_or(0);
        let mut sum = size::Sum::new(enough);
        let topic = |name: usize| size::entry::<Topic>(500) + 2 * size::text(name);
        let names = request.topics.iter().map(|each| topic(each.name.len()));
        let page = partitions * size::entry::<Partition>(200);
        let asks_for_all = request.topics.is_empty();
        if sum.add(page).is_continue() && sum.add_all(names).is_continue() && asks_for_all {
            call.access
                .look_at_topics(&mut |name, _| sum.add(topic(name.as_str().len())));
        }
        sum.bytes()
    }

    fn handle(
        call: &Call<'_>,
        request: DescribeTopicPartitionsRequest,
    ) -> Answer<DescribeTopicPartitionsResponse> {
        let limit = request.response_partition_limit;
        let mut page = Page {
            room: limit.clamp(1, PARTITIONS_PER_PAGE_MAX),
            topics: Vec::new(),
            next: None,
        };
        let (first_name, first_index) = match &request.cursor {
            Some(cursor) => (cursor.topic_name.as_str(), cursor.partition_index),
            None => ("", 0),
        };
        if first_index < 0 || !holds_cursor(&request) {
            return Answer::ready(refused(request, ErrorCode::InvalidRequest));
        }
        for (name, topic) in wanted(call, &request) {
            let from = match name.as_str() {
                name if name < first_name => continue,
                name if name == first_name => first_index,
                _ => 0,
            };
            if page.next.is_some() {
                break;
            }
            page.add(&name, topic, from);
        }
        Answer::ready(
            DescribeTopicPartitionsResponse::default()
                .with_topics(page.topics)
                .with_next_cursor(page.next),
        )
    }
}

/// Where topics are named, the one that the cursor stands at must be among them.
fn holds_cursor(request: &DescribeTopicPartitionsRequest) -> bool {
    let Some(cursor) = &request.cursor else {
        return true;
    };
    let mut named = request.topics.iter();
    request.topics.is_empty() || named.any(|topic| topic.name == cursor.topic_name)
}

fn refused(
    request: DescribeTopicPartitionsRequest,
    error: ErrorCode,
) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.into_iter();
    let topics = topics.map(|topic| failed(topic.name, error)).collect();
    DescribeTopicPartitionsResponse::default()
        .with_topics(topics)
        .with_next_cursor(None)
}

/// The topics to describe, in the order of names.
fn wanted(
    call: &Call<'_>,
    request: &DescribeTopicPartitionsRequest,
) -> Vec<(String, Result<TopicView, AccessError>)> {
    if request.topics.is_empty() {
        let all = call.access.topics().into_iter();
        return all.map(|view| (view.name.to_string(), Ok(view))).collect();
    }
    let names: BTreeSet<&str> = request
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let find = |name: &str| call.access.topic_to_describe(TopicRef::Name(name));
    names
        .into_iter()
        .map(|name| (name.to_owned(), find(name)))
        .collect()
}

/// A reply that fills up.
struct Page {
    room: i32,
    topics: Vec<Topic>,
    next: Option<Cursor>,
}

impl Page {
    /// Adds a topic from partition `from` on, as far as there is room.
    fn add(&mut self, name: &str, topic: Result<TopicView, AccessError>, from: i32) {
        let wire_name = WireName(text(name));
        if self.room == 0 {
            let cursor = Cursor::default().with_partition_index(from);
            self.next = Some(cursor.with_topic_name(wire_name));
            return;
        }
        let view = match topic {
            Ok(view) => view,
            Err(error) => {
                let error = codes::access(error, TopicRef::Name(name));
                self.topics.push(failed(wire_name, error));
                return;
            }
        };
        let to = view.partition_count.min(from.saturating_add(self.room));
        if to < view.partition_count {
            let cursor = Cursor::default().with_partition_index(to.max(from));
            self.next = Some(cursor.with_topic_name(wire_name.clone()));
        }
        self.room -= (to - from).max(0);
        self.topics.push(
            Topic::default()
                .with_name(Some(wire_name))
                .with_topic_id(uuid(view.id))
                .with_partitions((from..to).map(|index| partition(&view, index)).collect())
                .with_topic_authorized_operations(operations::on_topic(view.rights)),
        );
    }
}

fn failed(name: WireName, error: ErrorCode) -> Topic {
    Topic::default()
        .with_name(Some(name))
        .with_error_code(error.code())
}

fn partition(view: &TopicView, index: i32) -> Partition {
    Partition::default()
        .with_partition_index(index)
        .with_leader_id(BROKER)
        .with_leader_epoch(view.leader_epoch.0)
        .with_replica_nodes(vec![BROKER])
        .with_isr_nodes(vec![BROKER])
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()))
}
