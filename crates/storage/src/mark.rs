//! How far the log is known to be synced, in a file of its own: what tells lost bytes from bytes
//! that never were, where the newest extent is gone or cut.
//!
//! ```text
//! slot       0 magic         u64    "TIDEMARK"
//!            8 crc           u32    CRC-32C of bytes 12 to 28
//!           12 version       u32
//!           16 salt          u32    of the log's entries
//!           20 synced        u64    all before this position was synced
//! ```
//!
//! Two slots take turns, so that one that is torn leaves the sync before it. A slot is written
//! after each sync without one of its own: it outlives the process at once, and the machine once
//! [`Mark::sync`] has returned.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Buf, BufMut};

use crate::{
    Position,
    disk::{Disk, DiskFile, read_file},
};

const MARK: &str = "synced";
const MAGIC: u64 = u64::from_le_bytes(*b"TIDEMARK");
const VERSION: u32 = 1;
const SLOT_BYTES: usize = 28;
/// Each slot has a sector of its own.
const SLOT_STRIDE: u64 = 512;
const FILE_BYTES: u64 = 4096;

/// The file, open for writing; without it nothing is noted.
pub(crate) struct Mark {
    salt: u32,
    file: Option<Arc<dyn DiskFile>>,
    /// Slots written so far: the next one's place.
    turn: AtomicU64,
    synced: AtomicU64,
    failed: OnceLock<()>,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) salt: u32,
    pub(crate) synced: Position,
}

impl Mark {
    /// What the directory's mark says; `None` where there is none, or none that is sound.
    pub(crate) fn read(disk: &dyn Disk) -> io::Result<Option<Marked>> {
        let Some(bytes) = read_file(disk, MARK)? else {
            return Ok(None);
        };
        let stride = usize::try_from(SLOT_STRIDE).unwrap_or(usize::MAX);
        let slots = [bytes.as_slice(), bytes.get(stride..).unwrap_or_default()];
        let sound = slots.into_iter().filter_map(decode);
        Ok(sound.max_by_key(|marked| marked.synced))
    }

    /// Opens the mark for a log that ends at `end`. Without room for it the log does without.
    pub(crate) fn open(disk: &dyn Disk, salt: u32, end: Position) -> Self {
        let file = match begin(disk, salt, end) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, "how far the log is synced is not noted in a file of its own");
                None
            }
        };
        Self {
            salt,
            file,
            turn: AtomicU64::new(0),
            synced: AtomicU64::new(end.pack()),
            failed: OnceLock::new(),
        }
    }

    /// Notes nothing: for a log that is still being put together.
    pub(crate) const fn none() -> Self {
        Self {
            salt: 0,
            file: None,
            turn: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            failed: OnceLock::new(),
        }
    }

    /// Notes that all before `synced` was synced. One small write into the system's memory.
    pub(crate) fn note(&self, synced: Position) {
        let Some(file) = self.file.as_ref().filter(|_| self.failed.get().is_none()) else {
            return;
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % 2;
        let slot = encode(self.salt, synced);
        if let Err(error) = file.write_at(turn * SLOT_STRIDE, &[IoSlice::new(&slot)]) {
            self.give_up(&error);
        }
    }

    /// Makes what was noted outlive the machine. Nothing happens where `synced` has not moved.
    pub(crate) fn sync(&self, synced: Position) {
        let Some(file) = self.file.as_ref().filter(|_| self.failed.get().is_none()) else {
            return;
        };
        if self.synced.swap(synced.pack(), Ordering::Relaxed) == synced.pack() {
            return;
        }
        if let Err(error) = file.sync_data() {
            self.give_up(&error);
        }
    }

    /// The log itself says whether the disk still works: a mark is only a second witness.
    fn give_up(&self, error: &io::Error) {
        if self.failed.set(()).is_ok() {
            tracing::warn!(%error, "how far the log is synced is no longer noted");
        }
    }
}

/// Puts both slots at the log's end: what an earlier life noted beyond it was reported as lost.
fn begin(disk: &dyn Disk, salt: u32, end: Position) -> io::Result<Arc<dyn DiskFile>> {
    let file = match disk.open(MARK) {
        Ok(file) if file.bytes()? == FILE_BYTES => file,
        Ok(_) => disk.create(MARK, FILE_BYTES)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(MARK, FILE_BYTES)?,
        Err(error) => return Err(error),
    };
    let slot = encode(salt, end);
    for turn in 0..2 {
        file.write_at(turn * SLOT_STRIDE, &[IoSlice::new(&slot)])?;
    }
    file.sync_data()?;
    disk.sync_dir("")?;
    Ok(file)
}

fn encode(salt: u32, synced: Position) -> [u8; SLOT_BYTES] {
    let mut encoded = [0; SLOT_BYTES];
    let mut out = encoded.as_mut_slice();
    out.put_u64_le(MAGIC);
    out.put_u32_le(0);
    out.put_u32_le(VERSION);
    out.put_u32_le(salt);
    out.put_u64_le(synced.pack());
    let crc = crc32c::crc32c(encoded.get(12..).unwrap_or_default());
    if let Some(slot) = encoded.get_mut(8..12) {
        slot.copy_from_slice(&crc.to_le_bytes());
    }
    encoded
}

fn decode(bytes: &[u8]) -> Option<Marked> {
    let mut rest = bytes.get(..SLOT_BYTES)?;
    let magic = rest.get_u64_le();
    let crc = rest.get_u32_le();
    if magic != MAGIC || crc32c::crc32c(rest) != crc || rest.get_u32_le() != VERSION {
        return None;
    }
    Some(Marked {
        salt: rest.get_u32_le(),
        synced: Position::unpack(rest.get_u64_le()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    #[test]
    fn a_flipped_bit_leaves_the_sync_before_it() {
        let disk = SimulatedDisk::new(1 << 20, 1);
        let mark = Mark::open(&disk, 7, Position::unpack(10));
        mark.note(Position::unpack(20));
        mark.note(Position::unpack(30));
        let read = || {
            Mark::read(&disk)
                .unwrap()
                .map(|marked| marked.synced.pack())
        };
        assert_eq!(read(), Some(30));
        for bit in 0..SLOT_BYTES * 8 {
            let byte = usize::try_from(SLOT_STRIDE).unwrap() + bit / 8;
            let bit = u8::try_from(bit % 8).unwrap();
            disk.flip_bit(MARK, byte, bit);
            assert_eq!(read(), Some(20), "byte {byte}");
            disk.flip_bit(MARK, byte, bit);
        }
        assert_eq!(read(), Some(30));
    }

    #[test]
    fn a_log_that_lost_its_end_begins_its_mark_anew() {
        let disk = SimulatedDisk::new(1 << 20, 1);
        Mark::open(&disk, 7, Position::unpack(10)).note(Position::unpack(90));
        Mark::open(&disk, 7, Position::unpack(50));
        let marked = Mark::read(&disk).unwrap().unwrap();
        assert_eq!(marked.synced, Position::unpack(50));
    }

    #[test]
    fn without_room_for_a_mark_the_log_does_without() {
        let disk = SimulatedDisk::new(0, 1);
        let mark = Mark::open(&disk, 7, Position::unpack(10));
        mark.note(Position::unpack(20));
        assert_eq!(Mark::read(&disk).unwrap(), None);
    }
}
