//! The metadata machine's shell: decides, keeps, applies; waiting for the disk is the caller's.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use model::{Offset, ProducerId};
use storage::Snapshot;
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{
    Clock,
    internal_log::{InternalLog, KeepError},
    metadata::{Command, Metadata, PRODUCER_BLOCK, Record, Refusal},
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
    /// The raised epoch is not in the log yet: it goes before anything else.
    owes_epoch: AtomicBool,
    copied: Mutex<Copied>,
    /// Told when there is something that the checkpoint's copy lacks.
    pub(crate) changed: Notify,
}

/// How far the copy in the checkpoint goes.
#[derive(Debug, Default)]
struct Copied {
    until: Offset,
    tried_at: Option<Instant>,
}

/// Between two checkpoints for the sake of the copy alone: each writes the whole manifest.
const COPY_INTERVAL: Duration = Duration::from_secs(10);

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

impl Registry {
    pub(crate) fn new(machine: Metadata, partition: Arc<Partition>, clock: Arc<dyn Clock>) -> Self {
        Self {
            machine: Mutex::new(machine),
            log: InternalLog::new(partition, clock),
            turn: Mutex::default(),
            producers: Mutex::default(),
            owes_epoch: AtomicBool::new(false),
            copied: Mutex::default(),
            changed: Notify::new(),
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
        self.pay_epoch(&machine)?;
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
        self.changed.notify_one();
        Ok(records)
    }

    /// Takes note that the epoch was raised while the log was replayed, and is to be kept.
    pub(crate) fn owe_epoch(&self) {
        self.owes_epoch.store(true, Ordering::Release);
    }

    /// Keeps the raised epoch, unless it is kept already.
    pub(crate) fn keep_epoch(&self) -> Result<(), KeepError> {
        self.pay_epoch(&lock(&self.machine))
    }

    fn pay_epoch(&self, machine: &Metadata) -> Result<(), KeepError> {
        if !self.owes_epoch.load(Ordering::Acquire) {
            return Ok(());
        }
        self.log.append(&[Record::Epoch(machine.epoch).encode()])?;
        self.owes_epoch.store(false, Ordering::Release);
        self.changed.notify_one();
        Ok(())
    }

    /// Writes the whole state at the end of the log, so that what is damaged before it may go.
    pub(crate) fn renew_log(&self) {
        let machine = lock(&self.machine);
        let snapshot: Vec<_> = machine.snapshot().iter().map(Record::encode).collect();
        match self.log.append_snapshot(&snapshot) {
            Ok(_) => self.changed.notify_one(),
            // The copy in the checkpoint stays.
            Err(error) => warn!(%error, "the log of what exists is not written anew"),
        }
    }

    /// The whole state, for the checkpoint to keep beside the log.
    pub(crate) fn copy(&self) -> Snapshot {
        let machine = lock(&self.machine);
        Snapshot {
            next: self.log.position(),
            bytes: machine.copy(),
        }
    }

    /// When the copy is to be written anew; `None` while it has everything.
    pub(crate) fn copy_due(&self, now: Instant) -> Option<Instant> {
        let copied = lock(&self.copied);
        let is_whole = copied.until == self.log.position();
        let due = copied.tried_at.map_or(now, |tried| tried + COPY_INTERVAL);
        (!is_whole).then_some(due)
    }

    /// Takes note of an attempt to write the copy, and of how far it went if it was written.
    pub(crate) fn copied(&self, until: Option<Offset>, now: Instant) {
        let mut copied = lock(&self.copied);
        copied.tried_at = Some(now);
        copied.until = until.unwrap_or(copied.until);
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
