//! The bytes that the cases work on, and the folder that they are kept in.

use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use model::{
    Timestamp,
    batch::{Batch, BatchBuilder, NewRecord},
};
use tempfile::TempDir;

/// Records of 1 KiB in a batch of 64 KiB.
const RECORDS: usize = 63;

/// A batch of about 64 KiB, uncompressed, of 1 KiB records.
pub(crate) fn large_batch() -> Bytes {
    records(RECORDS, 1024, Timestamp(1_700_000_000_000))
}

/// A batch of one record of 100 bytes.
pub(crate) fn small_batch(timestamp: Timestamp) -> Bytes {
    records(1, 100, timestamp)
}

pub(crate) fn checked(bytes: Bytes) -> Result<Batch> {
    Batch::check(bytes).context("check a batch of our own")
}

fn records(count: usize, bytes: usize, timestamp: Timestamp) -> Bytes {
    // Anything but zeros, and the same in every process.
    let value: Vec<u8> = (0..=250).cycle().take(bytes).collect();
    let mut builder = BatchBuilder::default();
    for _ in 0..count {
        builder.push(NewRecord {
            timestamp,
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

/// A folder for a log: in memory where the system has such a place, so that the wall times are not
/// the disk's.
pub(crate) fn folder() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.context("make a folder")
}
