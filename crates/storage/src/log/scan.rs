//! Walks the entries of an extent as they lie on disk, and names what is not sound.

use std::{io, sync::Arc};

use model::LogId;

use super::Core;
use crate::{
    ExtentSequence, Position,
    disk::{Disk, DiskFile},
    entry::{
        ALIGNMENT, ENTRY_HEADER_BYTES, ENTRY_MAGIC, EXTENT_HEADER_BYTES, EntryFault, EntryHeader,
        EntryKind, ExtentHeader,
    },
    extent::log_path,
    partition::EntryRef,
};

/// Bytes that are looked at together, unless one entry is larger: few enough to stay in the
/// processor's cache, and to need no fresh memory for each.
const WINDOW_BYTES: u32 = 1 << 20;
/// Bytes that the file system is asked for ahead of the walk.
const AHEAD_BYTES: u32 = 8 << 20;
static ZEROS: [u8; 4096] = [0; 4096];

/// A walk through an extent's file.
pub(crate) struct ExtentScan {
    pub(crate) extent: ExtentSequence,
    file: Arc<dyn DiskFile>,
    file_bytes: u32,
    /// Only zeros are behind.
    data_end: u32,
    header: ExtentHeader,
    /// What lies behind the last entry may be another extent's, whose file this was.
    is_reused: bool,
    salt: u32,
    at: u32,
    window: Vec<u8>,
    window_at: u32,
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
        let mut scan = Self {
            extent,
            file,
            file_bytes,
            data_end: u32::try_from(written).map_err(io::Error::other)?,
            header: ExtentHeader::Damaged,
            is_reused: true,
            salt: 0,
            at: EXTENT_HEADER_BYTES,
            window: Vec::new(),
            window_at: 0,
        };
        scan.load(0, EXTENT_HEADER_BYTES)?;
        scan.header = ExtentHeader::read(scan.from(0));
        match scan.header {
            ExtentHeader::Sound { sequence, .. } if sequence != extent => {
                scan.header = ExtentHeader::Damaged;
            }
            ExtentHeader::Sound { is_reused, .. } => scan.is_reused = is_reused,
            ExtentHeader::Newer { .. } | ExtentHeader::Damaged => {}
        }
        Ok(scan)
    }

    pub(crate) const fn file_bytes(&self) -> u32 {
        self.file_bytes
    }

    pub(crate) const fn header(&self) -> ExtentHeader {
        self.header
    }

    pub(crate) const fn set_salt(&mut self, salt: u32) {
        self.salt = salt;
    }

    pub(crate) fn next(&mut self) -> io::Result<Found> {
        let from = self.at;
        let Some(header) = self.entry_at(from)? else {
            return self.next_sound(from);
        };
        let until = from.saturating_add(header.total_bytes());
        self.at = until;
        Ok(match (header.kind, header.check_payload(self.from(from))) {
            (EntryKind::End, _) => Found::End(header),
            (_, Ok(())) => Found::Entry(header),
            (_, Err(EntryFault::Header | EntryFault::Payload)) => Found::Unsound {
                from,
                until,
                known: Some(header),
            },
        })
    }

    /// Goes on from `byte`.
    pub(crate) const fn seek(&mut self, byte: u32) {
        self.at = byte;
    }

    pub(crate) const fn position(&self) -> u32 {
        self.at
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.data_end
    }

    /// What is known from `byte` on: at least the entry there, if [`ExtentScan::next`] gave it.
    pub(crate) fn from(&self, byte: u32) -> &[u8] {
        let at = byte.checked_sub(self.window_at);
        let at = at.and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.window.get(at..)).unwrap_or_default()
    }

    /// The batches of an entry of this extent.
    pub(crate) fn body(&self, header: &EntryHeader) -> &[u8] {
        let begin = header.position.byte.saturating_add(ENTRY_HEADER_BYTES);
        let len = usize::try_from(header.body_bytes).unwrap_or(usize::MAX);
        self.from(begin).get(..len).unwrap_or_default()
    }

    /// The bytes of a range, without zeros at its end that were never written.
    pub(crate) fn read(&self, from: u32, until: u32) -> io::Result<Vec<u8>> {
        let bytes = until.min(self.data_end).saturating_sub(from);
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        self.file.read_at(u64::from(from), bytes)
    }

    /// Bytes of what was being written from `byte` on, behind the last sound entry: to the last
    /// one that is not zero. In a file that is used again, to the last place that calls itself an
    /// entry of this extent: everything else there is the former extent's.
    pub(crate) fn written_after(&mut self, byte: u32) -> io::Result<u64> {
        let mut end = byte;
        if self.is_reused {
            let mut claimed = self.next_magic(byte)?;
            while let Some(at) = claimed {
                let header = EntryHeader::peek(self.from(at));
                if let Some(header) = header.filter(|header| header.position == self.at(at)) {
                    end = at.saturating_add(header.total_bytes());
                }
                claimed = self.next_magic(at.saturating_add(ALIGNMENT))?;
            }
        } else {
            self.each_block(byte, self.data_end, |at, block| {
                if let Some(last) = block.iter().rposition(|&byte| byte != 0) {
                    end = at.saturating_add(u32::try_from(last + 1).unwrap_or(u32::MAX));
                }
            })?;
        }
        Ok(u64::from(end.min(self.file_bytes).saturating_sub(byte)))
    }

    /// Whether nothing but zeros is in a range.
    pub(crate) fn is_zero(&mut self, from: u32, until: u32) -> io::Result<bool> {
        let mut is_zero = true;
        self.each_block(from, until, |_, _| is_zero = false)?;
        Ok(is_zero)
    }

    /// Shows every block of a range in which something is not zero.
    fn each_block(
        &mut self,
        from: u32,
        until: u32,
        mut look: impl FnMut(u32, &[u8]),
    ) -> io::Result<()> {
        let (mut at, until) = (from, until.min(self.data_end));
        while at < until {
            self.load(at, 1)?;
            let rest = usize::try_from(until - at).map_err(io::Error::other)?;
            let known = self.from(at);
            for block in known.get(..rest).unwrap_or(known).chunks(ZEROS.len()) {
                if ZEROS.get(..block.len()) != Some(block) {
                    look(at, block);
                }
                at += u32::try_from(block.len()).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    const fn at(&self, byte: u32) -> Position {
        Position {
            extent: self.extent,
            byte,
        }
    }

    /// Makes `bytes` from `from` on known, as far as they were written.
    fn load(&mut self, from: u32, bytes: u32) -> io::Result<()> {
        let until = from.saturating_add(bytes).min(self.data_end);
        let known = u32::try_from(self.window.len()).map_err(io::Error::other)?;
        if from >= self.window_at && until <= self.window_at.saturating_add(known) {
            return Ok(());
        }
        let wanted = bytes
            .max(WINDOW_BYTES)
            .min(self.data_end.saturating_sub(from));
        let len = usize::try_from(wanted).map_err(io::Error::other)?;
        let next = u64::from(from) + u64::from(wanted);
        self.file.will_need(next, u64::from(AHEAD_BYTES));
        self.file
            .read_into(u64::from(from), len, &mut self.window)?;
        self.window_at = from;
        Ok(())
    }

    fn entry_at(&mut self, byte: u32) -> io::Result<Option<EntryHeader>> {
        self.load(byte, ENTRY_HEADER_BYTES)?;
        let claimed = EntryHeader::peek(self.from(byte));
        let Some(claimed) = claimed.filter(|claimed| claimed.position == self.at(byte)) else {
            return Ok(None);
        };
        // Nothing proves the length yet: what no extent could hold is not worth the memory.
        if byte.saturating_add(claimed.total_bytes()) > self.file_bytes {
            return Ok(None);
        }
        self.load(byte, claimed.total_bytes())?;
        Ok(EntryHeader::read(self.from(byte), self.at(byte), self.salt))
    }

    /// The next place at or behind `byte` that looks like the beginning of an entry.
    fn next_magic(&mut self, byte: u32) -> io::Result<Option<u32>> {
        let magic = ENTRY_MAGIC.to_le_bytes();
        let mut at = byte;
        while at < self.data_end {
            self.load(at, ALIGNMENT)?;
            let mut words = self.from(at).chunks_exact(ALIGNMENT as usize);
            let count = u32::try_from(words.len()).map_err(io::Error::other)?;
            if let Some(steps) = words.position(|word| word.starts_with(&magic)) {
                let steps = u32::try_from(steps).map_err(io::Error::other)?;
                at += steps * ALIGNMENT;
                self.load(at, ENTRY_HEADER_BYTES)?;
                return Ok(Some(at));
            }
            at = at.saturating_add(count.max(1) * ALIGNMENT);
        }
        Ok(None)
    }

    fn next_sound(&mut self, from: u32) -> io::Result<Found> {
        let mut until = self.next_magic(from.saturating_add(ALIGNMENT))?;
        while let Some(claimed) = until {
            if self.entry_at(claimed)?.is_some() {
                self.at = claimed;
                return Ok(Found::Unsound {
                    from,
                    until: claimed,
                    known: None,
                });
            }
            until = self.next_magic(claimed.saturating_add(ALIGNMENT))?;
        }
        self.at = self.file_bytes;
        Ok(Found::Rest { from })
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
            match scan.next()? {
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
