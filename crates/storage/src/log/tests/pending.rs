//! Trims and removals that are queued: a crash takes them back, so nothing may be gone by then.

use model::{LogId, Offset};

use super::support::*;
use crate::{
    AppendError, ExtentSequence,
    disk::{Disk, SimulatedDisk},
    extent::log_path,
    log::Core,
};

const ID: LogId = LogId(5);
const OTHER: LogId = LogId(6);
const DEAD: LogId = LogId(7);

/// Batches of three partitions in turn that fill the first extent, which is sealed and
/// checkpointed. All of one partition's are trimmed: there is something to punch.
fn with_dead() -> (SimulatedDisk, Core) {
    let disk = SimulatedDisk::new(16 << 20, 1);
    let (log, _) = open_wide(&disk);
    for id in [ID, OTHER, DEAD] {
        log.create(id);
    }
    let turn = [ID, OTHER, DEAD].map(|id| (id, 1, 100_000));
    log.commit_each(&turn.repeat(4));
    log.checkpoint(&no_snapshot).unwrap();
    assert_eq!(log.extents.scan_from(), ExtentSequence(2));
    log.trim(DEAD, EVERYTHING, Note::default().boxed());
    log.commit();
    (disk, log)
}

/// The process dies: all that it wrote stays, what was only queued does not. The next one has its
/// extents ready.
fn kill(disk: &SimulatedDisk, log: Core) -> Core {
    let file = log.disk.open(&log_path(ExtentSequence(1))).unwrap();
    file.sync_data().unwrap();
    drop(log);
    disk.crash();
    let (log, _) = open_wide(disk);
    log.create(LogId(9));
    log.commit_each(&[(LogId(9), 1, 10)]);
    log
}

#[test]
fn no_hole_is_punched_for_a_trim_that_is_not_durable() {
    let (disk, log) = with_dead();
    let expected = log.read_all(ID, PLENTY).unwrap();
    let before = disk.free_bytes().unwrap();
    log.trim(ID, EVERYTHING, Note::default().boxed());
    log.step_upkeep();
    let after = disk.free_bytes().unwrap();
    assert!(after > before, "the durable trim is punched");
    let log = kill(&disk, log);
    assert_eq!(log.read_all(ID, PLENTY).unwrap(), expected);
    let before = disk.free_bytes().unwrap();
    log.trim(ID, EVERYTHING, Note::default().boxed());
    log.settle();
    assert!(disk.free_bytes().unwrap() > before, "then the other one is");
}

#[test]
fn no_hole_is_punched_for_a_removal_that_is_not_durable() {
    let (disk, log) = with_dead();
    let expected = log.read_all(OTHER, PLENTY).unwrap();
    let before = disk.free_bytes().unwrap();
    log.remove(OTHER, Note::default().boxed());
    log.step_upkeep();
    let after = disk.free_bytes().unwrap();
    assert!(after > before, "the durable trim is punched");
    let log = kill(&disk, log);
    assert_eq!(log.read_all(OTHER, PLENTY).unwrap(), expected);
    let before = disk.free_bytes().unwrap();
    log.remove(OTHER, Note::default().boxed());
    log.settle();
    assert!(disk.free_bytes().unwrap() > before, "then it is");
}

#[test]
fn no_extent_is_freed_for_a_trim_that_is_queued_behind_a_durable_one() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 20]);
    log.checkpoint(&no_snapshot).unwrap();
    let expected = log.read_all(ID, PLENTY).unwrap();
    log.trim(ID, Offset(1), Note::default().boxed());
    log.step_write();
    log.trim(ID, EVERYTHING, Note::default().boxed());
    log.step_sync();
    log.step_upkeep();
    drop(log);
    disk.crash();
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.damages, []);
    let found = log.read_all(ID, PLENTY).unwrap();
    assert!(expected.ends_with(&found));
    assert_eq!(found.len(), 19);
}

/// An entry behind the removal would bring the partition back at the next start.
#[test]
fn whoever_found_a_partition_before_its_removal_was_queued_queues_nothing_behind_it() {
    let (_disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700)]);
    log.partition(ID).unwrap().lock().removed = true;
    let (trim, removal) = (Note::default(), Note::default());
    log.trim(ID, EVERYTHING, trim.boxed());
    log.remove(ID, removal.boxed());
    for note in [trim, removal] {
        let refused = Some(Err(AppendError::UnknownPartition));
        assert_eq!(note.heard().durable, refused);
    }
    assert_eq!(log.stats().queue_bytes, 0);
}
