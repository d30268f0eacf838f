//! Files of freed extents get new extents: nothing of what they held comes to life.

use std::sync::Arc;

use model::{LogId, Offset};
use proptest::prelude::*;

use super::{
    support::*,
    world::{Act, World},
};
use crate::{
    Damage, ExtentSequence, Options,
    disk::{Disk, SimulatedDisk},
    index,
    log::Core,
};

const ID: LogId = LogId(5);
const KEPT: LogId = LogId(6);

const DISK_BYTES: u64 = 16 << 20;

fn names(disk: &SimulatedDisk, suffix: &str) -> usize {
    let names = disk.list("log").unwrap();
    names.iter().filter(|name| name.ends_with(suffix)).count()
}

/// A log with freed extents that are kept, and one batch that lives.
fn with_freed(seed: u64) -> (SimulatedDisk, Core) {
    let disk = SimulatedDisk::new(1 << 20, seed);
    let (log, _) = open(&disk);
    log.create(ID);
    log.create(KEPT);
    log.commit_each(&[(ID, 1, 700); 20]);
    log.append_one(KEPT, 1, 700).1.unwrap();
    log.trim(ID, EVERYTHING, Note::default().boxed());
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    log.settle();
    assert_eq!(names(&disk, ".free"), 4, "as many as the options say");
    (disk, log)
}

#[test]
fn a_freed_extent_is_used_again_before_a_new_file_is_made() {
    let (disk, log) = with_freed(1);
    let files = names(&disk, ".log") + names(&disk, ".free");
    log.commit_each(&[(ID, 1, 700); 10]);
    assert_eq!(names(&disk, ".log") + names(&disk, ".free"), files);
    assert!(names(&disk, ".free") <= 2);
    assert_eq!(log.read_all(ID, PLENTY).unwrap().len(), 10);
    // Closed properly, the next start finds nothing torn behind what was written.
    log.refuse_appends();
    log.checkpoint(&no_snapshot).unwrap();
    log.mark_clean().unwrap();
    disk.crash();
    let (log, recovery) = open(&disk);
    assert!(recovery.clean, "{:?}", recovery.damages);
    assert_eq!(log.read_all(ID, PLENTY).unwrap().len(), 10);
}

/// A disk of [`DISK_BYTES`] gets smaller until so much is free.
fn leave_free(disk: &SimulatedDisk, bytes: u64) {
    let allocated = DISK_BYTES - disk.free_bytes().unwrap();
    disk.set_capacity(allocated + bytes);
}

/// A log on a new disk of [`DISK_BYTES`], with a floor.
fn with_floor(options: Options) -> (SimulatedDisk, Core) {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = Core::open(Arc::new(disk.clone()), options).unwrap();
    log.create(ID);
    log.create(KEPT);
    (disk, log)
}

#[test]
fn below_the_floor_kept_files_are_filled_before_an_append_is_refused() {
    let floor = 8 * 4096;
    let (disk, log) = with_floor(Options {
        free_space_floor_bytes: floor,
        ..small_options()
    });
    log.commit_each(&[(ID, 1, 700); 20]);
    log.trim(ID, EVERYTHING, Note::default().boxed());
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    log.settle();
    let kept = names(&disk, ".free");
    assert!(kept >= 3, "{kept}");
    let files = names(&disk, ".log") + kept;
    leave_free(&disk, floor - 100);
    while names(&disk, ".free") > 0 {
        let note = log.append_one(ID, 1, 700).1.unwrap();
        log.settle();
        assert!(note.is_acknowledged());
    }
    while log.append_one(ID, 1, 700).1.is_ok() {
        log.settle();
    }
    assert_eq!(names(&disk, ".log"), files, "none was made");
}

