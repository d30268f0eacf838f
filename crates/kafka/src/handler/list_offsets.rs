//! ListOffsets (2): offsets by time, and the special times below zero.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 11 |
//! | Behaviour | -1 latest, -2 earliest; -3 largest timestamp from version 7, -4 earliest local from 8, -5 latest tiered from 9, -6 earliest pending upload from 11: before that UNSUPPORTED_VERSION. Nothing found is offset -1 without an error. A partition named more than once is INVALID_REQUEST, once |
//! | Differs | Needs Listen, where Kafka asks for Describe. Nothing is tiered, so -4 is the earliest and -5 and -6 find nothing |
//! | Skipped | The timeout of version 10: a look-up does not wait for a remote store. The isolation level: without transactions the last stable offset is the high watermark |

use std::collections::HashMap;

use hub::{
    Access, ListenPartition,
    access::TopicRef,
    offsets::{OffsetAt, OffsetQuery},
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
};
use model::{LeaderEpoch, PartitionIndex, Timestamp};
use wire::error_code::ErrorCode;

use super::{
    Answer, Call, Handler, codes,
    mentions::{Mention, Mentions},
    size,
};

pub(crate) struct ListOffsets;

impl Handler for ListOffsets {
    type Request = ListOffsetsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &ListOffsetsRequest, enough: usize) -> usize {
        let each = size::entry::<ListOffsetsPartitionResponse>(160);
        let topic = |topic: &ListOffsetsTopic| {
            let own = size::entry::<ListOffsetsTopicResponse>(160) + size::text(topic.name.len());
            own + topic.partitions.len() * each
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> Answer<ListOffsetsResponse> {
        let (access, version) = (call.access.clone(), call.version);
        Answer::later(async move {
            let numbers = numbers(&request.topics);
            let numbered = request.topics.iter().zip(&numbers);
            let named = numbered.flat_map(|(topic, number)| named(topic, *number));
            let mut mentions = Mentions::count(named);
            let mut topics = Vec::with_capacity(request.topics.len());
            for (topic, number) in request.topics.into_iter().zip(numbers) {
                topics.push(look_up(&access, version, topic, (number, &mut mentions)).await);
            }
            ListOffsetsResponse::default().with_topics(topics)
        })
    }
}

/// A partition by its topic's number and its own.
type Named = (usize, i32);

/// A number for each topic, the same where the name is: it is looked at once and not for each of
/// its partitions.
fn numbers(topics: &[ListOffsetsTopic]) -> Vec<usize> {
    let mut known = HashMap::new();
    let mut number = |topic: &ListOffsetsTopic| {
        let next = known.len();
        *known.entry(topic.name.clone()).or_insert(next)
    };
    topics.iter().map(&mut number).collect()
}

fn named(topic: &ListOffsetsTopic, number: usize) -> impl Iterator<Item = Named> {
    let indexes = topic.partitions.iter();
    indexes.map(move |partition| (number, partition.partition_index))
}

async fn look_up(
    access: &Access,
    version: i16,
    request: ListOffsetsTopic,
    (number, mentions): (usize, &mut Mentions<Named>),
) -> ListOffsetsTopicResponse {
    let name = TopicRef::Name(&request.name);
    let topic = access
        .topic_to_listen(name)
        .map_err(|error| codes::access(error, name));
    let mut partitions = Vec::with_capacity(request.partitions.len());
    for wanted in &request.partitions {
        let index = wanted.partition_index;
        let partition = match (mentions.of(&(number, index)), &topic) {
            (Mention::Again, _) => continue,
            (Mention::First, _) => Err(ErrorCode::InvalidRequest),
            (Mention::Only, Ok(topic)) => topic
                .partition(PartitionIndex(index))
                .ok_or(ErrorCode::UnknownTopicOrPartition),
            (Mention::Only, Err(error)) => Err(*error),
        };
        let found = match partition {
            Ok(partition) => find(&partition, version, wanted).await,
            Err(error) => Err(error),
        };
        partitions.push(answer(version, index, found));
    }
    ListOffsetsTopicResponse::default()
        .with_name(request.name)
        .with_partitions(partitions)
}

async fn find(
    partition: &ListenPartition,
    version: i16,
    wanted: &ListOffsetsPartition,
) -> Result<Option<OffsetAt>, ErrorCode> {
    let query = query(version, wanted.timestamp)?;
    partition
        .check_epoch(LeaderEpoch(wanted.current_leader_epoch))
        .map_err(codes::epoch)?;
    partition.offset(query).await.map_err(codes::offset)
}

/// What a timestamp means; each special value has come with a version.
fn query(version: i16, timestamp: i64) -> Result<OffsetQuery, ErrorCode> {
    let (query, since) = match timestamp {
        -1 => (OffsetQuery::Latest, 0),
        -2 => (OffsetQuery::Earliest, 0),
        -3 => (OffsetQuery::MaxTimestamp, 7),
        -4 => (OffsetQuery::Earliest, 8),
        -5 => (OffsetQuery::LatestTiered, 9),
        -6 => (OffsetQuery::EarliestPendingUpload, 11),
        0.. => (OffsetQuery::At(Timestamp(timestamp)), 0),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if version < since {
        return Err(ErrorCode::UnsupportedVersion);
    }
    Ok(query)
}

/// From this version on the reply names the epoch of the offset.
const EPOCH_FROM: i16 = 4;

fn answer(
    version: i16,
    index: i32,
    found: Result<Option<OffsetAt>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    // The defaults say -1 for offset, timestamp and epoch.
    let entry = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(Some(at)) => {
            let entry = entry
                .with_offset(at.offset.0)
                .with_timestamp(at.timestamp.0);
            if version < EPOCH_FROM {
                return entry;
            }
            entry.with_leader_epoch(at.leader_epoch.0)
        }
        Ok(None) => entry,
        Err(error) => entry.with_error_code(error.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_times_are_known_from_their_version_on() {
        let cases = [(-1, 0), (-2, 0), (-3, 7), (-4, 8), (-5, 9), (-6, 11)];
        for (timestamp, since) in cases {
            assert!(query(since, timestamp).is_ok(), "{timestamp}");
            if since > 0 {
                let before = query(since - 1, timestamp);
                assert_eq!(before, Err(ErrorCode::UnsupportedVersion), "{timestamp}");
            }
        }
        assert_eq!(query(11, -7), Err(ErrorCode::UnsupportedVersion));
        assert_eq!(query(1, 0), Ok(OffsetQuery::At(Timestamp(0))));
    }
}
