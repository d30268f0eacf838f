//! Old entries: which way they come from the disk, and that they are what was written.

use std::sync::Arc;

use model::{LogId, Offset, Piece};

use super::{
    real::{Gate, options},
    support::*,
};
use crate::{
    Lending, Log, LookAhead, Options, ReadError,
    disk::{Disk, SimulatedDisk},
    log::Core,
};

const ONE: LogId = LogId(1);
const TWO: LogId = LogId(2);
const LARGE: usize = 50_000;

/// Nothing in memory but what was read.
fn cold_options() -> Options {
    Options {
        tail_cache_bytes: 0,
        extent_bytes: 4 << 20,
        ..small_options()
    }
}

/// Two partitions' batches in turn on a disk that can be read past the system's cache.
fn filled(rounds: usize, options: Options) -> (SimulatedDisk, Core) {
    let disk = SimulatedDisk::new(64 << 20, 1);
    disk.allow_block_reads();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (log, _) = Core::open(shared, options).unwrap();
    for id in [ONE, TWO] {
        log.create(id);
    }
    for _ in 0..rounds {
        log.commit_each(&[(ONE, 1, LARGE), (TWO, 1, LARGE)]);
    }
    (disk, log)
}

#[test]
fn the_first_reader_goes_past_the_page_cache_and_the_next_ones_share_it() {
    let (disk, log) = filled(6, cold_options());
    let first = log.read_all(ONE, PLENTY).unwrap();
    assert_eq!(first.len(), 6);
    let reads = disk.take_block_reads();
    assert!(reads.iter().all(|(_, _, bytes)| *bytes <= 128 << 10));
    assert_eq!(reads.len(), 5, "with what lies between: {reads:?}");
    assert!(disk.take_advised().is_empty());
    assert_eq!(log.read_all(ONE, 1).unwrap(), first);
    assert!(disk.take_block_reads().is_empty(), "it is still there");
    log.cold.give_back();
    log.cold.give_back();
    let stats = log.stats();
    let (own, others) = (6 * LARGE as u64, 5 * LARGE as u64);
    assert!(stats.cold_read_bytes > own + others, "{stats:?}");
    assert!(stats.cold_unused_bytes > others, "{stats:?}");
    assert!(stats.cold_unused_bytes < stats.cold_read_bytes - own);
    assert_eq!(log.read_all(ONE, PLENTY).unwrap(), first);
    assert!(disk.take_block_reads().is_empty());
    assert!(!disk.take_advised().is_empty(), "the second reader's way");
}

#[test]
fn what_lies_between_is_there_for_whoever_reads_beside() {
    let (disk, log) = filled(8, cold_options());
    let one = log.read(ONE, Offset(0), EVERYTHING, 4 * LARGE).unwrap();
    assert!(!disk.take_block_reads().is_empty());
    let at_once = log.read_at_once(TWO, Offset(0), EVERYTHING, 3 * LARGE, Lending::Allowed);
    let at_once = at_once.unwrap().expect("it is in memory");
    assert_eq!(at_once.next.0, one.next.0 - 1);
    assert!(at_once.pieces.iter().all(|piece| piece.memory().is_some()));
    let two = log.read(TWO, Offset(0), EVERYTHING, 4 * LARGE).unwrap();
    assert_eq!(two.next, one.next);
    assert!(disk.take_block_reads().is_empty(), "the last one's, too");
}

#[test]
fn without_room_or_without_such_a_file_system_all_comes_through_the_page_cache() {
    let options = Options {
        cold_cache_bytes: 0,
        ..cold_options()
    };
    let (disk, log) = filled(3, options);
    assert_eq!(log.read_all(ONE, PLENTY).unwrap().len(), 3);
    assert!(disk.take_block_reads().is_empty());
    assert!(!disk.take_advised().is_empty());
}

#[test]
fn what_is_in_the_page_cache_is_not_read_past_it() {
    let (disk, log) = filled(3, cold_options());
    disk.cache_all();
    assert_eq!(log.read_all(ONE, PLENTY).unwrap().len(), 3);
    assert!(disk.take_block_reads().is_empty());
}

