//! The log with its threads, on the real disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use model::{LogId, Offset, Piece, Timestamp, batch::split};

use super::support::*;
use crate::{
    AppendError, Completion, Lending, Log, OpenError, Options, ReadError, Snapshot, State,
    locked::lock,
};

/// Lets a test wait for the last of several completions.
#[derive(Default)]
pub(super) struct Gate {
    left: Mutex<usize>,
    changed: Condvar,
}

struct Ticket(Arc<Gate>);

impl Completion for Ticket {
    fn durable(self: Box<Self>, result: Result<(), AppendError>) {
        result.unwrap();
        *lock(&self.0.left) -= 1;
        self.0.changed.notify_all();
    }
}

impl Gate {
    pub(super) fn ticket(self: &Arc<Self>) -> Box<dyn Completion> {
        *lock(&self.left) += 1;
        Box::new(Ticket(Arc::clone(self)))
    }

    pub(super) fn wait(&self) {
        let left = lock(&self.left);
        drop(self.changed.wait_while(left, |left| *left > 0).unwrap());
    }
}

pub(super) fn options() -> Options {
    Options {
        extent_bytes: 256 << 10,
        free_space_floor_bytes: 0,
        tail_cache_bytes: 64 << 10,
        ..Options::default()
    }
}

fn read_all(log: &Log, id: LogId) -> Vec<u8> {
    let mut all = Vec::new();
    let mut next = log.watermarks(id).unwrap().start;
    loop {
        let outcome = log.read(id, next, EVERYTHING, 10_000).unwrap();
        if outcome.batches == 0 {
            return all;
        }
        all.extend(Piece::join(&outcome.pieces).unwrap());
        next = outcome.next;
    }
}

#[test]
fn what_is_appended_is_read_back_verbatim_before_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovery) = Log::open(dir.path(), options()).unwrap();
    assert!(recovery.clean, "an empty directory is clean");
    let ids = [LogId(1), LogId(2), LogId(70)];
    ids.iter().for_each(|&id| log.create(id));
    let gate = Arc::new(Gate::default());
    let mut expected: BTreeMap<LogId, Vec<u8>> = BTreeMap::new();
    for round in 0..200_i64 {
        for &id in &ids {
            let padding = usize::try_from(round % 40 * 50).unwrap();
            let batch = batch(Offset(round * 3), 3, round, padding);
            expected.entry(id).or_default().extend(batch.to_bytes());
            log.append(id, vec![batch], gate.ticket()).unwrap();
        }
    }
    gate.wait();
    for &id in &ids {
        assert_eq!(log.watermarks(id).unwrap().durable_end, Offset(600));
        assert!(read_all(&log, id) == expected[&id], "{id}");
    }
    let snapshot = |id: LogId| {
        Some(Snapshot {
            next: Offset(600),
            bytes: Bytes::from(format!("state of {id}")),
        })
    };
    log.close(&snapshot).unwrap();
    drop(log);

    let (log, recovery) = Log::open(dir.path(), options()).unwrap();
    assert!(recovery.clean, "{:?}", recovery.damages);
    assert_eq!(recovery.partitions.len(), 3);
    for partition in &recovery.partitions {
        assert_eq!(partition.next, Offset(600));
        assert_eq!(partition.snapshot, snapshot(partition.id));
        assert!(partition.tail.is_empty());
        assert!(read_all(&log, partition.id) == expected[&partition.id]);
    }
    // Without a close the next start says so, and nothing is lost.
    let more = batch(Offset(600), 1, 7, 10);
    log.append(LogId(2), vec![more], gate.ticket()).unwrap();
    gate.wait();
    drop(log);
    let (log, recovery) = Log::open(dir.path(), options()).unwrap();
    assert!(!recovery.clean);
    assert!(recovery.damages.is_empty(), "{:?}", recovery.damages);
    assert_eq!(log.watermarks(LogId(2)).unwrap().durable_end, Offset(601));
}

