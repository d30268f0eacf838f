//! Reading, and waiting for something to read: woken by the watermark, never polling.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use model::{LeaderEpoch, Offset, Piece};
use quota::Direction;
pub use storage::Lending;
use storage::{ReadError, ReadOutcome};
use thiserror::Error;
use tracing::warn;

use crate::{
    Access, ListenPartition,
    core::Core,
    offsets::{EpochEnd, EpochError},
    partition::Partition,
    watch::{Broken, Entered, FetchWait},
};

/// A read of so many bytes from memory lets other tasks run before the next.
const YIELD_BYTES: usize = 512 << 10;

/// One fetch over any number of partitions.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// In the order in which they may use up the byte limit.
    pub partitions: Vec<FetchPartition>,
    /// Answer at once when this many bytes are there (0: in any case).
    pub min_bytes: usize,
    /// Bytes of all partitions together; the first batch found is given even if it is larger.
    pub max_bytes: usize,
    pub max_wait: Duration,
    /// Whether records may stay in their file, for the socket to take them from there.
    pub lending: Lending,
}

/// What is wanted of one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition {
    pub partition: ListenPartition,
    pub offset: Offset,
    pub max_bytes: usize,
    /// The epoch the client believes in force; `LeaderEpoch::NONE` for no check.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the client has; `LeaderEpoch::NONE` for no check.
    pub last_fetched_epoch: LeaderEpoch,
}

/// The answer, partitions in the order of the request.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub partitions: Vec<Result<FetchedPartition, FetchFailure>>,
    /// How long the connection should not be read to hold the throughput units (zero: go on).
    pub throttle: Duration,
}

/// What one partition had.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    /// Whole batches, as they were sent; several pieces, so that nothing is copied.
    pub records: Vec<Piece>,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// Where the client's log parts from ours; then there are no records.
    pub diverging: Option<EpochEnd>,
}

/// A failed partition, with the positions that an error reply still carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFailure {
    pub error: FetchError,
    /// `Offset(-1)` where unknown.
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
}

/// Why a partition could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchError {
    #[error("offset is below the first or above the last record")]
    OffsetOutOfRange,
    #[error("the client knows an older leader epoch")]
    FencedEpoch,
    #[error("the client knows a newer leader epoch")]
    UnknownEpoch,
    #[error("the topic was deleted")]
    TopicDeleted,
    #[error("the disk failed to give the records")]
    Storage,
    #[error("the broker is shutting down")]
    ShuttingDown,
}

impl Access {
    /// Reads, waiting up to `max_wait` until `min_bytes` are there, a partition fails, a topic is
    /// deleted or the broker is about to stop. Dropping the future ends the wait.
    pub async fn fetch(&self, request: FetchRequest) -> Fetched {
        let core = self.core();
        let started = core.clock.now().monotonic;
        let max_bytes = request.max_bytes.min(core.limits.load().fetch_bytes_max);
        let fetch = Fetch {
            core,
            min_bytes: request.min_bytes.min(max_bytes),
            request: &request,
            max_bytes,
        };
        let mut pass = fetch.read_all().await;
        if !pass.suffices(fetch.min_bytes) && !request.max_wait.is_zero() {
            if let Some(_place) = WaitingPlace::take(core) {
                // What it found would be held as long as the wait, in memory or on loan.
                drop(pass);
                pass = fetch.wait(started + request.max_wait).await;
            }
            let waited = core.clock.now().monotonic;
            core.read_times
                .waited
                .record(waited.saturating_duration_since(started));
        }
        let throttle = self.account(&request, &pass);
        Fetched {
            partitions: pass.partitions,
            throttle,
        }
    }

    /// Charges the units once, and counts what went out of each topic.
    fn account(&self, request: &FetchRequest, pass: &Pass) -> Duration {
        for (asked, (bytes, records)) in request.partitions.iter().zip(&pass.amounts) {
            if *bytes > 0 {
                asked.partition.topic.traffic.went_out(*bytes, *records);
            }
        }
        let bytes = pass.amounts.iter().map(|(bytes, _)| bytes).sum();
        let records = pass.amounts.iter().map(|(_, records)| records).sum();
        self.charge(Direction::Egress, bytes, records)
    }
}