#[test]
fn holes_of_kept_files_count_against_the_floor_and_files_give_way_to_each_other() {
    let options = wide_options();
    let extent = options.extent_bytes;
    let floor = 2 * extent;
    let (disk, log) = with_floor(Options {
        free_space_floor_bytes: floor,
        ..options
    });
    // Of each extent a tenth stays; then that goes too.
    let turn = [(KEPT, 1, 80_000), (ID, 1, 880_000)];
    log.commit_each(&turn.repeat(3));
    for id in [ID, KEPT] {
        log.trim(id, EVERYTHING, Note::default().boxed());
        log.checkpoint(&no_snapshot).unwrap();
        log.settle();
    }
    let kept = names(&disk, ".free");
    assert!(kept >= 2, "{kept}");
    leave_free(&disk, floor + 848_000);
    let mut appended = 0;
    while log.append_one(ID, 1, 880_000).1.is_ok() {
        log.settle();
        appended += 1;
        assert!(disk.free_bytes().unwrap() >= floor, "{appended} appended");
    }
    assert_eq!(names(&disk, ".free"), 0);
    assert_eq!(appended, 2, "one in the spare extent, one in a kept file");
}

#[test]
fn old_bytes_behind_the_end_are_neither_entries_nor_a_torn_tail() {
    let (disk, log) = with_freed(1);
    log.commit_each(&[(ID, 1, 700); 5]);
    let expected = log.read_all(ID, PLENTY).unwrap();
    assert!(names(&disk, ".free") < 4);
    drop(log);
    disk.crash();
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.damages, [], "all that was written was synced");
    assert_eq!(log.read_all(ID, PLENTY).unwrap(), expected);
    assert_eq!(log.read_all(KEPT, PLENTY).unwrap().len(), 1);
}

#[test]
fn the_power_may_fail_at_any_step_of_a_reuse() {
    for seed in 0..6 {
        for changes in 0..40 {
            let (disk, log) = with_freed(seed);
            let start = log.partition(ID).unwrap().lock().start;
            disk.power_off_after(changes);
            let mut acknowledged = 0;
            for _ in 0..12 {
                let note = log.append_one(ID, 1, 700).1;
                log.settle();
                acknowledged += usize::from(note.is_ok_and(|note| note.is_acknowledged()));
            }
            drop(log);
            disk.crash();
            let (log, recovery) = open(&disk);
            for damage in &recovery.damages {
                assert!(matches!(damage, Damage::TornTail { .. }), "{damage:?}");
            }
            let found = log.read_all(ID, PLENTY).unwrap();
            assert!(
                found.len() >= acknowledged,
                "seed {seed}, {changes} changes"
            );
            for (index, bytes) in found.iter().enumerate() {
                let base = start.plus(i64::try_from(index).unwrap());
                let written = batch(base, 1, base.0 * 10, 700);
                assert_eq!(*bytes, written.to_bytes());
            }
            assert_eq!(log.read_all(KEPT, PLENTY).unwrap().len(), 1);
        }
    }
}

/// Without the manifest only the names of the kept files say which numbers were given.
#[test]
fn numbers_in_kept_files_are_not_given_again_when_the_manifest_is_lost() {
    let (disk, log) = with_freed(1);
    log.remove(KEPT, Note::default().boxed());
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    log.settle();
    drop(log);
    disk.crash();
    for name in disk.list("log").unwrap() {
        if name.ends_with(".log") {
            disk.remove(&format!("log/{name}")).unwrap();
        }
    }
    disk.flip_bit("manifest", 30, 1);
    let free = disk.list("log").unwrap();
    let (log, _) = open(&disk);
    log.create(LogId(9));
    log.append_one(LogId(9), 1, 10).1.unwrap();
    log.settle();
    let position = log.partition(LogId(9)).unwrap().lock().recent[0]
        .at
        .position;
    let newest = free
        .iter()
        .filter_map(|name| name.strip_suffix(".free"))
        .max();
    assert!(position.extent.0 > newest.unwrap().parse().unwrap());
}

#[test]
fn a_reader_of_an_extent_that_is_used_again_is_told_that_its_offset_is_gone() {
    let (_disk, log) = with_freed(1);
    let error = log.read(ID, Offset(0), EVERYTHING, PLENTY).unwrap_err();
    assert!(
        matches!(error, crate::ReadError::OutOfRange { .. }),
        "{error}"
    );
}

