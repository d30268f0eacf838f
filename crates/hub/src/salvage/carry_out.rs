//! The plan, written into a copy of the directory.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use model::{LogId, PartitionIndex};
use storage::{Damage, Options, RecoveredPartition, Recovery, Snapshot};

use super::SalvagePlan;
use crate::{
    Clock, OpenError,
    engine::Engine,
    internal_log::LogFailure,
    local::LocalEngine,
    metadata::{METADATA_LOG, Metadata},
    partition::Partition,
    registry::Registry,
};

/// Writes what the plan has of the metadata into `dir`, a copy of the directory that was planned
/// for. Gives what recovering the copy found. Blocks.
///
/// # Errors
/// See [`OpenError`].
pub fn salvage(
    dir: &Path,
    plan: SalvagePlan,
    clock: Arc<dyn Clock>,
) -> Result<Vec<Damage>, OpenError> {
    let options = Options {
        free_space_floor_bytes: 0,
        ..Options::default()
    };
    let (engine, recovery) = LocalEngine::open(dir, options, 1)?;
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let Recovery {
        partitions,
        damages,
        ..
    } = recovery;
    let epoch = plan.machine.epoch;
    let now = clock.now().wall;
    let mut states = BTreeMap::new();
    for found in partitions.into_iter().filter(|one| one.id != METADATA_LOG) {
        let partition = Partition::recovered(
            &found,
            PartitionIndex(0),
            epoch,
            &engine,
            &Arc::default(),
            now,
        );
        states.insert(found.id, partition);
    }
    let metadata = metadata_partition(&engine, epoch, now);
    let registry = Registry::new(plan.machine, Arc::clone(&metadata), clock);
    let start = metadata.watermarks().next;
    registry.renew_log();
    let snapshot_of = |log: LogId| snapshot(&states, &registry, log);
    // Everything is durable behind this, so that what is damaged may be cut off.
    engine.checkpoint(&snapshot_of)?;
    engine.trim(
        METADATA_LOG,
        start,
        Box::new(LogFailure("cut damaged metadata")),
    );
    engine.close(&snapshot_of)?;
    Ok(damages)
}

fn metadata_partition(
    engine: &Arc<dyn Engine>,
    epoch: model::LeaderEpoch,
    now: model::Timestamp,
) -> Arc<Partition> {
    engine.create(METADATA_LOG);
    let watermarks = engine.watermarks(METADATA_LOG).unwrap_or_default();
    let found = RecoveredPartition {
        id: METADATA_LOG,
        start: watermarks.start,
        next: watermarks.next,
        snapshot: None,
        tail: Vec::new(),
    };
    Partition::recovered(
        &found,
        PartitionIndex(0),
        epoch,
        engine,
        &Arc::default(),
        now,
    )
}

fn snapshot(
    states: &BTreeMap<LogId, Arc<Partition>>,
    registry: &Registry,
    log: LogId,
) -> Option<Snapshot> {
    if log == METADATA_LOG {
        return Some(registry.copy());
    }
    states.get(&log)?.snapshot()
}

impl Metadata {
    /// Where a namespace's groups are from now on: for one whose own record is lost.
    pub(super) fn set_groups_log(&mut self, id: model::NamespaceId, log: LogId) {
        if let Some(state) = self.namespaces.get_mut(&id) {
            state.record.groups_log = log;
        }
    }
}
