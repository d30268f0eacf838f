//! The snapshot of a partition's producers, kept by the manifest.
//!
//! ```text
//! 0 version   u8    1
//! 1 producers u32   their count; then each (little-endian):
//!      0 id i64, 8 epoch i16, 10 last active i64, 18 batches u8; then each batch:
//!           0 first sequence i32, 4 last sequence i32, 8 base offset i64, 16 last offset i64,
//!          24 timestamp i64
//! ```

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut, TryGetError};
use model::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use thiserror::Error;

use super::{Appended, BATCHES_KEPT, Entry, KeptBatch, Producers};

const VERSION: u8 = 1;

/// Why a snapshot could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    #[error("snapshot format {0} is not known")]
    Version(u8),
    #[error("snapshot is cut or malformed")]
    Malformed,
}

impl From<TryGetError> for SnapshotError {
    fn from(_: TryGetError) -> Self {
        Self::Malformed
    }
}

impl Producers {
    /// The producers as bytes that [`Producers::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u32_le(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        for (id, entry) in &self.entries {
            out.put_i64_le(id.0);
            out.put_i16_le(entry.epoch.0);
            out.put_i64_le(entry.active.0);
            out.put_u8(u8::try_from(entry.batches.len()).unwrap_or(u8::MAX));
            for batch in &entry.batches {
                out.put_i32_le(batch.first_sequence.0);
                out.put_i32_le(batch.last_sequence.0);
                out.put_i64_le(batch.appended.base_offset.0);
                out.put_i64_le(batch.appended.last_offset.0);
                out.put_i64_le(batch.appended.timestamp.0);
            }
        }
        out.freeze()
    }

    /// Reads what [`Producers::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are no snapshot that this program can read.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut rest = bytes;
        let version = rest.try_get_u8()?;
        if version != VERSION {
            return Err(SnapshotError::Version(version));
        }
        let mut producers = Self::default();
        let count = usize::try_from(rest.try_get_u32_le()?).unwrap_or(usize::MAX);
        // A count that is only claimed ends with the bytes: nothing is allocated for it.
        for _ in 0..count {
            let id = ProducerId(rest.try_get_i64_le()?);
            let entry = decode_entry(&mut rest)?;
            producers.by_activity.insert((entry.active, id));
            if producers.entries.insert(id, entry).is_some() {
                return Err(SnapshotError::Malformed);
            }
        }
        match rest {
            [] => Ok(producers),
            _ => Err(SnapshotError::Malformed),
        }
    }
}

fn decode_entry(rest: &mut &[u8]) -> Result<Entry, SnapshotError> {
    let epoch = ProducerEpoch(rest.try_get_i16_le()?);
    let active = Timestamp(rest.try_get_i64_le()?);
    let count = usize::from(rest.try_get_u8()?);
    if count > BATCHES_KEPT {
        return Err(SnapshotError::Malformed);
    }
    let mut batches = VecDeque::new();
    for _ in 0..count {
        batches.push_back(KeptBatch {
            first_sequence: Sequence(rest.try_get_i32_le()?),
            last_sequence: Sequence(rest.try_get_i32_le()?),
            appended: Appended {
                base_offset: Offset(rest.try_get_i64_le()?),
                last_offset: Offset(rest.try_get_i64_le()?),
                timestamp: Timestamp(rest.try_get_i64_le()?),
            },
        });
    }
    Ok(Entry {
        epoch,
        active,
        batches,
    })
}
