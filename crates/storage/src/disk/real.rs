//! The real file system. The only module of this crate that touches files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, IoSliceMut},
    num::NonZeroU64,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::{BufMut, BytesMut};
use rustix::{
    buffer::spare_capacity,
    fs::{Advice, FallocateFlags, FlockOperation, OFlags, SeekFrom},
    io::{Errno, ReadWriteFlags},
};

use super::{Disk, DiskFile, Mapped, Shared};

/// Pieces that one call of the operating system takes (IOV_MAX of Linux).
const PIECES_PER_CALL_MAX: usize = 1024;
/// Bytes of one advice to read ahead: what Linux reads ahead by default.
const ADVICE_BYTES: u64 = 128 << 10;
/// Room that a buffer keeps when less is read into it.
const ROOM_KEPT_BYTES: usize = 1 << 20;
/// What `stat` counts a file's allocated bytes in, whatever the file system's blocks are.
const STAT_BLOCK_BYTES: u64 = 512;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// Private to the broker's user: records may hold anything.
const FILE_MODE: u32 = 0o600;

/// A data directory on a file system.
pub struct RealDisk {
    root: PathBuf,
    /// Cleared for good when the file system refuses.
    writes_directly: Arc<AtomicBool>,
    lock: Mutex<Option<File>>,
}

impl RealDisk {
    /// Makes the directory if it is absent. `writes_directly` is whether
    /// [`DiskFile::write_blocks`] goes past the system's cache where the file system can.
    ///
    /// # Errors
    /// The file system's.
    pub fn new(root: &Path, writes_directly: bool) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
            writes_directly: Arc::new(AtomicBool::new(writes_directly)),
            lock: Mutex::new(None),
        })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A second descriptor of a file, past the system's cache; `None` where that is not wanted or the
    /// file system has no such thing.
    fn direct(&self, path: &Path) -> Option<Direct> {
        if !self.replaces_pages() {
            return None;
        }
        let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
        let mut options = OpenOptions::new();
        let opened = options
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path);
        let works = Arc::clone(&self.writes_directly);
        match opened {
            Ok(file) => Some(Direct { file, works }),
            Err(_) => {
                works.store(false, Ordering::Relaxed);
                None
            }
        }
    }
}

