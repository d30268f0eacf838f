//! A file system in memory that keeps live and durable bytes apart, for tests.
//!
//! A crash keeps what was synced, and of the rest whatever a seed decides: each unsynced write may
//! be lost, kept or torn at any sector; unsynced changes of names keep a prefix.

mod change;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;

use self::change::{Change, NameChange, SECTOR_BYTES, pick};
use super::{BLOCK_BYTES, Disk, DiskFile, Mapped};

/// What is wrong with the disk until told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    #[default]
    None,
    Writes,
    Syncs,
    Creates,
}

/// A directory that survives [`SimulatedDisk::crash`]; clones share it.
#[derive(Clone)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

struct World {
    files: Vec<File>,
    live_names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    unsynced_names: Vec<NameChange>,
    locked: bool,
    /// Handles of earlier generations belong to a process that is gone.
    generation: u64,
    fault: Fault,
    /// A file that gives EIO when read.
    unreadable: Option<usize>,
    /// Changes until the power fails, if it is to fail.
    changes_left: Option<u64>,
    changes: u64,
    capacity_bytes: u64,
    random: u64,
    /// Ranges of files that were said to be needed soon.
    advised: Vec<(usize, u64, u64)>,
    /// All is in the system's memory.
    is_cached: bool,
    /// Ranges that were read past it, if files can be read so.
    block_reads: Option<Vec<(usize, u64, u64)>>,
}

#[derive(Default)]
struct File {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
    /// Blocks given back by punching, by number.
    holes: BTreeSet<usize>,
}

struct Handle {
    disk: SimulatedDisk,
    file: usize,
    generation: u64,
}

impl SimulatedDisk {
    #[must_use]
    pub fn new(capacity_bytes: u64, seed: u64) -> Self {
        let world = World {
            files: Vec::new(),
            live_names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            locked: false,
            generation: 0,
            fault: Fault::None,
            unreadable: None,
            changes_left: None,
            changes: 0,
            capacity_bytes,
            random: seed,
            advised: Vec::new(),
            is_cached: false,
            block_reads: None,
        };
        Self {
            world: Arc::new(Mutex::new(world)),
        }
    }

    /// Sets or clears a fault.
    pub fn set_fault(&self, fault: Fault) {
        self.world().fault = fault;
    }

    /// Lets every read of a file fail, or of none.
    pub fn set_unreadable(&self, path: Option<&str>) {
        let mut world = self.world();
        world.unreadable = path.and_then(|path| world.live_names.get(path).copied());
    }

    /// Sets the size of the disk.
    pub fn set_capacity(&self, bytes: u64) {
        self.world().capacity_bytes = bytes;
    }

    /// Lets the power fail after `changes` more writes, syncs and changes of names.
    pub fn power_off_after(&self, changes: u64) {
        self.world().changes_left = Some(changes);
    }

