//! Opening the block of a compressed batch, where a topic's settings or a search by time ask for
//! it: nothing else looks inside one.

use model::{
    Offset, Timestamp,
    batch::{
        BATCH_HEADER_BYTES, Batch, BatchHeader, Compression, Levels, RecompressError, Records,
        TimestampType,
        compression::{DecompressError, decompress},
    },
};
use tracing::warn;

use crate::{
    append::AppendError,
    offsets::{OffsetAt, OffsetQuery},
};

/// A block that unpacks to more is refused: its sender chose the bytes.
const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// Where only a time is looked for, a block may unpack to so many times its size: the work that a
/// sender can cause stays in proportion to what it sends.
const UNPACKED_RATIO_MAX: usize = 32;

/// How a topic wants its batches packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packing {
    pub(crate) codec: Compression,
    pub(crate) levels: Levels,
}

/// The batches as the topic wants them packed.
pub(crate) fn repack(batches: &[Batch], packing: Packing) -> Result<Vec<Batch>, AppendError> {
    let Packing { codec, levels } = packing;
    let repacked = batches.iter().map(|batch| {
        match batch.recompress(codec, levels, UNPACKED_BYTES_MAX) {
            Ok(repacked) => Ok(repacked),
            Err(RecompressError::Pack(codec)) => {
                // Ours, not the sender's: the records matter more than their packing.
                warn!(?codec, "keep a batch as it was sent");
                Ok(batch.clone())
            }
            Err(
                RecompressError::Batch(_)
                | RecompressError::Unpack(_)
                | RecompressError::Records(_),
            ) => Err(AppendError::BlockDamaged),
        }
    });
    repacked.collect()
}

/// The batches with the largest time of their records in the header, which retention and searches
/// go by. Some senders leave it out (Sarama 1.19 does); Kafka's broker puts it in, too. Where the
/// records have no times either, or are packed too tightly to look, it is `now`: they age from when
/// they came, as a segment does in Kafka by the time of its file.
pub(crate) fn with_times(batches: Vec<Batch>, now: Timestamp) -> Result<Vec<Batch>, AppendError> {
    let is_left_out = |header: &BatchHeader| {
        header.max_timestamp < header.base_timestamp || header.max_timestamp <= Timestamp::NONE
    };
    if !batches.iter().any(|batch| is_left_out(batch.header())) {
        return Ok(batches);
    }
    let timed = batches.into_iter().map(|batch| {
        let header = batch.header();
        if !is_left_out(header) {
            return Ok(batch);
        }
        let cap = batch.bytes().len().saturating_mul(UNPACKED_RATIO_MAX);
        let block = match unpacked(header, batch.bytes(), cap.min(UNPACKED_BYTES_MAX)) {
            Ok(block) => block,
            Err(DecompressError::TooLarge { .. }) => {
                return Ok(batch.with_max_timestamp(now.max(header.base_timestamp)));
            }
            Err(DecompressError::Damaged { .. }) => return Err(AppendError::BlockDamaged),
        };
        let deltas = Records::new(&block).map(|record| record.timestamp_delta);
        let base = header.base_timestamp.0;
        let latest = Timestamp(base.saturating_add(deltas.max().unwrap_or(0)));
        let is_known = latest > Timestamp::NONE;
        Ok(batch.with_max_timestamp(if is_known { latest } else { now }))
    });
    timed.collect()
}

/// Whether every record has a key.
pub(crate) fn all_have_keys(batch: &Batch) -> Result<bool, AppendError> {
    let block = unpacked(batch.header(), batch.bytes(), UNPACKED_BYTES_MAX);
    let block = block.map_err(|_| AppendError::BlockDamaged)?;
    let mut records = Records::new(&block);
    Ok(records.all(|record| record.key.is_some()))
}

/// The record inside a compressed batch that a search by time is after. Where the block cannot be
/// opened the first one stands for it: too early is what a reader can cope with, too late is not.
pub(crate) fn locate(header: &BatchHeader, bytes: &[u8], query: OffsetQuery) -> OffsetAt {
    let found = unpacked(header, bytes, UNPACKED_BYTES_MAX)
        .ok()
        .and_then(|block| find(header, &block, query));
    let (offset, timestamp) = found.unwrap_or((header.base_offset, header.base_timestamp));
    OffsetAt {
        offset,
        timestamp,
        leader_epoch: header.leader_epoch,
    }
}