#[test]
fn what_is_read_at_once_is_all_that_a_read_gives_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), options()).unwrap();
    let (read, other) = (LogId(1), LogId(2));
    [read, other].iter().for_each(|&id| log.create(id));
    let gate = Arc::new(Gate::default());
    // Several extents, of which the tail cache holds a part of the last.
    for round in 0..400 {
        for id in [read, other] {
            let batch = batch(Offset(round), 1, round, 2000);
            log.append(id, vec![batch], gate.ticket()).unwrap();
        }
    }
    gate.wait();
    read_all(&log, read);
    let mut last_at_once = None;
    for from in (0..400).map(Offset) {
        for bytes_max in [1, 5_000, 100_000, 10_000_000] {
            let at_once = log
                .read_at_once(read, from, EVERYTHING, bytes_max, Lending::Never)
                .unwrap();
            let whole = log.read(read, from, EVERYTHING, bytes_max).unwrap();
            if let Some(at_once) = at_once {
                assert_eq!((at_once.next, at_once.bytes), (whole.next, whole.bytes));
                assert!(
                    Piece::join(&at_once.pieces).unwrap() == Piece::join(&whole.pieces).unwrap()
                );
                last_at_once = Some(from);
            }
        }
    }
    // Whatever the file system can say of its cache, the broker's own is always at hand.
    assert_eq!(last_at_once, Some(Offset(399)));
}

/// The settings with which each entry is read from the file as soon as it is written.
fn uncached(direct_writes: bool) -> Options {
    Options {
        direct_writes,
        tail_cache_bytes: 0,
        extent_bytes: 64 << 10,
        ..options()
    }
}

/// Appends one batch, waits for it, and reads it back from the file.
fn append_and_read(log: &Log, id: LogId, padding: usize) -> Vec<u8> {
    let base = log.next_offset(id).unwrap();
    let batch = batch(base, 1, base.0, padding);
    let gate = Arc::new(Gate::default());
    log.append(id, vec![batch.clone()], gate.ticket()).unwrap();
    gate.wait();
    let outcome = log.read(id, base, EVERYTHING, 1).unwrap();
    let bytes = batch.to_bytes().to_vec();
    assert!(
        Piece::join(&outcome.pieces).unwrap() == bytes,
        "{base} of {padding} bytes"
    );
    bytes
}

/// Each of these appends is a write of its own, which begins inside the block where the last ended.
#[test]
fn small_appends_that_share_blocks_are_read_back_right_with_and_without_the_page_cache() {
    for direct_writes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(dir.path(), uncached(direct_writes)).unwrap();
        log.create(LogId(1));
        let mut expected = Vec::new();
        for round in 0..150 {
            let padding = match round % 50 {
                // Now and then to a block's end, and over several.
                48 => 4096,
                49 => 20_000,
                small => small * 7,
            };
            expected.extend(append_and_read(&log, LogId(1), padding));
        }
        assert!(
            read_all(&log, LogId(1)) == expected,
            "direct: {direct_writes}"
        );
        drop(log);
        // Another way of writing goes on where the first one stopped.
        let (log, recovery) = Log::open(dir.path(), uncached(!direct_writes)).unwrap();
        assert!(recovery.damages.is_empty(), "{:?}", recovery.damages);
        expected.extend(append_and_read(&log, LogId(1), 100));
        assert!(
            read_all(&log, LogId(1)) == expected,
            "direct: {direct_writes}"
        );
    }
}

/// The files of this kind, by what a rename does not change.
fn inodes(dir: &Path, suffix: &str) -> BTreeSet<u64> {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(dir.join("log")).unwrap();
    files
        .map(Result::unwrap)
        .filter(|file| file.file_name().to_string_lossy().ends_with(suffix))
        .map(|file| file.metadata().unwrap().ino())
        .collect()
}

#[test]
fn extents_are_used_again_where_writes_replace_pages_and_are_read_back_right() {
    for direct_writes in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (log, _) = Log::open(dir.path(), uncached(direct_writes)).unwrap();
        log.create(LogId(1));
        let mut kept = BTreeSet::new();
        let mut expected = Vec::new();
        for round in 0..4 {
            expected.clear();
            for index in 0..60 {
                let padding = 3000 + round * 100 + index;
                expected.extend(append_and_read(&log, LogId(1), padding));
            }
            assert!(
                read_all(&log, LogId(1)) == expected,
                "direct: {direct_writes}"
            );
            {
                let _no_upkeep = lock(&log.core.upkeeping);
                let filled = inodes(dir.path(), ".log");
                let is_reused = !filled.is_disjoint(&kept);
                let expected = round > 0 && log.core.disk.replaces_pages();
                assert_eq!(is_reused, expected, "{filled:?}");
            }
            if round < 3 {
                let gate = Arc::new(Gate::default());
                log.trim(LogId(1), log.next_offset(LogId(1)).unwrap(), gate.ticket());
                gate.wait();
                log.core.step_upkeep();
                log.checkpoint(&no_snapshot).unwrap();
                log.core.step_upkeep();
                let _no_upkeep = lock(&log.core.upkeeping);
                kept = inodes(dir.path(), ".free");
            }
        }
        drop(log);
        let (log, recovery) = Log::open(dir.path(), uncached(direct_writes)).unwrap();
        assert!(recovery.damages.is_empty(), "{:?}", recovery.damages);
        assert!(
            read_all(&log, LogId(1)) == expected,
            "direct: {direct_writes}"
        );
    }
}

