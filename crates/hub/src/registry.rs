//! The metadata machine's shell: decides, keeps, applies; waiting for the disk is the caller's.

use std::sync::{Arc, Mutex, MutexGuard};

use model::{Offset, ProducerId};
use thiserror::Error;
use tracing::info;

use crate::{
    Clock,
    engine::Engine,
    hub::OpenError,
    internal_log::{self, InternalLog, KeepError},
    metadata::{Command, METADATA_LOG, Metadata, PRODUCER_BLOCK, Record, Refusal},
    partition::Partition,
    sync::lock,
    watch::Broken,
};

/// What exists, and the log that it is kept in.
pub(crate) struct Registry {
    machine: Mutex<Metadata>,
    log: InternalLog,
    /// Held from a decision until its effect is visible, so that effects come in their order.
    turn: Mutex<()>,
    producers: Mutex<ProducerBlock>,
}

/// Producer ids that are reserved and not yet given out.
#[derive(Debug, Default)]
struct ProducerBlock {
    next: i64,
    end: i64,
    reserved_at: Offset,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum SubmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    NotKept(#[from] KeepError),
}

/// The right to decide and to show the effect; nobody else does meanwhile. Not held across an
/// await: what a caller submits is visible before it can be cancelled.
pub(crate) struct Turn<'a> {
    registry: &'a Registry,
    _held: MutexGuard<'a, ()>,
}

/// Rebuilds the machine from its log. Blocks: for the start.
pub(crate) fn replay(engine: &dyn Engine) -> Result<Metadata, OpenError> {
    let mut machine = Metadata::default();
    let mut broken = None;
    internal_log::replay(
        engine,
        METADATA_LOG,
        Offset::ZERO,
        &mut |key, value| match Record::decode(key, value) {
            Ok(record) => machine.replay(&record),
            Err(error) => drop(broken.get_or_insert(error)),
        },
    )?;
    match broken {
        Some(error) => Err(OpenError::InternalLog {
            log: METADATA_LOG,
            reason: error.to_string(),
        }),
        None => Ok(machine),
    }
}

impl Registry {
    pub(crate) fn new(machine: Metadata, partition: Arc<Partition>, clock: Arc<dyn Clock>) -> Self {
        Self {
            machine: Mutex::new(machine),
            log: InternalLog::new(partition, clock),
            turn: Mutex::default(),
            producers: Mutex::default(),
        }
    }

    /// Looks at what exists.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&Metadata) -> R) -> R {
        look(&lock(&self.machine))
    }

    /// Waits for the turn to change what exists.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn {
            registry: self,
            _held: lock(&self.turn),
        }
    }

    /// Decides, keeps and applies; for what has no effect elsewhere.
    pub(crate) fn submit(&self, command: Command) -> Result<Vec<Record>, SubmitError> {
        let mut machine = lock(&self.machine);
        let records = machine.decide(command)?;
        let entries: Vec<_> = records.iter().map(Record::encode).collect();
        self.log.append(&entries)?;
        for record in &records {
            machine.replay(record);
        }
        if self.log.wants_snapshot() {
            let snapshot: Vec<_> = machine.snapshot().iter().map(Record::encode).collect();
            info!(records = snapshot.len(), "write snapshot of the metadata");
            self.log.append_snapshot(&snapshot)?;
        }
        Ok(records)
    }

    /// Keeps the epoch that was raised while the log was replayed.
    pub(crate) fn keep_epoch(&self) -> Result<(), KeepError> {
        let machine = lock(&self.machine);
        self.log.append(&[Record::Epoch(machine.epoch).encode()])?;
        Ok(())
    }

    /// Keeps nothing more, until a restart.
    pub(crate) fn close_log(&self) {
        self.log.partition.close(Broken::LogClosed);
    }

    /// Completes when everything decided so far is durable.
    pub(crate) async fn settled(&self) -> Result<(), KeepError> {
        let position = self.log.position();
        self.log.durable(position).await
    }

    /// A producer id that was never given out.
    pub(crate) async fn new_producer(&self) -> Result<ProducerId, KeepError> {
        let (id, reserved_at) = self.take_producer()?;
        self.log.durable(reserved_at).await?;
        Ok(id)
    }

    fn take_producer(&self) -> Result<(ProducerId, Offset), KeepError> {
        let mut block = lock(&self.producers);
        if block.next == block.end {
            match self.submit(Command::ReserveProducerIds) {
                Ok(_) => {}
                Err(SubmitError::NotKept(error)) => return Err(error),
                Err(SubmitError::Refused(refusal)) => {
                    unreachable!("a reservation is never refused: {refusal}")
                }
            }
            let end = self.read(|machine| machine.counters.producer);
            *block = ProducerBlock {
                next: end - PRODUCER_BLOCK,
                end,
                reserved_at: self.log.position(),
            };
        }
        let id = block.next;
        block.next += 1;
        Ok((ProducerId(id), block.reserved_at))
    }
}

impl Turn<'_> {
    /// Decides, keeps and applies one command.
    pub(crate) fn submit(&self, command: Command) -> Result<Vec<Record>, SubmitError> {
        self.registry.submit(command)
    }
}
