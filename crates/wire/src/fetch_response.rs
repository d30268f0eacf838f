//! Our own encoder of the Fetch response, versions 4 to 18: a skeleton of small pieces with the
//! records between them as slices, so that payload is never copied on its way to the socket.
//!
//! ```text
//! chunk 0   throttle, error, session | topic | partition | length of records
//! chunk 1   records of the first partition, as they were stored
//! chunk 2   end of that partition (tags) | next partition ... | length of records
//! ...
//! chunk n   end of the last partition, topic and response
//! ```

use bytes::{BufMut, BytesMut};
use kafka_protocol::protocol::StrBytes;
use model::{Piece, TopicId};

use crate::api::ApiKey;
use crate::error_code::ErrorCode;
use crate::frame::ResponseFrame;
use crate::put;

/// A Fetch response. Fields that a version does not have are left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchResponse {
    pub throttle_time_ms: i32,
    pub error: ErrorCode,
    pub session_id: i32,
    pub topics: Vec<FetchedTopic>,
    /// Where the leaders named by the partitions are found; from version 16.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The partitions of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedTopic {
    /// Said up to version 12.
    pub name: StrBytes,
    /// Said from version 13.
    pub id: TopicId,
    pub partitions: Vec<FetchedPartition>,
}

/// What was read from one partition, or why nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedPartition {
    pub index: i32,
    pub error: ErrorCode,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// Where the client's log parts from ours; from version 12.
    pub diverging_epoch: Option<EpochEnd>,
    /// Who leads the partition, said with an error; from version 12.
    pub current_leader: Option<LeaderEpoch>,
    /// Null unless the client reads committed records only.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// -1 for none.
    pub preferred_read_replica: i32,
    /// Whole batches, one after the other. None at all is written as an empty record set, never
    /// as null: that is what Kafka does, and what clients expect.
    pub records: Vec<Piece>,
}

/// The last epoch that client and server share, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    pub epoch: i32,
    pub end_offset: i64,
}

/// A leader and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderEpoch {
    pub leader_id: i32,
    pub leader_epoch: i32,
}

/// A transaction whose records a reader of committed records skips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

/// The address of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    pub node_id: i32,
    pub host: StrBytes,
    pub port: i32,
    pub rack: Option<StrBytes>,
}

impl FetchedPartition {
    /// A partition of which nothing is known yet: no error, unknown offsets, no records.
    #[must_use]
    pub fn new(index: i32) -> Self {
        Self {
            index,
            error: ErrorCode::None,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: Vec::new(),
        }
    }

    fn record_bytes(&self) -> usize {
        self.records.iter().map(Piece::len).sum()
    }
}

impl FetchResponse {
    /// The whole frame: length, header, and the body with its records uncopied.
    #[must_use]
    pub fn into_frame(self, version: i16, correlation_id: i32) -> ResponseFrame {
        let body = self.into_body(version);
        ResponseFrame::new(ApiKey::Fetch, version, correlation_id, body)
    }

    /// Room for everything but records and endpoints, so that cutting the skeleton at every
    /// record set never allocates.
    fn skeleton_bytes_max(&self) -> usize {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let aborted = partition.aborted_transactions.as_ref().map_or(0, Vec::len);
                PARTITION_BYTES_MAX + aborted * ABORTED_BYTES_MAX
            });
            TOPIC_BYTES_MAX + topic.name.len() + partitions.sum::<usize>()
        });
        RESPONSE_BYTES_MAX + topics.sum::<usize>()
    }

    /// The body as a list of chunks.
    #[must_use]
    pub fn into_body(self, version: i16) -> Vec<Piece> {
        let mut body = Skeleton::new(version, self.skeleton_bytes_max());
        body.head.put_i32(self.throttle_time_ms);
        if version >= 7 {
            body.head.put_i16(self.error.code());
            body.head.put_i32(self.session_id);
        }
        put::length(&mut body.head, body.flexible, self.topics.len());
        for topic in self.topics {
            body.topic(topic);
        }
        body.node_endpoints(&self.node_endpoints);
        body.finish()
    }
}

