//! Reading: one fetch over some partitions of one topic, decoded into records.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{
    BrokerId, FetchRequest,
    fetch_request::{FetchPartition, FetchTopic},
};
use model::{
    Offset,
    batch::{
        self, BATCH_HEADER_BYTES, BatchError, BatchHeader, Record, Records, TimestampType,
        compression::{DecompressError, decompress},
    },
};
use thiserror::Error;

use crate::{BrokerError, CallError, Client, client::topic_name};

/// The newest version that names topics; later ones want their ids.
const NEWEST_BY_NAME: i16 = 12;
/// What one batch may unpack to.
const UNPACKED_BYTES_MAX: usize = 256 << 20;

/// From where to read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFrom {
    pub partition: i32,
    pub offset: i64,
}

/// How much to read, and how long to wait for it.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    pub wait: Duration,
    pub bytes_min: i32,
    pub bytes_max: i32,
    pub partition_bytes_max: i32,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            wait: Duration::from_millis(500),
            bytes_min: 1,
            bytes_max: 50 << 20,
            partition_bytes_max: 1 << 20,
        }
    }
}

/// What one partition had.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    pub partition: i32,
    pub error: Option<BrokerError>,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub records: Vec<ConsumedRecord>,
    /// Where to read on.
    pub next_offset: i64,
    /// Why nothing could be read there, behind `records`: bytes that are no records.
    pub damage: Option<RecordsError>,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    pub partition: i32,
    pub offset: i64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// Why fetched bytes are no records.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordsError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Decompress(#[from] DecompressError),
}

impl FetchedPartition {
    /// What is wrong with the partition, for a caller who has taken its records.
    #[must_use]
    pub fn trouble(&self, topic: &str) -> Option<CallError> {
        let subject = format!("{topic}[{}]", self.partition);
        if let Some(error) = self.error.clone() {
            return Some(CallError::Broker { subject, error });
        }
        self.damage.clone().map(|error| CallError::Records {
            subject: format!("{subject} at {}", self.next_offset),
            error,
        })
    }
}

impl Client {
    /// Reads from some partitions of a topic; waits as the limits say when there is nothing.
    ///
    /// # Errors
    /// No answer; a partition's own error, and bytes that are no records, stand in its result.
    pub async fn fetch(
        &mut self,
        topic: &str,
        from: &[FetchFrom],
        limits: FetchLimits,
    ) -> Result<Vec<FetchedPartition>, CallError> {
        let partition = |from: &FetchFrom| {
            FetchPartition::default()
                .with_partition(from.partition)
                .with_current_leader_epoch(-1)
                .with_fetch_offset(from.offset)
                .with_last_fetched_epoch(-1)
                .with_log_start_offset(-1)
                .with_partition_max_bytes(limits.partition_bytes_max)
        };
        let wait = i32::try_from(limits.wait.as_millis()).unwrap_or(i32::MAX);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(wait)
            .with_min_bytes(limits.bytes_min)
            .with_max_bytes(limits.bytes_max)
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![
                FetchTopic::default()
                    .with_topic(topic_name(topic))
                    .with_partitions(from.iter().map(partition).collect()),
            ]);
        let answer = self
            .connection()
            .call(&request, NEWEST_BY_NAME, limits.wait)
            .await?;
        CallError::check(|| topic.to_owned(), answer.error_code, None)?;
        let mut fetched = Vec::new();
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            let asked = from
                .iter()
                .find(|from| from.partition == data.partition_index);
            let Some(asked) = asked else { continue };
            let mut result = FetchedPartition {
                partition: data.partition_index,
                error: BrokerError::check(data.error_code, None).err(),
                high_watermark: data.high_watermark,
                log_start_offset: data.log_start_offset,
                records: Vec::new(),
                next_offset: asked.offset,
                damage: None,
            };
            let bytes = data.records.clone().unwrap_or_default();
            result.damage = read_batches(bytes, &mut result).err();
            fetched.push(result);
        }
        Ok(fetched)
    }
}

