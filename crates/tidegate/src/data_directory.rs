//! The data directory: made at first start, held by one process at a time.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::files;

/// The directory for as long as this process serves from it.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// The lock ends with the descriptor, however the process ends.
    _lock: File,
}

impl DataDirectory {
    /// Makes the directory if need be, and locks it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        files::make_directory(path)?;
        let path = path
            .canonicalize()
            .with_context(|| format!("find {}", path.display()))?;
        let lock_path = path.join("lock.pid");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .with_context(|| format!("the data directory {} is not writable", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    pid => format!("process {pid}"),
                };
                bail!(
                    "the data directory {} is in use by {holder}: stop it, or give this one its \
                     own with --data-dir",
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", lock_path.display()));
            }
        }
        let note_holder = || -> std::io::Result<()> {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        let mut note_holder = note_holder;
        match note_holder() {
            // The lock is what counts; the number is for people.
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {}
            noted => noted.with_context(|| format!("write {}", lock_path.display()))?,
        }
        Ok(Self { path, _lock: lock })
    }

    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_with_the_first_ones_process_id() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let first = DataDirectory::open(&path).unwrap();
        let error = DataDirectory::open(&path).unwrap_err().to_string();
        let pid = std::process::id().to_string();
        assert!(error.contains("is in use by process"), "{error}");
        assert!(error.contains(&pid), "{error}");
        drop(first);
        DataDirectory::open(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataDirectory::open(&file.join("data"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("file/data"), "{error}");
    }
}
