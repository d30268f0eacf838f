//! Files as the layouts need them: appended, preallocated, rolled, synced.

use std::{
    fs::{File, OpenOptions},
    io::IoSlice,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rustix::fs::{FallocateFlags, OFlags, fallocate};

pub(crate) const EXTENT_BYTES: u64 = 64 << 20;
const IOV_MAX: usize = 1024;
const DIRECT_ALIGN: usize = 4096;

/// How an extent's blocks come to be before the first byte is written to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Reserved, not initialised: each write also converts the file system's map.
    Reserved,
    /// Written once before: overwriting changes no map.
    Recycled,
}

/// A sequence of extents of fixed size, one written at a time.
pub(crate) struct Extents {
    dir: PathBuf,
    blocks: Blocks,
    direct: Option<Vec<u8>>,
    next_name: u32,
    file: File,
    position: u64,
}

impl Extents {
    pub(crate) fn open(dir: &Path, blocks: Blocks, direct: bool, total: u64) -> Result<Self> {
        if blocks == Blocks::Recycled {
            let zeros = vec![0_u8; 1 << 20];
            for name in 0..u32::try_from(total / EXTENT_BYTES)? + 2 {
                let file = File::create(dir.join(name.to_string()))?;
                for piece in 0..EXTENT_BYTES >> 20 {
                    rustix::io::pwrite(&file, &zeros, piece << 20)?;
                }
                file.sync_all()?;
            }
        }
        let direct = direct.then(Vec::new);
        let file = open_extent(dir, 0, blocks, direct.is_some())?;
        Ok(Self {
            dir: dir.to_owned(),
            blocks,
            direct,
            next_name: 1,
            file,
            position: 0,
        })
    }

    /// Appends the pieces as one write; rolls to the next extent first when they do not fit.
    pub(crate) fn append(&mut self, pieces: &[&[u8]]) -> Result<()> {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.position + u64::try_from(len)? > EXTENT_BYTES {
            rustix::fs::fdatasync(&self.file)?;
            let name = self.next_name;
            self.file = open_extent(&self.dir, name, self.blocks, self.direct.is_some())?;
            self.next_name += 1;
            self.position = 0;
        }
        if let Some(buffer) = &mut self.direct {
            write_direct(&self.file, buffer, pieces, self.position)?;
            let aligned = len.next_multiple_of(DIRECT_ALIGN);
            self.position += u64::try_from(aligned)?;
            return Ok(());
        }
        for group in pieces.chunks(IOV_MAX) {
            let slices: Vec<IoSlice<'_>> = group.iter().map(|piece| IoSlice::new(piece)).collect();
            let group_len: usize = group.iter().map(|piece| piece.len()).sum();
            let written = rustix::io::pwritev(&self.file, &slices, self.position)?;
            anyhow::ensure!(written == group_len, "short write");
            self.position += u64::try_from(written)?;
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }
}

fn open_extent(dir: &Path, name: u32, blocks: Blocks, direct: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    if direct {
        options.custom_flags(OFlags::DIRECT.bits().cast_signed());
    }
    let file = options.open(dir.join(name.to_string()))?;
    if blocks == Blocks::Reserved {
        fallocate(&file, FallocateFlags::empty(), 0, EXTENT_BYTES)?;
    }
    Ok(file)
}

fn write_direct(file: &File, buffer: &mut Vec<u8>, pieces: &[&[u8]], at: u64) -> Result<()> {
    let len: usize = pieces.iter().map(|piece| piece.len()).sum();
    let aligned = len.next_multiple_of(DIRECT_ALIGN);
    buffer.resize(aligned + DIRECT_ALIGN, 0);
    let skip = buffer.as_ptr().align_offset(DIRECT_ALIGN);
    let mut end = skip;
    for piece in pieces {
        buffer[end..end + piece.len()].copy_from_slice(piece);
        end += piece.len();
    }
    let written = rustix::io::pwrite(file, &buffer[skip..skip + aligned], at)?;
    anyhow::ensure!(written == aligned, "short direct write");
    Ok(())
}

/// One file per partition, appended through the page cache.
pub(crate) struct Segments {
    files: Vec<(File, u64, bool)>,
}

impl Segments {
    pub(crate) fn open(dir: &Path, partitions: usize, reserve: bool) -> Result<Self> {
        let files = (0..partitions)
            .map(|index| {
                let file = File::create(dir.join(format!("segment-{index}")))?;
                if reserve {
                    fallocate(&file, FallocateFlags::empty(), 0, EXTENT_BYTES)?;
                }
                Ok((file, 0, false))
            })
            .collect::<Result<_>>()?;
        Ok(Self { files })
    }

    pub(crate) fn append(&mut self, partition: usize, bytes: &[u8]) -> Result<()> {
        let (file, position, dirty) = &mut self.files[partition];
        rustix::io::pwrite(&*file, bytes, *position)?;
        *position += u64::try_from(bytes.len())?;
        *dirty = true;
        Ok(())
    }

    /// Syncs each partition that was written since the last call.
    pub(crate) fn sync(&mut self) -> Result<()> {
        for (file, _, dirty) in &mut self.files {
            if std::mem::take(dirty) {
                rustix::fs::fdatasync(&*file)?;
            }
        }
        Ok(())
    }
}