/// Decodes whole batches; the last may be cut by the byte limit and is read again next time.
fn read_batches(bytes: Bytes, result: &mut FetchedPartition) -> Result<(), RecordsError> {
    for (header, batch) in batch::split(bytes) {
        let next = header.next_offset().0;
        if next <= result.next_offset {
            continue;
        }
        if !header.attributes.is_control() {
            let block = batch.slice(BATCH_HEADER_BYTES.min(batch.len())..);
            read_records(&header, block, result)?;
        }
        result.next_offset = next;
    }
    Ok(())
}

fn read_records(
    header: &BatchHeader,
    block: Bytes,
    result: &mut FetchedPartition,
) -> Result<(), RecordsError> {
    let codec = header.attributes.compression()?;
    let unpacked: Bytes = match codec {
        batch::Compression::None => block,
        _ => decompress(codec, &block, UNPACKED_BYTES_MAX)?.into(),
    };
    for record in Records::new(&unpacked) {
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        if offset < Offset(result.next_offset) {
            continue;
        }
        result.records.push(ConsumedRecord {
            partition: result.partition,
            offset: offset.0,
            timestamp: timestamp(header, &record),
            key: record.key.map(|key| unpacked.slice_ref(key)),
            value: record.value.map(|value| unpacked.slice_ref(value)),
            headers: record
                .headers()
                .map(|header| {
                    let name = String::from_utf8_lossy(header.key).into_owned();
                    (name, header.value.map(|value| unpacked.slice_ref(value)))
                })
                .collect(),
        });
        result.next_offset = offset.0.saturating_add(1);
    }
    Ok(())
}

fn timestamp(header: &BatchHeader, record: &Record<'_>) -> i64 {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => header
            .base_timestamp
            .0
            .saturating_add(record.timestamp_delta),
        TimestampType::LogAppendTime => header.max_timestamp.0,
    }
}

#[cfg(test)]
mod tests {
    use model::{
        LeaderEpoch, Timestamp,
        batch::{Batch, BatchBuilder, NewRecord},
    };

    use super::*;

    fn stamped(base: i64, values: &[&str]) -> Bytes {
        let mut builder = BatchBuilder::default();
        for value in values {
            builder.push(NewRecord {
                timestamp: Timestamp(1000),
                key: None,
                value: Some(value.as_bytes()),
                headers: &[("h", None)],
            });
        }
        let batch = Batch::check(builder.build()).unwrap();
        batch.stamp(Offset(base), LeaderEpoch(0)).to_bytes()
    }

    fn read(bytes: Vec<u8>, from: i64) -> FetchedPartition {
        let mut result = FetchedPartition {
            partition: 3,
            error: None,
            high_watermark: 0,
            log_start_offset: 0,
            records: Vec::new(),
            next_offset: from,
            damage: None,
        };
        result.damage = read_batches(bytes.into(), &mut result).err();
        result
    }

    #[test]
    fn records_before_the_asked_offset_are_left_out() {
        let mut bytes = stamped(10, &["a", "b", "c"]).to_vec();
        bytes.extend_from_slice(&stamped(13, &["d"]));
        let result = read(bytes, 11);
        let offsets: Vec<i64> = result.records.iter().map(|record| record.offset).collect();
        assert_eq!(offsets, [11, 12, 13]);
        assert_eq!(result.next_offset, 14);
        assert_eq!(result.records[0].headers, [("h".to_owned(), None)]);
    }

    #[test]
    fn a_damaged_batch_costs_none_of_the_records_before_it() {
        let mut bytes = stamped(0, &["a", "b"]).to_vec();
        let mut damaged = stamped(2, &["c"]).to_vec();
        // Gzip, by its attributes; the records behind them are not.
        damaged[22] = 1;
        bytes.extend_from_slice(&damaged);
        let result = read(bytes, 0);
        assert_eq!(result.records.len(), 2);
        assert_eq!(result.next_offset, 2);
        let trouble = result.trouble("orders").unwrap().to_string();
        assert!(trouble.starts_with("orders[3] at 2: "), "{trouble}");
    }

    #[test]
    fn a_cut_batch_is_left_for_the_next_fetch() {
        let mut bytes = stamped(0, &["a"]).to_vec();
        bytes.extend_from_slice(&stamped(1, &["b"])[..30]);
        let result = read(bytes, 0);
        assert_eq!(result.records.len(), 1);
        assert_eq!(result.next_offset, 1);
    }
}
