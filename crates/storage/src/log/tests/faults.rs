//! Full disks, failing disks.

use model::LogId;

use super::support::*;
use crate::{
    AppendError, State,
    disk::{Fault, SimulatedDisk},
};

const ID: LogId = LogId(5);
const OTHER: LogId = LogId(6);

#[test]
fn a_full_disk_refuses_appends_and_service_resumes_when_there_is_room() {
    let disk = SimulatedDisk::new(5 * 4096, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    let mut appended = 0;
    let refused = loop {
        let (_, result) = log.append_one(ID, 1, 900);
        log.settle();
        match result {
            Ok(note) => assert!(note.is_acknowledged()),
            Err(error) => break error,
        }
        appended += 1;
    };
    assert_eq!(refused, AppendError::NoSpace);
    assert_eq!(log.stats().state, State::NoSpace);
    assert!(appended >= 8, "{appended} appended");
    disk.set_capacity(1 << 20);
    let (_, result) = log.append_one(ID, 1, 900);
    log.settle();
    assert!(result.unwrap().is_acknowledged());
    assert_eq!(log.stats().state, State::Open);
    assert_eq!(log.read_all(ID, PLENTY).unwrap().len(), appended + 1);
}

#[test]
fn a_full_disk_can_be_emptied_by_trimming() {
    let disk = SimulatedDisk::new(5 * 4096, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    while log.append_one(ID, 1, 900).1.is_ok() {
        log.settle();
    }
    let note = Note::default();
    log.trim(ID, EVERYTHING, note.boxed());
    log.settle();
    assert!(note.is_acknowledged());
    log.checkpoint(&no_snapshot).unwrap();
    log.settle();
    let (_, result) = log.append_one(ID, 1, 900);
    log.settle();
    assert!(result.unwrap().is_acknowledged());
}

#[test]
fn a_failed_sync_closes_the_log_and_everyone_waiting_hears_of_it() {
    let (disk, log) = log_with(&[ID]);
    let (_, first) = log.append_one(ID, 2, 10);
    log.settle();
    assert!(first.unwrap().is_acknowledged());
    let (_, doubtful) = log.append_one(ID, 2, 10);
    log.step_write();
    let (_, queued) = log.append_one(ID, 2, 10);
    disk.set_fault(Fault::Syncs);
    log.step_sync();
    for note in [doubtful.unwrap(), queued.unwrap()] {
        let heard = note.heard().durable;
        assert!(
            matches!(heard, Some(Err(AppendError::Closed(_)))),
            "{heard:?}"
        );
    }
    // Healing does not help: what the kernel dropped stays dropped.
    disk.set_fault(Fault::None);
    let (_, later) = log.append_one(ID, 2, 10);
    assert!(matches!(later, Err(AppendError::Closed(_))));
    assert!(matches!(log.stats().state, State::Closed(_)));
    assert_eq!(
        log.read_all(ID, PLENTY).unwrap().len(),
        1,
        "what is durable can be read"
    );
}

#[test]
fn a_failed_write_closes_the_log() {
    let (disk, log) = log_with(&[ID]);
    let (_, note) = log.append_one(ID, 2, 10);
    disk.set_fault(Fault::Writes);
    log.step_write();
    let heard = note.unwrap().heard();
    assert!(matches!(heard.durable, Some(Err(AppendError::Closed(_)))));
    assert_eq!(heard.written, 0);
}

#[test]
fn written_comes_before_durable_and_only_durable_is_visible() {
    let (_disk, log) = log_with(&[ID]);
    let (_, note) = log.append_one(ID, 2, 10);
    let note = note.unwrap();
    assert_eq!(note.heard(), Heard::default());
    log.step_write();
    assert_eq!(note.heard().written, 1);
    assert_eq!(note.heard().durable, None);
    assert!(log.read_all(ID, PLENTY).unwrap().is_empty());
    log.step_sync();
    assert!(note.is_acknowledged());
    assert_eq!(log.read_all(ID, PLENTY).unwrap().len(), 1);
}

/// The manifest once promised an append whose sync it had not waited for, because the extent behind
/// it had been ended early and the new one was still empty.
#[test]
fn a_checkpoint_waits_for_appends_in_an_extent_that_was_ended_early() {
    let (_disk, log) = log_with(&[ID, OTHER]);
    log.append_one(ID, 1, 1500).1.unwrap();
    log.remove(ID, Note::default().boxed());
    log.commit();
    let (_, note) = log.append_one(OTHER, 1, 10);
    let note = note.unwrap();
    log.step_upkeep();
    assert!(!note.is_acknowledged());
    log.checkpoint(&no_snapshot).unwrap();
    assert!(note.is_acknowledged());
}

/// Waiting for room would be waiting for ever.
#[test]
fn a_file_that_cannot_be_made_closes_the_log_and_does_not_pass_for_a_full_disk() {
    let (disk, log) = log_with(&[ID]);
    log.append_one(ID, 1, 10).1.unwrap();
    log.commit();
    disk.set_fault(Fault::Creates);
    log.step_upkeep();
    let (_, refused) = log.append_one(ID, 1, 10);
    assert!(
        matches!(refused, Err(AppendError::Closed(_))),
        "{refused:?}"
    );
    assert!(matches!(log.stats().state, State::Closed(_)));
}

#[test]
fn a_failed_sync_of_a_new_extent_closes_the_log_too() {
    let (disk, log) = log_with(&[ID]);
    log.append_one(ID, 1, 2000).1.unwrap();
    let (_, waiting) = log.append_one(ID, 1, 900);
    disk.set_fault(Fault::Syncs);
    let (_, refused) = log.append_one(ID, 1, 2000);
    assert!(matches!(refused, Err(AppendError::Closed(_))));
    disk.set_fault(Fault::None);
    log.commit();
    let heard = waiting.unwrap().heard().durable;
    assert!(
        matches!(heard, Some(Err(AppendError::Closed(_)))),
        "{heard:?}"
    );
}
