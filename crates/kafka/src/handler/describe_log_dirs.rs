//! DescribeLogDirs (35): how the disk is used.
//!
//! | Card | |
//! |---|---|
//! | Versions | 1 to 5 |
//! | Behaviour | One directory, with the partitions that the caller may describe; total and usable bytes from version 4 (KIP-827), `is_cordoned` (5, KIP-1066) is always false |
//! | Differs | Needs Listen, where Kafka asks for Describe. The directory has a label, not its path |
//! | Skipped | Future replicas: there are none |

use std::collections::BTreeMap;

use hub::admin::LogDir;
use kafka_protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
    describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
    },
};
use model::TopicName;
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, groups, words};

/// From this version the reply has an error of its own.
const ERROR_FROM: i16 = 3;

pub(crate) struct DescribeLogDirs;

impl Handler for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;

    fn handle(call: &Call<'_>, request: DescribeLogDirsRequest) -> Answer<DescribeLogDirsResponse> {
        let response = DescribeLogDirsResponse::default();
        Answer::ready(match call.access.log_dir() {
            Ok(dir) => response.with_results(vec![result(&dir, &request)]),
            Err(_) if call.version < ERROR_FROM => response,
            Err(_) => response.with_error_code(ErrorCode::ClusterAuthorizationFailed.code()),
        })
    }
}

fn result(dir: &LogDir, request: &DescribeLogDirsRequest) -> DescribeLogDirsResult {
    let wanted = |topic: &TopicName, partition: i32| {
        request.topics.as_ref().is_none_or(|topics| {
            topics.iter().any(|asked| {
                asked.topic.0.as_str() == topic.as_str() && asked.partitions.contains(&partition)
            })
        })
    };
    let mut topics: BTreeMap<&TopicName, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for share in &dir.partitions {
        if wanted(&share.topic, share.partition.0) {
            topics.entry(&share.topic).or_default().push(
                DescribeLogDirsPartition::default()
                    .with_partition_index(share.partition.0)
                    .with_partition_size(signed(share.size_bytes)),
            );
        }
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
