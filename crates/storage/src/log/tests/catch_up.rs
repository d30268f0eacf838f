//! Which writes go through the system's page cache for readers behind the end. Asking the system what
//! is in that cache has it read what is not, so the log's own count is asked wherever nothing should be.

use std::{path::Path, sync::Arc};

use model::{LogId, Offset};

use super::{
    real::{Gate, options},
    support::*,
};
use crate::{Lending, Log, Options, entry::ExtentHeader, extent::log_path};

const ID: LogId = LogId(1);
const LARGE: usize = 300_000;
const SMALL: usize = 20_000;

/// Extents of three large batches, nothing in our memory.
fn small() -> Options {
    Options {
        tail_cache_bytes: 0,
        cold_cache_bytes: 0,
        extent_bytes: 1 << 20,
        ..options()
    }
}

/// Appends a batch; gives whether it was written through the system's cache.
fn append(log: &Log, padding: usize) -> (Offset, bool) {
    let base = log.next_offset(ID).unwrap();
    let gate = Arc::new(Gate::default());
    let batch = batch(base, 1, base.0, padding);
    let before = log.stats().cached_write_bytes;
    log.append(ID, vec![batch], gate.ticket()).unwrap();
    gate.wait();
    (base, log.stats().cached_write_bytes > before)
}

/// Whether a reader finds the last byte in the system's memory, where the file system tells.
fn is_end_cached(log: &Log) -> bool {
    let end = log.durable_position();
    let file = log.core.opened.file(&*log.core.disk, end.extent).unwrap();
    let last = u64::from(end.byte) - 1;
    file.read_if_cached(last, &mut [0]).unwrap()
}

fn read(log: &Log, from: Offset) {
    let outcome = log.read_or_lend(ID, from, EVERYTHING, 1, Lending::Allowed);
    assert_eq!(outcome.unwrap().batches, 1);
}

/// Whether what was written last stands in a freed extent's file, by what the file says of itself.
fn is_end_in_reused_file(log: &Log, dir: &Path) -> bool {
    let path = dir.join(log_path(log.durable_position().extent));
    match ExtentHeader::read(&std::fs::read(path).unwrap()) {
        ExtentHeader::Sound { is_reused, .. } => is_reused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_writes_go_through_the_cache_for_a_reader_that_is_a_little_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    log.create(ID);
    let (first, is_first_cached) = append(&log, LARGE);
    assert!(!is_first_cached, "nobody is behind");
    read(&log, first);
    let tells = is_end_cached(&log);
    assert!(append(&log, LARGE).1, "what was read pays for it");
    assert_eq!(is_end_cached(&log), tells, "it is there");
    assert!(!append(&log, SMALL).1, "the disk is not busy");
    for _ in 0..4 {
        append(&log, LARGE);
    }
    assert!(!append(&log, LARGE).1, "nobody is behind any more");
}

#[test]
fn a_write_without_batches_does_not_end_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    log.create(ID);
    let (first, _) = append(&log, LARGE);
    read(&log, first);
    append(&log, LARGE);
    let gate = Arc::new(Gate::default());
    log.trim(ID, log.next_offset(ID).unwrap(), gate.ticket());
    gate.wait();
    assert!(log.core.catch_up.is_under_way());
    append(&log, SMALL);
    assert!(
        !log.core.catch_up.is_under_way(),
        "batches that are small do"
    );
}

#[test]
fn who_may_not_be_behind_reads_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        catch_up_bytes: 0,
        ..small()
    };
    let (log, _) = Log::open(dir.path(), options).unwrap();
    log.create(ID);
    let (first, _) = append(&log, LARGE);
    read(&log, first);
    assert!(!append(&log, LARGE).1);
}

#[test]
fn pages_of_a_file_that_is_used_again_are_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = Log::open(dir.path(), small()).unwrap();
    log.create(ID);
    for _ in 0..9 {
        append(&log, LARGE);
    }
    let gate = Arc::new(Gate::default());
    log.trim(ID, log.next_offset(ID).unwrap(), gate.ticket());
    gate.wait();
    log.core.step_upkeep();
    log.checkpoint(&no_snapshot).unwrap();
    log.core.step_upkeep();
    let mut paid_and_reused = 0;
    let mut has_paid = false;
    let mut last_is_cached = false;
    for _ in 0..15 {
        let (base, is_cached) = append(&log, LARGE);
        let is_reused = is_end_in_reused_file(&log, dir.path());
        if is_reused {
            assert!(!is_cached);
            paid_and_reused += usize::from(has_paid);
        }
        if is_reused || has_paid {
            read(&log, base);
            has_paid = true;
        }
        last_is_cached = is_cached;
    }
    let expected = log.core.disk.replaces_pages();
    assert_eq!(paid_and_reused > 0, expected, "the test needs one");
    assert_eq!(last_is_cached, has_paid, "new files are made for it");
}
