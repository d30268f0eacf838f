//! Walks the entries of an extent as they lie on disk, and names what is not sound.

use std::io;

use model::LogId;

use super::Core;
use crate::{
    ExtentSequence, Position,
    disk::Disk,
    entry::{
        ALIGNMENT, ENTRY_HEADER_BYTES, EXTENT_HEADER_BYTES, EntryFault, EntryHeader, EntryKind,
        ExtentHeader,
    },
    extent::log_path,
    partition::EntryRef,
};

/// An extent's bytes and how far they have been walked.
pub(crate) struct ExtentScan {
    pub(crate) extent: ExtentSequence,
    pub(crate) bytes: Vec<u8>,
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
    /// Reads a whole extent file.
    pub(crate) fn open(disk: &dyn Disk, extent: ExtentSequence) -> io::Result<Self> {
        let file = disk.open(&log_path(extent))?;
        let len = usize::try_from(file.bytes()?).map_err(io::Error::other)?;
        Ok(Self {
            extent,
            bytes: file.read_at(0, len)?,
            salt: 0,
            at: EXTENT_HEADER_BYTES,
        })
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

    /// The batches of an entry of this extent.
    pub(crate) fn body(&self, header: &EntryHeader) -> &[u8] {
        let begin = header.position.byte.saturating_add(ENTRY_HEADER_BYTES);
        let len = usize::try_from(header.body_bytes).unwrap_or(usize::MAX);
        self.from(begin).get(..len).unwrap_or_default()
    }

    /// Bytes from `byte` to the last one that is not zero.
    pub(crate) fn written_after(&self, byte: u32) -> u64 {
        let rest = self.from(byte);
        let last = rest.iter().rposition(|&byte| byte != 0);
        last.map_or(0, |last| u64::try_from(last).unwrap_or(0) + 1)
    }

    /// Whether nothing but zeros is in a range.
    pub(crate) fn is_zero(&self, from: u32, until: u32) -> bool {
        let len = usize::try_from(until.saturating_sub(from)).unwrap_or(0);
        let range = self.from(from).get(..len).unwrap_or_default();
        range.iter().all(|&byte| byte == 0)
    }

    fn entry_at(&self, byte: u32) -> Option<EntryHeader> {
        let position = Position {
            extent: self.extent,
            byte,
        };
        EntryHeader::read(self.from(byte), position, self.salt)
    }

    fn next_sound(&mut self, from: u32) -> Found {
        let end = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let mut until = from.saturating_add(ALIGNMENT);
        while until < end {
            if self.entry_at(until).is_some() {
                self.at = until;
                return Found::Unsound {
                    from,
                    until,
                    known: None,
                };
            }
            until = until.saturating_add(ALIGNMENT);
        }
        self.at = end;
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