#[test]
fn damage_is_found_on_either_way() {
    let (disk, log) = filled(3, cold_options());
    let (at, index) = (120_000, crate::extent::log_path(crate::ExtentSequence(1)));
    disk.flip_bit(&index, at, 3);
    for _ in 0..2 {
        let one = log.read(ONE, Offset(0), EVERYTHING, PLENTY).unwrap();
        assert_eq!(one.next, Offset(1), "what comes before it is served");
        let lost = log.read(ONE, Offset(1), EVERYTHING, PLENTY);
        assert!(matches!(lost, Err(ReadError::Damaged { .. })), "{lost:?}");
        assert_eq!(log.read_all(TWO, PLENTY).unwrap().len(), 3);
        log.cold.give_back();
        log.cold.give_back();
    }
}

#[test]
fn what_is_written_behind_what_was_read_is_found_as_it_was_written() {
    let (_, log) = filled(2, cold_options());
    for round in 2..20 {
        // The block in which the last one ends is read with it.
        assert_eq!(log.read_all(ONE, 1).unwrap().len(), round);
        log.commit_each(&[(ONE, 1, LARGE + round)]);
    }
}

/// Reads as often as it takes for the log to believe that nobody writes.
fn go_quiet(log: &Core) {
    for _ in 0..100 {
        log.read(ONE, Offset(0), EVERYTHING, 1).unwrap();
        // All of it: what was found stays once.
        log.cold.give_back();
        log.cold.give_back();
    }
}

#[test]
fn without_room_nothing_is_read_ahead_until_there_is_some() {
    let options = Options {
        // One slab.
        cold_cache_bytes: 3 << 20,
        ..cold_options()
    };
    let (disk, log) = filled(12, options);
    let other = LogId(3);
    log.create(other);
    log.commit_each(&[(other, 1, LARGE); 36]);
    let sending = log.read(other, Offset(0), EVERYTHING, PLENTY).unwrap();
    go_quiet(&log);
    let look_ahead = |errand: Option<LookAhead>| {
        drop(disk.take_block_reads());
        log.look_ahead(&errand.expect("it goes on"));
        !disk.take_block_reads().is_empty()
    };
    // What was read is sent at once.
    let read = |from| {
        let outcome = log.read(ONE, from, EVERYTHING, 1).unwrap();
        (outcome.next, outcome.look_ahead)
    };
    let (next, errand) = read(Offset(1));
    assert!(!look_ahead(errand), "there is no room");
    drop(sending);
    let (next, errand) = read(next);
    assert!(look_ahead(errand), "there is now");
    let three = log.read_at_once(ONE, next, EVERYTHING, 1, Lending::Never);
    assert!(three.unwrap().is_some());
}

/// Readers of three partitions, each at its own pace, with too little memory for all of them.
#[test]
fn readers_beside_each_other_get_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        tail_cache_bytes: 0,
        extent_bytes: 3 << 20,
        cold_cache_bytes: 5 << 20,
        ..options()
    };
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let ids = [LogId(1), LogId(2), LogId(3)];
    ids.iter().for_each(|&id| log.create(id));
    let gate = Arc::new(Gate::default());
    let mut written = vec![Vec::new(); ids.len()];
    for round in 0..90 {
        for (&id, written) in ids.iter().zip(&mut written) {
            let padding = [60_000, 90_000, 300, 40_000][(round + written.len()) % 4];
            let batch = batch(Offset(round as i64), 1, round as i64, padding);
            written.extend(batch.to_bytes());
            log.append(id, vec![batch], gate.ticket()).unwrap();
        }
    }
    gate.wait();
    for pass in 0..3 {
        let mut read = vec![(Offset(0), Vec::new()); ids.len()];
        while read.iter().any(|(next, _)| *next < Offset(90)) {
            for ((next, bytes), (&id, bytes_max)) in
                read.iter_mut().zip(ids.iter().zip([1, 200_000, 700_000]))
            {
                let at_once = log.read_at_once(id, *next, EVERYTHING, bytes_max, Lending::Never);
                let outcome = match at_once.unwrap() {
                    Some(outcome) => outcome,
                    None => log.read(id, *next, EVERYTHING, bytes_max).unwrap(),
                };
                bytes.extend(Piece::join(&outcome.pieces).unwrap());
                *next = outcome.next;
                if let Some(errand) = outcome.look_ahead {
                    log.look_ahead(&errand);
                }
            }
        }
        for ((_, read), written) in read.iter().zip(&written) {
            assert!(read == written, "pass {pass}");
        }
    }
}