/// A place among the fetches that may wait at once; without one a fetch is answered as it stands.
struct WaitingPlace<'a>(&'a AtomicUsize);

impl<'a> WaitingPlace<'a> {
    fn take(core: &'a Core) -> Option<Self> {
        let places = &core.waiting_fetches;
        let taken = places.fetch_add(1, Ordering::Relaxed);
        let place = Self(places);
        (taken < core.limits.load().waiting_fetches_max).then_some(place)
    }
}

impl Drop for WaitingPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One fetch at work.
struct Fetch<'a> {
    core: &'a Core,
    request: &'a FetchRequest,
    min_bytes: usize,
    max_bytes: usize,
}

/// One look at every partition.
#[derive(Default)]
struct Pass {
    partitions: Vec<Result<FetchedPartition, FetchFailure>>,
    /// Bytes and records of each partition.
    amounts: Vec<(u64, u64)>,
    bytes: usize,
    /// Something that the client must hear of at once.
    urgent: bool,
}

impl Pass {
    const fn suffices(&self, min_bytes: usize) -> bool {
        self.urgent || self.bytes >= min_bytes || self.partitions.is_empty()
    }
}

impl Fetch<'_> {
    /// Parks until enough has arrived. Entered at every partition before it looks, so that nothing
    /// that arrives in between is missed.
    async fn wait(&self, deadline: Instant) -> Pass {
        let wait = FetchWait::new();
        let places = self.request.partitions.iter();
        let places = places.map(|asked| Arc::clone(&asked.partition.partition));
        let _entered = Entered::new(&wait, places.collect());
        let mut draining = self.core.draining.subscribe();
        loop {
            wait.reset();
            let pass = self.read_all().await;
            if pass.suffices(self.min_bytes) || *draining.borrow() {
                return pass;
            }
            let missing = self.min_bytes.saturating_sub(pass.bytes);
            drop(pass);
            // All arms may be dropped half-way: none holds anything.
            tokio::select! {
                () = wait.until(missing) => {}
                _ = draining.changed() => {}
                () = self.core.clock.sleep_until(deadline) => return self.read_all().await,
            }
        }
    }

    async fn read_all(&self) -> Pass {
        let mut pass = Pass::default();
        for asked in &self.request.partitions {
            let left = self.max_bytes.saturating_sub(pass.bytes);
            let (outcome, amount) = match self.read_one(asked, left, pass.bytes == 0).await {
                Ok((fetched, amount)) => (Ok(fetched), amount),
                Err(failure) => (Err(failure), (0, 0)),
            };
            pass.urgent |= match &outcome {
                Ok(fetched) => fetched.diverging.is_some(),
                Err(_) => true,
            };
            pass.bytes += usize::try_from(amount.0).unwrap_or(usize::MAX);
            pass.partitions.push(outcome);
            pass.amounts.push(amount);
        }
        pass
    }

    /// Reads one partition within `left` bytes; the first that has anything gives at least one
    /// batch, so that a client whose limit is too small still goes on.
    async fn read_one(
        &self,
        asked: &FetchPartition,
        left: usize,
        is_first: bool,
    ) -> Result<(FetchedPartition, (u64, u64)), FetchFailure> {
        let partition = &*asked.partition.partition;
        let positions = partition.watermarks();
        let failed = |error| FetchFailure {
            error,
            high_watermark: positions.durable_end,
            log_start_offset: positions.start,
        };
        // A closed log takes no more, but what is durable can still be read.
        if let Some(broken @ (Broken::Deleted | Broken::ShuttingDown)) = partition.watch.broken() {
            return Err(FetchFailure {
                error: broken.into(),
                high_watermark: Offset(-1),
                log_start_offset: Offset(-1),
            });
        }
        asked
            .partition
            .check_epoch(asked.current_leader_epoch)
            .map_err(|error| failed(error.into()))?;
        let mut fetched = FetchedPartition {
            records: Vec::new(),
            high_watermark: positions.durable_end,
            last_stable_offset: positions.durable_end,
            log_start_offset: positions.start,
            diverging: diverging(partition, asked).map_err(failed)?,
        };
        if asked.offset < positions.start || asked.offset > positions.durable_end {
            // Kafka judges the divergence first where the offset is not below the start.
            let told = fetched.diverging.is_some() && asked.offset >= positions.start;
            return if told {
                Ok((fetched, (0, 0)))
            } else {
                Err(failed(FetchError::OffsetOutOfRange))
            };
        }
        let limit = left.min(asked.max_bytes);
        let nothing_to_do = asked.offset == positions.durable_end || (limit == 0 && !is_first);
        if nothing_to_do || fetched.diverging.is_some() {
            return Ok((fetched, (0, 0)));
        }
        let read = self.read(asked, positions.durable_end, limit).await;
        let outcome = read.map_err(|error| failed(read_error(&error, asked)))?;
        if outcome.bytes > limit && !is_first {
            // Its first batch alone is too large for what is left: the next fetch begins with it.
            return Ok((fetched, (0, 0)));
        }
        let amount = (outcome.bytes as u64, outcome.records);
        fetched.records = outcome.pieces;
        Ok((fetched, amount))
    }

    /// From memory at once, else from the store off this worker.
    async fn read(
        &self,
        asked: &FetchPartition,
        end: Offset,
        limit: usize,
    ) -> Result<ReadOutcome, ReadError> {
        let Partition { engine, log, .. } = &*asked.partition.partition;
        let started = self.core.clock.now().monotonic;
        let lending = self.request.lending;
        let cached = engine.read_at_once(*log, asked.offset, end, limit, lending)?;
        let (outcome, histogram) = match cached {
            Some(outcome) => (outcome, &self.core.read_times.cached),
            None => {
                let outcome = engine.read(*log, asked.offset, end, limit, lending).await?;
                (outcome, &self.core.read_times.cold)
            }
        };
        let ended = self.core.clock.now().monotonic;
        histogram.record(ended.saturating_duration_since(started));
        if outcome.bytes >= YIELD_BYTES {
            // Copying may have taken a while: others of this worker have their turn.
            tokio::task::yield_now().await;
        }
        Ok(outcome)
    }
}

