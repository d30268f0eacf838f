//! The file system as the log uses it: a few calls, with a real and a simulated implementation.
//!
//! Paths are relative to the data directory, with `/` between parts.

mod mapped;
mod real;
#[cfg(any(test, feature = "simulated"))]
mod simulated;

use std::{
    io::{self, IoSlice},
    os::fd::AsFd,
    sync::Arc,
};

use bytes::BytesMut;

pub use mapped::Mapped;
pub use real::RealDisk;
pub(crate) use real::is_lasting;
#[cfg(any(test, feature = "simulated"))]
pub use simulated::{Fault, SimulatedDisk};

/// What a write past the system's cache begins and ends at, on disk and in memory. Devices with
/// larger blocks are written through the cache.
pub const BLOCK_BYTES: usize = 4096;

/// A file as others may use it while it stays open.
pub type Shared = Arc<dyn AsFd + Send + Sync>;

/// A data directory.
pub trait Disk: Send + Sync {
    /// Takes the directory for this process until `self` is dropped.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it.
    fn lock(&self, path: &str) -> io::Result<()>;

    /// Makes a directory unless it exists.
    ///
    /// # Errors
    /// The file system's.
    fn make_dir(&self, path: &str) -> io::Result<()>;

    /// Names of the files in a directory.
    ///
    /// # Errors
    /// The file system's.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Makes an empty file (replacing one of that name) with room for `bytes`, reading as zeros.
    ///
    /// # Errors
    /// The file system's; without room nothing is left behind.
    fn create(&self, path: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// # Errors
    /// The file system's.
    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// As [`Disk::open`], for [`DiskFile::write_blocks`] and [`DiskFile::read_blocks`].
    ///
    /// # Errors
    /// The file system's.
    fn open_for_blocks(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    /// Whether [`DiskFile::write_blocks`] replaces pages of the system's cache, so that whoever is
    /// still sending from them goes on with what they held.
    fn replaces_pages(&self) -> bool {
        true
    }

    /// # Errors
    /// The file system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// # Errors
    /// The file system's.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes creations, renames and removals in `dir` durable.
    ///
    /// # Errors
    /// The file system's.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// The bytes of a file that nobody writes any more. For files of ours that can be rebuilt.
    ///
    /// # Errors
    /// The file system's.
    fn map(&self, path: &str) -> io::Result<Mapped>;

    /// Bytes that may still be allocated.
    ///
    /// # Errors
    /// The file system's.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// # Errors
    /// The file system's.
    fn bytes(&self) -> io::Result<u64>;

    /// Bytes of the file system's that the file takes: less than its length where it has holes.
    ///
    /// # Errors
    /// The file system's.
    fn allocated_bytes(&self) -> io::Result<u64>;

    /// All bytes from here on are zeros that were never written; a file system that does not know
    /// gives the file's end.
    ///
    /// # Errors
    /// The file system's.
    fn data_end(&self) -> io::Result<u64>;

    /// Writes all pieces one after another from `at` on.
    ///
    /// # Errors
    /// The file system's; a part may have been written.
    fn write_at(&self, at: u64, pieces: &[IoSlice<'_>]) -> io::Result<()>;

    /// Writes pieces one after another from `at` on, each of whole blocks of [`BLOCK_BYTES`] and
    /// aligned to them in memory, past the system's cache where the file system lets us.
    ///
    /// # Errors
    /// The file system's; a part may have been written.
    fn write_blocks(&self, at: u64, blocks: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.write_at(at, blocks)
    }

    /// Reads exactly `bytes` from `at` on.
    ///
    /// # Errors
    /// The file system's, and `UnexpectedEof` beyond the end.
    fn read_at(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        self.read_into(at, bytes, &mut read)?;
        Ok(read)
    }

    /// As [`DiskFile::read_at`], in place of what the buffer held. Much larger room is given back.
    ///
    /// # Errors
    /// The file system's, and `UnexpectedEof` beyond the end.
    fn read_into(&self, at: u64, bytes: usize, buffer: &mut Vec<u8>) -> io::Result<()>;

    /// Fills the buffer from `at` on where that needs no waiting for the device; else false.
    ///
    /// # Errors
    /// The file system's.
    fn read_if_cached(&self, _at: u64, _buffer: &mut [u8]) -> io::Result<bool> {
        Ok(false)
    }

    /// Whether [`DiskFile::read_blocks`] is of use.
    fn reads_blocks(&self) -> bool {
        false
    }

    /// Reads whole blocks of [`BLOCK_BYTES`] past the system's cache, to the end of what the buffer
    /// holds: so many bytes, or fewer at the file's end. Room for them must be there, and begin at a
    /// block in memory as on disk. Gives how many were read.
    ///
    /// # Errors
    /// The file system's, and `Unsupported` where it has no such thing.
    fn read_blocks(&self, _at: u64, _bytes: u64, _buffer: &mut BytesMut) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The file for others to send from; `None` where there is nothing to send from.
    fn share(self: Arc<Self>) -> Option<Shared> {
        None
    }

    /// Tells the file system that reads jump: it should read nothing beyond what is asked for.
    fn expect_jumps(&self);

    /// Tells the file system that a range will be read soon. Does not wait for it.
    fn will_need(&self, at: u64, bytes: u64);

    /// Makes what was written durable.
    ///
    /// # Errors
    /// The file system's. After one nothing is known about the bytes: never try again.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes sure that writing the first `bytes` will not run out of space. What is there stays or
    /// becomes zeros.
    ///
    /// # Errors
    /// The file system's.
    fn reserve(&self, bytes: u64) -> io::Result<()>;

    /// Gives a range back to the file system; it reads as zeros.
    ///
    /// # Errors
    /// The file system's.
    fn punch(&self, at: u64, bytes: u64) -> io::Result<()>;
}

/// Puts a whole small file in place so that a crash leaves the old one or the new one.
pub(crate) fn replace_file(
    disk: &dyn Disk,
    dir: &str,
    name: &str,
    contents: &[u8],
) -> io::Result<()> {
    let (temporary, path) = (join(dir, &format!("{name}.new")), join(dir, name));
    let file = disk.create(&temporary, 0)?;
    file.write_at(0, &[IoSlice::new(contents)])?;
    file.sync_data()?;
    drop(file);
    disk.rename(&temporary, &path)?;
    disk.sync_dir(dir)
}

/// Reads a whole small file; `None` when it does not exist.
pub(crate) fn read_file(disk: &dyn Disk, path: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = usize::try_from(file.bytes()?).map_err(io::Error::other)?;
    file.read_at(0, bytes).map(Some)
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_owned()
    } else {
        format!("{dir}/{name}")
    }
}
