//! Damaged bytes, missing files, files that cannot be read.

use std::sync::Arc;

use model::{LogId, Offset};

use super::support::*;
use crate::{
    Damage, OpenError, ReadError, Recovery,
    disk::{Disk, SimulatedDisk},
    extent::{index_path, log_path},
    log::Core,
    partition::EntryRef,
    position::{ExtentSequence, Position},
};

const ID: LogId = LogId(5);
const OTHER: LogId = LogId(6);

/// An entry of [`ID`], counted from the first one whose place is in memory.
fn entry(log: &Core, index: usize) -> EntryRef {
    log.partition(ID).unwrap().lock().recent[index].at
}

/// Flips a bit in the records of an entry's last batch.
fn hurt(disk: &SimulatedDisk, entry: EntryRef) {
    let byte = usize::try_from(entry.position.byte + entry.bytes - 20).unwrap();
    disk.flip_bit(&log_path(entry.position.extent), byte, 3);
}

fn lost(from: i64, until: i64) -> Damage {
    let (from, until) = (Offset(from), Offset(until));
    Damage::LostOffsets {
        id: ID,
        from,
        until,
    }
}

/// What was set aside at a start.
fn quarantined(recovery: &Recovery) -> Vec<Position> {
    let damages = recovery.damages.iter();
    let places = damages.filter_map(|damage| match damage {
        Damage::Quarantined { at, .. } => Some(*at),
        _ => None,
    });
    places.collect()
}

/// Where a read from there ends, or the damaged offsets that it meets.
fn read(log: &Core, from: i64) -> Result<i64, (i64, i64)> {
    match log.read(ID, Offset(from), EVERYTHING, PLENTY) {
        Ok(outcome) => Ok(outcome.next.0),
        Err(ReadError::Damaged { from, until }) => Err((from.0, until.0)),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_flipped_bit_in_a_synced_entry_is_quarantined_and_reading_it_is_an_error() {
    let (disk, log) = log_with(&[ID, OTHER]);
    log.commit_each(&[(ID, 2, 40), (OTHER, 1, 40)].repeat(3));
    let second = entry(&log, 1);
    disk.crash();
    hurt(&disk, second);
    let (log, recovery) = open(&disk);
    assert!(recovery.damages.contains(&lost(2, 4)));
    assert_eq!(quarantined(&recovery), [second.position]);
    assert!(!recovery.clean);
    assert_eq!(log.read_all(OTHER, PLENTY).unwrap().len(), 3);
    assert_eq!(read(&log, 0), Ok(2));
    assert_eq!(read(&log, 2), Err((2, 4)));
    assert_eq!(read(&log, 4), Ok(6));
}

#[test]
fn a_damaged_header_loses_only_what_it_covers() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 2, 40); 3]);
    let Position { extent, byte } = entry(&log, 1).position;
    disk.crash();
    let byte = usize::try_from(byte).unwrap() + 26;
    disk.flip_bit(&log_path(extent), byte, 0);
    let (log, recovery) = open(&disk);
    assert!(recovery.damages.contains(&lost(2, 4)));
    assert_eq!(read(&log, 3), Err((3, 4)));
}

#[test]
fn damage_that_is_met_while_reading_is_an_error_and_not_wrong_bytes() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 12]);
    disk.flip_bit(&log_path(ExtentSequence(1)), 64 + 64 + 61 + 300, 0);
    assert_eq!(read(&log, 0), Err((0, 1)));
    assert_eq!(read(&log, 1), Ok(12));
}

#[test]
fn a_damaged_or_missing_index_is_built_again() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 20]);
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
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 20]);
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
fn rot_in_the_last_sync_is_damage_even_where_nothing_follows() {
    for checkpointed in [true, false] {
        let (disk, log) = log_with(&[ID]);
        log.commit_each(&[(ID, 2, 40); 2]);
        if checkpointed {
            log.checkpoint(&no_snapshot).unwrap();
        } else {
            log.mark.sync(log.durable_position());
        }
        let last = entry(&log, 1);
        disk.crash();
        hurt(&disk, last);
        let (log, recovery) = open(&disk);
        let damages = &recovery.damages;
        assert!(damages.contains(&lost(2, 4)), "{damages:?}");
        assert_eq!(read(&log, 2), Err((2, 4)));
    }
}

/// Without a mark and a checkpoint nothing on the disk says that the last sync covered the bytes.
#[test]
fn rot_in_the_last_sync_looks_like_a_torn_tail_where_all_witnesses_are_gone() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 2, 40); 2]);
    let last = entry(&log, 1);
    log.disk.remove("synced").unwrap();
    log.disk.sync_dir("").unwrap();
    disk.crash();
    hurt(&disk, last);
    let (_, recovery) = open(&disk);
    let damages = &recovery.damages;
    let tail =
        |damage: &Damage| matches!(damage, Damage::TornTail { at, .. } if *at == last.position);
    assert!(damages.iter().any(tail), "{damages:?}");
}

/// How the newest extent of a crashed log can come back.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Gone,
    CutInTheMiddle,
    CutToNothing,
    Zeroed,
}