    /// Writes, syncs and changes of names so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.world().changes
    }

    /// The machine stops and starts again: what was not synced is at the seed's mercy.
    pub fn crash(&self) {
        let mut world = self.world();
        let world = &mut *world;
        for file in &mut world.files {
            for change in std::mem::take(&mut file.unsynced) {
                change.survive(&mut file.durable, &mut world.random);
            }
            file.live = file.durable.clone();
        }
        let kept = pick(&mut world.random, world.unsynced_names.len() + 1);
        for change in world.unsynced_names.drain(..).take(kept) {
            change.apply(&mut world.durable_names);
        }
        world.live_names = world.durable_names.clone();
        world.locked = false;
        world.generation += 1;
        world.changes_left = None;
        world.fault = Fault::None;
    }

    /// Flips one bit of a file, on the medium itself.
    pub fn flip_bit(&self, path: &str, byte: usize, bit: u8) {
        self.spoil(path, |contents| {
            if let Some(byte) = contents.get_mut(byte) {
                *byte ^= 1 << (bit % 8);
            }
        });
    }

    /// Cuts a file, on the medium itself.
    pub fn truncate(&self, path: &str, bytes: usize) {
        self.spoil(path, |contents| contents.truncate(bytes));
    }

    /// Overwrites a file with zeros from a byte on, on the medium itself.
    pub fn zero_from(&self, path: &str, byte: usize) {
        self.spoil(path, |contents| {
            contents.iter_mut().skip(byte).for_each(|byte| *byte = 0);
        });
    }

    fn spoil(&self, path: &str, act: impl Fn(&mut Vec<u8>)) {
        let mut world = self.world();
        let Some(&file) = world.live_names.get(path) else {
            return;
        };
        if let Some(file) = world.files.get_mut(file) {
            act(&mut file.live);
            act(&mut file.durable);
        }
    }

    /// Puts all files into the system's memory.
    pub fn cache_all(&self) {
        self.world().is_cached = true;
    }

    /// Ranges that were said to be needed soon since this was asked last: file, start, length.
    #[must_use]
    pub fn take_advised(&self) -> Vec<(usize, u64, u64)> {
        std::mem::take(&mut self.world().advised)
    }

    /// Lets files be read past the system's memory from now on.
    pub fn allow_block_reads(&self) {
        self.world().block_reads = Some(Vec::new());
    }

    /// Ranges that were read so since this was asked last: file, start, length.
    #[must_use]
    pub fn take_block_reads(&self) -> Vec<(usize, u64, u64)> {
        let mut world = self.world();
        world
            .block_reads
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Counts a change; refuses it when the power is off.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            Some(0) => return Err(io::Error::other("power is off")),
            Some(left) => *left -= 1,
            None => {}
        }
        self.changes += 1;
        Ok(())
    }

    fn allocated_bytes(&self) -> u64 {
        let live = self
            .live_names
            .values()
            .filter_map(|&at| self.files.get(at));
        live.map(File::allocated_bytes).sum()
    }

    fn set_name(&mut self, path: &str, file: usize) {
        self.live_names.insert(path.to_owned(), file);
        self.unsynced_names
            .push(NameChange::Set(path.to_owned(), file));
    }
}

impl File {
    fn hole_bytes(&self) -> u64 {
        (self.holes.len() * BLOCK_BYTES) as u64
    }

