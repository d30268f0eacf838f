//! Claims about producers, one per rule.
#![expect(clippy::indexing_slicing, reason = "a test cuts bytes at known places")]

use model::{
    LeaderEpoch, Offset,
    batch::{Batch, BatchBuilder, NewRecord},
};
use proptest::prelude::*;

use super::*;

const ID: ProducerId = ProducerId(9);

fn header(epoch: i16, sequence: i32, count: i32, base: i64) -> BatchHeader {
    let mut builder =
        BatchBuilder::default().producer(ID, ProducerEpoch(epoch), Sequence(sequence));
    for _ in 0..count {
        builder.push(NewRecord {
            timestamp: Timestamp(1000 + base),
            ..NewRecord::default()
        });
    }
    let batch = Batch::check(builder.build()).unwrap();
    batch.stamp(Offset(base), LeaderEpoch(0)).header
}

fn after(headers: &[BatchHeader]) -> Producers {
    let mut producers = Producers::default();
    for header in headers {
        assert_eq!(producers.check(header), Ok(Verdict::Accept), "{header:?}");
        producers.update(header, header.max_timestamp);
    }
    producers
}

fn out_of_order(sequence: i32, last: i32) -> Result<Verdict, ProducerError> {
    Err(ProducerError::OutOfOrderSequence {
        producer: ID,
        sequence: Sequence(sequence),
        last: Sequence(last),
    })
}

#[test]
fn batches_without_a_producer_are_accepted_and_not_remembered() {
    let mut plain = header(0, 0, 1, 0);
    plain.producer_id = ProducerId::NONE;
    let mut producers = Producers::default();
    assert_eq!(producers.check(&plain), Ok(Verdict::Accept));
    producers.update(&plain, Timestamp(1));
    assert!(producers.is_empty());
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let producers = after(&[header(3, 77, 2, 0)]);
    assert_eq!(producers.check(&header(3, 79, 1, 2)), Ok(Verdict::Accept));
}

#[test]
fn sequences_must_follow_each_other() {
    let producers = after(&[header(0, 0, 3, 0)]);
    assert_eq!(producers.check(&header(0, 3, 1, 3)), Ok(Verdict::Accept));
    assert_eq!(producers.check(&header(0, 4, 1, 3)), out_of_order(4, 2));
    assert_eq!(producers.check(&header(0, 2, 1, 3)), out_of_order(2, 2));
}

#[test]
fn sequences_wrap_to_zero_after_the_largest() {
    let producers = after(&[header(0, i32::MAX - 1, 2, 0)]);
    assert_eq!(producers.check(&header(0, 0, 1, 2)), Ok(Verdict::Accept));
    // A batch may itself run over the end.
    let producers = after(&[header(0, i32::MAX - 1, 4, 0)]);
    assert_eq!(producers.check(&header(0, 2, 1, 4)), Ok(Verdict::Accept));
    assert_eq!(producers.check(&header(0, 0, 1, 4)), out_of_order(0, 1));
}

#[test]
fn the_last_five_batches_are_known_as_duplicates_and_older_ones_are_out_of_order() {
    let headers: Vec<_> = (0..6)
        .map(|at| header(0, at * 2, 2, i64::from(at) * 10))
        .collect();
    let producers = after(&headers);
    for original in headers.iter().skip(1) {
        let expected = Appended {
            base_offset: original.base_offset,
            last_offset: original.last_offset(),
            timestamp: original.max_timestamp,
        };
        let mut again = *original;
        again.base_offset = Offset(999);
        assert_eq!(producers.check(&again), Ok(Verdict::Duplicate(expected)));
    }
    assert_eq!(producers.check(&header(0, 0, 2, 99)), out_of_order(0, 11));
    // The same beginning with another length is no duplicate.
    assert_eq!(producers.check(&header(0, 10, 1, 99)), out_of_order(10, 11));
}

#[test]
fn an_older_epoch_is_refused_and_a_newer_one_begins_at_zero() {
    let mut producers = after(&[header(4, 0, 5, 0)]);
    let refused = Err(ProducerError::InvalidEpoch {
        producer: ID,
        epoch: ProducerEpoch(3),
        current: ProducerEpoch(4),
    });
    assert_eq!(producers.check(&header(3, 5, 1, 5)), refused);
    assert_eq!(producers.check(&header(5, 5, 1, 5)), out_of_order(5, -1));
    let bumped = header(5, 0, 1, 5);
    assert_eq!(producers.check(&bumped), Ok(Verdict::Accept));
    producers.update(&bumped, Timestamp(1));
    // What was sent under the old epoch is no duplicate any more.
    assert!(producers.check(&header(4, 0, 5, 0)).is_err());
    assert_eq!(producers.check(&header(5, 1, 1, 6)), Ok(Verdict::Accept));
}

