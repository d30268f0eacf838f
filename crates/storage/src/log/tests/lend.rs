//! Lending: what a reader may leave in its file, and what that keeps as it is.

use std::sync::Arc;

use bytes::BytesMut;
use model::{LogId, Offset, Piece};
use rustix::fd::BorrowedFd;

use super::{
    real::{Gate, options},
    support::*,
};
use crate::{
    ExtentSequence, Lending, Log, Options, ReadError, ReadOutcome, disk::RealDisk,
    extent::log_path, locked::lock, log::Core,
};

const ID: LogId = LogId(1);
const OTHER: LogId = LogId(2);
const BATCHES: i64 = 40;

/// Extents of some batches each, nothing in memory of our own.
fn small() -> Options {
    Options {
        tail_cache_bytes: 0,
        cold_cache_bytes: 0,
        extent_bytes: 256 << 10,
        ..options()
    }
}

/// Large and small batches of two partitions in turn, all durable.
fn fill(log: &Log) {
    let gate = Arc::new(Gate::default());
    for id in [ID, OTHER] {
        log.create(id);
    }
    for round in 0..BATCHES {
        for id in [ID, OTHER] {
            let padding = if round % 4 == 3 { 500 } else { 20_000 };
            let batch = batch(Offset(round), 1, round, padding);
            log.append(id, vec![batch], gate.ticket()).unwrap();
        }
    }
    gate.wait();
    // What upkeep seals in the meantime would leave memory.
    log.core.step_upkeep();
}

fn read_range(file: BorrowedFd<'_>, at: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(rustix::io::pread(file, &mut bytes, at).unwrap(), len);
    bytes
}

/// All bytes, wherever they are.
fn bytes(outcome: &ReadOutcome) -> BytesMut {
    let mut all = BytesMut::new();
    for piece in &outcome.pieces {
        match piece {
            Piece::Memory(bytes) => all.extend_from_slice(bytes),
            Piece::File(range) => {
                all.extend(read_range(range.file().as_fd(), range.at(), range.len()));
            }
        }
    }
    all
}

fn lent_count(outcome: &ReadOutcome) -> usize {
    let lent = outcome
        .pieces
        .iter()
        .filter(|piece| piece.memory().is_none());
    lent.count()
}

#[test]
fn large_batches_are_lent_once_they_were_proved() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    fill(&log);
    let at_once = |from, bytes_max, lending| {
        let read = log.read_at_once(ID, from, EVERYTHING, bytes_max, lending);
        read.unwrap()
    };
    if let Some(first) = at_once(Offset(0), PLENTY, Lending::Allowed) {
        assert_eq!(lent_count(&first), 0, "nothing was proved yet");
    }
    for from in (0..BATCHES).map(Offset) {
        log.read(ID, from, EVERYTHING, 1).unwrap();
    }
    for from in (0..BATCHES).map(Offset) {
        for bytes_max in [1, 30_000, 100_000] {
            let whole = log.read(ID, from, EVERYTHING, bytes_max).unwrap();
            let Some(copied) = at_once(from, bytes_max, Lending::Never) else {
                // The file system cannot say what is in memory: then nothing is lent, ever.
                assert_eq!(
                    at_once(from, bytes_max, Lending::Allowed).map(|read| read.bytes),
                    None
                );
                continue;
            };
            assert_eq!(lent_count(&copied), 0);
            let lent = at_once(from, bytes_max, Lending::Allowed).unwrap();
            assert_eq!(
                (lent.next, lent.bytes, lent.records),
                (whole.next, whole.bytes, whole.records)
            );
            assert!(bytes(&lent) == bytes(&whole), "{from} {bytes_max}");
            let large = (from.0..lent.next.0).filter(|offset| offset % 4 != 3);
            assert_eq!(lent_count(&lent), large.count(), "{from} {bytes_max}");
        }
    }
}

#[test]
fn a_read_from_the_disk_proves_what_it_lends() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    fill(&log);
    for bytes_max in [1, 30_000, 100_000, PLENTY] {
        for from in (0..BATCHES).map(Offset) {
            let whole = log.read(ID, from, EVERYTHING, bytes_max).unwrap();
            let lent = log.read_or_lend(ID, from, EVERYTHING, bytes_max, Lending::Allowed);
            let lent = lent.unwrap();
            assert_eq!(
                (lent.next, lent.bytes, lent.records),
                (whole.next, whole.bytes, whole.records)
            );
            assert!(bytes(&lent) == bytes(&whole), "{from} {bytes_max}");
        }
    }
    // A record that is not what was written is found before anything of it is lent.
    let lent = log.read_or_lend(ID, Offset(0), EVERYTHING, 1, Lending::Allowed);
    let Some(Piece::File(range)) = lent.unwrap().pieces.first().cloned() else {
        return;
    };
    // Else nothing may say that the record was synced: they may all have gone in one write.
    log.checkpoint(&no_snapshot).unwrap();
    drop(log);
    let path = dir.path().join(log_path(ExtentSequence(1)));
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[usize::try_from(range.at()).unwrap() + 10_000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    let refused = log.read_or_lend(ID, Offset(0), EVERYTHING, 1, Lending::Allowed);
    let lost = ReadError::Damaged {
        from: Offset(0),
        until: Offset(1),
    };
    assert_eq!(refused.unwrap_err().to_string(), lost.to_string());
}

#[test]
fn an_extent_that_is_lent_is_neither_punched_nor_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    fill(&log);
    let extent = ExtentSequence(1);
    let path = dir.path().join(log_path(extent));
    log.read(ID, Offset(0), EVERYTHING, 1).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut borrowed = None;
    assert!(log.core.borrow(extent, &mut borrowed).is_some());
    let upkeep = || {
        log.core.step_upkeep();
        log.checkpoint(&no_snapshot).unwrap();
        log.core.step_upkeep();
    };
    let gate = Arc::new(Gate::default());
    for id in [ID, OTHER] {
        log.trim(id, Offset(BATCHES), gate.ticket());
        gate.wait();
        upkeep();
        assert!(std::fs::read(&path).unwrap() == before, "after {id:?}");
    }
    drop(borrowed);
    upkeep();
    assert!(!path.exists(), "it was given back");
}

#[test]
fn upkeep_is_called_when_the_last_loan_of_a_dead_extent_ends() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(dir.path(), true).unwrap());
    // Without threads: a call stays to be seen.
    let (log, _) = Core::open(disk, small()).unwrap();
    log.create(ID);
    log.commit_each(&[(ID, 1, 20_000); 30]);
    let extent = ExtentSequence(1);
    let lend = || {
        let mut borrowed = None;
        assert!(log.borrow(extent, &mut borrowed).is_some());
        borrowed
    };
    let was_called = || std::mem::take(&mut *lock(&log.upkeep.is_wanted));
    was_called();
    drop(lend());
    assert!(!was_called(), "it lives");
    let loans = [lend(), lend()];
    log.trim(ID, EVERYTHING, Note::default().boxed());
    (0..3).for_each(|_| log.settle());
    log.checkpoint(&no_snapshot).unwrap();
    log.step_upkeep();
    let path = dir.path().join(log_path(extent));
    assert!(path.exists());
    was_called();
    let [first, last] = loans;
    drop(first);
    assert!(!was_called(), "one is still lent");
    drop(last);
    assert!(was_called());
    log.step_upkeep();
    assert!(!path.exists());
}
