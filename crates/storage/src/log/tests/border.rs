//! What callers may rely on at the border: limits of reads, reasons of refusals.

use std::sync::Arc;

use model::{
    LeaderEpoch, LogId, Offset, Piece, Timestamp,
    batch::{Attributes, Batch, BatchBuilder, NewRecord},
};

use super::support::*;
use crate::{
    AppendError, ExtentSequence, Lending, OpenError, Options, ReadError, TimestampMatch,
    disk::{Disk, SimulatedDisk},
    extent::log_path,
    locked::lock,
    log::Core,
};

const ID: LogId = LogId(5);

/// Six batches of two records, about 250 bytes each; the first ones are out of the cache.
fn filled() -> (SimulatedDisk, Core) {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 2, 150); 6]);
    (disk, log)
}

#[test]
fn a_read_keeps_its_limits_and_gives_at_least_one_batch() {
    let (_disk, log) = filled();
    let read = |from, limit, bytes| {
        let outcome = log.read(ID, Offset(from), Offset(limit), bytes).unwrap();
        (outcome.batches, outcome.next.0)
    };
    let one = log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    assert_eq!(
        (one.batches, one.records, one.next),
        (1, 2, Offset(2)),
        "one is always given"
    );
    assert_eq!(read(0, 100, one.bytes * 2), (2, 4));
    assert_eq!(read(0, 100, one.bytes * 3 - 1), (2, 4));
    assert_eq!(
        read(3, 100, one.bytes * 2),
        (2, 6),
        "from the batch that contains it"
    );
    assert_eq!(
        read(0, 5, PLENTY),
        (2, 4),
        "no batch reaches over the limit"
    );
    assert_eq!(read(4, 5, PLENTY), (0, 4));
    assert_eq!(read(12, 100, PLENTY), (0, 12), "nothing is there yet");
    assert_eq!(read(0, 100, PLENTY), (6, 12));
}

#[test]
fn offsets_outside_the_partition_are_named_as_such() {
    let (_disk, log) = filled();
    log.trim(ID, Offset(4), Note::default().boxed());
    log.settle();
    for from in [3, 13, -1] {
        let error = log.read(ID, Offset(from), EVERYTHING, PLENTY).unwrap_err();
        let (start, end) = (Offset(4), Offset(12));
        let same =
            matches!(error, ReadError::OutOfRange { start: s, end: e } if (s, e) == (start, end));
        assert!(same, "{from}: {error}");
    }
    let unknown = log.read(LogId(99), Offset(0), EVERYTHING, PLENTY);
    assert!(matches!(unknown, Err(ReadError::UnknownPartition)));
}

#[test]
fn a_cached_read_gives_what_a_read_gives_or_nothing() {
    let (_disk, log) = filled();
    let cached = |from| {
        log.read_at_once(ID, Offset(from), EVERYTHING, PLENTY, Lending::Never)
            .unwrap()
    };
    assert!(cached(0).is_none(), "the first entry was put out of memory");
    let outcome = cached(8).unwrap();
    let read = log.read(ID, Offset(8), EVERYTHING, PLENTY).unwrap();
    assert_eq!(
        Piece::join(&outcome.pieces).unwrap(),
        Piece::join(&read.pieces).unwrap()
    );
    assert_eq!(outcome.next, Offset(12));
    assert_eq!(
        cached(12).unwrap().batches,
        0,
        "at the end nothing is the answer"
    );
}

