//! The end of the log: what lies behind the last sound entry, and what should have.

use std::{collections::BTreeSet, io::IoSlice};

use model::{LogId, Offset};

use super::{Opening, directory::failed, written_after};
use crate::{
    Damage, ExtentSequence, OpenError, Position,
    entry::{ENTRY_HEADER_BYTES, EXTENT_HEADER_BYTES, EntryHeader, EntryKind},
    extent::{LOG_DIR, log_path},
    log::scan::ExtentScan,
};

impl Opening<'_> {
    /// Nothing sound follows in an extent although more was synced: what is there is set aside, and
    /// what is not is said to be lost.
    pub(super) fn lose_rest(&mut self, scan: &mut ExtentScan, from: u32) -> Result<(), OpenError> {
        // What a former extent left is no loss.
        let is_there = written_after(scan, from)? > 0;
        if is_there {
            self.quarantine(scan, from, scan.file_bytes())?;
        }
        let ends_here = self.synced.extent == scan.extent;
        // The end of an extent may have been punched.
        if !ends_here && (is_there || self.holes_expected) {
            return Ok(());
        }
        let found = Position {
            extent: scan.extent,
            byte: from,
        };
        let until = if ends_here {
            self.synced.byte
        } else {
            scan.file_bytes()
        };
        let bytes = u64::from(until.saturating_sub(from));
        let synced = self.synced;
        tracing::error!(
            %synced, %found, bytes,
            "the log was synced further than it is found: what was between is lost"
        );
        self.damages.push(Damage::LostEnd {
            found,
            synced,
            bytes,
        });
        Ok(())
    }

    pub(super) fn report_tail(
        &mut self,
        scan: &mut ExtentScan,
        at: u32,
        later: &[ExtentSequence],
    ) -> Result<(), OpenError> {
        let torn = written_after(scan, at)?;
        let mut dropped = false;
        for &extent in later {
            let scan = ExtentScan::open(self.disk, extent);
            let mut scan = scan.map_err(failed("read", &log_path(extent)))?;
            dropped |= written_after(&mut scan, EXTENT_HEADER_BYTES)? > 0;
        }
        if torn > 0 || dropped {
            let at = Position {
                extent: scan.extent,
                byte: at,
            };
            tracing::warn!(%at, bytes = torn, "cut a torn tail that was never known to be synced");
            self.damages.push(Damage::TornTail { at, bytes: torn });
        }
        Ok(())
    }

    /// Ends the extent at `at`: nothing behind it can ever be taken for an entry.
    pub(super) fn cut(
        &self,
        extent: ExtentSequence,
        at: u32,
        file_bytes: u32,
    ) -> Result<(), OpenError> {
        let path = log_path(extent);
        let position = Position { extent, byte: at };
        let header = EntryHeader {
            position,
            synced: position,
            ..EntryHeader::control(EntryKind::End, LogId(0), Offset(0), Offset(0))
        };
        let encoded = header.encode(self.salt.unwrap_or(0), std::iter::empty());
        let behind = u64::from(at) + u64::from(ENTRY_HEADER_BYTES);
        let rest = u64::from(file_bytes).saturating_sub(behind);
        let ended = self.disk.open(&path).and_then(|file| {
            file.sync_data()?;
            file.punch(u64::from(at), rest + u64::from(ENTRY_HEADER_BYTES))?;
            file.sync_data()?;
            file.write_at(u64::from(at), &[IoSlice::new(&encoded)])?;
            file.sync_data()
        });
        ended.map_err(|error| failed("cut", &path)(error))
    }

    /// Entries that were found valid may not have been synced yet.
    pub(super) fn sync(&self, extent: ExtentSequence) -> Result<(), OpenError> {
        let path = log_path(extent);
        let synced = self.disk.open(&path).and_then(|file| file.sync_data());
        synced.map_err(|error| failed("sync", &path)(error))
    }

    pub(super) fn drop_extents(
        &self,
        sequences: &BTreeSet<ExtentSequence>,
        from: ExtentSequence,
    ) -> Result<(), OpenError> {
        // The last one first, so that a crash on the way leaves no gap.
        for &extent in sequences.range(from..).rev() {
            let path = log_path(extent);
            let removed = self.disk.remove(&path);
            removed.map_err(|error| failed("remove", &path)(error))?;
        }
        self.disk.sync_dir(LOG_DIR).map_err(failed("sync", LOG_DIR))
    }
}