/// Where the client's log parts from ours, if it does (KIP-595's rule, as Kafka's leader has it).
fn diverging(
    partition: &Partition,
    asked: &FetchPartition,
) -> Result<Option<EpochEnd>, FetchError> {
    let last = asked.last_fetched_epoch;
    if last == LeaderEpoch::NONE {
        return Ok(None);
    }
    let end = partition.epoch_end(last);
    if end == EpochEnd::UNDEFINED {
        return Err(FetchError::OffsetOutOfRange);
    }
    let parts = end.epoch < last || end.end_offset < asked.offset;
    Ok(parts.then_some(end))
}

fn read_error(error: &ReadError, asked: &FetchPartition) -> FetchError {
    match error {
        ReadError::OutOfRange { .. } => FetchError::OffsetOutOfRange,
        ReadError::UnknownPartition => FetchError::TopicDeleted,
        ReadError::Damaged { .. } | ReadError::Io(_) => {
            let ListenPartition {
                topic, partition, ..
            } = &asked.partition;
            warn!(topic = %topic.name, partition = %partition.index, offset = %asked.offset, %error, "read records");
            FetchError::Storage
        }
    }
}

impl From<Broken> for FetchError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Deleted => Self::TopicDeleted,
            Broken::LogClosed | Broken::DiskFull => Self::Storage,
            Broken::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl From<EpochError> for FetchError {
    fn from(error: EpochError) -> Self {
        match error {
            EpochError::Fenced => Self::FencedEpoch,
            EpochError::Unknown => Self::UnknownEpoch,
        }
    }
}