    fn allocated_bytes(&self) -> u64 {
        (self.live.len() as u64).saturating_sub(self.hole_bytes())
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn index(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(io::Error::other)
}

impl Disk for SimulatedDisk {
    fn lock(&self, _path: &str) -> io::Result<()> {
        let mut world = self.world();
        if world.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.locked = true;
        Ok(())
    }

    fn make_dir(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{dir}/");
        let world = self.world();
        let names = world.live_names.keys();
        Ok(names
            .filter_map(|name| name.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    fn create(&self, path: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.change()?;
        if world.fault == Fault::Creates {
            return Err(io::Error::from_raw_os_error(5));
        }
        if world.allocated_bytes() + bytes > world.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = File::default();
        let size = Change::Size(index(bytes)?);
        size.apply(&mut file.live);
        file.unsynced.push(size);
        world.files.push(file);
        let file = world.files.len() - 1;
        world.set_name(path, file);
        Ok(Arc::new(Handle {
            disk: self.clone(),
            file,
            generation: world.generation,
        }))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn DiskFile>> {
        let world = self.world();
        let file = *world.live_names.get(path).ok_or_else(not_found)?;
        Ok(Arc::new(Handle {
            disk: self.clone(),
            file,
            generation: world.generation,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let file = world.live_names.remove(from).ok_or_else(not_found)?;
        world
            .unsynced_names
            .push(NameChange::Remove(from.to_owned()));
        world.set_name(to, file);
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.live_names.remove(path).ok_or_else(not_found)?;
        world
            .unsynced_names
            .push(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let world = &mut *world;
        for change in world.unsynced_names.drain(..) {
            change.apply(&mut world.durable_names);
        }
        Ok(())
    }

    fn map(&self, path: &str) -> io::Result<Mapped> {
        let world = self.world();
        let file = *world.live_names.get(path).ok_or_else(not_found)?;
        let file = world.files.get(file).ok_or_else(not_found)?;
        Ok(Mapped::copy(file.live.clone()))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.world();
        Ok(world.capacity_bytes.saturating_sub(world.allocated_bytes()))
    }
}

impl Handle {
    /// The file, unless the process that opened it has crashed.
    fn with<T>(&self, act: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.disk.world();
        if world.generation != self.generation {
            return Err(io::Error::other("handle of a crashed process"));
        }
        act(world.files.get_mut(self.file).ok_or_else(not_found)?)
    }

    fn change(&self, fault: Fault) -> io::Result<()> {
        let mut world = self.disk.world();
        if world.fault == fault {
            return Err(io::Error::from_raw_os_error(5));
        }
        world.change()
    }
}

impl DiskFile for Handle {
    fn bytes(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.live.len() as u64))
    }

    fn allocated_bytes(&self) -> io::Result<u64> {
        self.with(|file| Ok(file.allocated_bytes()))
    }

    fn data_end(&self) -> io::Result<u64> {
        self.with(|file| {
            let last = file.live.iter().rposition(|&byte| byte != 0);
            // Whole blocks, as on a real disk, and what was written may end in zeros.
            let end = last.map_or(0, |last| {
                (last + SECTOR_BYTES).next_multiple_of(SECTOR_BYTES)
            });
            Ok(end.min(file.live.len()) as u64)
        })
    }

    fn write_at(&self, at: u64, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        self.change(Fault::Writes)?;
        let at = index(at)?;
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
        self.with(|file| {
            let end = at + bytes.len();
            let written = at / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES);
            file.holes.retain(|block| !written.contains(block));
            let change = Change::Write { at, bytes };
            change.apply(&mut file.live);
            file.unsynced.push(change);
            Ok(())
        })
    }

    fn read_into(&self, at: u64, bytes: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        let at = index(at)?;
        if self.disk.world().unreadable == Some(self.file) {
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::IO.raw_os_error(),
            ));
        }
        self.with(|file| {
            let range = file.live.get(at..at.saturating_add(bytes));
            *buffer = range.ok_or(io::ErrorKind::UnexpectedEof)?.to_vec();
            Ok(())
        })
    }

    fn read_if_cached(&self, at: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let is_cached = self.disk.world().is_cached;
        if is_cached {
            buffer.copy_from_slice(&self.read_at(at, buffer.len())?);
        }
        Ok(is_cached)
    }

    fn reads_blocks(&self) -> bool {
        self.disk.world().block_reads.is_some()
    }

    fn read_blocks(&self, at: u64, bytes: u64, buffer: &mut BytesMut) -> io::Result<u64> {
        let bytes = index(bytes)?;
        let is_aligned = |place: usize| place.is_multiple_of(BLOCK_BYTES);
        let places = [index(at)?, bytes, buffer.as_ptr().addr() + buffer.len()];
        assert!(places.into_iter().all(is_aligned), "{places:?} {at}");
        assert!(buffer.capacity() - buffer.len() >= bytes, "{bytes} at {at}");
        let left = self.bytes()?.saturating_sub(at);
        let read = self.read_at(at, bytes.min(index(left)?))?;
        buffer.extend_from_slice(&read);
        let bytes = read.len() as u64;
        let mut world = self.disk.world();
        let reads = world
            .block_reads
            .as_mut()
            .ok_or(io::ErrorKind::Unsupported)?;
        reads.push((self.file, at, bytes));
        Ok(bytes)
    }

    fn expect_jumps(&self) {}

    fn will_need(&self, at: u64, bytes: u64) {
        self.disk.world().advised.push((self.file, at, bytes));
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Fault::Syncs)?;
        self.with(|file| {
            for change in std::mem::take(&mut file.unsynced) {
                change.apply(&mut file.durable);
            }
            Ok(())
        })
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.change()?;
        let (allocated, capacity) = (world.allocated_bytes(), world.capacity_bytes);
        drop(world);
        self.with(|file| {
            if allocated + file.hole_bytes() > capacity {
                return Err(io::ErrorKind::StorageFull.into());
            }
            assert_eq!(file.live.len(), index(bytes)?, "files do not grow");
            file.holes.clear();
            Ok(())
        })
    }

    fn punch(&self, at: u64, bytes: u64) -> io::Result<()> {
        self.change(Fault::Writes)?;
        let (start, len) = (index(at)?, index(bytes)?);
        self.with(|file| {
            let len = len.min(file.live.len().saturating_sub(start));
            let change = Change::Write {
                at: start,
                bytes: vec![0; len],
            };
            change.apply(&mut file.live);
            file.unsynced.push(change);
            let whole = start.div_ceil(BLOCK_BYTES)..(start + len) / BLOCK_BYTES;
            file.holes.extend(whole);
            Ok(())
        })
    }
}
