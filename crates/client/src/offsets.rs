//! Offsets by time, and the two ends of a partition.

use kafka_protocol::messages::{
    BrokerId, ListOffsetsRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};

use crate::{BrokerError, CallError, Client, client::topic_name};

/// What to look for in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampSpec {
    Earliest,
    Latest,
    /// The first record at or after this time, in milliseconds since the Unix epoch.
    At(i64),
}

impl TimestampSpec {
    const fn on_the_wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::At(timestamp) => timestamp,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetAtTime {
    pub partition: i32,
    pub error: Option<BrokerError>,
    /// `None` when no record is that young.
    pub offset: Option<i64>,
}

impl Client {
    /// Looks up one offset in each of some partitions of a topic.
    ///
    /// # Errors
    /// No answer; a partition's own error stands in its result.
    pub async fn list_offsets(
        &mut self,
        topic: &str,
        partitions: &[i32],
        at: TimestampSpec,
    ) -> Result<Vec<OffsetAtTime>, CallError> {
        let partition = |index: &i32| {
            ListOffsetsPartition::default()
                .with_partition_index(*index)
                .with_current_leader_epoch(-1)
                .with_timestamp(at.on_the_wire())
        };
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_timeout_ms(self.timeout_ms())
            .with_topics(vec![
                ListOffsetsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(partitions.iter().map(partition).collect()),
            ]);
        let answer = self.call(&request).await?;
        let found = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let mut offsets: Vec<_> = found
            .map(|found| OffsetAtTime {
                partition: found.partition_index,
                error: BrokerError::check(found.error_code, None).err(),
                offset: (found.offset >= 0).then_some(found.offset),
            })
            .collect();
        offsets.sort_by_key(|found| found.partition);
        Ok(offsets)
    }
}
