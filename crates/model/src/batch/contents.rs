//! What the records of a batch say about themselves, and which of them break a topic's rules.

use std::fmt;

use thiserror::Error;

use super::{
    BATCH_HEADER_BYTES, Batch, BatchError, BatchHeader, Compression,
    record::{self, Seen},
    walk::walk_block,
};
use crate::Timestamp;

/// A batch may always unpack to this many bytes, however tightly it is packed.
pub const UNPACKED_BYTES_ALWAYS: usize = 16 << 20;
/// Beyond that, a batch may unpack to this many times its size: what a sender can cause stays in
/// proportion to what it sends.
pub const UNPACKED_RATIO_MAX: usize = 100;
/// No batch may unpack to more.
pub const UNPACKED_BYTES_MAX: usize = 128 << 20;
/// Records that are named where they break a rule: a reply has an end.
pub const BREACHES_NAMED_MAX: usize = 100;
/// Records that the message for the whole batch speaks of.
const BREACHES_SPELT_OUT: usize = 3;

/// Gathered by one walk over all records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The first and the last of the records' own times; `Timestamp::NONE` where none has one.
    pub earliest: Timestamp,
    pub latest: Timestamp,
    /// Records without a key.
    pub keyless: u32,
}

impl Contents {
    const EMPTY: Self = Self {
        earliest: Timestamp::NONE,
        latest: Timestamp::NONE,
        keyless: 0,
    };

    #[inline]
    fn add(&mut self, base: Timestamp, seen: Seen) {
        let time = own_time(base, seen);
        if time != Timestamp::NONE {
            if self.earliest == Timestamp::NONE || time < self.earliest {
                self.earliest = time;
            }
            if self.latest == Timestamp::NONE || time > self.latest {
                self.latest = time;
            }
        }
        self.keyless += u32::from(!seen.has_key);
    }

    /// Whether no record breaks a rule.
    #[must_use]
    pub fn fit(&self, rules: &RecordRules) -> bool {
        let keys = !rules.keys_required || self.keyless == 0;
        let is_timeless = self.earliest == Timestamp::NONE;
        let times = rules.times.is_none_or(|times| {
            is_timeless || (times.earliest <= self.earliest && self.latest <= times.latest)
        });
        keys && times
    }
}

/// What a topic demands of each record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordRules {
    pub keys_required: bool,
    /// None where the broker's clock stamps the records.
    pub times: Option<TimeBounds>,
}

/// The times that a record may have, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    pub earliest: Timestamp,
    pub latest: Timestamp,
}

/// How one record breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Breach {
    #[error("Compacted topic cannot accept message without key")]
    KeyMissing,
    #[error(
        "Timestamp {timestamp} is out of range. The timestamp should be within [{}, {}], by the \
         topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms",
        bounds.earliest, bounds.latest
    )]
    Time {
        timestamp: Timestamp,
        bounds: TimeBounds,
    },
}

/// The records that break rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaches {
    pub count: usize,
    /// The first of them, with their places in the batch; at most [`BREACHES_NAMED_MAX`].
    pub named: Vec<(i32, Breach)>,
}

impl Breaches {
    /// Whether one of them is about time.
    #[must_use]
    pub fn has_time(&self) -> bool {
        let is_time = |(_, breach): &(i32, Breach)| matches!(breach, Breach::Time { .. });
        self.named.iter().any(is_time)
    }
}

/// Kafka's words for the whole batch.
impl fmt::Display for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("One or more records have been rejected due to ")?;
        if self.has_time() {
            f.write_str("invalid timestamp: ")?;
        } else {
            let count = self.count;
            write!(f, "{count} record errors in total, the first of them: ")?;
        }
        let mut separator = "";
        for (index, breach) in self.named.iter().take(BREACHES_SPELT_OUT) {
            write!(f, "{separator}record {index}: {breach}")?;
            separator = "; ";
        }
        Ok(())
    }
}

impl Batch {
    /// The batch once its records have been walked, in a block too.
    ///
    /// # Errors
    /// The block cannot be unpacked, unpacks too far, or does not hold what the header promises.
    pub fn open(mut self) -> Result<Self, BatchError> {
        self.open_within(usize::MAX)?;
        Ok(self)
    }

    /// As [`Batch::open`], giving up where the block unpacks to more than `unpacked_max`; gives what it
    /// unpacked to, where that was done now.
    ///
    /// # Errors
    /// As [`Batch::open`].
    pub fn open_within(&mut self, unpacked_max: usize) -> Result<usize, BatchError> {
        if self.contents.is_some() {
            return Ok(0);
        }
        let base = self.header.base_timestamp;
        let mut contents = Contents::EMPTY;
        let unpacked = self.walk(unpacked_max, &mut |seen| contents.add(base, seen))?;
        self.contents = Some(contents);
        Ok(unpacked)
    }

    /// What the records say; none where the block was not opened.
    #[must_use]
    pub const fn contents(&self) -> Option<&Contents> {
        self.contents.as_ref()
    }

    /// The records that break `rules`; walks the batch once more.
    ///
    /// # Errors
    /// As [`Batch::open`].
    pub fn breaches(&self, rules: &RecordRules) -> Result<Breaches, BatchError> {
        let base = self.header.base_timestamp;
        let mut breaches = Breaches::default();
        self.walk(usize::MAX, &mut |seen| {
            if let Some(breach) = breach(rules, base, seen) {
                breaches.count += 1;
                if breaches.named.len() < BREACHES_NAMED_MAX {
                    breaches.named.push((seen.index, breach));
                }
            }
        })?;
        Ok(breaches)
    }

    /// Gives how many bytes were unpacked.
    fn walk(&self, unpacked_max: usize, visit: &mut impl FnMut(Seen)) -> Result<usize, BatchError> {
        let block = self.bytes.get(BATCH_HEADER_BYTES..).unwrap_or_default();
        let codec = self.header.attributes.compression()?;
        let count = self.header.records_count;
        if codec == Compression::None {
            record::walk(block, count, visit)?;
            return Ok(0);
        }
        let unpacked_max = unpacked_max.min(unpacked_bytes_max(block.len()));
        walk_block(codec, block, count, unpacked_max, visit)
    }
}

/// The walk over uncompressed records that every batch gets.
pub(super) fn of_plain(header: &BatchHeader, records: &[u8]) -> Result<Contents, BatchError> {
    let base = header.base_timestamp;
    let mut contents = Contents::EMPTY;
    let mut add = |seen| contents.add(base, seen);
    record::walk(records, header.records_count, &mut add)?;
    Ok(contents)
}

/// What a block of so many bytes may unpack to.
#[must_use]
pub fn unpacked_bytes_max(block_bytes: usize) -> usize {
    block_bytes
        .saturating_mul(UNPACKED_RATIO_MAX)
        .clamp(UNPACKED_BYTES_ALWAYS, UNPACKED_BYTES_MAX)
}

fn breach(rules: &RecordRules, base: Timestamp, seen: Seen) -> Option<Breach> {
    if rules.keys_required && !seen.has_key {
        return Some(Breach::KeyMissing);
    }
    let (bounds, timestamp) = (rules.times?, own_time(base, seen));
    let is_within = bounds.earliest <= timestamp && timestamp <= bounds.latest;
    (timestamp != Timestamp::NONE && !is_within).then_some(Breach::Time { timestamp, bounds })
}

fn own_time(base: Timestamp, seen: Seen) -> Timestamp {
    Timestamp(base.0.saturating_add(seen.timestamp_delta))
}