impl Disk for RealDisk {
    fn lock(&self, path: &str) -> io::Result<()> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(self.path(path))?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn make_dir(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(dir))? {
            // Every name of ours is ASCII; others are none of our business.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn create(&self, path: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)?;
        let direct = if bytes > 0 { self.direct(&path) } else { None };
        let file = RealFile { file, direct };
        if let Err(error) = file.reserve(bytes) {
            drop(file);
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok(Arc::new(file))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = open(&self.path(path))?;
        Ok(Arc::new(RealFile { file, direct: None }))
    }

    fn open_for_blocks(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let file = open(&path)?;
        let direct = self.direct(&path);
        Ok(Arc::new(RealFile { file, direct }))
    }

    fn replaces_pages(&self) -> bool {
        self.writes_directly.load(Ordering::Relaxed)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.path(path))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn map(&self, path: &str) -> io::Result<Mapped> {
        Mapped::map(&File::open(self.path(path))?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Whether the disk itself is at fault: waiting for room would be waiting for ever.
pub(crate) fn is_lasting(error: &io::Error) -> bool {
    let failed = [Errno::IO, Errno::ROFS];
    let is = |errno: &Errno| error.raw_os_error() == Some(errno.raw_os_error());
    failed.iter().any(is)
}

fn open(path: &Path) -> io::Result<File> {
    match OpenOptions::new().read(true).write(true).open(path) {
        // Whoever only looks (an operator's check) may not have the right to write.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

struct RealFile {
    file: File,
    /// The same file, past the system's cache.
    direct: Option<Direct>,
}

struct Direct {
    file: File,
    works: Arc<AtomicBool>,
}

impl AsFd for RealFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl RealFile {
    /// Reads as much as the buffer holds.
    fn fill(&self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (mut at, mut rest) = (at, buffer);
        while !rest.is_empty() {
            match rustix::io::pread(&self.file, &mut *rest, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                    rest = rest.get_mut(read..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// For file systems that can neither reserve nor punch.
    fn write_zeros(&self, at: u64, bytes: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes {
            let left = usize::try_from(bytes - done).unwrap_or(usize::MAX);
            let piece = ZEROS.get(..left).unwrap_or(&ZEROS);
            self.write_at(at + done, &[IoSlice::new(piece)])?;
            done += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

impl DiskFile for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        Ok(self
            .file
            .metadata()?
            .blocks()
            .saturating_mul(STAT_BLOCK_BYTES))
    }

    fn data_end(&self) -> io::Result<u64> {
        let mut end = 0;
        loop {
            match rustix::fs::seek(&self.file, SeekFrom::Data(end)) {
                Ok(data) => end = rustix::fs::seek(&self.file, SeekFrom::Hole(data))?,
                Err(Errno::NXIO) => return Ok(end),
                Err(_) => return self.bytes(),
            }
        }
    }

    fn write_at(&self, at: u64, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let mut at = at;
        for chunk in pieces.chunks(PIECES_PER_CALL_MAX) {
            let mut pieces = chunk.to_vec();
            let mut rest = pieces.as_mut_slice();
            while rest.iter().any(|piece| !piece.is_empty()) {
                let written = match rustix::io::pwritev(&self.file, rest, at) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                IoSlice::advance_slices(&mut rest, written);
            }
        }
        Ok(())
    }

    fn write_blocks(&self, at: u64, blocks: &mut [IoSlice<'_>]) -> io::Result<()> {
        let Some(direct) = &self.direct else {
            return self.write_at(at, blocks);
        };
        let (mut at, mut rest) = (at, blocks);
        while !rest.is_empty() {
            let call = rest.get(..PIECES_PER_CALL_MAX).unwrap_or(rest);
            match rustix::io::pwritev(&direct.file, call, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at = at.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                    IoSlice::advance_slices(&mut rest, written);
                }
                Err(Errno::INTR) => {}
                // The device has larger blocks, or a write ended inside one.
                Err(Errno::INVAL) => {
                    direct.works.store(false, Ordering::Relaxed);
                    return self.write_at(at, rest);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_into(&self, at: u64, bytes: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        if buffer.capacity() / 2 > bytes.max(ROOM_KEPT_BYTES) {
            *buffer = Vec::new();
        }
        if buffer.capacity() > bytes {
            buffer.resize(bytes, 0);
            return self.fill(at, buffer);
        }
        // Uninitialised room is handed to the kernel, so that large reads are not zeroed first.
        buffer.clear();
        buffer.reserve_exact(bytes);
        while buffer.len() < bytes {
            let next = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
            match rustix::io::pread(&self.file, spare_capacity(buffer), next) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(bytes);
        Ok(())
    }

    fn read_if_cached(&self, at: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let bytes = buffer.len();
        let mut room = [IoSliceMut::new(buffer)];
        match rustix::io::preadv2(&self.file, &mut room, at, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(read == bytes),
            // Some of it isn't in memory, or the file system can't say.
            Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn reads_blocks(&self) -> bool {
        let direct = self.direct.as_ref();
        direct.is_some_and(|direct| direct.works.load(Ordering::Relaxed))
    }

    fn read_blocks(&self, at: u64, bytes: u64, buffer: &mut BytesMut) -> io::Result<u64> {
        let direct = self.direct.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let bytes = usize::try_from(bytes).map_err(io::Error::other)?;
        let room = buffer.spare_capacity_mut().get_mut(..bytes);
        let room = room.ok_or(io::ErrorKind::InvalidInput)?;
        let read = loop {
            match rustix::io::pread(&direct.file, &mut *room, at) {
                Ok((read, _)) => break read.len(),
                Err(Errno::INTR) => {}
                Err(error) => {
                    // The device has larger blocks.
                    if error == Errno::INVAL {
                        direct.works.store(false, Ordering::Relaxed);
                    }
                    return Err(error.into());
                }
            }
        };
        #[expect(
            unsafe_code,
            reason = "the kernel wrote to memory that was not initialised"
        )]
        // SAFETY: the call has just initialised so many bytes from where the buffer's contents end.
        unsafe {
            buffer.advance_mut(read);
        }
        u64::try_from(read).map_err(io::Error::other)
    }

    fn share(self: Arc<Self>) -> Option<Shared> {
        Some(self)
    }

    fn expect_jumps(&self) {
        // Advice: a file system that does not take it still reads.
        rustix::fs::fadvise(&self.file, 0, None, Advice::Random).ok();
    }

    fn will_need(&self, at: u64, bytes: u64) {
        // Linux takes no more than the device's read-ahead of one call.
        let end = at.saturating_add(bytes);
        let mut at = at;
        while let Some(bytes) = NonZeroU64::new(end.saturating_sub(at).min(ADVICE_BYTES)) {
            rustix::fs::fadvise(&self.file, at, Some(bytes), Advice::WillNeed).ok();
            at = at.saturating_add(bytes.get());
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP) => self.write_zeros(0, bytes),
            reserved => Ok(reserved?),
        }
    }

    fn punch(&self, at: u64, bytes: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, flags, at, bytes) {
            Err(Errno::OPNOTSUPP) => self.write_zeros(at, bytes),
            punched => Ok(punched?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_stand_in_where_a_file_system_cannot_reserve_or_punch() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path(), true).unwrap();
        let file = RealFile {
            file: File::create_new(dir.path().join("file")).unwrap(),
            direct: None,
        };
        file.write_zeros(0, 200_000).unwrap();
        assert_eq!(file.bytes().unwrap(), 200_000);
        file.write_at(100_000, &[IoSlice::new(&[1; 5000])]).unwrap();
        file.write_zeros(100_001, 4998).unwrap();
        let opened = disk.open("file").unwrap();
        let bytes = opened.read_at(0, 200_000).unwrap();
        let ones: Vec<_> = bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == 1)
            .collect();
        assert_eq!(ones, [(100_000, &1), (104_999, &1)]);
        assert!(
            opened.read_at(199_999, 2).is_err(),
            "nothing is beyond the end"
        );
    }

    #[test]
    fn a_read_into_a_buffer_gives_what_was_asked_for_whatever_room_it_had() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path(), true).unwrap();
        let file = disk.create("file", 8 << 20).unwrap();
        let numbers: Vec<u8> = (0..6 << 18_u32).flat_map(u32::to_le_bytes).collect();
        file.write_at(0, &[IoSlice::new(&numbers)]).unwrap();
        let mut buffer = Vec::new();
        let mut read = |at: usize, bytes: usize| {
            file.read_into(at as u64, bytes, &mut buffer).unwrap();
            let written = numbers.get(at..at + bytes);
            assert!(written == Some(&buffer), "{bytes} bytes at {at}");
            buffer.capacity()
        };
        read(0, 5000);
        read(3, 100);
        assert_eq!(read(70_000, 5000), 5000, "its room was used again");
        read(0, 6 << 20);
        assert_eq!(read(9, 1 << 20), 1 << 20, "large room does not stay");
        let beyond = file.read_into(8 << 20, 1, &mut buffer).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn more_pieces_than_one_call_takes_are_written_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(dir.path(), true).unwrap();
        let file = disk.create("file", 1 << 16).unwrap();
        let numbers: Vec<[u8; 4]> = (0..5000_u32).map(u32::to_le_bytes).collect();
        let pieces: Vec<IoSlice<'_>> = numbers.iter().map(|piece| IoSlice::new(piece)).collect();
        file.write_at(8, &pieces).unwrap();
        assert_eq!(file.read_at(8, 20_000).unwrap(), numbers.concat());
        assert_eq!(file.bytes().unwrap(), 1 << 16);
    }
}
