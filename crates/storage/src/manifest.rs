//! The manifest: the last checkpoint. Start reads this and scans only the extents that it names.
//!
//! ```text
//!  0 magic         u64   "TIDEMAN1"
//!  8 crc           u32   CRC-32C of all that follows
//! 12 version       u32
//! 16 salt          u32   of the log's entries
//! 20 scan_from     u32   first extent to scan; all before are sealed
//! 24 synced        u64   position known to be synced
//! 32 partitions    u64   their count; then each:
//!       0 log id u64, 8 start i64, 16 next i64, 24 sealed_next i64 (first offset not in a sealed
//!      extent), 32 runs u32, 36 lost u32, 40 snapshot bytes u32 (all ones for none),
//!      44 snapshot next i64; then the runs (first i64, max timestamp i64, extent u32, bytes u32),
//!      the lost ranges (from i64, until i64) and the snapshot
//! ```

use bytes::{Buf, BufMut, Bytes, TryGetError};
use model::{LogId, Offset, Timestamp};

use crate::{ExtentSequence, Position, outcome::Snapshot, partition::Run};

pub(crate) const MANIFEST: &str = "manifest";

const MAGIC: u64 = u64::from_le_bytes(*b"TIDEMAN1");
const VERSION: u32 = 1;
const NO_SNAPSHOT: u32 = u32::MAX;
const PREFIX_BYTES: usize = 12;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) salt: u32,
    pub(crate) scan_from: ExtentSequence,
    pub(crate) synced: Position,
    pub(crate) partitions: Vec<ManifestPartition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManifestPartition {
    pub(crate) id: LogId,
    pub(crate) start: Offset,
    pub(crate) next: Offset,
    pub(crate) sealed_next: Offset,
    /// In sealed extents only: the rest is found by scanning.
    pub(crate) runs: Vec<Run>,
    pub(crate) lost: Vec<(Offset, Offset)>,
    pub(crate) snapshot: Option<Snapshot>,
}

/// Why bytes are no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ManifestError {
    Damaged,
    Newer { version: u32 },
}

impl From<TryGetError> for ManifestError {
    fn from(_: TryGetError) -> Self {
        Self::Damaged
    }
}

impl Manifest {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + self.partitions.len() * 128);
        out.put_u64_le(MAGIC);
        out.put_u32_le(0);
        out.put_u32_le(VERSION);
        out.put_u32_le(self.salt);
        out.put_u32_le(self.scan_from.0);
        out.put_u64_le(self.synced.pack());
        out.put_u64_le(u64::try_from(self.partitions.len()).unwrap_or(u64::MAX));
        for partition in &self.partitions {
            partition.encode(&mut out);
        }
        let crc = crc32c::crc32c(out.get(PREFIX_BYTES..).unwrap_or_default());
        if let Some(slot) = out.get_mut(8..PREFIX_BYTES) {
            slot.copy_from_slice(&crc.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: Vec<u8>) -> Result<Self, ManifestError> {
        let mut rest = Bytes::from(bytes);
        let magic = rest.try_get_u64_le()?;
        let crc = rest.try_get_u32_le()?;
        if magic != MAGIC || crc32c::crc32c(&rest) != crc {
            return Err(ManifestError::Damaged);
        }
        let version = rest.try_get_u32_le()?;
        if version != VERSION {
            return Err(ManifestError::Newer { version });
        }
        let mut manifest = Self {
            salt: rest.try_get_u32_le()?,
            scan_from: ExtentSequence(rest.try_get_u32_le()?),
            synced: Position::unpack(rest.try_get_u64_le()?),
            partitions: Vec::new(),
        };
        for _ in 0..rest.try_get_u64_le()? {
            manifest
                .partitions
                .push(ManifestPartition::decode(&mut rest)?);
        }
        Ok(manifest)
    }
}

