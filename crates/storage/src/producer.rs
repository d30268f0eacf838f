//! What a partition remembers of its idempotent producers: Kafka's rules for sequences, as a pure
//! machine above the log. `hub` asks [`Producers::check`] before an append and tells
//! [`Producers::update`] after it; recovery replays headers through `update`.
//!
//! The rules are those of Kafka's `ProducerAppendInfo` and `ProducerStateEntry`:
//!
//! ```text
//! no entry for the producer            any sequence is accepted: its records may have expired
//! epoch older than the entry's         InvalidEpoch
//! epoch newer than the entry's         the sequence must be 0
//! same epoch, batch among the last 5   Duplicate, answered as the original was
//! same epoch, otherwise                the sequence must follow the last one; after i32::MAX, 0
//! ```

mod snapshot;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp, batch::BatchHeader};
use thiserror::Error;

pub use snapshot::SnapshotError;

/// Batches remembered per producer: as many as a client may have in flight (KIP-98).
const BATCHES_KEPT: usize = 5;

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it. Also the answer for batches without a producer id.
    Accept,
    /// It was appended before: answer as then, once the original is durable.
    Duplicate(Appended),
}

/// A batch as it was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub timestamp: Timestamp,
}

/// Why a batch may not be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProducerError {
    /// `last` is the sequence that this one should have followed; -1 before the first.
    #[error("sequence {sequence} of producer {producer} does not follow {last}")]
    OutOfOrderSequence {
        producer: ProducerId,
        sequence: Sequence,
        last: Sequence,
    },
    #[error("epoch {epoch} of producer {producer} is older than {current}")]
    InvalidEpoch {
        producer: ProducerId,
        epoch: ProducerEpoch,
        current: ProducerEpoch,
    },
}

/// The producers of one partition. Nothing is allocated while there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    entries: BTreeMap<ProducerId, Entry>,
    /// Producers by the time of their last activity, so that expiry looks at the old ones only.
    by_activity: BTreeSet<(Timestamp, ProducerId)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    epoch: ProducerEpoch,
    active: Timestamp,
    /// The newest batches of this epoch, oldest first.
    batches: VecDeque<KeptBatch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeptBatch {
    first_sequence: Sequence,
    last_sequence: Sequence,
    appended: Appended,
}

impl KeptBatch {
    fn of(header: &BatchHeader) -> Self {
        Self {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            appended: Appended {
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                timestamp: header.max_timestamp,
            },
        }
    }
}

impl Producers {
    /// Judges a batch that a client sent; changes nothing. Control batches carry no sequence and
    /// are judged by their epoch alone.
    ///
    /// # Errors
    /// The sender's fault, by Kafka's rules.
    pub fn check(&self, header: &BatchHeader) -> Result<Verdict, ProducerError> {
        let producer = header.producer_id;
        let Some(entry) = self
            .entries
            .get(&producer)
            .filter(|_| header.is_idempotent())
        else {
            return Ok(Verdict::Accept);
        };
        let (epoch, sequence) = (header.producer_epoch, header.base_sequence);
        if epoch < entry.epoch {
            return Err(ProducerError::InvalidEpoch {
                producer,
                epoch,
                current: entry.epoch,
            });
        }
        if header.attributes.is_control() {
            return Ok(Verdict::Accept);
        }
        let out_of_order = |last| {
            Err(ProducerError::OutOfOrderSequence {
                producer,
                sequence,
                last,
            })
        };
        if epoch > entry.epoch {
            return match sequence {
                Sequence(0) => Ok(Verdict::Accept),
                _ => out_of_order(NO_SEQUENCE),
            };
        }
        let same = |kept: &&KeptBatch| {
            kept.first_sequence == sequence && kept.last_sequence == header.last_sequence()
        };
        if let Some(kept) = entry.batches.iter().find(same) {
            return Ok(Verdict::Duplicate(kept.appended));
        }
        match entry.batches.back().map(|kept| kept.last_sequence) {
            Some(last) if last.plus(1) == sequence => Ok(Verdict::Accept),
            // After a marker that raised the epoch nothing was sent yet: 0 is next.
            None if sequence == Sequence(0) => Ok(Verdict::Accept),
            last => out_of_order(last.unwrap_or(NO_SEQUENCE)),
        }
    }

    /// Takes note of a batch that was appended (or replayed); `now` dates the producer's activity.
    /// How many are remembered is for the caller to bound: [`Producers::keep_at_most`].
    pub fn update(&mut self, header: &BatchHeader, now: Timestamp) {
        if !header.is_idempotent() {
            return;
        }
        let id = header.producer_id;
        let entry = self.entries.entry(id).or_insert_with(|| Entry {
            epoch: header.producer_epoch,
            active: now,
            batches: VecDeque::new(),
        });
        if header.producer_epoch != entry.epoch {
            entry.epoch = header.producer_epoch;
            entry.batches.clear();
        }
        if !header.attributes.is_control() {
            if entry.batches.len() == BATCHES_KEPT {
                entry.batches.pop_front();
            }
            entry.batches.push_back(KeptBatch::of(header));
        }
        self.by_activity.remove(&(entry.active, id));
        entry.active = entry.active.max(now);
        self.by_activity.insert((entry.active, id));
    }

    /// Forgets those who were idle longest until no more than `count_max` are left, but never
    /// `newest`, who has just been active.
    pub fn keep_at_most(&mut self, count_max: usize, newest: ProducerId) {
        while self.entries.len() > count_max {
            let mut idle = self.by_activity.iter();
            let Some(&oldest) = idle.find(|(_, id)| *id != newest) else {
                return;
            };
            self.by_activity.remove(&oldest);
            self.entries.remove(&oldest.1);
        }
    }

    /// Forgets producers not active since `before`.
    pub fn expire(&mut self, before: Timestamp) {
        while let Some(&(active, id)) = self.by_activity.first() {
            if active >= before {
                return;
            }
            self.by_activity.pop_first();
            self.entries.remove(&id);
        }
    }

    /// The time of the longest idle producer's last activity: when [`Producers::expire`] has work.
    #[must_use]
    pub fn oldest_activity(&self) -> Option<Timestamp> {
        self.by_activity.first().map(|(active, _)| *active)
    }

    /// What is known of each producer, for DescribeProducers.
    pub fn iter(&self) -> impl Iterator<Item = ActiveProducer> {
        self.entries.iter().map(|(&id, entry)| ActiveProducer {
            id,
            epoch: entry.epoch,
            last_sequence: entry
                .batches
                .back()
                .map_or(NO_SEQUENCE, |kept| kept.last_sequence),
            active: entry.active,
        })
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// One producer as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub id: ProducerId,
    pub epoch: ProducerEpoch,
    /// -1 when nothing was sent in this epoch.
    pub last_sequence: Sequence,
    pub active: Timestamp,
}

/// What the protocol says where there is no sequence.
const NO_SEQUENCE: Sequence = Sequence(-1);

#[cfg(test)]
mod tests;
