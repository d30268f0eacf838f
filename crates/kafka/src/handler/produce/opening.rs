//! Looking at a request's batches before any of them takes its place. What takes long is left to the
//! threads for large requests.

use bytes::Bytes;
use hub::SendTopic;
use kafka_protocol::messages::{TopicName as WireName, produce_request::TopicProduceData};
use model::batch::{Batch, BatchError, Compression, compression::DecompressError};
use wire::error_code::ErrorCode;

use super::{Mode, Refusal, TOPIC_IDS_FROM, record_at_fault, reference};
use crate::handler::{Call, codes, words::text};

/// From this version on zstd may be sent (KIP-110).
const ZSTD_FROM: i16 = 7;
/// A request's compressed batches are not opened on the connection's thread if they are more than this:
/// it would take a millisecond and more.
const PACKED_BYTES_MAX: usize = 128 << 10;
/// Nor if what they unpack to is.
const UNPACKED_BYTES_MAX: usize = 2 << 20;

/// A topic's partitions with their batches, before these take their place.
pub(super) struct OpenedTopic {
    /// The request's topic, without its partitions.
    pub(super) topic: TopicProduceData,
    pub(super) partitions: Vec<(i32, Result<Batch, Refusal>)>,
    pub(super) by_id: bool,
    /// None where nothing is to be appended.
    pub(super) destination: Option<SendTopic>,
}

/// All topics of a request; none where it takes too long for the connection's thread.
pub(super) fn open_all(
    call: &Call<'_>,
    topics: Vec<TopicProduceData>,
    mode: &Mode,
) -> Option<Vec<OpenedTopic>> {
    let mut room = Room {
        is_elsewhere: call.is_large,
        packed: PACKED_BYTES_MAX,
        unpacked: UNPACKED_BYTES_MAX,
    };
    let topics = topics.into_iter();
    let opened = topics.map(|topic| open(call, topic, mode, &mut room));
    opened.collect()
}

fn open(
    call: &Call<'_>,
    mut data: TopicProduceData,
    mode: &Mode,
    room: &mut Room,
) -> Option<OpenedTopic> {
    let sent = std::mem::take(&mut data.partition_data);
    let by_id = call.version >= TOPIC_IDS_FROM;
    let named = reference(&data, by_id);
    let topic = call.access.topic_to_send(named);
    let topic = topic.map_err(|error| codes::access(error, named));
    let mut partitions = Vec::with_capacity(sent.len());
    for partition in sent {
        let batch = match (mode, &topic) {
            (Mode::Refuse(error, message), _) => Err(Refusal::new(*error, message)),
            (Mode::Append(_), Err(error)) => Err(Refusal::new(*error, error)),
            (Mode::Append(_), Ok(topic)) => match check(call.version, partition.records) {
                Ok(batch) if topic.looks_inside() => room.open(batch)?,
                checked => checked,
            },
        };
        partitions.push((partition.index, batch));
    }
    // The reply names the topic; as the request has it, the name would keep all of the request.
    data.name = WireName(text(data.name.as_str()));
    Some(OpenedTopic {
        topic: data,
        partitions,
        by_id,
        destination: topic.ok(),
    })
}

/// What the connection's thread may still open of one request.
struct Room {
    /// This is a thread for large requests.
    is_elsewhere: bool,
    packed: usize,
    unpacked: usize,
}

impl Room {
    /// None where there is not enough.
    fn open(&mut self, mut batch: Batch) -> Option<Result<Batch, Refusal>> {
        if batch.contents().is_some() {
            return Some(Ok(batch));
        }
        let max = if self.is_elsewhere {
            usize::MAX
        } else {
            self.packed = self.packed.checked_sub(batch.bytes().len())?;
            self.unpacked
        };
        match batch.open_within(max) {
            Ok(unpacked) => {
                self.unpacked = self.unpacked.saturating_sub(unpacked);
                Some(Ok(batch))
            }
            Err(BatchError::Block(DecompressError::TooLarge { .. })) if !self.is_elsewhere => None,
            Err(error) => Some(Err(refused(&error))),
        }
    }
}

/// Exactly one sound batch, in a codec that the version may send.
fn check(version: i16, records: Option<Bytes>) -> Result<Batch, Refusal> {
    let records = records
        .filter(|records| !records.is_empty())
        .ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidRecord,
                "a partition needs exactly one record batch",
            )
        })?;
    let batch = Batch::check(records).map_err(|error| refused(&error))?;
    let codec = batch.header().attributes.compression();
    if codec == Ok(Compression::Zstd) && version < ZSTD_FROM {
        let message = format!("zstd needs version {ZSTD_FROM} of Produce");
        return Err(Refusal::new(ErrorCode::UnsupportedCompressionType, message));
    }
    Ok(batch)
}

fn refused(error: &BatchError) -> Refusal {
    Refusal {
        records: record_at_fault(error),
        ..Refusal::new(codes::batch(error), error)
    }
}
