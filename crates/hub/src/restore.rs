//! What exists, rebuilt at a start: from its log, else from the copy that the checkpoint keeps.

use model::Offset;
use storage::{ReadError, RecoveredPartition};
use tracing::error;

use crate::{
    engine::Engine,
    hub::OpenError,
    internal_log,
    metadata::{METADATA_LOG, Metadata, Record},
};

/// The machine as it was found, and where.
pub(crate) struct Restored {
    pub(crate) machine: Metadata,
    /// The log is damaged, and all of it stood in the copy too.
    pub(crate) from_copy: bool,
}

/// Rebuilds the machine. Blocks: for the start.
pub(crate) fn restore(
    engine: &dyn Engine,
    found: Option<&RecoveredPartition>,
) -> Result<Restored, OpenError> {
    let damage = match replay(engine, Metadata::default(), Offset::ZERO) {
        Err(OpenError::Read(damage @ ReadError::Damaged { .. })) => damage,
        replayed => {
            return replayed.map(|machine| Restored {
                machine,
                from_copy: false,
            });
        }
    };
    let copy = found.and_then(|found| found.snapshot.as_ref());
    let copied = copy.and_then(|copy| Some((Metadata::from_copy(&copy.bytes)?, copy.next)));
    let Some((machine, next)) = copied else {
        return Err(OpenError::MetadataDamaged(damage));
    };
    // Behind the copy the log must be whole: what was decided there stands nowhere else.
    match replay(engine, machine, next) {
        Ok(machine) => {
            error!(%damage, "the log of what exists is damaged: started from the checkpoint's copy");
            Ok(Restored {
                machine,
                from_copy: true,
            })
        }
        Err(OpenError::Read(damage @ ReadError::Damaged { .. })) => {
            Err(OpenError::MetadataDamaged(damage))
        }
        Err(error) => Err(error),
    }
}

fn replay(engine: &dyn Engine, mut machine: Metadata, from: Offset) -> Result<Metadata, OpenError> {
    let mut broken = None;
    let mut visit = |key: &[u8], value: Option<&[u8]>| match Record::decode(key, value) {
        Ok(record) => machine.replay(&record),
        Err(error) => drop(broken.get_or_insert(error)),
    };
    internal_log::replay(engine, METADATA_LOG, from, &mut visit)?;
    match broken {
        Some(error) => Err(OpenError::InternalLog {
            log: METADATA_LOG,
            reason: error.to_string(),
        }),
        None => Ok(machine),
    }
}
