//! A Produce request made in advance: each sending patches the few bytes that differ and shares
//! the rest.

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use wire::codec::{decode_request, encode_request};
use wire::frame::{LENGTH_BYTES, RequestFrame};

use crate::outgoing::Outgoing;
use crate::payload::{MARK, STAMP_BYTES};

/// The newest version that names topics by name; every broker of Kafka 2.8's time or later has it.
pub(crate) const PRODUCE_VERSION: i16 = 11;
pub(crate) const CLIENT_ID: &str = "load";

/// Where the correlation id stands: behind length, API key and version.
const CORRELATION_AT: usize = 8;
/// Frames up to here are copied whole into what is sent next: many small requests make one write.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// A rest larger than this has its checksum combined, not computed again.
const COMPUTED_BYTES_MAX: usize = 64 << 10;

const CRC_AT: usize = 17;
const CRC_START: usize = 21;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const SEQUENCE_AT: usize = 53;

/// One prepared request with as many batches as partitions it goes to at once.
#[derive(Debug)]
pub(crate) struct Template {
    frame: Bytes,
    slots: Vec<Slot>,
    /// Records of each batch.
    pub(crate) batch_records: u32,
}

/// Where one batch of the request stands, as positions in the frame.
#[derive(Debug)]
struct Slot {
    index_at: usize,
    batch_at: usize,
    batch_end: usize,
    /// Where the first value's time stands, if it is to be set.
    stamp_at: Option<usize>,
    /// End of all that may be patched.
    patched_end: usize,
    /// Checksum of the batch's bytes behind that.
    rest_crc: u32,
}

/// What differs from one request to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patch<'a> {
    pub(crate) correlation_id: i32,
    /// For each batch its partition and, of an idempotent producer, its first sequence.
    pub(crate) places: &'a [Place],
    pub(crate) producer: Option<Producer>,
    pub(crate) stamp: Option<Stamp>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) sequence: i32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// When the first record was meant to be sent, and how much later each further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) intended_ns: u64,
    pub(crate) stride_ns: u32,
}

impl Template {
    /// A request of `batches` copies of `batch`, to be sent to as many partitions.
    pub(crate) fn new(
        topic: &str,
        acks: i16,
        batch: &Bytes,
        batches: usize,
        stamped: bool,
    ) -> Result<Self> {
        let partition = |index| -> Result<_> {
            Ok(PartitionProduceData::default()
                .with_index(i32::try_from(index)?)
                .with_records(Some(batch.clone())))
        };
        let data = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_partition_data((0..batches).map(partition).collect::<Result<_>>()?);
        let request = ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![data]);
        let frame = encode_request(PRODUCE_VERSION, 0, CLIENT_ID, &request)?;
        let mut template = Self {
            slots: Vec::with_capacity(batches),
            batch_records: u32::try_from(model::batch::BatchHeader::parse(batch)?.records_count)?,
            frame,
        };
        for batch_at in template.batch_positions()? {
            let slot = template.slot(batch_at, batch.len(), stamped)?;
            template.slots.push(slot);
        }
        Ok(template)
    }

    /// Bytes on the wire.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Batches, and so partitions, of one request.
    pub(crate) fn batches(&self) -> usize {
        self.slots.len()
    }

    /// Where the batches begin, told by the broker's own parser: its records are slices of the
    /// frame.
    fn batch_positions(&self) -> Result<Vec<usize>> {
        let body = RequestFrame::parse(self.frame.slice(LENGTH_BYTES..))?.body;
        let request = decode_request::<ProduceRequest>(PRODUCE_VERSION, &body)?;
        let topics = request.topic_data.iter();
        let partitions = topics.flat_map(|topic| &topic.partition_data);
        let records = partitions.map(|partition| partition.records.as_ref());
        records
            .map(|records| {
                let records = records.context("a template has records")?;
                Ok(records.as_ptr().addr() - self.frame.as_ptr().addr())
            })
            .collect()
    }

    fn slot(&self, batch_at: usize, batch_bytes: usize, stamped: bool) -> Result<Slot> {
        let batch_end = batch_at + batch_bytes;
        let batch = self.frame.get(batch_at..batch_end).context("a batch")?;
        let stamp_at = if stamped {
            let mark = batch.windows(MARK.len()).position(|window| window == MARK);
            let mark = mark.context("values are too small, or packed, to carry a time")?;
            Some(batch_at + mark + MARK.len())
        } else {
            None
        };
        let patched_end = match stamp_at {
            Some(stamp_at) => stamp_at + STAMP_BYTES,
            None => batch_at + model::batch::BATCH_HEADER_BYTES,
        };
        let rest = self.frame.get(patched_end..batch_end);
        Ok(Slot {
            index_at: batch_at - compact_length_bytes(batch_bytes) - 4,
            batch_at,
            batch_end,
            stamp_at,
            patched_end,
            rest_crc: crc32c::crc32c(rest.context("a batch is longer than its head")?),
        })
    }

    /// Puts the request behind what is to be sent.
    pub(crate) fn send(&self, patch: Patch<'_>, out: &mut Outgoing) {
        if self.frame.len() <= COPIED_BYTES_MAX {
            let piece = out.copy(&self.frame);
            put(piece, CORRELATION_AT, patch.correlation_id.to_be_bytes());
            for (slot, place) in self.slots.iter().zip(patch.places) {
                self.patch(piece, 0, slot, *place, patch);
            }
            return;
        }
        let mut begin = 0;
        for (slot, place) in self.slots.iter().zip(patch.places) {
            let mut piece = BytesMut::from(self.frame.get(begin..slot.patched_end).unwrap_or(&[]));
            if begin == 0 {
                let id = patch.correlation_id.to_be_bytes();
                put(&mut piece, CORRELATION_AT, id);
            }
            self.patch(&mut piece, begin, slot, *place, patch);
            out.share(piece.freeze());
            out.share(self.frame.slice(slot.patched_end..slot.batch_end));
            begin = slot.batch_end;
        }
        out.share(self.frame.slice(begin..));
    }

    /// Patches one batch's fields in `piece`, which begins at `origin` of the frame.
    fn patch(&self, piece: &mut [u8], origin: usize, slot: &Slot, place: Place, patch: Patch<'_>) {
        let batch_at = slot.batch_at - origin;
        put(piece, slot.index_at - origin, place.partition.to_be_bytes());
        if let Some(producer) = patch.producer {
            put(piece, batch_at + PRODUCER_ID_AT, producer.id.to_be_bytes());
            put(
                piece,
                batch_at + PRODUCER_EPOCH_AT,
                producer.epoch.to_be_bytes(),
            );
            put(piece, batch_at + SEQUENCE_AT, place.sequence.to_be_bytes());
        }
        if let (Some(stamp_at), Some(stamp)) = (slot.stamp_at, patch.stamp) {
            let stamp_at = stamp_at - origin;
            put(piece, stamp_at, stamp.intended_ns.to_be_bytes());
            put(piece, stamp_at + 8, stamp.stride_ns.to_be_bytes());
        }
        if patch.producer.is_some() || slot.stamp_at.is_some() {
            let head = piece.get(batch_at + CRC_START..slot.patched_end - origin);
            let crc = self.checksum(slot, head.unwrap_or_default());
            put(piece, batch_at + CRC_AT, crc.to_be_bytes());
        }
    }

    fn checksum(&self, slot: &Slot, head: &[u8]) -> u32 {
        let head_crc = crc32c::crc32c(head);
        let rest = self.frame.get(slot.patched_end..slot.batch_end);
        let rest = rest.unwrap_or_default();
        if rest.len() <= COMPUTED_BYTES_MAX {
            crc32c::crc32c_append(head_crc, rest)
        } else {
            crc32c::crc32c_combine(head_crc, slot.rest_crc, rest.len())
        }
    }
}