/// Numbers of extents that have an index, and of those that have none but an index.
fn indexed(disk: &SimulatedDisk) -> (usize, Vec<String>) {
    let names = disk.list("log").unwrap();
    let stems = names.iter().filter_map(|name| name.split_once(".index"));
    let stems: Vec<String> = stems.map(|(stem, _)| stem.to_owned()).collect();
    let has_log = |stem: &String| names.contains(&format!("{stem}.log"));
    let (kept, alone): (Vec<_>, Vec<_>) = stems.into_iter().partition(has_log);
    (kept.len(), alone)
}

#[test]
fn no_index_stays_that_is_built_again_while_its_extent_is_freed() {
    let (disk, log) = with_freed(1);
    let encoded = index::encode(ExtentSequence(1), Vec::new());
    // The reader found the log when it looked, and has read it.
    let put = log.put_index(ExtentSequence(1), &encoded);
    assert_eq!(put.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    assert_eq!(indexed(&disk).1, [""; 0]);
}

#[test]
fn an_extent_whose_index_could_not_be_removed_is_freed_the_next_time() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 20]);
    log.trim(ID, EVERYTHING, Note::default().boxed());
    // The extent being filled is ended early, sealed, and nothing is left to prepare.
    (0..3).for_each(|_| log.settle());
    log.checkpoint(&no_snapshot).unwrap();
    disk.power_off_after(1);
    log.step_upkeep();
    assert_eq!(indexed(&disk).1.len(), 1, "the log has gone, its index not");
    disk.power_off_after(u64::MAX);
    log.step_upkeep();
    assert_eq!(indexed(&disk).1, [""; 0]);
    assert!(names(&disk, ".free") >= 3);
    log.commit_each(&[(ID, 1, 700); 20]);
}

#[test]
fn a_start_removes_indexes_whose_extents_are_gone_and_keeps_the_others() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 20]);
    log.checkpoint(&no_snapshot).unwrap();
    drop(log);
    let (kept, alone) = indexed(&disk);
    assert!(kept >= 3 && alone.is_empty());
    for name in ["0000000777.index", "0000000778.index.new"] {
        disk.create(&format!("log/{name}"), 0).unwrap();
    }
    disk.sync_dir("log").unwrap();
    disk.crash();
    let (log, _) = open(&disk);
    assert_eq!(indexed(&disk), (kept, vec![]));
    assert_eq!(log.read_all(ID, PLENTY).unwrap().len(), 20);
}

/// Appends, then everything old is freed: extents go round.
fn round() -> impl Strategy<Value = Vec<Act>> {
    let append = (0..2_u64, 300..900_usize).prop_map(|(id, padding)| Act::Append {
        id,
        count: 1,
        padding,
    });
    let step = prop_oneof![
        6 => append,
        2 => Just(Act::Write),
        4 => Just(Act::Sync),
        1 => Just(Act::Upkeep),
        1 => Just(Act::Checkpoint),
        1 => (0..6_u64).prop_map(|changes| Act::PowerOffAfter { changes }),
        1 => proptest::option::of(0..9_u64).prop_map(|again_after| Act::Crash { again_after }),
    ];
    (proptest::collection::vec(step, 1..24), 60..101_i64).prop_map(|(mut acts, percent)| {
        for id in 0..2 {
            acts.push(Act::Trim { id, percent });
        }
        acts.extend([
            Act::Write,
            Act::Sync,
            Act::Upkeep,
            Act::Checkpoint,
            Act::Upkeep,
        ]);
        acts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn extents_that_go_round_lose_nothing_and_bring_nothing_back(
        seed in any::<u64>(),
        rounds in proptest::collection::vec(round(), 2..8),
    ) {
        let mut world = World::new(seed);
        for act in rounds.iter().flatten() {
            world.take(act);
        }
        world.crash(None);
        world.crash(None);
    }
}