/// Upper bounds of what the parts of a skeleton take in any version.
const RESPONSE_BYTES_MAX: usize = 24;
const TOPIC_BYTES_MAX: usize = 24;
const PARTITION_BYTES_MAX: usize = 80;
const ABORTED_BYTES_MAX: usize = 17;

/// First version with compact forms and tagged fields.
const FLEXIBLE_VERSION: i16 = 12;
/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;
/// First version with the leaders' addresses.
const ENDPOINTS_VERSION: i16 = 16;

/// The chunks written so far, and the open end that grows until the next records.
struct Skeleton {
    version: i16,
    flexible: bool,
    chunks: Vec<Piece>,
    head: BytesMut,
}

impl Skeleton {
    fn new(version: i16, bytes_max: usize) -> Self {
        let flexible = version >= FLEXIBLE_VERSION;
        let head = BytesMut::with_capacity(bytes_max);
        Self {
            version,
            flexible,
            chunks: Vec::new(),
            head,
        }
    }

    fn topic(&mut self, topic: FetchedTopic) {
        if self.version >= TOPIC_ID_VERSION {
            self.head.put_u128(topic.id.0);
        } else {
            put::text(&mut self.head, self.flexible, &topic.name);
        }
        put::length(&mut self.head, self.flexible, topic.partitions.len());
        for partition in topic.partitions {
            self.partition(partition);
        }
        self.no_tags();
    }

    fn partition(&mut self, partition: FetchedPartition) {
        let record_bytes = partition.record_bytes();
        self.head.put_i32(partition.index);
        self.head.put_i16(partition.error.code());
        self.head.put_i64(partition.high_watermark);
        self.head.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.head.put_i64(partition.log_start_offset);
        }
        self.aborted(partition.aborted_transactions.as_deref());
        if self.version >= 11 {
            self.head.put_i32(partition.preferred_read_replica);
        }
        put::length(&mut self.head, self.flexible, record_bytes);
        if record_bytes > 0 {
            self.chunks.push(self.head.split().freeze().into());
            self.chunks.extend(
                partition
                    .records
                    .into_iter()
                    .filter(|part| !part.is_empty()),
            );
        }
        self.partition_tags(partition.diverging_epoch, partition.current_leader);
    }

    fn aborted(&mut self, aborted: Option<&[AbortedTransaction]>) {
        let Some(aborted) = aborted else {
            put::null_length(&mut self.head, self.flexible);
            return;
        };
        put::length(&mut self.head, self.flexible, aborted.len());
        for transaction in aborted {
            self.head.put_i64(transaction.producer_id);
            self.head.put_i64(transaction.first_offset);
            self.no_tags();
        }
    }

    /// Tag 0 is the diverging epoch (12 bytes), tag 1 the leader (8 bytes); both end with their
    /// own empty list of tags.
    fn partition_tags(&mut self, diverging: Option<EpochEnd>, leader: Option<LeaderEpoch>) {
        if !self.flexible {
            return;
        }
        self.head
            .put_u8(u8::from(diverging.is_some()) + u8::from(leader.is_some()));
        if let Some(diverging) = diverging {
            self.head.put_slice(&[0, 13]);
            self.head.put_i32(diverging.epoch);
            self.head.put_i64(diverging.end_offset);
            self.no_tags();
        }
        if let Some(leader) = leader {
            self.head.put_slice(&[1, 9]);
            self.head.put_i32(leader.leader_id);
            self.head.put_i32(leader.leader_epoch);
            self.no_tags();
        }
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) {
        if self.version < ENDPOINTS_VERSION || endpoints.is_empty() {
            self.no_tags();
            return;
        }
        let mut field = BytesMut::new();
        put::length(&mut field, true, endpoints.len());
        for endpoint in endpoints {
            field.put_i32(endpoint.node_id);
            put::text(&mut field, true, &endpoint.host);
            field.put_i32(endpoint.port);
            put::optional_text(&mut field, true, endpoint.rack.as_deref());
            field.put_u8(0);
        }
        // One tagged field, number 0.
        self.head.put_slice(&[1, 0]);
        put::tagged_bytes(&mut self.head, &field);
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.head.put_u8(0);
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.head.is_empty() {
            self.chunks.push(self.head.freeze().into());
        }
        self.chunks
    }
}
