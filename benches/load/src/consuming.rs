//! A connection that fetches: one request at a time, as clients do.

use anyhow::Result;
use bytes::{BufMut, Bytes};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use wire::codec::encode_request;

use crate::answer::{self, Fetched};
use crate::outgoing::Outgoing;
use crate::tally::Tally;
use crate::template::CLIENT_ID;

/// How much longer than it was told to wait a broker may take with an answer.
const ANSWER_LIMIT_NS: u64 = 5_000_000_000;
const NS_PER_MS: u64 = 1_000_000;
/// The newest version that names topics by name.
const FETCH_VERSION: i16 = 12;
const CORRELATION_AT: usize = 8;
/// The offset a position is found by in the frame made in advance.
const OFFSET_MARK: i64 = 0x7469_6465_6761_7465;

#[derive(Debug)]
pub(crate) struct Consuming {
    frame: Bytes,
    positions: Vec<Position>,
    at_end: AtEnd,
    /// Distance between the connection's partitions, which tells a position by its partition.
    step: usize,
    check: bool,
    timed: bool,
    /// How long the broker may keep a fetch that finds nothing.
    wait_ns: u64,
    asked_ns: Option<u64>,
    correlation_id: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Wait,
    BeginAgain,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    begin: i64,
    next: i64,
    /// Where the offset stands in the frame.
    offset_at: usize,
}

pub(crate) struct ConsumerPlan<'a> {
    pub(crate) topic: &'a str,
    /// This connection's partitions are `first`, `first + step`, and so on.
    pub(crate) first: usize,
    pub(crate) step: usize,
    /// Where each partition of the topic is read from.
    pub(crate) begins: &'a [i64],
    pub(crate) at_end: AtEnd,
    pub(crate) check: bool,
    /// Records carry the time they were meant to be sent, by this process's clock.
    pub(crate) timed: bool,
    pub(crate) limits: FetchLimits,
}

#[derive(Clone, Copy)]
pub(crate) struct FetchLimits {
    pub(crate) wait_ms: i32,
    pub(crate) bytes_min: i32,
    pub(crate) bytes_max: i32,
    pub(crate) partition_bytes_max: i32,
}

