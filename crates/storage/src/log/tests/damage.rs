//! Damaged bytes, missing files, files that cannot be read.

use std::sync::Arc;

use model::{LogId, Offset};

use super::support::*;
use crate::{
    Damage, OpenError, ReadError,
    disk::{Disk, SimulatedDisk},
    extent::{index_path, log_path},
    log::Core,
    position::ExtentSequence,
};

const ID: LogId = LogId(5);
const OTHER: LogId = LogId(6);
const DISK_BYTES: u64 = 1 << 20;

#[test]
fn a_flipped_bit_in_a_synced_entry_is_quarantined_and_reading_it_is_an_error() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    log.create(OTHER);
    for _ in 0..3 {
        log.append_one(ID, 2, 40).1.unwrap();
        log.settle();
        log.append_one(OTHER, 1, 40).1.unwrap();
        log.settle();
    }
    let hurt = log.partition(ID).unwrap().lock().recent[1].at;
    disk.crash();
    // Inside the records of the second batch.
    let byte = usize::try_from(hurt.position.byte + hurt.bytes - 20).unwrap();
    disk.flip_bit(&log_path(hurt.position.extent), byte, 3);
    let (log, recovery) = open(&disk);
    let (from, until) = (Offset(2), Offset(4));
    assert!(recovery.damages.contains(&Damage::LostOffsets {
        id: ID,
        from,
        until
    }));
    let quarantined =
        |damage: &Damage| matches!(damage, Damage::Quarantined { at, .. } if *at == hurt.position);
    assert!(
        recovery.damages.iter().any(quarantined),
        "{:?}",
        recovery.damages
    );
    assert!(!recovery.clean);
    assert_eq!(log.read_all(OTHER, PLENTY).unwrap().len(), 3);
    let before = log.read(ID, Offset(0), EVERYTHING, PLENTY).unwrap();
    assert_eq!(before.next, Offset(2));
    let damaged = log.read(ID, Offset(2), EVERYTHING, PLENTY);
    assert!(matches!(
        damaged,
        Err(ReadError::Damaged {
            until: Offset(4),
            ..
        })
    ));
    assert_eq!(
        log.read(ID, Offset(4), EVERYTHING, PLENTY).unwrap().next,
        Offset(6)
    );
}

#[test]
fn a_damaged_header_loses_only_what_it_covers() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    for _ in 0..3 {
        log.append_one(ID, 2, 40).1.unwrap();
        log.settle();
    }
    let hurt = log.partition(ID).unwrap().lock().recent[1].at;
    disk.crash();
    let byte = usize::try_from(hurt.position.byte).unwrap() + 26;
    disk.flip_bit(&log_path(hurt.position.extent), byte, 0);
    let (log, recovery) = open(&disk);
    let (from, until) = (Offset(2), Offset(4));
    assert!(recovery.damages.contains(&Damage::LostOffsets {
        id: ID,
        from,
        until
    }));
    assert!(matches!(
        log.read(ID, Offset(3), EVERYTHING, PLENTY),
        Err(ReadError::Damaged { .. })
    ));
}

#[test]
fn damage_that_is_met_while_reading_is_an_error_and_not_wrong_bytes() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    for _ in 0..12 {
        log.append_one(ID, 1, 700).1.unwrap();
        log.settle();
    }
    disk.flip_bit(&log_path(ExtentSequence(1)), 64 + 64 + 61 + 300, 0);
    let error = log.read(ID, Offset(0), EVERYTHING, PLENTY).unwrap_err();
    assert!(matches!(
        error,
        ReadError::Damaged {
            from: Offset(0),
            until: Offset(1)
        }
    ));
    assert_eq!(
        log.read(ID, Offset(1), EVERYTHING, 1).unwrap().next,
        Offset(2)
    );
}

#[test]
fn a_damaged_or_missing_index_is_built_again() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    for _ in 0..20 {
        log.append_one(ID, 1, 700).1.unwrap();
        log.settle();
    }
    let expected = log.read_all(ID, PLENTY).unwrap();
    log.refuse_appends();
    log.checkpoint(&no_snapshot).unwrap();
    log.mark_clean().unwrap();
    disk.crash();
    disk.flip_bit(&index_path(ExtentSequence(1)), 40, 1);
    let (log, recovery) = open(&disk);
    assert!(recovery.clean, "an index is no data");
    log.disk.remove(&index_path(ExtentSequence(2))).unwrap();
    assert_eq!(log.read_all(ID, PLENTY).unwrap(), expected);
}