#[test]
fn synced_entries_that_vanished_with_the_newest_extent_are_damage_and_no_torn_tail() {
    for loss in [
        Loss::Gone,
        Loss::CutInTheMiddle,
        Loss::CutToNothing,
        Loss::Zeroed,
    ] {
        let (disk, log) = log_with(&[ID]);
        log.commit_each(&[(ID, 1, 700); 7]);
        log.mark.sync(log.durable_position());
        let synced = log.durable_position();
        let recent = log.partition(ID).unwrap().lock().recent.len();
        let last = entry(&log, recent - 1).position;
        let path = log_path(last.extent);
        log.disk.sync_dir("log").unwrap();
        disk.crash();
        match loss {
            Loss::Gone => {
                let again = disk.clone();
                again.remove(&path).unwrap();
                again.sync_dir("log").unwrap();
            }
            Loss::CutInTheMiddle => disk.truncate(&path, usize::try_from(last.byte).unwrap() + 40),
            Loss::CutToNothing => disk.truncate(&path, 0),
            Loss::Zeroed => disk.zero_from(&path, 64),
        }
        let (log, recovery) = open(&disk);
        let damages = &recovery.damages;
        let told = damages.iter().any(|damage| match damage {
            Damage::LostEnd { synced: until, .. } => *until == synced,
            Damage::MissingExtent { extent } => *extent == last.extent,
            _ => false,
        });
        assert!(told, "{loss:?}: {damages:?}");
        assert!(!recovery.clean, "{loss:?}");
        // Told once: the log goes on from where it ends now.
        log.create(ID);
        log.commit_each(&[(ID, 1, 10)]);
        log.checkpoint(&no_snapshot).unwrap();
        disk.crash();
        let (_, recovery) = open(&disk);
        let damages = &recovery.damages;
        let again = |damage: &Damage| matches!(damage, Damage::LostEnd { .. });
        assert!(!damages.iter().any(again), "{loss:?}: {damages:?}");
    }
}

#[test]
fn a_damaged_header_of_the_only_file_does_not_make_the_log_a_new_one() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 2, 40); 3]);
    disk.crash();
    for name in disk.list("log").unwrap() {
        disk.flip_bit(&format!("log/{name}"), 20, 1);
    }
    let (log, recovery) = open(&disk);
    assert_eq!(read(&log, 0), Ok(6), "{:?}", recovery.damages);
    drop(log);
    disk.crash();
    // With the mark gone too nothing proves the entries: they are not thrown away for that.
    disk.remove("synced").unwrap();
    let before = disk.list("log").unwrap();
    let opened = Core::open(Arc::new(disk.clone()), small_options());
    assert!(matches!(opened.err(), Some(OpenError::Unproved)));
    assert_eq!(disk.list("log").unwrap(), before);
}

#[test]
fn a_missing_last_file_is_damage_where_the_checkpoint_knows_of_it() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 2, 40)]);
    log.checkpoint(&no_snapshot).unwrap();
    let extent = entry(&log, 0).position.extent;
    for name in disk.list("log").unwrap() {
        log.disk.remove(&format!("log/{name}")).unwrap();
    }
    log.disk.sync_dir("log").unwrap();
    disk.crash();
    let (log, recovery) = open(&disk);
    let damages = &recovery.damages;
    let missing = Damage::MissingExtent { extent };
    assert!(damages.contains(&missing), "{damages:?}");
    assert_eq!(read(&log, 0), Err((0, 2)));
}

#[test]
fn a_file_that_cannot_be_read_refuses_the_start_and_changes_nothing() {
    let (disk, log) = log_with(&[ID]);
    // Without upkeep: no checkpoint says what was synced.
    for _ in 0..6 {
        log.append_one(ID, 1, 700).1.unwrap();
        log.commit();
    }
    let entries: Vec<_> = (0..6).map(|index| entry(&log, index)).collect();
    let first_extent = entries[0].position.extent;
    let mut of_first = entries
        .iter()
        .filter(|at| at.position.extent == first_extent);
    let last_of_first = *of_first.next_back().unwrap();
    let unreadable = log_path(entries.last().unwrap().position.extent);
    assert_ne!(unreadable, log_path(first_extent));
    disk.crash();
    // The entry and the end of its extent: only the next extent tells that they were synced.
    hurt(&disk, last_of_first);
    let end = usize::try_from(last_of_first.position.byte + last_of_first.bytes).unwrap();
    disk.flip_bit(&log_path(first_extent), end + 20, 3);
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
    assert!(!quarantined(&recovery).is_empty(), "{:?}", recovery.damages);
    let recovered = recovery.partitions.iter().find(|one| one.id == ID).unwrap();
    assert_eq!(recovered.next, Offset(6));
}

/// Behind the end of a log that was closed properly lie prepared extents, among them former ones.
#[test]
fn after_a_clean_end_what_is_behind_it_is_not_read() {
    let (disk, log) = log_with(&[ID]);
    log.commit_each(&[(ID, 1, 700); 6]);
    let expected = log.read_all(ID, PLENTY).unwrap();
    let end = log.durable_position().extent;
    log.refuse_appends();
    log.checkpoint(&no_snapshot).unwrap();
    log.mark_clean().unwrap();
    drop(log);
    disk.crash();
    let prepared = log_path(end.next());
    assert!(disk.open(&prepared).is_ok());
    disk.set_unreadable(Some(&prepared));
    let (log, recovery) = open(&disk);
    assert!(recovery.clean, "{:?}", recovery.damages);
    assert_eq!(log.read_all(ID, PLENTY).unwrap(), expected);
}
