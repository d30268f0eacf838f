//! Claims about batch checking and stamping.
#![expect(
    clippy::indexing_slicing,
    reason = "tests damage bytes at known places"
)]

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{LeaderEpoch, Offset, Timestamp};

fn sample(count: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    for index in 0..count {
        let value = format!("value {index}");
        builder.push(NewRecord {
            timestamp: Timestamp(1_700_000_000_000 + i64::try_from(index).unwrap()),
            key: (index % 2 == 0).then_some(b"key"),
            value: Some(value.as_bytes()),
            headers: &[("h", Some(b"1")), ("h", None)],
        });
    }
    builder.build()
}

/// Writes the right checksum over damaged bytes, so that the damage itself is what gets noticed.
fn resealed(mut bytes: Vec<u8>) -> Bytes {
    let crc = crc32c::crc32c(&bytes[CRC_START..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[test]
fn a_sound_batch_is_accepted_and_read_back() {
    let batch = Batch::check(sample(3)).unwrap();
    let records: Vec<_> = batch.records().collect();
    assert_eq!(records.len(), 3);
    assert_eq!(records[1].key, None);
    assert_eq!(records[2].value, Some(b"value 2".as_slice()));
    let headers: Vec<_> = records[0].headers().collect();
    assert_eq!(headers.len(), 2, "duplicate header keys are kept");
    assert_eq!(headers[1].value, None);
}

#[test]
fn each_kind_of_damage_has_its_error() {
    let good = sample(2).to_vec();
    let mut bad_crc = good.clone();
    bad_crc[61] ^= 1;
    assert!(matches!(
        Batch::check(bad_crc.into()),
        Err(BatchError::Crc { .. })
    ));

    let mut lying_count = good.clone();
    lying_count[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    assert!(matches!(
        Batch::check(resealed(lying_count)),
        Err(BatchError::Count { .. })
    ));

    let mut lying_both = good.clone();
    lying_both[23..27].copy_from_slice(&9_i32.to_be_bytes());
    lying_both[57..61].copy_from_slice(&10_i32.to_be_bytes());
    let error = Batch::check(resealed(lying_both)).unwrap_err();
    assert_eq!(error, BatchError::Record(RecordError::Cut { index: 2 }));

    let mut negative = good.clone();
    negative[8..12].copy_from_slice(&(-1_i32).to_be_bytes());
    assert_eq!(
        Batch::check(negative.into()).unwrap_err(),
        BatchError::BadLength(-1)
    );

    let mut old = good.clone();
    old[16] = 1;
    assert_eq!(Batch::check(old.into()).unwrap_err(), BatchError::Magic(1));

    let mut codec = good.clone();
    codec[22] = 7;
    assert_eq!(
        Batch::check(resealed(codec)).unwrap_err(),
        BatchError::Codec(7)
    );

    let mut longer = good;
    longer.push(0);
    assert!(matches!(
        Batch::check(longer.into()),
        Err(BatchError::Length { .. })
    ));
}

#[test]
fn an_empty_batch_is_refused() {
    assert!(matches!(
        Batch::check(sample(0)),
        Err(BatchError::Count { .. })
    ));
}

#[test]
fn stamping_leaves_the_checksum_valid_and_the_records_shared() {
    let batch = Batch::check(sample(4)).unwrap();
    let stamped = batch.stamp(Offset(1000), LeaderEpoch(7));
    let again = Batch::check(stamped.to_bytes()).unwrap();
    assert_eq!(again.header().base_offset, Offset(1000));
    assert_eq!(again.header().leader_epoch, LeaderEpoch(7));
    assert_eq!(again.header().next_offset(), Offset(1004));
    assert_eq!(stamped.body.as_ptr(), batch.bytes()[61..].as_ptr());
}

#[test]
fn log_append_time_stands_inside_the_checksum() {
    let batch = Batch::check(sample(2)).unwrap();
    let stamped = batch.stamp_with_time(Offset(5), LeaderEpoch(0), Timestamp(42));
    let again = Batch::check(stamped.to_bytes()).unwrap();
    assert_eq!(again.header().max_timestamp, Timestamp(42));
    assert_eq!(
        again.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
}

#[test]
fn split_walks_batches_and_stops_at_a_cut_one() {
    let mut all = sample(1).to_vec();
    all.extend_from_slice(&sample(2));
    all.extend_from_slice(&sample(3)[..70]);
    let counts: Vec<i32> = split(all.into())
        .map(|(header, _)| header.records_count)
        .collect();
    assert_eq!(counts, [1, 2]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_check_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _checked = Batch::check(bytes.into());
    }

    #[test]
    fn a_flipped_bit_never_passes_unless_outside_the_checksum(at in 0_usize..200, bit in 0_u8..8) {
        let good = sample(5).to_vec();
        let at = at % good.len();
        let mut bad = good;
        bad[at] ^= 1 << bit;
        let outside_checksum = at < 8 || (12..16).contains(&at);
        prop_assert_eq!(Batch::check(bad.into()).is_ok(), outside_checksum);
    }
}
