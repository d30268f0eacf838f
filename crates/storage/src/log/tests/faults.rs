//! Full disks, failing disks, damaged bytes.

use std::sync::Arc;

use model::{LogId, Offset, Timestamp};

use super::support::*;
use crate::{
    AppendError, Damage, EntryTime, OpenError, ReadError, State, TimestampMatch,
    disk::{Disk, Fault, SimulatedDisk},
    extent::{index_path, log_path},
    log::Core,
    position::ExtentSequence,
};

const ID: LogId = LogId(5);
const OTHER: LogId = LogId(6);
const DISK_BYTES: u64 = 1 << 20;

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
    disk.set_capacity(DISK_BYTES);
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
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
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
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    let (_, note) = log.append_one(ID, 2, 10);
    disk.set_fault(Fault::Writes);
    log.step_write();
    let heard = note.unwrap().heard();
    assert!(matches!(heard.durable, Some(Err(AppendError::Closed(_)))));
    assert_eq!(heard.written, 0);
}

#[test]
fn written_comes_before_durable_and_only_durable_is_visible() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
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
fn searches_by_time_and_size_agree_before_and_after_sealing() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
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
    while log.step_write() || log.step_sync() {}
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
        let disk = SimulatedDisk::new(DISK_BYTES, 1);
        let (log, _) = open(&disk);
        log.create(ID);
        for _ in 0..20 {
            log.append_one(ID, 2, 100).1.unwrap();
        }
        while log.step_write() || log.step_sync() {}
        let one = log.partition(ID).unwrap().lock().size_bytes() / 20;
        let keep = one * 17 + 1;
        for _ in 0..4 {
            let start = log.oversized_until(ID, keep).unwrap();
            assert_eq!(start, Offset(4), "upkeep: {upkeep}");
            log.trim(ID, start, Note::default().boxed());
            while log.step_write() || log.step_sync() {}
            if upkeep {
                log.step_upkeep();
            }
        }
    }
}

/// The manifest once promised an append whose sync it had not waited for, because the extent behind
/// it had been ended early and the new one was still empty.
#[test]
fn a_checkpoint_waits_for_appends_in_an_extent_that_was_ended_early() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    log.create(OTHER);
    log.append_one(ID, 1, 1500).1.unwrap();
    log.remove(ID, Note::default().boxed());
    while log.step_write() || log.step_sync() {}
    let (_, note) = log.append_one(OTHER, 1, 10);
    let note = note.unwrap();
    log.step_upkeep();
    assert!(!note.is_acknowledged());
    log.checkpoint(&no_snapshot).unwrap();
    assert!(note.is_acknowledged());
}

#[test]
fn a_failed_sync_of_a_new_extent_closes_the_log_too() {
    let disk = SimulatedDisk::new(DISK_BYTES, 1);
    let (log, _) = open(&disk);
    log.create(ID);
    log.append_one(ID, 1, 2000).1.unwrap();
    let (_, waiting) = log.append_one(ID, 1, 900);
    disk.set_fault(Fault::Syncs);
    let (_, refused) = log.append_one(ID, 1, 2000);
    assert!(matches!(refused, Err(AppendError::Closed(_))));
    disk.set_fault(Fault::None);
    while log.step_write() || log.step_sync() {}
    let heard = waiting.unwrap().heard().durable;
    assert!(
        matches!(heard, Some(Err(AppendError::Closed(_)))),
        "{heard:?}"
    );
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