fn find(header: &BatchHeader, block: &[u8], query: OffsetQuery) -> Option<(Offset, Timestamp)> {
    let wanted = match query {
        OffsetQuery::At(timestamp) => timestamp,
        _ => header.max_timestamp,
    };
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Some((header.base_offset, header.max_timestamp));
    }
    let records = Records::new(block).map(|record| {
        let timestamp = header
            .base_timestamp
            .0
            .saturating_add(record.timestamp_delta);
        let offset = header.base_offset.plus(i64::from(record.offset_delta));
        (offset, Timestamp(timestamp))
    });
    let mut late_enough = records.filter(|(_, timestamp)| *timestamp >= wanted);
    late_enough.next()
}

fn unpacked(header: &BatchHeader, bytes: &[u8], cap: usize) -> Result<Vec<u8>, DecompressError> {
    let codec = header.attributes.compression();
    let codec = codec.unwrap_or(Compression::None);
    let block = bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
    decompress(codec, block, cap)
}

#[cfg(test)]
mod tests {
    use model::batch::{BatchBuilder, NewRecord};

    use super::*;

    fn packed(codec: Compression) -> Batch {
        let mut builder = BatchBuilder::default();
        for ms in [10, 40, 20] {
            builder.push(NewRecord {
                timestamp: Timestamp(ms),
                key: (ms != 20).then_some(b"key"),
                ..NewRecord::default()
            });
        }
        let batch = Batch::check(builder.build()).unwrap();
        let packing = Packing {
            codec,
            levels: Levels::default(),
        };
        repack(&[batch], packing).unwrap().remove(0)
    }

    #[test]
    fn a_record_is_found_inside_a_block_of_any_codec() {
        for codec in [
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let batch = packed(codec);
            assert_eq!(batch.header().attributes.compression(), Ok(codec));
            let at = |query| {
                let found = locate(batch.header(), batch.bytes(), query);
                (found.offset.0, found.timestamp.0)
            };
            assert_eq!(at(OffsetQuery::At(Timestamp(0))), (0, 10), "{codec:?}");
            assert_eq!(at(OffsetQuery::At(Timestamp(11))), (1, 40), "{codec:?}");
            assert_eq!(at(OffsetQuery::MaxTimestamp), (1, 40), "{codec:?}");
            assert_eq!(all_have_keys(&batch), Ok(false), "{codec:?}");
        }
    }

    #[test]
    fn a_largest_time_that_was_left_out_is_that_of_the_records() {
        for codec in [Compression::None, Compression::Snappy] {
            let whole = packed(codec);
            let timeless = whole.with_max_timestamp(Timestamp::NONE);
            assert!(Batch::check(timeless.bytes().clone()).is_ok(), "{codec:?}");
            let timed = with_times(vec![timeless, whole.clone()], Timestamp(1000)).unwrap();
            for batch in timed {
                assert_eq!(batch.header(), whole.header(), "{codec:?}");
                assert_eq!(batch.bytes(), whole.bytes(), "{codec:?}");
            }
        }
    }

    #[test]
    fn records_without_any_time_age_from_when_they_came() {
        let mut builder = BatchBuilder::default();
        builder.push(NewRecord {
            timestamp: Timestamp::NONE,
            ..NewRecord::default()
        });
        let timeless = Batch::check(builder.build()).unwrap();
        assert_eq!(timeless.header().max_timestamp, Timestamp::NONE);
        let timed = with_times(vec![timeless], Timestamp(1000)).unwrap();
        let header = timed.first().unwrap().header();
        assert_eq!(header.max_timestamp, Timestamp(1000));
        assert_eq!(header.base_timestamp, Timestamp::NONE);
    }

    #[test]
    fn a_block_packed_too_tightly_to_look_into_ages_from_when_it_came() {
        let zeros = vec![0; 1 << 20];
        let mut builder = BatchBuilder::default();
        builder.push(NewRecord {
            timestamp: Timestamp(10),
            value: Some(&zeros),
            ..NewRecord::default()
        });
        let packing = Packing {
            codec: Compression::Zstd,
            levels: Levels::default(),
        };
        let batch = Batch::check(builder.build()).unwrap();
        let packed = repack(&[batch], packing).unwrap().remove(0);
        assert!(packed.bytes().len() < zeros.len() / UNPACKED_RATIO_MAX);
        let timeless = packed.with_max_timestamp(Timestamp::NONE);
        let timed = with_times(vec![timeless], Timestamp(1000)).unwrap();
        assert_eq!(
            timed.first().unwrap().header().max_timestamp,
            Timestamp(1000)
        );
    }

    #[test]
    fn a_block_that_cannot_be_opened_is_refused_or_stands_as_a_whole() {
        let batch = packed(Compression::Zstd);
        let mut bytes = batch.bytes().to_vec();
        bytes.truncate(BATCH_HEADER_BYTES + 2);
        let found = locate(batch.header(), &bytes, OffsetQuery::At(Timestamp(11)));
        assert_eq!((found.offset, found.timestamp), (Offset(0), Timestamp(10)));
    }
}
