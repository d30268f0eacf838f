//! Builds the partitions again from the manifest and the entries that a scan finds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{LeaderEpoch, LogId, Offset, batch::BatchHeader};

use crate::{
    Damage, ExtentSequence, RecoveredPartition, Snapshot,
    entry::{EntryHeader, EntryKind},
    extent::FilledExtent,
    manifest::Manifest,
    partition::{EntryRef, Partition, PartitionState},
};

/// Partitions under construction.
pub(super) struct Rebuild {
    partitions: HashMap<LogId, Building>,
    filled: Vec<FilledExtent>,
    /// Without a manifest a partition may begin anywhere: its earlier extents were deleted.
    may_begin_anywhere: bool,
}

#[derive(Default)]
struct Building {
    state: PartitionState,
    /// What the manifest says that the partition had.
    next_known: Offset,
    /// Lost ranges that the manifest does not know of. They are reported at the end: a partition
    /// that turns out to be removed has lost nothing.
    found_lost: Vec<(Offset, Offset)>,
    snapshot: Option<Snapshot>,
    tail: Vec<BatchHeader>,
    epoch: Option<LeaderEpoch>,
}

/// What [`Rebuild::finish`] gives.
pub(super) struct Rebuilt {
    pub(super) partitions: Vec<Partition>,
    pub(super) recovered: Vec<RecoveredPartition>,
    pub(super) filled: Vec<FilledExtent>,
    pub(super) live: BTreeMap<ExtentSequence, u64>,
}

impl Building {
    /// Takes note that the offsets up to `until` are not there.
    fn lose_until(&mut self, until: Offset) {
        let from = self.state.next;
        if from >= until {
            return;
        }
        self.state.next = until;
        self.state.lost.push((from, until));
        self.found_lost.push((from, until));
    }

    /// Keeps the headers that the machine above needs: producers and the beginnings of epochs.
    fn keep_header(&mut self, header: &BatchHeader) {
        let reflected = self.snapshot.as_ref().map(|snapshot| snapshot.next);
        if reflected.is_some_and(|next| header.base_offset < next) {
            return;
        }
        let begins_epoch = self.epoch.replace(header.leader_epoch) != Some(header.leader_epoch);
        if header.is_idempotent() || begins_epoch {
            self.tail.push(*header);
        }
    }
}

impl Rebuild {
    pub(super) fn new(manifest: &Manifest, may_begin_anywhere: bool) -> Self {
        let partitions = manifest.partitions.iter().map(|partition| {
            let state = PartitionState {
                start: partition.start,
                durable_start: partition.start,
                next: partition.sealed_next,
                removed: false,
                runs: partition.runs.clone(),
                recent: std::collections::VecDeque::new(),
                lost: partition.lost.clone(),
            };
            let building = Building {
                state,
                next_known: partition.next,
                snapshot: partition.snapshot.clone(),
                ..Building::default()
            };
            (partition.id, building)
        });
        Self {
            partitions: partitions.collect(),
            filled: Vec::new(),
            may_begin_anywhere,
        }
    }

    pub(super) fn begin_extent(&mut self, sequence: ExtentSequence) {
        self.filled.push(FilledExtent {
            sequence,
            entries: Vec::new(),
        });
    }

    /// Forgets the extent begun last: nothing was in it.
    pub(super) fn abandon_extent(&mut self) {
        self.filled.pop();
    }

    /// Replays one sound entry.
    pub(super) fn apply(&mut self, header: &EntryHeader, bytes: &[u8]) {
        let id = header.id;
        match header.kind {
            EntryKind::Batches => {
                let building = self.building(header);
                if header.base < building.state.next {
                    // The manifest has these offsets as lost: they came back, or never were.
                    tracing::warn!(%id, base = %header.base, "skipped an entry out of order");
                    return;
                }
                building.lose_until(header.base);
                let at = EntryRef::of(header);
                building.state.push(at, None);
                for batch in header.batches(bytes) {
                    building.keep_header(&batch.header);
                }
                if let Some(extent) = self.filled.last_mut() {
                    extent.entries.push((id, at));
                }
            }
            EntryKind::Trim => {
                let building = self.building(header);
                building.state.start = building.state.start.max(header.base);
            }
            EntryKind::Remove => drop(self.partitions.remove(&id)),
            EntryKind::End => {}
        }
    }

    /// Takes note of an entry whose header is sound and whose records are not.
    pub(super) fn lose(&mut self, header: &EntryHeader) {
        if header.kind == EntryKind::Batches {
            let building = self.building(header);
            building.lose_until(header.next);
        }
    }

    fn building(&mut self, header: &EntryHeader) -> &mut Building {
        let may_begin_anywhere = self.may_begin_anywhere;
        self.partitions.entry(header.id).or_insert_with(|| {
            let mut building = Building::default();
            if may_begin_anywhere {
                building.state.start = header.base;
                building.state.next = match header.kind {
                    EntryKind::Batches => header.base,
                    EntryKind::Trim | EntryKind::Remove | EntryKind::End => header.next,
                };
            }
            building
        })
    }

    pub(super) fn finish(
        self,
        on_disk: &BTreeSet<ExtentSequence>,
        damages: &mut Vec<Damage>,
    ) -> Rebuilt {
        let mut rebuilt = Rebuilt {
            partitions: Vec::with_capacity(self.partitions.len()),
            recovered: Vec::with_capacity(self.partitions.len()),
            filled: self.filled,
            live: BTreeMap::new(),
        };
        let mut missing = BTreeSet::new();
        for (id, mut building) in self.partitions {
            building.lose_until(building.next_known);
            building.state.release(building.state.start);
            building.lose_missing(on_disk, &mut missing);
            building.report(id, damages);
            for run in &building.state.runs {
                *rebuilt.live.entry(run.extent).or_default() += u64::from(run.bytes);
            }
            rebuilt.recovered.push(RecoveredPartition {
                id,
                start: building.state.start,
                next: building.state.next,
                snapshot: building.snapshot,
                tail: building.tail,
            });
            rebuilt.partitions.push(Partition::new(id, building.state));
        }
        damages.extend(
            missing
                .into_iter()
                .map(|extent| Damage::MissingExtent { extent }),
        );
        rebuilt
    }
}

impl Building {
    /// Runs in extents that are gone are lost offsets.
    fn lose_missing(
        &mut self,
        on_disk: &BTreeSet<ExtentSequence>,
        missing: &mut BTreeSet<ExtentSequence>,
    ) {
        let state = &mut self.state;
        let ends: Vec<Offset> = state.runs.iter().skip(1).map(|run| run.first).collect();
        let ends = ends.into_iter().chain([state.next]);
        for (run, until) in state.runs.iter().zip(ends) {
            if !on_disk.contains(&run.extent) {
                missing.insert(run.extent);
                state.lost.push((run.first, until));
                self.found_lost.push((run.first, until));
            }
        }
        state.runs.retain(|run| on_disk.contains(&run.extent));
        state.lost.sort_unstable();
    }

    fn report(&self, id: LogId, damages: &mut Vec<Damage>) {
        let found = self.found_lost.iter();
        for &(from, until) in found.filter(|(_, until)| *until > self.state.start) {
            damages.push(Damage::LostOffsets { id, from, until });
        }
    }
}
