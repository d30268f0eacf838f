//! Stage one of an append: the place in order, under the partition's lock.

use std::{sync::Arc, time::Instant};

use model::{
    Now, Offset, Timestamp,
    batch::{Batch, BatchHeader, Contents, RecordRules, StampedBatch, TimeBounds, TimestampType},
};
use storage::{
    Completion,
    producer::{ProducerError, Verdict},
};
use tokio::sync::oneshot;

use super::{Partition, State};
use crate::{
    append::{Acks, AppendError},
    observe::Histogram,
    sync::{lock, tell},
    watch::Broken,
};

/// What a topic demands of batches, read once from its configuration.
#[derive(Clone, Debug)]
pub(crate) struct AppendRules {
    pub(crate) batch_bytes_max: usize,
    /// All batches of one append together (`segment.bytes`).
    pub(crate) append_bytes_max: usize,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) timestamp_before_max_ms: i64,
    pub(crate) timestamp_after_max_ms: i64,
    pub(crate) keys_required: bool,
    /// Compressed batches are opened; else what their headers say is believed.
    pub(crate) verify_records: bool,
    /// Producers remembered at most: beyond it the longest idle ones are forgotten.
    pub(crate) producers_max: usize,
}

/// How long appends take from their place to each stage.
#[derive(Debug, Default)]
pub(crate) struct StageTimes {
    pub(crate) written: Histogram,
    pub(crate) durable: Histogram,
}

/// An append that has its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) base_offset: Offset,
    /// `Timestamp::NONE` unless the broker's clock stamped the records.
    pub(crate) log_append_time: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Ends with the stage asked for; `None` where nothing is waited for.
    pub(crate) done: Option<oneshot::Receiver<Result<(), AppendError>>>,
    /// A repeated batch: was appended before, and is durable when the watermark is here.
    pub(crate) duplicate_until: Option<Offset>,
}

/// The clock of one append, and where to note how long its stages took.
pub(crate) struct Timing {
    pub(crate) clock: Arc<dyn crate::Clock>,
    pub(crate) times: Arc<StageTimes>,
}

impl Partition {
    /// Checks, stamps and queues the batches; all or none.
    pub(crate) fn append(
        self: &Arc<Self>,
        batches: &[Batch],
        rules: &AppendRules,
        acks: Acks,
        timing: Timing,
    ) -> Result<Placed, AppendError> {
        let now = timing.clock.now();
        check_batches(batches, rules, now.wall)?;
        let mut state = lock(&self.state);
        if let Some(reason) = state.closed {
            return Err(reason.into());
        }
        if let Some(duplicate) = state.check_producer(batches, rules)? {
            return Ok(duplicate);
        }
        let mut next = state.next;
        let stamped: Vec<StampedBatch> = batches
            .iter()
            .map(|batch| {
                let stamped = match rules.timestamp_type {
                    TimestampType::CreateTime => batch.stamp(next, self.epoch),
                    TimestampType::LogAppendTime => {
                        batch.stamp_with_time(next, self.epoch, now.wall)
                    }
                };
                next = stamped.header.next_offset();
                stamped
            })
            .collect();
        let headers: Vec<BatchHeader> = stamped.iter().map(|batch| batch.header).collect();
        let bytes = stamped.iter().map(|batch| batch.total_bytes() as u64).sum();
        let (reply, done) = reply_for(acks);
        let completion = AppendDone {
            partition: Arc::clone(self),
            end: next,
            bytes,
            reply,
            at_written: acks == Acks::Written,
            started: now.monotonic,
            timing,
        };
        self.engine
            .append(self.log, stamped, Box::new(completion))?;
        let base_offset = state.next;
        let producers = state.producers.len();
        for header in &headers {
            state.replay(header, now.wall);
        }
        state.forget_surplus(&headers, rules.producers_max);
        self.producer_total
            .changed(producers, state.producers.len());
        state.next = next;
        Ok(Placed {
            base_offset,
            log_append_time: match rules.timestamp_type {
                TimestampType::CreateTime => Timestamp::NONE,
                TimestampType::LogAppendTime => now.wall,
            },
            bytes,
            records: records_of(&headers),
            done,
            duplicate_until: None,
        })
    }

