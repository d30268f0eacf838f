//! What an operator may set about a data directory, and how the log tells of its syncs.

use std::sync::Arc;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The knobs of one log. Sizes are bytes.
#[derive(Clone)]
pub struct Options {
    /// Size of one extent file; also bounds the largest batch (a little less than this).
    pub extent_bytes: u64,
    /// Extents kept prepared ahead of the one being filled.
    pub extents_ahead: usize,
    /// Files of freed extents kept for new ones, at most: overwriting is quicker than first writing.
    pub reused_extents_max: usize,
    /// Whether extents are written past the system's page cache where the file system can.
    pub direct_writes: bool,
    /// Appends are refused before the file system has less than this left.
    pub free_space_floor_bytes: u64,
    /// Open descriptors of extents, at most; each may take two.
    pub descriptors_max: usize,
    /// Mapped indexes of sealed extents, at most.
    pub indexes_max: usize,
    /// Bytes appended and not yet durable, at most; callers keep below it by their own budget.
    pub queue_bytes_max: u64,
    /// Recent entries kept in memory for readers at the end of the log.
    pub tail_cache_bytes: u64,
    /// Readers that lag behind that, but no further than this, have what is written put into the
    /// system's page cache; 0 never.
    pub catch_up_bytes: u64,
    /// Memory for old entries that are read past the system's page cache; none are where it is less
    /// than some 2 MiB.
    pub cold_cache_bytes: u64,
    /// Pieces of 128 KiB that readers have under way from the disk at once while somebody writes.
    pub cold_reads_beside_writers: u32,
    /// Sealed extents after which a checkpoint is due.
    pub checkpoint_extents: u32,
    /// Told when a sync starts and ends: the caller has the clock.
    pub observer: Option<Arc<dyn SyncObserver>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            extent_bytes: 64 * MIB,
            extents_ahead: 1,
            reused_extents_max: 4,
            direct_writes: true,
            free_space_floor_bytes: 256 * MIB,
            descriptors_max: 256,
            indexes_max: 256,
            queue_bytes_max: 384 * MIB,
            tail_cache_bytes: 32 * MIB,
            catch_up_bytes: 1024 * MIB,
            cold_cache_bytes: 24 * MIB,
            cold_reads_beside_writers: 1,
            checkpoint_extents: 4,
            observer: None,
        }
    }
}

/// Watches syncs from the thread that makes them.
pub trait SyncObserver: Send + Sync {
    fn sync_started(&self);
    fn sync_ended(&self, synced: Synced);
}

/// What one sync made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub bytes: u64,
    pub entries: u64,
}