#[test]
fn a_second_user_of_the_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _) = Log::open(dir.path(), options()).unwrap();
    let second = Log::open(dir.path(), options());
    assert!(matches!(second, Err(OpenError::Locked)));
}

#[test]
fn many_appenders_keep_each_partition_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), options()).unwrap();
    let gate = Arc::new(Gate::default());
    std::thread::scope(|scope| {
        for id in 0..4 {
            let (log, gate) = (&log, &gate);
            scope.spawn(move || {
                log.create(LogId(id));
                for base in 0..300 {
                    let batch = batch(Offset(base), 1, base, 700);
                    log.append(LogId(id), vec![batch], gate.ticket()).unwrap();
                }
            });
        }
    });
    gate.wait();
    let stats = log.stats();
    assert_eq!(stats.state, State::Open);
    assert_eq!(stats.queue_bytes, 0);
    assert!(
        stats.syncs <= 1200,
        "syncs are shared or at most one per append"
    );
    for id in 0..4 {
        let all: Bytes = read_all(&log, LogId(id)).into();
        let bases: Vec<i64> = split(all).map(|(header, _)| header.base_offset.0).collect();
        assert_eq!(bases, (0..300).collect::<Vec<_>>());
    }
}

/// Reads what is there now and checks that offsets follow each other.
fn check_sequence(log: &Log, id: LogId) {
    let mut next = log.watermarks(id).unwrap().start;
    loop {
        let outcome = match log.read(id, next, EVERYTHING, 5000) {
            Ok(outcome) => outcome,
            // Trimmed in the meantime.
            Err(ReadError::OutOfRange { start, .. }) if start > next => {
                next = start;
                continue;
            }
            Err(error) => panic!("{error:?}"),
        };
        if outcome.batches == 0 {
            return;
        }
        let bytes: Bytes = Piece::join(&outcome.pieces).unwrap();
        let mut first = true;
        for (header, _) in split(bytes) {
            let follows = header.base_offset == next;
            assert!(
                follows || (first && header.base_offset < next),
                "{id}: {header:?}"
            );
            first = false;
            next = header.next_offset();
        }
        assert_eq!(next, outcome.next);
    }
}

fn append_pair(log: &Log, gate: &Arc<Gate>, round: i64, ids: [LogId; 2]) {
    for id in ids {
        let padding = usize::try_from(round * 37 % 3000).unwrap();
        let batch = batch(Offset(round * 2), 2, round, padding);
        log.append(id, vec![batch], gate.ticket()).unwrap();
    }
}

#[test]
fn appends_reads_trims_and_checkpoints_go_on_side_by_side() {
    const PARTITIONS: u64 = 6;
    const ROUNDS: i64 = 150;
    let dir = tempfile::tempdir().unwrap();
    let small = Options {
        extent_bytes: 64 << 10,
        descriptors_max: 3,
        indexes_max: 2,
        ..options()
    };
    let (log, _) = Log::open(dir.path(), small.clone()).unwrap();
    (0..PARTITIONS).for_each(|id| log.create(LogId(id)));
    let gate = Arc::new(Gate::default());
    let appending = AtomicUsize::new(3);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (log, gate, appending) = (&log, &gate, &appending);
            scope.spawn(move || {
                for base in 0..ROUNDS {
                    append_pair(log, gate, base, [LogId(thread), LogId(thread + 3)]);
                }
                appending.fetch_sub(1, Ordering::Release);
            });
        }
        scope.spawn(|| {
            while appending.load(Ordering::Acquire) > 0 {
                (0..PARTITIONS).for_each(|id| check_sequence(&log, LogId(id)));
            }
        });
        while appending.load(Ordering::Acquire) > 0 {
            for id in (0..PARTITIONS).map(LogId) {
                let half = log.watermarks(id).unwrap().durable_end.0 / 2;
                log.trim(id, Offset(half), gate.ticket());
            }
            log.checkpoint(&no_snapshot).unwrap();
        }
    });
    gate.wait();
    drop(log);
    let summary = crate::verify(dir.path(), &mut |_| {}).unwrap();
    assert_eq!(summary.damages, 0);
    let (log, recovery) = Log::open(dir.path(), small).unwrap();
    assert!(recovery.damages.is_empty(), "{:?}", recovery.damages);
    for id in (0..PARTITIONS).map(LogId) {
        assert_eq!(log.next_offset(id), Some(Offset(ROUNDS * 2)));
        check_sequence(&log, id);
    }
}

