//! Trimming and removing partitions; what retention should keep.

use std::sync::Arc;

use model::{LogId, Offset};

use super::{Core, append::Action};
use crate::{
    AppendError, Completion,
    entry::{EntryHeader, EntryKind},
};

impl Core {
    pub(super) fn trim(&self, id: LogId, start: Offset, done: Box<dyn Completion>) {
        let Some(partition) = self.partitions.find(id) else {
            done.durable(Err(AppendError::UnknownPartition));
            return;
        };
        let mut state = partition.lock();
        if state.removed {
            drop(state);
            done.durable(Err(AppendError::UnknownPartition));
            return;
        }
        let durable = partition.durable_end();
        let start = start.min(durable).max(state.start);
        let header = EntryHeader::control(EntryKind::Trim, id, start, durable);
        let action = Action::Trim(Arc::clone(&partition));
        let refused = self.queue_control(header, action, done).err();
        if refused.is_none() {
            state.start = start;
        }
        drop(state);
        if let Some((error, done)) = refused {
            done.durable(Err(error));
        }
    }

    pub(super) fn remove(&self, id: LogId, done: Box<dyn Completion>) {
        let Some(partition) = self.partitions.find(id) else {
            done.durable(Err(AppendError::UnknownPartition));
            return;
        };
        let mut state = partition.lock();
        if state.removed {
            drop(state);
            done.durable(Err(AppendError::UnknownPartition));
            return;
        }
        let header = EntryHeader::control(EntryKind::Remove, id, state.start, state.next);
        let action = Action::Remove(Arc::clone(&partition));
        let refused = self.queue_control(header, action, done).err();
        if refused.is_none() {
            state.removed = true;
            // Before the removal can take effect, which waits for this partition's lock.
            self.partitions.hide(id);
        }
        drop(state);
        if let Some((error, done)) = refused {
            done.durable(Err(error));
        }
    }
}