/// Bytes of a compact length, which counts one more than it says.
fn compact_length_bytes(length: usize) -> usize {
    let bits = usize::BITS - (length + 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn put<const N: usize>(piece: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = piece.get_mut(at..at + N) {
        place.copy_from_slice(&value);
    }
}

#[cfg(test)]
mod tests {
    use model::Timestamp;
    use model::batch::Batch;

    use super::*;
    use crate::payload::{Codec, batch};

    /// What a broker makes of the request: partitions and batches.
    fn received(template: &Template, patch: Patch<'_>) -> Vec<(i32, Batch)> {
        let mut out = Outgoing::default();
        template.send(patch, &mut out);
        let whole = Bytes::from(out.to_vec());
        assert_eq!(whole.len(), template.frame_bytes());
        let frame = RequestFrame::parse(whole.slice(LENGTH_BYTES..)).unwrap();
        assert_eq!(frame.correlation_id, patch.correlation_id);
        let request = decode_request::<ProduceRequest>(11, &frame.body).unwrap();
        let topics = request.topic_data.into_iter();
        let partitions = topics.flat_map(|topic| topic.partition_data);
        partitions
            .map(|p| (p.index, Batch::check(p.records.unwrap()).unwrap()))
            .collect()
    }

    #[test]
    fn a_patched_request_is_sound_at_every_size() {
        for record_bytes in [100, 10_000, 200_000] {
            let plain = batch(Codec::None, 3, record_bytes, true, Timestamp(5)).unwrap();
            let template = Template::new("topic", -1, &plain, 2, true).unwrap();
            let places = [(7, 30), (8, 60)];
            let places = places.map(|(partition, sequence)| Place {
                partition,
                sequence,
            });
            let patch = Patch {
                correlation_id: 77,
                places: &places,
                producer: Some(Producer { id: 4, epoch: 2 }),
                stamp: Some(Stamp {
                    intended_ns: 123_456_789,
                    stride_ns: 50,
                }),
            };
            let received = received(&template, patch);
            assert_eq!(received.len(), 2);
            for (place, (partition, batch)) in places.iter().zip(received) {
                assert_eq!(partition, place.partition);
                assert_eq!(batch.header().base_sequence.0, place.sequence);
                assert_eq!(batch.header().producer_id.0, 4);
                let found = crate::answer::first_stamp(batch.bytes()).unwrap();
                assert_eq!(Some(found), patch.stamp);
            }
        }
    }

    #[test]
    fn packed_batches_go_out_as_they_are() {
        let packed = batch(Codec::Zstd, 40, 1000, false, Timestamp(5)).unwrap();
        let template = Template::new("topic", 1, &packed, 1, false).unwrap();
        let patch = Patch {
            correlation_id: 1,
            places: &[Place {
                partition: 3,
                sequence: 0,
            }],
            producer: None,
            stamp: None,
        };
        let received = received(&template, patch);
        assert_eq!(received[0].0, 3);
        assert_eq!(received[0].1.bytes(), &packed);
    }
}