impl Consuming {
    pub(crate) fn new(plan: &ConsumerPlan<'_>) -> Result<Self> {
        let indices = (plan.first..plan.begins.len()).step_by(plan.step);
        let partition = |index| -> Result<_> {
            Ok(FetchPartition::default()
                .with_partition(i32::try_from(index)?)
                .with_current_leader_epoch(-1)
                .with_fetch_offset(OFFSET_MARK)
                .with_partition_max_bytes(plan.limits.partition_bytes_max))
        };
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(plan.topic.to_owned())))
            .with_partitions(indices.clone().map(partition).collect::<Result<_>>()?);
        let request = FetchRequest::default()
            .with_max_wait_ms(plan.limits.wait_ms)
            .with_min_bytes(plan.limits.bytes_min)
            .with_max_bytes(plan.limits.bytes_max)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let frame = encode_request(FETCH_VERSION, 0, CLIENT_ID, &request)?;
        let mark = OFFSET_MARK.to_be_bytes();
        let windows = frame.windows(mark.len()).enumerate();
        let marked = windows.filter(|(_, window)| *window == mark);
        let positions = marked
            .zip(indices)
            .map(|((offset_at, _), index)| {
                let begin = plan.begins.get(index).copied().unwrap_or(0);
                Position {
                    begin,
                    next: begin,
                    offset_at,
                }
            })
            .collect();
        Ok(Self {
            frame,
            positions,
            at_end: plan.at_end,
            step: plan.step,
            check: plan.check,
            timed: plan.timed,
            wait_ns: u64::try_from(plan.limits.wait_ms)? * NS_PER_MS,
            asked_ns: None,
            correlation_id: 0,
        })
    }

    /// Asks for more unless an answer is awaited. At the end of a run only who times what is sent
    /// meanwhile goes on: it has to see all of it.
    pub(crate) fn fill(
        &mut self,
        now_ns: u64,
        is_draining: bool,
        out: &mut Outgoing,
        tally: &Tally,
    ) {
        let is_over = is_draining && !self.timed;
        if self.asked_ns.is_some() || self.positions.is_empty() || is_over {
            return;
        }
        tally.counters.asked_fetches.add(1);
        let piece = out.copy(&self.frame);
        self.correlation_id = self.correlation_id.wrapping_add(1);
        put(piece, CORRELATION_AT, &self.correlation_id.to_be_bytes());
        for position in &self.positions {
            put(piece, position.offset_at, &position.next.to_be_bytes());
        }
        self.asked_ns = Some(now_ns);
    }

    /// Whether the answer should have come by now.
    pub(crate) fn is_overdue(&self, now_ns: u64) -> bool {
        let limit_ns = self.wait_ns + ANSWER_LIMIT_NS;
        self.asked_ns
            .is_some_and(|asked_ns| now_ns.saturating_sub(asked_ns) > limit_ns)
    }

    /// Takes an answer in.
    pub(crate) fn on_frame(&mut self, frame: &[u8], now_ns: u64, tally: &mut Tally) {
        let Some(asked_ns) = self.asked_ns.take() else {
            return tally.fault("an answer to nothing".to_owned());
        };
        let mut records = 0;
        let asked_id = self.correlation_id;
        let read = answer::header(frame)
            .filter(|(id, _)| *id == asked_id)
            .and_then(|(_, body)| {
                answer::fetched(body, |partition| {
                    records += self.take(partition, now_ns, tally);
                })
            });
        match read {
            None => {
                let what = "an unreadable Fetch answer, or one to another request";
                return tally.fault(what.to_owned());
            }
            Some(code) => tally.error_code("fetch", code),
        }
        tally.counters.fetches.add(1);
        tally.counters.fetched_records.add(records);
        tally.counters.fetched_wire_bytes.add(frame.len() as u64);
        if records == 0 {
            tally.counters.empty_fetches.add(1);
        } else if tally.run.is_measured(asked_ns) {
            let took_ns = now_ns.saturating_sub(asked_ns);
            tally.fetch.saturating_record(took_ns);
        }
    }

    /// Moves a partition's position behind what came; returns the count of records.
    fn take(&mut self, part: Fetched<'_>, now_ns: u64, tally: &mut Tally) -> u64 {
        tally.error_code("fetch", part.error_code);
        let index = usize::try_from(part.partition).unwrap_or(usize::MAX) / self.step;
        let Some(position) = self.positions.get_mut(index) else {
            tally.fault("a partition that was not asked for".to_owned());
            return 0;
        };
        let mut records = 0;
        for batch in answer::batches(part.records) {
            let count = batch.records_from(position.next);
            if count == 0 || batch.base_offset > position.next {
                tally.fault("a batch out of place".to_owned());
            }
            if self.check && !batch.checksum_holds() {
                tally.fault("a batch whose checksum is wrong".to_owned());
            }
            if self.timed {
                time(batch.bytes, count, now_ns, tally);
            }
            records += count;
            position.next = batch.next_offset();
        }
        if self.at_end == AtEnd::BeginAgain && position.next >= part.high_watermark {
            position.next = position.begin;
        }
        records
    }
}

/// Records how long the batch's records were under way, if they carry the time.
fn time(batch: &[u8], records: u64, now_ns: u64, tally: &mut Tally) {
    let Some(stamp) = answer::first_stamp(batch) else {
        return tally.faults("records that carry no time".to_owned(), records);
    };
    if !tally.run.is_measured(stamp.intended_ns) {
        return;
    }
    for record in 0..records {
        let since_ns = stamp.intended_ns + record * u64::from(stamp.stride_ns);
        tally
            .end_to_end
            .saturating_record(now_ns.saturating_sub(since_ns));
    }
}

fn put(mut piece: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = piece.get_mut(at..) {
        piece = place;
        piece.put_slice(value);
    }
}
