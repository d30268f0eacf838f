//! DeleteRecords (21): delete the records before an offset.
//!
//! | Card | |
//! |---|---|
//! | Versions | 0 to 2 |
//! | Behaviour | Of a partition's several mentions the last counts. Offset -1 means the high watermark; needs Manage (KIP-107) |
//! | Differs | Nothing |
//! | Skipped | The timeout: it takes one commit |

use std::collections::{BTreeMap, HashMap};

use hub::{Access, admin::DeleteRecordsError};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
};
use model::{Offset, PartitionIndex};
use wire::error_code::ErrorCode;

use super::{Answer, Call, Handler, configs::delete_records_code, size};

/// What a request says for the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// What a reply says where nothing was deleted.
const NO_LOW_WATERMARK: i64 = -1;

pub(crate) struct DeleteRecords;

impl Handler for DeleteRecords {
    type Request = DeleteRecordsRequest;

    fn reply_bytes(_call: &Call<'_>, request: &DeleteRecordsRequest, enough: usize) -> usize {
        let each = size::entry::<DeleteRecordsPartitionResult>(160);
        let topic = |topic: &DeleteRecordsTopic| {
            let own = size::entry::<DeleteRecordsTopicResult>(160);
            own + size::text(topic.name.len()) + topic.partitions.len() * each
        };
        size::sum(request.topics.iter().map(topic), enough)
    }

    fn handle(call: &Call<'_>, request: DeleteRecordsRequest) -> Answer<DeleteRecordsResponse> {
        let access = call.access.clone();
        Answer::later(async move {
            let mut topics = Vec::with_capacity(request.topics.len());
            for topic in each_once(request.topics) {
                topics.push(delete_from(&access, topic).await);
            }
            DeleteRecordsResponse::default().with_topics(topics)
        })
    }
}

/// Each partition once, with the offset of its last mention, as Kafka reads them.
fn each_once(named: Vec<DeleteRecordsTopic>) -> Vec<DeleteRecordsTopic> {
    let mut places = HashMap::new();
    let mut once: Vec<DeleteRecordsTopic> = Vec::with_capacity(named.len());
    for topic in named {
        let place = *places.entry(topic.name.clone()).or_insert(once.len());
        match once.get_mut(place) {
            Some(first) => first.partitions.extend(topic.partitions),
            None => once.push(topic),
        }
    }
    for topic in &mut once {
        let wishes = std::mem::take(&mut topic.partitions).into_iter();
        let last: BTreeMap<i32, DeleteRecordsPartition> =
            wishes.map(|wish| (wish.partition_index, wish)).collect();
        topic.partitions = last.into_values().collect();
    }
    once
}

async fn delete_from(access: &Access, topic: DeleteRecordsTopic) -> DeleteRecordsTopicResult {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for asked in &topic.partitions {
        let (low, code) = match delete(access, topic.name.0.as_str(), asked).await {
            Ok(low) => (low.0, ErrorCode::None),
            Err(error) => (NO_LOW_WATERMARK, delete_records_code(error)),
        };
        partitions.push(
            DeleteRecordsPartitionResult::default()
                .with_partition_index(asked.partition_index)
                .with_low_watermark(low)
                .with_error_code(code.code()),
        );
    }
    DeleteRecordsTopicResult::default()
        .with_name(topic.name)
        .with_partitions(partitions)
}

async fn delete(
    access: &Access,
    topic: &str,
    asked: &DeleteRecordsPartition,
) -> Result<Offset, DeleteRecordsError> {
    let before = match asked.offset {
        HIGH_WATERMARK => None,
        offset if offset < 0 => return Err(DeleteRecordsError::OffsetOutOfRange),
        offset => Some(Offset(offset)),
    };
    access
        .delete_records(topic, PartitionIndex(asked.partition_index), before)
        .await
}