    /// As [`Partition::append`] for an internal log's own batches; gives the offset after them.
    pub(crate) fn append_internal(
        self: &Arc<Self>,
        batches: &[Batch],
        timing: Timing,
    ) -> Result<Offset, AppendError> {
        let rules = AppendRules::internal();
        let records = records_of(batches.iter().map(Batch::header));
        let placed = self.append(batches, &rules, Acks::None, timing)?;
        Ok(placed.base_offset.plus(i64::try_from(records).unwrap_or(0)))
    }
}

impl AppendRules {
    /// A compacted topic lives by its keys, whoever is trusted.
    pub(crate) const fn looks_inside(&self) -> bool {
        self.verify_records || self.keys_required
    }

    const fn internal() -> Self {
        Self {
            batch_bytes_max: usize::MAX,
            append_bytes_max: usize::MAX,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: i64::MAX,
            keys_required: false,
            verify_records: false,
            producers_max: 0,
        }
    }
}

impl State {
    /// The producer's sequence: goes on, repeats (then the earlier place is the answer), or lies.
    fn check_producer(
        &self,
        batches: &[Batch],
        rules: &AppendRules,
    ) -> Result<Option<Placed>, AppendError> {
        let Some(batch) = batches
            .first()
            .filter(|batch| batch.header().is_idempotent())
        else {
            return Ok(None);
        };
        match self.producers.check(batch.header())? {
            Verdict::Accept => Ok(None),
            Verdict::Duplicate(earlier) => Ok(Some(Placed {
                base_offset: earlier.base_offset,
                log_append_time: match rules.timestamp_type {
                    TimestampType::CreateTime => Timestamp::NONE,
                    TimestampType::LogAppendTime => earlier.timestamp,
                },
                bytes: 0,
                records: 0,
                done: None,
                duplicate_until: Some(earlier.last_offset.plus(1)),
            })),
        }
    }
}

impl State {
    /// Keeps the producers within their bound, which Kafka does not have.
    fn forget_surplus(&mut self, appended: &[BatchHeader], producers_max: usize) {
        if self.producers.len() <= producers_max {
            return;
        }
        if let Some(newest) = appended.last() {
            self.producers
                .keep_at_most(producers_max, newest.producer_id);
        }
    }
}

fn records_of<'a>(headers: impl IntoIterator<Item = &'a BatchHeader>) -> u64 {
    headers
        .into_iter()
        .map(|header| u64::try_from(header.records_count).unwrap_or(0))
        .sum()
}

fn reply_for(
    acks: Acks,
) -> (
    ReplySender,
    Option<oneshot::Receiver<Result<(), AppendError>>>,
) {
    match acks {
        Acks::None => (None, None),
        Acks::Written | Acks::Durable => {
            let (reply, done) = oneshot::channel();
            (Some(reply), Some(done))
        }
    }
}

/// What can be seen without the partition's state.
fn check_batches(
    batches: &[Batch],
    rules: &AppendRules,
    now: Timestamp,
) -> Result<(), AppendError> {
    let idempotent = batches.iter().any(|batch| batch.header().is_idempotent());
    if batches.is_empty() || (idempotent && batches.len() > 1) {
        return Err(AppendError::BatchCount);
    }
    for batch in batches {
        let (header, bytes) = (batch.header(), batch.bytes().len());
        if bytes > rules.batch_bytes_max {
            return Err(AppendError::TooLarge {
                bytes,
                max: rules.batch_bytes_max,
            });
        }
        if header.attributes.is_control() {
            return Err(AppendError::Control);
        }
        if header.attributes.is_transactional() {
            return Err(AppendError::Transactional);
        }
        let claims_our_time = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
        if claims_our_time && rules.timestamp_type == TimestampType::CreateTime {
            return Err(AppendError::TimestampType);
        }
        check_records(batch, rules, now)?;
    }
    let bytes = batches.iter().map(|batch| batch.bytes().len()).sum();
    if bytes > rules.append_bytes_max {
        return Err(AppendError::ExceedsSegment {
            bytes,
            max: rules.append_bytes_max,
        });
    }
    Ok(())
}