#[test]
fn a_damaged_manifest_costs_a_full_scan_and_snapshots_but_no_data() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    for _ in 0..20 {
        log.append_one(ID, 1, 700).1.unwrap();
        log.settle();
    }
    let note = Note::default();
    log.trim(ID, Offset(9), note.boxed());
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    log.settle();
    let expected = log.read_all(ID, PLENTY).unwrap();
    assert_eq!(expected.len(), 11);
    disk.crash();
    disk.flip_bit("manifest", 30, 1);
    let (log, recovery) = open(&disk);
    assert_eq!(recovery.damages, [Damage::Manifest]);
    assert_eq!(log.read_all(ID, PLENTY).unwrap(), expected);
}

#[test]
fn rot_below_the_checkpoint_is_damage_even_where_nothing_follows() {
    for checkpointed in [true, false] {
        let disk = SimulatedDisk::new(DISK_BYTES, 1);
        let (log, _) = open(&disk);
        log.create(ID);
        for _ in 0..2 {
            log.append_one(ID, 2, 40).1.unwrap();
            log.settle();
        }
        if checkpointed {
            log.checkpoint(&no_snapshot).unwrap();
        }
        let last = log.partition(ID).unwrap().lock().recent[1].at;
        disk.crash();
        let byte = usize::try_from(last.position.byte + last.bytes - 20).unwrap();
        disk.flip_bit(&log_path(last.position.extent), byte, 3);
        let (log, recovery) = open(&disk);
        let damages = &recovery.damages;
        let at = last.position;
        let lost = Damage::LostOffsets {
            id: ID,
            from: Offset(2),
            until: Offset(4),
        };
        if checkpointed {
            assert!(damages.contains(&lost), "{damages:?}");
            let read = log.read(ID, Offset(2), EVERYTHING, PLENTY);
            assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
        } else {
            // Nothing on the disk says that the last sync covered it.
            let tail =
                |damage: &Damage| matches!(damage, Damage::TornTail { at: a, .. } if *a == at);
            assert!(damages.iter().any(tail), "{damages:?}");
        }
    }
}

#[test]
fn a_missing_last_file_is_damage_where_the_checkpoint_knows_of_it() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    log.append_one(ID, 2, 40).1.unwrap();
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    let extent = log.partition(ID).unwrap().lock().recent[0]
        .at
        .position
        .extent;
    for name in disk.list("log").unwrap() {
        log.disk.remove(&format!("log/{name}")).unwrap();
    }
    log.disk.sync_dir("log").unwrap();
    disk.crash();
    let (log, recovery) = open(&disk);
    let missing = Damage::MissingExtent { extent };
    assert!(
        recovery.damages.contains(&missing),
        "{:?}",
        recovery.damages
    );
    let read = log.read(ID, Offset(0), EVERYTHING, PLENTY);
    assert!(matches!(read, Err(ReadError::Damaged { .. })), "{read:?}");
}

#[test]
fn a_file_that_cannot_be_read_refuses_the_start_and_changes_nothing() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    // Without upkeep: no checkpoint says what was synced.
    for _ in 0..6 {
        log.append_one(ID, 1, 700).1.unwrap();
        while log.step_write() || log.step_sync() {}
    }
    let entries: Vec<_> = log
        .partition(ID)
        .unwrap()
        .lock()
        .recent
        .iter()
        .map(|one| one.at)
        .collect();
    let first_extent = entries[0].position.extent;
    let mut of_first = entries
        .iter()
        .filter(|at| at.position.extent == first_extent);
    let hurt = of_first.next_back().unwrap();
    let unreadable = log_path(entries.last().unwrap().position.extent);
    assert_ne!(unreadable, log_path(first_extent));
    disk.crash();
    // The entry and the end of its extent: only the next extent tells that they were synced.
    let end = usize::try_from(hurt.position.byte + hurt.bytes).unwrap();
    for byte in [end - 20, end + 20] {
        disk.flip_bit(&log_path(first_extent), byte, 3);
    }
    disk.set_unreadable(Some(&unreadable));
    let names = || disk.list("log").unwrap();
    let found = names();
    let opened = Core::open(Arc::new(disk.clone()), small_options());
    let Some(OpenError::Io { action, file, .. }) = opened.err() else {
        panic!("opened");
    };
    assert_eq!((action, file.as_str()), ("read", unreadable.as_str()));
    assert_eq!(names(), found);
    disk.crash();
    disk.set_unreadable(None);
    let (_, recovery) = open(&disk);
    let quarantined = |damage: &Damage| matches!(damage, Damage::Quarantined { .. });
    assert!(
        recovery.damages.iter().any(quarantined),
        "{:?}",
        recovery.damages
    );
    let recovered = recovery.partitions.iter().find(|one| one.id == ID).unwrap();
    assert_eq!(recovered.next, Offset(6));
}
