//! The real file system. The only module of this crate that touches files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    buffer::spare_capacity,
    fs::{FallocateFlags, FlockOperation},
    io::Errno,
};

use super::{Disk, DiskFile, Mapped};

/// Pieces that one call of the operating system takes (IOV_MAX of Linux).
const PIECES_PER_CALL_MAX: usize = 1024;
/// Private to the broker's user: records may hold anything.
const FILE_MODE: u32 = 0o600;

/// A data directory on a file system.
pub struct RealDisk {
    root: PathBuf,
    lock: Mutex<Option<File>>,
}

impl RealDisk {
    /// Makes the directory if it is absent.
    ///
    /// # Errors
    /// The file system's.
    pub fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self {
            root: root.to_owned(),
            lock: Mutex::new(None),
        })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
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
        if bytes > 0
            && let Err(error) = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)
        {
            drop(file);
            fs::remove_file(&path)?;
            return Err(error.into());
        }
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(path);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            // Whoever only looks (an operator's check) may not have the right to write.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            opened => opened?,
        };
        Ok(Arc::new(RealFile(file)))
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

struct RealFile(File);

impl DiskFile for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn write_at(&self, at: u64, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let mut at = at;
        for chunk in pieces.chunks(PIECES_PER_CALL_MAX) {
            let mut pieces = chunk.to_vec();
            let mut rest = pieces.as_mut_slice();
            while rest.iter().any(|piece| !piece.is_empty()) {
                let written = match rustix::io::pwritev(&self.0, rest, at) {
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

    fn read_at(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        // Uninitialised room is handed to the kernel, so that large reads are not zeroed first.
        let mut buffer = Vec::with_capacity(bytes);
        while buffer.len() < bytes {
            let next = at.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
            match rustix::io::pread(&self.0, spare_capacity(&mut buffer), next) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(bytes);
        Ok(buffer)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn punch(&self, at: u64, bytes: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(rustix::fs::fallocate(&self.0, flags, at, bytes)?)
    }
}