#[test]
fn appends_that_cannot_be_are_refused_before_anything_is_queued() {
    let (_disk, log) = filled();
    let append = |batch| log.append(ID, vec![batch], Note::default().boxed());
    let expected = Offset(12);
    let stale = append(batch(Offset(11), 1, 0, 0));
    assert_eq!(stale, Err(AppendError::OutOfOrder { expected }));
    let early = append(batch(Offset(13), 1, 0, 0));
    assert_eq!(early, Err(AppendError::OutOfOrder { expected }));
    let large = append(batch(Offset(12), 1, 0, 5000));
    assert!(matches!(large, Err(AppendError::TooLarge { .. })));
    let gap = vec![batch(Offset(12), 1, 0, 0), batch(Offset(14), 1, 0, 0)];
    let gap = log.append(ID, gap, Note::default().boxed());
    assert_eq!(
        gap,
        Err(AppendError::OutOfOrder {
            expected: Offset(13)
        })
    );
    let unknown = log.append(
        LogId(99),
        vec![batch(Offset(0), 1, 0, 0)],
        Note::default().boxed(),
    );
    assert_eq!(unknown, Err(AppendError::UnknownPartition));
    assert_eq!(log.stats().queue_bytes, 0);
    assert_eq!(append(batch(Offset(12), 1, 0, 0)), Ok(()));
}

#[test]
fn the_queue_has_a_limit_that_passes_when_bytes_become_durable() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1 << 20, 1));
    let options = Options {
        queue_bytes_max: 1000,
        ..small_options()
    };
    let (log, _) = Core::open(disk, options).unwrap();
    log.create(ID);
    log.append_one(ID, 1, 2000).1.unwrap();
    assert_eq!(
        log.append_one(ID, 1, 10).1.unwrap_err(),
        AppendError::QueueFull
    );
    log.step_write();
    assert_eq!(
        log.append_one(ID, 1, 10).1.unwrap_err(),
        AppendError::QueueFull
    );
    log.step_sync();
    assert!(log.append_one(ID, 1, 10).1.is_ok());
}

#[test]
fn one_append_larger_than_an_entry_is_acknowledged_once_and_whole() {
    let (disk, log) = filled();
    let batches: Vec<_> = (12..22)
        .map(|base| batch(Offset(base), 1, 0, 900))
        .collect();
    let note = Note::default();
    log.append(ID, batches, note.boxed()).unwrap();
    log.settle();
    assert_eq!(note.heard().written, 1);
    assert!(note.is_acknowledged());
    let before = log.read_all(ID, PLENTY).unwrap();
    assert_eq!(before.len(), 16);
    disk.crash();
    assert_eq!(open(&disk).0.read_all(ID, 2000).unwrap(), before);
}

#[test]
fn options_and_formats_that_cannot_be_are_refused() {
    let disk = SimulatedDisk::new(1 << 20, 1);
    let options = Options {
        extent_bytes: 100,
        ..small_options()
    };
    let refused = Core::open(Arc::new(disk.clone()), options).err();
    assert!(matches!(refused, Some(OpenError::ExtentBytes { .. })));
    let (log, _) = open(&disk);
    log.settle();
    let newer = {
        let mut header = crate::entry::encode_extent_header(ExtentSequence(1), 1, false);
        header[12] = 9;
        let crc = crc32c::crc32c(&header[12..]);
        header[8..12].copy_from_slice(&crc.to_le_bytes());
        header
    };
    let file = disk.open(&log_path(ExtentSequence(1))).unwrap();
    file.write_at(0, &[std::io::IoSlice::new(&newer)]).unwrap();
    file.sync_data().unwrap();
    disk.crash();
    let refused = Core::open(Arc::new(disk), small_options()).err();
    assert!(matches!(
        refused,
        Some(OpenError::Version { version: 9, .. })
    ));
}

