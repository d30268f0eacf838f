//! A file's bytes in memory: mapped on the real disk, a copy on the simulated one.
//!
//! Only sealed index files are mapped. They can be rebuilt, so a process that dies of a disk error
//! under the map (SIGBUS) loses nothing; bytes that a client can ask for are always read by calls.

use std::{fs::File, io, ops::Deref};

/// Read-only bytes of a file that is not written any more.
pub struct Mapped(Source);

enum Source {
    Map(memmap2::Mmap),
    Copy(Vec<u8>),
}

impl Mapped {
    /// Maps a file that is never written or cut again while anybody may hold the map.
    pub(super) fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self(Source::Copy(Vec::new())));
        }
        #[expect(
            unsafe_code,
            reason = "a map is the one thing that cannot be had safely"
        )]
        // SAFETY: index files are written under a temporary name, synced, renamed, and from then on
        // only ever unlinked as a whole, which leaves existing maps valid. The data directory is
        // locked against other processes of ours.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(Source::Map(map)))
    }

    #[cfg(any(test, feature = "simulated"))]
    pub(super) const fn copy(bytes: Vec<u8>) -> Self {
        Self(Source::Copy(bytes))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Map(map) => map,
            Source::Copy(bytes) => bytes,
        }
    }
}
