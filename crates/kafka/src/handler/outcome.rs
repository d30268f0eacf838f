//! How a request counts in the metrics: by the gravest of its reply's error codes, wherever the
//! message holds them. The spine asks this for every reply that is a message, so no handler counts
//! for itself; replies that are bytes already, or none, bring their own count along.

use std::iter::once;

use hub::observe::RequestResult;
use kafka_protocol::messages as m;
use wire::error_code::ErrorCode;

/// A reply that can be asked for every error code in it.
pub(crate) trait ErrorCodes {
    fn error_codes(&self) -> impl Iterator<Item = i16>;
}

/// How a reply counts.
pub(crate) fn of_reply(reply: &impl ErrorCodes) -> RequestResult {
    of_codes(reply.error_codes())
}

/// How a reply with these codes counts.
pub(crate) fn of_codes(codes: impl Iterator<Item = i16>) -> RequestResult {
    let results = codes.map(of_code);
    results
        .max_by_key(|result| gravity(*result))
        .unwrap_or(RequestResult::Success)
}

const fn gravity(result: RequestResult) -> u8 {
    match result {
        RequestResult::Success | RequestResult::Throttled => 0,
        RequestResult::UserError => 1,
        RequestResult::QuotaExceeded => 2,
        RequestResult::ServerError => 3,
    }
}

fn of_code(code: i16) -> RequestResult {
    match ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError) {
        // A step of a healthy group's life, told by a code.
        ErrorCode::None | ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress => {
            RequestResult::Success
        }
        ErrorCode::PolicyViolation => RequestResult::QuotaExceeded,
        ErrorCode::UnknownServerError
        | ErrorCode::KafkaStorageError
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotController
        | ErrorCode::NotLeaderOrFollower
        | ErrorCode::RequestTimedOut => RequestResult::ServerError,
        // Whatever else Kafka has a number for is about what the client sent.
        _ => RequestResult::UserError,
    }
}

macro_rules! error_codes {
    ($($message:ty: |$reply:ident| $codes:expr;)*) => {$(
        impl ErrorCodes for $message {
            fn error_codes(&self) -> impl Iterator<Item = i16> {
                let $reply = self;
                $codes
            }
        }
    )*};
}

// The reply as a whole.
error_codes! {
    m::ApiVersionsResponse: |reply| once(reply.error_code);
    m::DescribeClusterResponse: |reply| once(reply.error_code);
    m::HeartbeatResponse: |reply| once(reply.error_code);
    m::InitProducerIdResponse: |reply| once(reply.error_code);
    m::JoinGroupResponse: |reply| once(reply.error_code);
    m::ListConfigResourcesResponse: |reply| once(reply.error_code);
    m::ListGroupsResponse: |reply| once(reply.error_code);
    m::ListPartitionReassignmentsResponse: |reply| once(reply.error_code);
    m::SaslAuthenticateResponse: |reply| once(reply.error_code);
    m::SaslHandshakeResponse: |reply| once(reply.error_code);
    m::SyncGroupResponse: |reply| once(reply.error_code);
}

// Each thing that was asked about.
error_codes! {
    m::AlterConfigsResponse: |reply| reply.responses.iter().map(|each| each.error_code);
    m::CreatePartitionsResponse: |reply| reply.results.iter().map(|each| each.error_code);
    m::CreateTopicsResponse: |reply| reply.topics.iter().map(|each| each.error_code);
    m::DeleteGroupsResponse: |reply| reply.results.iter().map(|each| each.error_code);
    m::DeleteTopicsResponse: |reply| reply.responses.iter().map(|each| each.error_code);
    m::DescribeConfigsResponse: |reply| reply.results.iter().map(|each| each.error_code);
    m::DescribeGroupsResponse: |reply| reply.groups.iter().map(|each| each.error_code);
    m::DescribeTopicPartitionsResponse: |reply| reply.topics.iter().map(|each| each.error_code);
    m::IncrementalAlterConfigsResponse: |reply| reply.responses.iter().map(|each| each.error_code);
    m::MetadataResponse: |reply| reply.topics.iter().map(|each| each.error_code);
}

// Each partition.
error_codes! {
    m::DeleteRecordsResponse: |reply| {
        let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|each| each.error_code)
    };
    m::ListOffsetsResponse: |reply| {
        let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|each| each.error_code)
    };
    m::OffsetCommitResponse: |reply| {
        let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|each| each.error_code)
    };
    m::OffsetForLeaderEpochResponse: |reply| {
        let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|each| each.error_code)
    };
    m::ProduceResponse: |reply| {
        let partitions = reply.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.map(|each| each.error_code)
    };
}

// The reply as a whole, and each thing that was asked about.
error_codes! {
    m::DescribeLogDirsResponse: |reply| {
        once(reply.error_code).chain(reply.results.iter().map(|each| each.error_code))
    };
    m::FetchResponse: |reply| {
        let partitions = reply.responses.iter().flat_map(|topic| &topic.partitions);
        once(reply.error_code).chain(partitions.map(|each| each.error_code))
    };
    m::FindCoordinatorResponse: |reply| {
        once(reply.error_code).chain(reply.coordinators.iter().map(|each| each.error_code))
    };
    m::LeaveGroupResponse: |reply| {
        once(reply.error_code).chain(reply.members.iter().map(|each| each.error_code))
    };
    m::OffsetDeleteResponse: |reply| {
        let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
        once(reply.error_code).chain(partitions.map(|each| each.error_code))
    };
    m::OffsetFetchResponse: |reply| {
        let old = reply.topics.iter().flat_map(|topic| &topic.partitions);
        let topics = reply.groups.iter().flat_map(|group| &group.topics);
        let new = topics.flat_map(|topic| &topic.partitions);
        once(reply.error_code)
            .chain(old.map(|each| each.error_code))
            .chain(reply.groups.iter().map(|group| group.error_code))
            .chain(new.map(|each| each.error_code))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_code_counts_wherever_it_stands() {
        let ours = ErrorCode::KafkaStorageError.code();
        let theirs = ErrorCode::UnknownTopicOrPartition.code();
        let quota = ErrorCode::PolicyViolation.code();
        for (codes, expected) in [
            (&[][..], RequestResult::Success),
            (&[0, 0], RequestResult::Success),
            (&[0, theirs, 0], RequestResult::UserError),
            (&[quota, theirs], RequestResult::QuotaExceeded),
            (&[theirs, ours, quota], RequestResult::ServerError),
            (&[i16::MAX], RequestResult::ServerError),
            (
                &[ErrorCode::RebalanceInProgress.code()],
                RequestResult::Success,
            ),
        ] {
            assert_eq!(of_codes(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