#[test]
fn removing_a_partition_gives_its_disk_back() {
    let dir = tempfile::tempdir().unwrap();
    let nothing_kept = Options {
        reused_extents_max: 0,
        ..options()
    };
    let (log, _) = Log::open(dir.path(), nothing_kept).unwrap();
    let gate = Arc::new(Gate::default());
    let ids = [LogId(1), LogId(2)];
    ids.iter().for_each(|&id| log.create(id));
    // Large stretches of one partition between small ones of the other.
    for base in 0..24 {
        let large = batch(Offset(base), 1, base, 90_000);
        let small = batch(Offset(base), 1, base, 10);
        log.append(LogId(1), vec![large], gate.ticket()).unwrap();
        log.append(LogId(2), vec![small], gate.ticket()).unwrap();
    }
    gate.wait();
    let blocks = || -> u64 {
        use std::os::unix::fs::MetadataExt;
        // No index is renamed into place while its name is being looked up.
        let _no_upkeep = lock(&log.core.upkeeping);
        let files = std::fs::read_dir(dir.path().join("log")).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().blocks() * 512)
            .sum()
    };
    let before = blocks();
    log.remove(LogId(1), gate.ticket());
    gate.wait();
    // The extent being filled is ended early; an append waits for that to be durable.
    log.core.step_upkeep();
    let small = batch(Offset(24), 1, 24, 10);
    log.append(LogId(2), vec![small], gate.ticket()).unwrap();
    gate.wait();
    log.core.step_upkeep();
    log.checkpoint(&no_snapshot).unwrap();
    log.core.step_upkeep();
    let after = blocks();
    assert!(after < before - 1_500_000, "{before} before, {after} after");
    let all: Bytes = read_all(&log, LogId(2)).into();
    assert_eq!(split(all).count(), 25, "the other partition is whole");
    assert!(!log.contains(LogId(1)));
    let found = log
        .offset_for_timestamp(LogId(2), Timestamp(9), EVERYTHING)
        .unwrap();
    assert!(found.is_some());
}

#[test]
fn slow_readers_keep_no_more_memory_than_they_may_and_get_copies_beyond() {
    const SLAB_BYTES: u64 = (2 << 20) + (64 << 10);
    const MAY_KEEP_BYTES: u64 = 64 << 20;
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        extent_bytes: 8 << 20,
        tail_cache_bytes: 4 * SLAB_BYTES,
        ..options()
    };
    // What is in the cache when readers begin to get copies, what is in it later, and the rests.
    let own = 2 * options.tail_cache_bytes + 3 * SLAB_BYTES;
    let (log, _) = Log::open(dir.path(), options).unwrap();
    let id = LogId(1);
    log.create(id);
    let held = || log.core.counters.held_slab_bytes.load(Ordering::Relaxed);
    let mut most = 0;
    let mut kept: Vec<Vec<Piece>> = Vec::new();
    for number in 0..120 {
        let gate = Arc::new(Gate::default());
        let batch = batch(Offset(number), 1, number, 900_000);
        log.append(id, vec![batch], gate.ticket()).unwrap();
        gate.wait();
        let read = log.read_at_once(id, Offset(number), EVERYTHING, 1, Lending::Never);
        let pieces = read.unwrap().expect("it is in the tail cache").pieces;
        assert!(Piece::join(&pieces).unwrap().len() > 900_000);
        kept.push(pieces);
        most = held().max(most);
    }
    assert!(most > MAY_KEEP_BYTES, "{most}: the test holds too little");
    assert!(most <= own + MAY_KEEP_BYTES, "{most}");
    drop(kept);
    log.give_back();
    assert!(held() <= own, "{}", held());
}
