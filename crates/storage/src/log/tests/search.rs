//! Searches by time and by size.

use model::{LogId, Offset, Timestamp};

use super::support::*;
use crate::{EntryTime, TimestampMatch, log::Core};

const ID: LogId = LogId(5);

#[test]
fn searches_by_time_and_size_agree_before_and_after_sealing() {
    let (_disk, log) = log_with(&[ID]);
    for _ in 0..30 {
        log.append_one(ID, 2, 300).1.unwrap();
    }
    // Batch i holds offsets 2i and 2i + 1 at times 20i and 20i + 1.
    let check = |log: &Core| {
        let at = |offset, time| {
            Some(TimestampMatch::Record {
                offset: Offset(offset),
                timestamp: Timestamp(time),
                leader_epoch: model::LeaderEpoch(0),
            })
        };
        let find = |time, limit| {
            log.offset_for_timestamp(ID, Timestamp(time), limit)
                .unwrap()
        };
        assert_eq!(find(0, EVERYTHING), at(0, 0));
        assert_eq!(find(201, EVERYTHING), at(21, 201));
        assert_eq!(find(202, EVERYTHING), at(22, 220));
        assert_eq!(find(582, EVERYTHING), None);
        assert_eq!(find(202, Offset(22)), None);
        assert_eq!(log.max_timestamp(ID, EVERYTHING).unwrap(), at(59, 581));
        assert_eq!(log.max_timestamp(ID, Offset(30)).unwrap(), at(29, 281));
        assert_eq!(log.expired_before(ID, Timestamp(202)).unwrap(), Offset(22));
        assert_eq!(log.expired_before(ID, Timestamp(9999)).unwrap(), Offset(60));
        let size = log.partition(ID).unwrap().lock().size_bytes();
        assert_eq!(log.oversized_until(ID, size).unwrap(), Offset(0));
        assert_eq!(log.oversized_until(ID, size / 2).unwrap(), Offset(30));
        assert_eq!(log.oversized_until(ID, 0).unwrap(), Offset(60));
        assert_eq!(log.time_of(ID, Offset(0)).unwrap(), Some(Timestamp(1)));
        assert_eq!(log.time_of(ID, Offset(43)).unwrap(), Some(Timestamp(421)));
    };
    log.commit();
    check(&log);
    let exact = |offset| match log.time_in_memory(ID, Offset(offset)) {
        Some(EntryTime::Exact(Timestamp(time))) => time == offset * 10 + 1,
        Some(EntryTime::NoLaterThan(Timestamp(time))) => {
            assert!(time > offset * 10);
            false
        }
        None => panic!("the partition holds records"),
    };
    assert!(exact(0) && exact(58));
    log.step_upkeep();
    assert!(log.extents.sealed_through().0 >= 3);
    check(&log);
    assert!(
        !exact(0) && exact(58),
        "what is sealed is known by its extent"
    );
}

/// Entries below the start stay in the first extent's count until all of it is dead; taken for
/// surplus at every pass, they once cost the partition what it should keep.
#[test]
fn retention_by_size_comes_to_rest_with_at_least_what_is_to_stay() {
    for upkeep in [false, true] {
        let (_disk, log) = log_with(&[ID]);
        for _ in 0..20 {
            log.append_one(ID, 2, 100).1.unwrap();
        }
        log.commit();
        let one = log.partition(ID).unwrap().lock().size_bytes() / 20;
        let keep = one * 17 + 1;
        for _ in 0..4 {
            let start = log.oversized_until(ID, keep).unwrap();
            assert_eq!(start, Offset(4), "upkeep: {upkeep}");
            log.trim(ID, start, Note::default().boxed());
            log.commit();
            if upkeep {
                log.step_upkeep();
            }
        }
    }
}

/// What a trim killed stays in its extents' counts until the trim is durable; of several such
/// extents only the first was once taken as trimmed.
#[test]
fn retention_by_size_takes_nothing_for_what_a_queued_trim_takes_already() {
    let (_disk, log) = log_with(&[ID]);
    for _ in 0..20 {
        log.append_one(ID, 1, 900).1.unwrap();
    }
    log.settle();
    let runs = log.partition(ID).unwrap().lock().runs.clone();
    assert!(runs.len() >= 4, "{runs:?}");
    let one = u64::from(runs[0].bytes / 3);
    // One entry into the third extent of three entries each.
    let start = Offset(7);
    log.trim(ID, start, Note::default().boxed());
    for _ in 0..2 {
        assert_eq!(log.oversized_until(ID, 13 * one).unwrap(), start);
        assert_eq!(log.oversized_until(ID, 12 * one).unwrap(), Offset(8));
        assert_eq!(log.oversized_until(ID, 9 * one).unwrap(), Offset(11));
        log.commit();
    }
}