#[test]
fn a_marker_raises_the_epoch_and_takes_no_sequence() {
    let mut producers = after(&[header(1, 0, 1, 0)]);
    let mut marker = header(2, -1, 1, 1);
    marker.attributes.0 |= 0x20;
    assert_eq!(producers.check(&marker), Ok(Verdict::Accept));
    producers.update(&marker, Timestamp(1));
    assert_eq!(producers.check(&header(2, 0, 1, 2)), Ok(Verdict::Accept));
    assert_eq!(producers.check(&header(2, 1, 1, 2)), out_of_order(1, -1));
}

#[test]
fn producers_expire_by_their_last_activity() {
    let mut producers = Producers::default();
    for id in 0..10 {
        let mut header = header(0, 0, 1, 0);
        header.producer_id = ProducerId(id);
        producers.update(&header, Timestamp(id * 100));
    }
    let mut active_again = header(0, 1, 1, 1);
    active_again.producer_id = ProducerId(2);
    producers.update(&active_again, Timestamp(5000));
    assert_eq!(producers.oldest_activity(), Some(Timestamp(0)));
    producers.expire(Timestamp(500));
    let left: Vec<i64> = producers.iter().map(|producer| producer.id.0).collect();
    assert_eq!(left, [2, 5, 6, 7, 8, 9]);
    // Forgotten: any sequence is accepted again.
    let mut forgotten = header(0, 50, 1, 1);
    forgotten.producer_id = ProducerId(1);
    assert_eq!(producers.check(&forgotten), Ok(Verdict::Accept));
}

#[test]
fn of_too_many_producers_the_idlest_go_and_the_newest_stays() {
    let mut producers = Producers::default();
    let mut one = header(0, 0, 1, 0);
    for id in 0..8 {
        one.producer_id = ProducerId(id);
        producers.update(&one, Timestamp(id));
    }
    producers.keep_at_most(5, ProducerId(7));
    let left = |producers: &Producers| -> Vec<i64> {
        producers.iter().map(|producer| producer.id.0).collect()
    };
    assert_eq!(left(&producers), [3, 4, 5, 6, 7]);
    assert_eq!(producers.oldest_activity(), Some(Timestamp(3)));
    // One whose clock is behind, or who came within the same millisecond, is still the newest.
    one.producer_id = ProducerId(1);
    producers.update(&one, Timestamp(3));
    producers.keep_at_most(5, ProducerId(1));
    assert_eq!(left(&producers), [1, 4, 5, 6, 7]);
    producers.keep_at_most(0, ProducerId(1));
    assert_eq!(left(&producers), [1]);
    assert_eq!(Producers::decode(&producers.encode()), Ok(producers));
}

#[test]
fn a_snapshot_holds_as_many_producers_as_the_limit_lets_live() {
    let mut producers = Producers::default();
    let mut one = header(0, 0, 1, 0);
    for id in 0..20_000 {
        one.producer_id = ProducerId(id);
        producers.update(&one, Timestamp(id));
    }
    producers.keep_at_most(20_000, one.producer_id);
    assert_eq!(producers.len(), 20_000);
    assert_eq!(Producers::decode(&producers.encode()), Ok(producers));
}

proptest! {
    #[test]
    fn snapshots_round_trip(
        steps in proptest::collection::vec((0..4_i64, 1..4_i32, 0..3_i16, 0..100_i64), 0..60)
    ) {
        let mut producers = Producers::default();
        let mut base = 0;
        for (id, count, epoch, now) in steps {
            let mut header = header(epoch, 0, count, base);
            header.producer_id = ProducerId(id);
            base += i64::from(count);
            producers.update(&header, Timestamp(now));
        }
        let encoded = producers.encode();
        prop_assert_eq!(&Producers::decode(&encoded), &Ok(producers));
        for len in 0..encoded.len() {
            prop_assert!(Producers::decode(&encoded[..len]).is_err());
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _decoded = Producers::decode(&bytes);
    }

    /// A client that retries whatever was not answered never gets a record in twice.
    #[test]
    fn retries_in_any_pattern_append_each_batch_once(
        retries in proptest::collection::vec((1..4_i32, 0..3_usize), 1..40)
    ) {
        let mut producers = Producers::default();
        let (mut sequence, mut base) = (i32::MAX - 20, 0);
        for (count, again) in retries {
            let sent = header(0, sequence, count, base);
            for attempt in 0..=again {
                match producers.check(&sent) {
                    Ok(Verdict::Accept) => {
                        prop_assert_eq!(attempt, 0);
                        producers.update(&sent, Timestamp(1));
                    }
                    Ok(Verdict::Duplicate(original)) => {
                        prop_assert!(attempt > 0);
                        prop_assert_eq!(original.base_offset, Offset(base));
                    }
                    Err(error) => prop_assert!(false, "{error}"),
                }
            }
            sequence = Sequence(sequence).plus(count).0;
            base += i64::from(count);
        }
    }
}
