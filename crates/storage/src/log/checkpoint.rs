//! Checkpoints: the manifest is written anew, so that the next start scans less.

use std::io;

use model::LogId;

use super::Core;
use crate::{
    CheckpointError, ExtentSequence, Position, Snapshot,
    disk::replace_file,
    locked::lock,
    manifest::{MANIFEST, Manifest, ManifestPartition},
    partition::PartitionState,
};

/// Present while the log is open.
pub(super) const UNCLEAN: &str = "unclean";

impl Core {
    pub(super) fn checkpoint(
        &self,
        snapshot_of: &dyn Fn(LogId) -> Option<Snapshot>,
    ) -> Result<(), CheckpointError> {
        let _checkpointing = lock(&self.checkpointing);
        // Fixed first: what is sealed later may stand in the manifest's runs or be scanned.
        let scan_from = self.extents.sealed_through().next();
        let mut partitions = Vec::new();
        for partition in self.partitions.all() {
            let snapshot = snapshot_of(partition.id);
            let state = partition.lock();
            if !state.removed {
                partitions.push(of_state(partition.id, &state, scan_from, snapshot));
            }
        }
        // The manifest may say nothing that a crash could take back: a producer's sequence that
        // is remembered while its batch is lost would turn a retry into a silent loss.
        let synced = self.drive_to_end()?;
        let manifest = Manifest {
            salt: self.salt,
            scan_from,
            synced,
            partitions,
        };
        replace_file(&*self.disk, "", MANIFEST, &manifest.encode())?;
        self.extents.set_scan_from(scan_from);
        self.want_upkeep();
        Ok(())
    }

    pub(super) fn checkpoint_due(&self) -> bool {
        let (scan_from, sealed) = (self.extents.scan_from(), self.extents.sealed_through());
        let unreflected = sealed.next().0.saturating_sub(scan_from.0.max(1));
        unreflected >= self.options.checkpoint_extents
            || self.extents.has_dead(scan_from, sealed.next())
    }

    /// Waits until everything that has a position is durable, helping the threads along.
    fn drive_to_end(&self) -> Result<Position, CheckpointError> {
        let end = lock(&self.queue).end;
        loop {
            if let Some(reason) = self.closed.get() {
                return Err(CheckpointError::Closed(reason.clone()));
            }
            let durable = self.durable_position();
            if durable >= end {
                return Ok(durable);
            }
            // Each step waits for a thread that is in the middle of the same one.
            if !self.step_write() && !self.step_sync() {
                // An append has its place and is still putting its entry together.
                std::thread::yield_now();
            }
        }
    }

    /// Says that the log is closed properly. The last change of the directory.
    pub(super) fn mark_clean(&self) -> Result<(), CheckpointError> {
        match self.disk.remove(UNCLEAN) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.disk.sync_dir("")?;
        Ok(())
    }
}

fn of_state(
    id: LogId,
    state: &PartitionState,
    scan_from: ExtentSequence,
    snapshot: Option<Snapshot>,
) -> ManifestPartition {
    let sealed = state.runs.partition_point(|run| run.extent < scan_from);
    let unsealed = state.runs.get(sealed);
    ManifestPartition {
        id,
        start: state.start,
        next: state.next,
        sealed_next: unsealed.map_or(state.next, |run| run.first),
        runs: state.runs.get(..sealed).unwrap_or_default().to_vec(),
        lost: state.lost.clone(),
        snapshot,
    }
}
