//! Changes of a simulated disk that a crash may lose, keep or tear.

use std::collections::BTreeMap;

pub(super) const SECTOR_BYTES: usize = 512;

pub(super) enum Change {
    Size(usize),
    Write { at: usize, bytes: Vec<u8> },
}

pub(super) enum NameChange {
    Set(String, usize),
    Remove(String),
}

impl NameChange {
    pub(super) fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(path, file) => drop(names.insert(path, file)),
            Self::Remove(path) => drop(names.remove(&path)),
        }
    }
}

impl Change {
    pub(super) fn apply(&self, contents: &mut Vec<u8>) {
        match self {
            Self::Size(bytes) => contents.resize(*bytes, 0),
            Self::Write { at, bytes } => put(contents, *at, bytes),
        }
    }

    /// Applies what of the change reaches the medium when the power fails.
    pub(super) fn survive(&self, contents: &mut Vec<u8>, random: &mut u64) {
        match (pick(random, 3), self) {
            (0, _) => {}
            (1, Self::Write { at, bytes }) => {
                let mut at = *at;
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let to_edge = SECTOR_BYTES - at % SECTOR_BYTES;
                    let (sector, after) = rest.split_at(to_edge.min(rest.len()));
                    if pick(random, 2) == 0 {
                        put(contents, at, sector);
                    }
                    at += sector.len();
                    rest = after;
                }
            }
            _ => self.apply(contents),
        }
    }
}

fn put(contents: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if contents.len() < end {
        contents.resize(end, 0);
    }
    if let Some(slot) = contents.get_mut(at..end) {
        slot.copy_from_slice(bytes);
    }
}

/// A number below `bound` (splitmix64).
pub(super) fn pick(random: &mut u64, bound: usize) -> usize {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *random;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % (bound.max(1) as u64)).unwrap_or(0)
}
