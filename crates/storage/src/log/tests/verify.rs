//! What `verify` sees in sound and damaged directories.

use model::{LogId, Offset};

use super::support::*;
use crate::{
    EntryFactsKind, ExtentSequence, VerifyError, VerifyEvent, VerifySummary,
    disk::SimulatedDisk,
    extent::{index_path, log_path},
    verify, verify_on,
};

const ID: LogId = LogId(5);

fn events(disk: &SimulatedDisk) -> (Vec<VerifyEvent>, VerifySummary) {
    let mut events = Vec::new();
    let summary = verify_on(disk, &mut |event| events.push(event)).unwrap();
    (events, summary)
}

#[test]
fn verify_counts_what_is_sound_and_names_what_is_not() {
    let (disk, log) = log_with(&[ID]);
    for _ in 0..20 {
        log.append_one(ID, 2, 300).1.unwrap();
    }
    log.settle();
    log.trim(ID, Offset(3), Note::default().boxed());
    log.settle();
    log.checkpoint(&no_snapshot).unwrap();
    let (found, summary) = events(&disk);
    assert_eq!((summary.batches, summary.damages), (20, 0), "{found:?}");
    assert!(matches!(
        found[0],
        VerifyEvent::Manifest { partitions: 1, .. }
    ));
    let trims = |event: &&VerifyEvent| matches!(event, VerifyEvent::Entry(facts) if facts.kind == EntryFactsKind::Trim);
    assert_eq!(found.iter().filter(trims).count(), 1);

    disk.flip_bit(&log_path(ExtentSequence(1)), 64 + 64 + 61 + 99, 2);
    disk.flip_bit(&index_path(ExtentSequence(2)), 50, 2);
    let (found, summary) = events(&disk);
    assert_eq!((summary.batches, summary.damages), (19, 2));
    let named = |event: &VerifyEvent| {
        let known = match event {
            VerifyEvent::Damaged { known, .. } => *known,
            _ => None,
        };
        known.is_some_and(|facts| (facts.id, facts.base, facts.next) == (ID, Offset(0), Offset(2)))
    };
    assert!(found.iter().any(named), "{found:?}");
    let extent = ExtentSequence(2);
    assert!(found.contains(&VerifyEvent::IndexUnsound { extent }));
}

#[test]
fn a_directory_of_someone_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let refused = verify(dir.path(), &mut |_| {});
    assert!(matches!(refused, Err(VerifyError::NotADataDirectory(_))));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
