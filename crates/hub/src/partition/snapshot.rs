//! What a partition's state becomes in a checkpoint: opaque to the engine.
//!
//! ```text
//! 0 version          u8   1
//! 1 epoch_count      u32
//! 5 epochs           (epoch i32, start i64) each
//!   producers        as `storage::producer` writes them, to the end
//! ```

use bytes::{Buf, BufMut, BytesMut};
use model::{LeaderEpoch, Offset, Timestamp};
use storage::{RecoveredPartition, Snapshot, producer::Producers};
use tracing::warn;

use super::{Partition, State};
use crate::{epochs::Epochs, sync::lock};

/// Persisted: never renumber.
const VERSION: u8 = 1;
const EPOCH_BYTES: usize = 12;

impl Partition {
    /// The state for a checkpoint; none where there is nothing to keep.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        let state = lock(&self.state);
        if state.epochs.iter().len() == 0 && state.producers.is_empty() {
            return None;
        }
        let mut bytes = BytesMut::new();
        bytes.put_u8(VERSION);
        bytes.put_u32(u32::try_from(state.epochs.iter().len()).unwrap_or(u32::MAX));
        for (epoch, start) in state.epochs.iter() {
            bytes.put_i32(epoch.0);
            bytes.put_i64(start.0);
        }
        bytes.put(state.producers.encode());
        Some(Snapshot {
            next: state.next,
            bytes: bytes.freeze(),
        })
    }
}

impl State {
    /// Snapshot and tail together. A snapshot that cannot be read costs the memory of producers
    /// (they are answered as after an expiry) and is reported; it does not keep data from being
    /// served.
    pub(super) fn restore(found: &RecoveredPartition, now: Timestamp) -> Self {
        let mut state = Self::default();
        if let Some(snapshot) = &found.snapshot {
            match decode(&snapshot.bytes) {
                Some((epochs, producers)) => {
                    state.epochs = epochs;
                    state.producers = producers;
                }
                None => warn!(log = %found.id, "partition snapshot cannot be read"),
            }
        }
        for header in &found.tail {
            state.replay(header, now);
        }
        state
    }
}

fn decode(mut bytes: &[u8]) -> Option<(Epochs, Producers)> {
    if bytes.try_get_u8().ok()? != VERSION {
        return None;
    }
    let count = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    if count > bytes.len() / EPOCH_BYTES {
        return None;
    }
    let mut epochs = Epochs::default();
    for _ in 0..count {
        let epoch = LeaderEpoch(bytes.try_get_i32().ok()?);
        epochs.note(epoch, Offset(bytes.try_get_i64().ok()?));
    }
    let producers = Producers::decode(bytes).ok()?;
    Some((epochs, producers))
}
