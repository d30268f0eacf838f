//! Walks the entries of an extent as they lie on disk, and names what is not sound.

use std::io;

use model::LogId;

use super::Core;
use crate::{
    ExtentSequence, Position,
    disk::Disk,
    entry::{
        ALIGNMENT, ENTRY_MAGIC, EXTENT_HEADER_BYTES, EntryFault, EntryHeader, EntryKind,
        ExtentHeader,
    },
    extent::log_path,
    partition::EntryRef,
};

/// An extent's bytes and how far they have been walked.
pub(crate) struct ExtentScan {
    pub(crate) extent: ExtentSequence,
    /// Up to the last byte that may not be zero.
    bytes: Vec<u8>,
    /// Of the whole file.
    file_bytes: u32,
    /// What lies behind the last entry may be another extent's, whose file this was.
    is_reused: bool,
    salt: u32,
    at: u32,
}

/// What stands next in an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Entry(EntryHeader),
    /// Not sound, up to the next entry that is. With `known` the header is sound and says what
    /// is lost; without it nothing is known.
    Unsound {
        from: u32,
        until: u32,
        known: Option<EntryHeader>,
    },
    /// The entry that ends the extent.
    End(EntryHeader),
    /// No sound entry from here on.
    Rest {
        from: u32,
    },
}

impl ExtentScan {
    /// Reads an extent file; the part that was never written is not read.
    pub(crate) fn open(disk: &dyn Disk, extent: ExtentSequence) -> io::Result<Self> {
        Self::open_until(disk, extent, u32::MAX)
    }

    /// As [`ExtentScan::open`], of an extent in which nothing counts from `until` on.
    pub(crate) fn open_until(
        disk: &dyn Disk,
        extent: ExtentSequence,
        until: u32,
    ) -> io::Result<Self> {
        let file = disk.open(&log_path(extent))?;
        let file_bytes = u32::try_from(file.bytes()?).map_err(io::Error::other)?;
        let written = file.data_end()?.min(u64::from(until.min(file_bytes)));
        let written = usize::try_from(written).map_err(io::Error::other)?;
        let bytes = file.read_at(0, written)?;
        let own = ExtentHeader::read(&bytes);
        Ok(Self {
            extent,
            bytes,
            file_bytes,
            is_reused: !matches!(own, ExtentHeader::Sound { sequence, is_reused: false, .. }
                if sequence == extent),
            salt: 0,
            at: EXTENT_HEADER_BYTES,
        })
    }

    pub(crate) const fn file_bytes(&self) -> u32 {
        self.file_bytes
    }

    pub(crate) fn header(&self) -> ExtentHeader {
        match ExtentHeader::read(&self.bytes) {
            ExtentHeader::Sound { sequence, .. } if sequence != self.extent => {
                ExtentHeader::Damaged
            }
            header => header,
        }
    }

    pub(crate) const fn set_salt(&mut self, salt: u32) {
        self.salt = salt;
    }

    pub(crate) fn next(&mut self) -> Found {
        let from = self.at;
        let Some(header) = self.entry_at(from) else {
            return self.next_sound(from);
        };
        let until = from.saturating_add(header.total_bytes());
        self.at = until;
        match (header.kind, header.check_payload(self.from(from))) {
            (EntryKind::End, _) => Found::End(header),
            (_, Ok(())) => Found::Entry(header),
            (_, Err(EntryFault::Header | EntryFault::Payload)) => Found::Unsound {
                from,
                until,
                known: Some(header),
            },
        }
    }

    /// Goes on from `byte`.
    pub(crate) const fn seek(&mut self, byte: u32) {
        self.at = byte;
    }

    pub(crate) const fn position(&self) -> u32 {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.from(self.at).is_empty()
    }

    /// The entry's bytes and what follows.
    pub(crate) fn from(&self, byte: u32) -> &[u8] {
        let at = usize::try_from(byte).unwrap_or(usize::MAX);
        self.bytes.get(at..).unwrap_or_default()
    }

    /// Bytes of what was being written from `byte` on, behind the last sound entry: to the last
    /// one that is not zero. In a file that is used again, to the last place that calls itself an
    /// entry of this extent: everything else there is the former extent's.
    pub(crate) fn written_after(&self, byte: u32) -> u64 {
        let rest = self.from(byte);
        if !self.is_reused {
            let last = rest.iter().rposition(|&byte| byte != 0);
            return last.map_or(0, |last| u64::try_from(last).unwrap_or(0) + 1);
        }
        let mut written = 0;
        let mut at = self.next_magic(byte);
        while let Some(claimed) = at {
            let header = EntryHeader::peek(self.from(claimed));
            if let Some(header) = header.filter(|header| header.position == self.at(claimed)) {
                let end = u64::from(claimed) + u64::from(header.total_bytes());
                written = end.min(u64::from(self.file_bytes)) - u64::from(byte);
            }
            at = self.next_magic(claimed + ALIGNMENT);
        }
        written
    }

    /// Whether nothing but zeros is in a range.
    pub(crate) fn is_zero(&self, from: u32, until: u32) -> bool {
        self.range(from, until).iter().all(|&byte| byte == 0)
    }

    /// The bytes of a range, as far as any were written there.
    pub(crate) fn range(&self, from: u32, until: u32) -> &[u8] {
        let rest = self.from(from);
        let len = usize::try_from(until.saturating_sub(from)).unwrap_or(0);
        rest.get(..len).unwrap_or(rest)
    }

    const fn at(&self, byte: u32) -> Position {
        Position {
            extent: self.extent,
            byte,
        }
    }

    fn entry_at(&self, byte: u32) -> Option<EntryHeader> {
        EntryHeader::read(self.from(byte), self.at(byte), self.salt)
    }

    /// The next place at or behind `byte` that looks like the beginning of an entry.
    fn next_magic(&self, byte: u32) -> Option<u32> {
        let magic = ENTRY_MAGIC.to_le_bytes();
        let mut words = self.from(byte).chunks_exact(ALIGNMENT as usize);
        let steps = words.position(|word| word.starts_with(&magic))?;
        Some(byte.saturating_add(u32::try_from(steps).ok()? * ALIGNMENT))
    }

    fn next_sound(&mut self, from: u32) -> Found {
        let mut until = self.next_magic(from.saturating_add(ALIGNMENT));
        while let Some(claimed) = until {
            if self.entry_at(claimed).is_some() {
                self.at = claimed;
                return Found::Unsound {
                    from,
                    until: claimed,
                    known: None,
                };
            }
            until = self.next_magic(claimed.saturating_add(ALIGNMENT));
        }
        self.at = self.file_bytes;
        Found::Rest { from }
    }
}

impl Core {
    /// The entries of a sealed extent, for its index; what is damaged is left out.
    pub(super) fn scan_entries(
        &self,
        extent: ExtentSequence,
    ) -> io::Result<Vec<(LogId, EntryRef)>> {
        let mut scan = ExtentScan::open(&*self.disk, extent)?;
        scan.set_salt(self.salt);
        let mut entries = Vec::new();
        loop {
            match scan.next() {
                Found::Entry(header)
                | Found::Unsound {
                    known: Some(header),
                    ..
                } => {
                    if header.kind == EntryKind::Batches {
                        entries.push((header.id, EntryRef::of(&header)));
                    }
                }
                Found::Unsound { known: None, .. } => {}
                Found::End(_) | Found::Rest { .. } => return Ok(entries),
            }
        }
    }
}
