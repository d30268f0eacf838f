//! DescribeLogDirs (35): how the disk is used.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 5 |
//! | Behaviour | One directory, with the partitions that the caller may describe; total and usable bytes from version 4 (KIP-827), `is_cordoned` (5, KIP-1066) is always false |
//! | Differs | Needs Listen, where Kafka asks for Describe. The directory has a label, not its path |
//! | Skipped | Future replicas: there are none |

use std::collections::{BTreeMap, BTreeSet, HashSet};

use hub::{
    access::TopicRef,
    admin::{LogDir, LogDirScope},
};
use kafka_protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
    describe_log_dirs_request::DescribableLogDirTopic,
    describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
    },
};
use model::TopicName;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, TooLarge, groups, size, words};

/// From this version the reply has an error of its own.
const ERROR_FROM: i16 = 3;

/// What finding and answering one partition take beside its entry.
const PARTITION_BYTES: usize = 160;
/// What a place in the list of what is asked for takes.
const WISH_BYTES: usize = 16;
/// The same of a topic.
const TOPIC_BYTES: usize = 500;

pub(crate) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;

    fn reply_bytes(call: &Call<'_>, request: &DescribeLogDirsRequest, enough: usize) -> usize {
        let each = size::entry::<DescribeLogDirsPartition>(PARTITION_BYTES);
        let topic = |name: usize, partitions: usize| {
            TOPIC_BYTES + size::text(name) + partitions.saturating_mul(each)
        };
        if let Some(topics) = &request.topics {
            let mut seen = HashSet::new();
            let asked = topics.iter().map(|asked| {
                let name = asked.topic.as_str();
                let wished = asked.partitions.len();
                let present = match call.access.topic_to_describe(TopicRef::Name(name)) {
                    Ok(view) if seen.insert(view.id) => view.partition_count,
                    Ok(_) | Err(_) => 0,
                };
                let present = usize::try_from(present).unwrap_or(0);
                topic(name.len(), present) + wished * WISH_BYTES
            });
            return size::sum(asked, enough);
        }
        let mut sum = size::Sum::new(enough);
        call.access.look_at_topics(&mut |name, partitions| {
            let partitions = usize::try_from(partitions).unwrap_or(0);
            sum.add(topic(name.as_str().len(), partitions))
        });
        sum.bytes()
    }

    fn too_large(
        _request: DescribeLogDirsRequest,
        version: i16,
        _refusal: &TooLarge,
    ) -> Option<DescribeLogDirsResponse> {
        let response = DescribeLogDirsResponse::default();
        (version >= ERROR_FROM).then(|| response.with_error_code(TooLarge::CODE.code()))
    }

    fn handle(call: &Call<'_>, request: DescribeLogDirsRequest) -> Answer<DescribeLogDirsResponse> {
        let response = DescribeLogDirsResponse::default();
        let asked = request.topics.as_deref().map(asked);
        let scope = asked.as_ref().map_or(LogDirScope::All, LogDirScope::These);
        Answer::ready(match call.access.log_dir(scope) {
            Ok(dir) => response.with_results(vec![result(&dir)]),
            Err(_) if call.version < ERROR_FROM => response,
            Err(_) => response.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()),
        })
    }
}

/// Each partition once, however often the request names it.
fn asked(topics: &[DescribableLogDirTopic]) -> BTreeMap<&str, BTreeSet<i32>> {
    let mut asked: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for topic in topics {
        let indexes = asked.entry(topic.topic.as_str()).or_default();
        indexes.extend(&topic.partitions);
    }
    asked
}

fn result(dir: &LogDir) -> DescribeLogDirsResult {
    let mut topics: BTreeMap<&TopicName, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for share in &dir.partitions {
        topics.entry(&share.topic).or_default().push(
            DescribeLogDirsPartition::default()
                .with_partition_index(share.partition.0)
                .with_partition_size(signed(share.size_bytes)),
        );
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        DescribeLogDirsTopic::default()
            .with_name(groups::wire_topic(topic))
            .with_partitions(partitions)
    });
    DescribeLogDirsResult::default()
        .with_log_dir(words::text(&dir.path))
        .with_topics(topics.collect())
        .with_total_bytes(signed(dir.total_bytes))
        .with_usable_bytes(signed(dir.usable_bytes))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