impl ManifestPartition {
    fn encode(&self, out: &mut Vec<u8>) {
        let snapshot = self.snapshot.as_ref();
        let snapshot_bytes = snapshot.map(|snapshot| count(snapshot.bytes.len()));
        out.put_u64_le(self.id.0);
        out.put_i64_le(self.start.0);
        out.put_i64_le(self.next.0);
        out.put_i64_le(self.sealed_next.0);
        out.put_u32_le(count(self.runs.len()));
        out.put_u32_le(count(self.lost.len()));
        out.put_u32_le(snapshot_bytes.unwrap_or(NO_SNAPSHOT));
        out.put_i64_le(snapshot.map_or(0, |snapshot| snapshot.next.0));
        for run in &self.runs {
            out.put_i64_le(run.first.0);
            out.put_i64_le(run.max_timestamp.0);
            out.put_u32_le(run.extent.0);
            out.put_u32_le(run.bytes);
        }
        for (from, until) in &self.lost {
            out.put_i64_le(from.0);
            out.put_i64_le(until.0);
        }
        if let Some(snapshot) = snapshot {
            out.put_slice(&snapshot.bytes);
        }
    }

    fn decode(rest: &mut Bytes) -> Result<Self, ManifestError> {
        let mut partition = Self {
            id: LogId(rest.try_get_u64_le()?),
            start: Offset(rest.try_get_i64_le()?),
            next: Offset(rest.try_get_i64_le()?),
            sealed_next: Offset(rest.try_get_i64_le()?),
            ..Self::default()
        };
        let (runs, lost) = (rest.try_get_u32_le()?, rest.try_get_u32_le()?);
        let snapshot_bytes = rest.try_get_u32_le()?;
        let snapshot_next = Offset(rest.try_get_i64_le()?);
        // Nothing is reserved for a count that is only claimed: each turn must find its bytes.
        for _ in 0..runs {
            partition.runs.push(Run {
                first: Offset(rest.try_get_i64_le()?),
                max_timestamp: Timestamp(rest.try_get_i64_le()?),
                extent: ExtentSequence(rest.try_get_u32_le()?),
                bytes: rest.try_get_u32_le()?,
            });
        }
        for _ in 0..lost {
            let from = Offset(rest.try_get_i64_le()?);
            partition.lost.push((from, Offset(rest.try_get_i64_le()?)));
        }
        if snapshot_bytes != NO_SNAPSHOT {
            let len = usize::try_from(snapshot_bytes).unwrap_or(usize::MAX);
            if len > rest.len() {
                return Err(ManifestError::Damaged);
            }
            partition.snapshot = Some(Snapshot {
                next: snapshot_next,
                bytes: rest.split_to(len),
            });
        }
        Ok(partition)
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_round_trips_and_any_cut_or_flip_is_noticed() {
        let manifest = Manifest {
            salt: 1,
            scan_from: ExtentSequence(2),
            synced: Position::unpack(3),
            partitions: vec![
                ManifestPartition {
                    id: LogId(4),
                    start: Offset(5),
                    next: Offset(6),
                    sealed_next: Offset(6),
                    runs: vec![Run {
                        first: Offset(5),
                        max_timestamp: Timestamp(7),
                        extent: ExtentSequence(1),
                        bytes: 8,
                    }],
                    lost: vec![(Offset(1), Offset(2))],
                    snapshot: Some(Snapshot {
                        next: Offset(6),
                        bytes: Bytes::from_static(b"state"),
                    }),
                },
                ManifestPartition::default(),
            ],
        };
        let good = manifest.encode();
        assert_eq!(Manifest::decode(good.clone()), Ok(manifest));
        for len in 0..good.len() {
            let cut = good.get(..len).map(<[u8]>::to_vec).unwrap_or_default();
            assert!(Manifest::decode(cut).is_err(), "cut at {len}");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            if let Some(byte) = bad.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert!(Manifest::decode(bad).is_err(), "bit {bit}");
        }
    }
}