/// Whether the records keep to the topic's rules; those that don't are named.
fn check_records(batch: &Batch, rules: &AppendRules, now: Timestamp) -> Result<(), AppendError> {
    let rules = RecordRules {
        keys_required: rules.keys_required,
        times: (rules.timestamp_type == TimestampType::CreateTime).then_some(TimeBounds {
            earliest: Timestamp(now.0.saturating_sub(rules.timestamp_before_max_ms)),
            latest: Timestamp(now.0.saturating_add(rules.timestamp_after_max_ms)),
        }),
    };
    let header = batch.header();
    // Of a batch that was not opened the header is believed.
    let claimed = Contents {
        earliest: header.base_timestamp,
        latest: header.max_timestamp,
        keyless: 0,
    };
    if batch.contents().unwrap_or(&claimed).fit(&rules) {
        return Ok(());
    }
    let breaches = batch.breaches(&rules)?;
    if breaches.count == 0 {
        return Ok(());
    }
    Err(AppendError::Records(breaches))
}

type ReplySender = Option<oneshot::Sender<Result<(), AppendError>>>;

/// Told by the engine how far the append has come.
struct AppendDone {
    partition: Arc<Partition>,
    end: Offset,
    bytes: u64,
    reply: ReplySender,
    at_written: bool,
    started: Instant,
    timing: Timing,
}

impl AppendDone {
    fn answer(&mut self, result: Result<(), AppendError>) {
        if let Some(reply) = self.reply.take() {
            tell(reply, result);
        }
    }

    fn elapsed(&self) -> std::time::Duration {
        let Now { monotonic, .. } = self.timing.clock.now();
        monotonic.saturating_duration_since(self.started)
    }
}

impl Completion for AppendDone {
    fn awaits_writing(&self) -> bool {
        self.at_written
    }

    fn written(&mut self) {
        self.timing.times.written.record(self.elapsed());
        if self.at_written {
            self.answer(Ok(()));
        }
    }

    fn durable(mut self: Box<Self>, result: Result<(), storage::AppendError>) {
        match result {
            Ok(()) => {
                self.timing.times.durable.record(self.elapsed());
                self.partition.watch.advanced(self.end, self.bytes);
                self.answer(Ok(()));
            }
            Err(error) => {
                // What was placed behind this one has no ground to stand on: closed until restart,
                // when the state is replayed from what the log really holds.
                self.answer(Err(error.into()));
                self.partition.watch.break_off(Broken::LogClosed);
            }
        }
    }
}

impl From<Broken> for AppendError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Deleted => Self::TopicDeleted,
            Broken::DiskFull => Self::DiskFull,
            Broken::LogClosed => Self::LogClosed,
            Broken::ShuttingDown => Self::ShuttingDown,
        }
    }
}

impl From<storage::AppendError> for AppendError {
    fn from(error: storage::AppendError) -> Self {
        match error {
            storage::AppendError::NoSpace => Self::DiskFull,
            storage::AppendError::QueueFull => Self::Busy,
            storage::AppendError::Closed(_) => Self::LogClosed,
            storage::AppendError::UnknownPartition => Self::TopicDeleted,
            storage::AppendError::OutOfOrder { expected } => {
                unreachable!("the partition's state lost count of its log at {expected}")
            }
            storage::AppendError::TooLarge { bytes, bytes_max } => Self::TooLarge {
                bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
                max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
            },
        }
    }
}

impl From<ProducerError> for AppendError {
    fn from(error: ProducerError) -> Self {
        match error {
            ProducerError::OutOfOrderSequence { .. } => Self::OutOfOrderSequence,
            ProducerError::InvalidEpoch { .. } => Self::ProducerFenced,
        }
    }
}