#[test]
fn a_search_by_time_honours_the_brokers_time_and_hands_compressed_batches_on() {
    let (_disk, log) = log_with(&[ID]);
    let mut builder = BatchBuilder::default();
    for time in [50, 20] {
        builder.push(NewRecord {
            timestamp: Timestamp(time),
            ..NewRecord::default()
        });
    }
    let checked = Batch::check(builder.build()).unwrap();
    let by_broker = checked.stamp_with_time(Offset(0), LeaderEpoch(1), Timestamp(70));
    // Only the header says so: whoever decompresses finds out.
    let mut compressed = checked.stamp(Offset(2), LeaderEpoch(1)).header;
    compressed.attributes = Attributes(4);
    compressed.max_timestamp = Timestamp(90);
    compressed.crc = {
        let mut covered = compressed.encode()[21..].to_vec();
        covered.extend(&checked.bytes()[61..]);
        crc32c::crc32c(&covered)
    };
    let compressed = model::batch::StampedBatch {
        header: compressed,
        head: compressed.encode(),
        body: checked.bytes().slice(61..),
    };
    let bytes = compressed.to_bytes();
    log.append(
        ID,
        vec![by_broker, compressed.clone()],
        Note::default().boxed(),
    )
    .unwrap();
    log.settle();
    let find = |time| {
        log.offset_for_timestamp(ID, Timestamp(time), EVERYTHING)
            .unwrap()
    };
    let record = TimestampMatch::Record {
        offset: Offset(0),
        timestamp: Timestamp(70),
        leader_epoch: LeaderEpoch(1),
    };
    assert_eq!(find(10), Some(record.clone()));
    assert_eq!(find(60), Some(record));
    let header = compressed.header;
    assert_eq!(find(80), Some(TimestampMatch::Batch { header, bytes }));
    assert_eq!(find(91), None);
}

/// As [`filled`], with everything out of our own memory.
fn filled_and_cold() -> (SimulatedDisk, Core) {
    let (disk, log) = filled();
    let other = LogId(8);
    log.create(other);
    log.commit_each(&[(other, 1, 2000)]);
    (disk, log)
}

/// Reads as often as it takes for the log to believe that nobody writes.
fn go_quiet(log: &Core) {
    for _ in 0..100 {
        log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    }
}

#[test]
fn a_reader_that_goes_on_has_its_next_bytes_read_ahead_once() {
    let (disk, log) = filled_and_cold();
    go_quiet(&log);
    let one = log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    assert!(one.look_ahead.is_none(), "it may have jumped");
    let two = log.read(ID, one.next, EVERYTHING, 1).unwrap();
    let errand = two.look_ahead.expect("it goes on");
    let three = log.read(ID, two.next, EVERYTHING, 1).unwrap();
    assert!(three.look_ahead.is_none(), "one errand is under way");
    let own = disk.take_advised();
    log.look_ahead(&errand);
    let ahead = disk.take_advised();
    let after = |asked: &(usize, u64, u64)| own.iter().all(|of| (of.0, of.1) < (asked.0, asked.1));
    assert!(!ahead.is_empty() && ahead.iter().all(after), "{ahead:?}");
    drop(errand);
    let four = log.read(ID, three.next, EVERYTHING, 1).unwrap();
    let errand = four.look_ahead.expect("little is left ahead");
    log.look_ahead(&errand);
    assert_eq!(disk.take_advised().len(), 1, "its own: nothing is left");
}

#[test]
fn a_reader_of_what_is_in_memory_is_not_followed() {
    let (disk, log) = filled_and_cold();
    go_quiet(&log);
    let one = log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    let two = log.read(ID, one.next, EVERYTHING, 1).unwrap();
    disk.cache_all();
    log.look_ahead(&two.look_ahead.expect("it goes on"));
    let three = log.read_at_once(ID, two.next, EVERYTHING, 1, Lending::Never);
    let three = three.unwrap().expect("it is in memory");
    assert!(three.look_ahead.is_none(), "there was nothing to bring in");
    assert!(!lock(&log.streams).knows(ID, three.next));
}

#[test]
fn beside_somebody_who_writes_nothing_is_read_ahead() {
    let (_, log) = filled_and_cold();
    go_quiet(&log);
    let one = log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    log.commit_each(&[(ID, 1, 1)]);
    let two = log.read(ID, one.next, EVERYTHING, 1).unwrap();
    assert!(two.look_ahead.is_none());
    go_quiet(&log);
    let three = log.read(ID, two.next, EVERYTHING, 1).unwrap();
    assert!(three.look_ahead.is_some());
}
