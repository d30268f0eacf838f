//! What is done with the records inside batches: each is walked before it is stored, packed again
//! where the topic asks for it, and looked through for a time.

use model::{
    Offset, Timestamp,
    batch::{
        BATCH_HEADER_BYTES, Batch, BatchError, BatchHeader, Compression, Levels, RecompressError,
        Records, TimestampType,
        compression::{DecompressError, decompress},
        unpacked_bytes_max,
    },
};
use tracing::warn;

use crate::{
    append::AppendError,
    offsets::{OffsetAt, OffsetQuery},
};

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
        match batch.recompress(codec, levels, unpacked_bytes_max(batch.bytes().len())) {
            Ok(repacked) => Ok(repacked),
            Err(RecompressError::Pack(codec)) => {
                // Ours, not the sender's: the records matter more than their packing.
                warn!(?codec, "keep a batch as it was sent");
                Ok(batch.clone())
            }
            Err(RecompressError::Batch(error)) => Err(error.into()),
            Err(RecompressError::Unpack(error)) => Err(BatchError::from(error).into()),
            Err(RecompressError::Records(error)) => Err(BatchError::from(error).into()),
        }
    });
    repacked.collect()
}

/// The batches with every record walked, so that no reader finds less than was acknowledged.
pub(crate) fn opened(batches: Vec<Batch>) -> Result<Vec<Batch>, AppendError> {
    let opened = batches.into_iter().map(Batch::open);
    Ok(opened.collect::<Result<_, _>>()?)
}

/// The batches with the largest time of their records in the header, which retention and searches
/// go by: what the sender wrote there decides nothing, as in Kafka. Where no record has a time it is
/// `now`: they age from when they came, as a segment does in Kafka by the time of its file.
pub(crate) fn with_times(batches: Vec<Batch>, now: Timestamp) -> Vec<Batch> {
    let timed = batches.into_iter().map(|batch| {
        let header = batch.header();
        // A header that nobody compared with its records says as much as it can.
        let claimed = header.max_timestamp.max(header.base_timestamp);
        let latest = batch.contents().map_or(claimed, |contents| contents.latest);
        let latest = Some(latest).filter(|latest| *latest > Timestamp::NONE);
        let latest = latest.unwrap_or(now);
        if header.max_timestamp == latest {
            return batch;
        }
        batch.with_max_timestamp(latest)
    });
    timed.collect()
}

/// The record inside a compressed batch that a search by time is after. Where the block cannot be
/// opened the first one stands for it: too early is what a reader can cope with, too late is not.
pub(crate) fn locate(header: &BatchHeader, bytes: &[u8], query: OffsetQuery) -> OffsetAt {
    let found = unpacked(header, bytes, unpacked_bytes_max(bytes.len()))
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
            let opened = batch.open().unwrap();
            assert_eq!(opened.contents().unwrap().keyless, 1, "{codec:?}");
        }
    }

    #[test]
    fn the_largest_time_is_that_of_the_records_whatever_the_header_says() {
        for codec in [Compression::None, Compression::Snappy] {
            let whole = packed(codec);
            for claimed in [-1, 0, 39, 41, i64::MAX] {
                let lying = whole.with_max_timestamp(Timestamp(claimed));
                let lying = Batch::check(lying.bytes().clone()).unwrap();
                let opened = opened(vec![lying, whole.clone()]).unwrap();
                for batch in with_times(opened, Timestamp(1000)) {
                    assert_eq!(batch.header(), whole.header(), "{codec:?} {claimed}");
                    assert_eq!(batch.bytes(), whole.bytes(), "{codec:?} {claimed}");
                }
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
        let timed = with_times(vec![timeless], Timestamp(1000));
        let header = timed.first().unwrap().header();
        assert_eq!(header.max_timestamp, Timestamp(1000));
        assert_eq!(header.base_timestamp, Timestamp::NONE);
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
