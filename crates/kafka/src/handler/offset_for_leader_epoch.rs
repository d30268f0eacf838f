//! OffsetForLeaderEpoch (23): where an epoch ended, so that a client finds where its log parts.
//!
//! | Card | |
//! |---|---|
//! | Versions | 2 to 4 |
//! | Behaviour | The end of the largest epoch not above the one asked for; -1 and -1 where nothing is known. The client's current epoch is checked first (FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH) |
//! | Differs | Needs Listen, where Kafka asks for Describe |
//! | Skipped | Followers: the replica id of version 3 makes no difference |

use hub::access::TopicRef;
use kafka_protocol::messages::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
    offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
};
use model::{LeaderEpoch, PartitionIndex};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, codes, size};

pub(crate) struct OffsetForLeaderEpoch;

impl Handler for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;

    fn reply_bytes(
        _call: &Call<'_>,
        request: &OffsetForLeaderEpochRequest,
        enough: usize,
    ) -> usize {
        let each = size::entry::<EpochEndOffset>(60);
        let topic = |topic: &OffsetForLeaderTopic| {
            let own = size::entry::<OffsetForLeaderTopicResult>(60);
            own + size::text(topic.topic.len()) + topic.partitions.len() * each
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(
        call: &Call<'_>,
        request: OffsetForLeaderEpochRequest,
    ) -> Answer<OffsetForLeaderEpochResponse> {
        let topics = request.topics.into_iter().map(|topic| look_up(call, topic));
        Answer::ready(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
    }
}

fn look_up(call: &Call<'_>, request: OffsetForLeaderTopic) -> OffsetForLeaderTopicResult {
    let name = TopicRef::Name(&request.topic);
    let topic = call.access.topic_to_listen(name);
    let end_of = |wanted: &OffsetForLeaderPartition| {
        let topic = topic
            .as_ref()
            .map_err(|error| codes::access(*error, name))?;
        let partition = topic
            .partition(PartitionIndex(wanted.partition))
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        partition
            .check_epoch(LeaderEpoch(wanted.current_leader_epoch))
            .map_err(codes::epoch)?;
        Ok(partition.epoch_end(LeaderEpoch(wanted.leader_epoch)))
    };
    let ends = request.partitions.iter().map(|wanted| {
        let entry = EpochEndOffset::default().with_partition(wanted.partition);
        match end_of(wanted) {
            Ok(end) => entry
                .with_leader_epoch(end.epoch.0)
                .with_end_offset(end.end_offset.0),
            Err(error) => {
                let error: ErrorCode = error;
                entry.with_error_code(error.code())
            }
        }
    });
    let partitions = ends.collect();
    OffsetForLeaderTopicResult::default()
        .with_topic(request.topic)
        .with_partitions(partitions)
}
