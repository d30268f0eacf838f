//! A connection that sends records: at full speed, or each at its time.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::answer;
use crate::outgoing::Outgoing;
use crate::tally::Tally;
use crate::template::{Patch, Place, Producer, Stamp, Template};

/// Requests sent ahead when nothing is acknowledged: the socket is what holds them back.
const UNACKNOWLEDGED_AHEAD: usize = 4;

#[derive(Debug)]
pub(crate) struct Producing {
    /// By size, smallest first; more than one only where batches form naturally.
    templates: Arc<[Template]>,
    acks: i16,
    in_flight_max: usize,
    producer: Option<Producer>,
    /// The partitions this connection writes to, in turn, each with its next sequence.
    places: Vec<Place>,
    next_place: usize,
    schedule: Option<Schedule>,
    /// All that was due before the end of the run has been sent.
    is_schedule_kept: bool,
    in_flight: VecDeque<Sent>,
    correlation_id: i32,
}

/// When the connection's records are meant to be sent: one every `stride_ns`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) next_ns: u64,
    pub(crate) stride_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    correlation_id: i32,
    since_ns: u64,
    records: u32,
    batches: usize,
    frame_bytes: usize,
}

pub(crate) struct ProducerPlan {
    pub(crate) templates: Arc<[Template]>,
    pub(crate) acks: i16,
    pub(crate) in_flight_max: usize,
    pub(crate) producer: Option<Producer>,
    pub(crate) partitions: Vec<i32>,
    pub(crate) schedule: Option<Schedule>,
}

impl Producing {
    pub(crate) fn new(plan: ProducerPlan) -> Self {
        let place = |partition| Place {
            partition,
            sequence: 0,
        };
        Self {
            templates: plan.templates,
            acks: plan.acks,
            in_flight_max: plan.in_flight_max,
            producer: plan.producer,
            places: plan.partitions.into_iter().map(place).collect(),
            next_place: 0,
            is_schedule_kept: plan.schedule.is_none(),
            schedule: plan.schedule,
            in_flight: VecDeque::new(),
            correlation_id: 0,
        }
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.in_flight.is_empty() && self.is_schedule_kept
    }

    /// Whether the next request is only a question of the socket: it takes requests as they go.
    pub(crate) fn is_bound_by_socket(&self) -> bool {
        self.acks == 0 && self.schedule.is_none()
    }

    pub(crate) fn is_unacknowledged(&self) -> bool {
        self.acks == 0
    }

    /// When the next request is due, if it is time that it waits for.
    pub(crate) fn next_wake_ns(&self) -> Option<u64> {
        let schedule = self.schedule.as_ref()?;
        let least = self.templates.first()?.batch_records;
        let wait_ns = u64::from(least - 1) * schedule.stride_ns;
        (self.in_flight.len() < self.in_flight_max).then_some(schedule.next_ns + wait_ns)
    }

    /// Sends what may be sent now.
    pub(crate) fn fill(&mut self, now_ns: u64, out: &mut Outgoing, tally: &mut Tally) {
        if self.acks == 0 && self.schedule.is_none() {
            for _ in 0..UNACKNOWLEDGED_AHEAD {
                self.send(None, now_ns, out, tally);
            }
            return;
        }
        while self.in_flight.len() < self.in_flight_max {
            let Some(schedule) = self.schedule else {
                self.send(None, now_ns, out, tally);
                continue;
            };
            let Some(late_ns) = now_ns.checked_sub(schedule.next_ns) else {
                return;
            };
            let due = late_ns / schedule.stride_ns + 1;
            let Some(size) = self.largest_up_to(due) else {
                return;
            };
            self.send(Some((schedule, size)), now_ns, out, tally);
        }
    }

    /// At the end of a run: sends what was due before it and hasn't been sent, since a broker that
    /// falls behind must not be spared the records that it is behind with.
    pub(crate) fn fill_up(&mut self, now_ns: u64, out: &mut Outgoing, tally: &mut Tally) {
        if self.is_schedule_kept {
            return;
        }
        let end_ns = tally.run.window_end_ns();
        self.fill(now_ns.min(end_ns), out, tally);
        let is_due = self.schedule.is_some_and(|schedule| {
            let late_ns = end_ns.checked_sub(schedule.next_ns);
            let due = late_ns.map(|late_ns| late_ns / schedule.stride_ns + 1);
            due.is_some_and(|due| self.largest_up_to(due).is_some())
        });
        if !is_due {
            self.is_schedule_kept = true;
            tally.run.schedule_kept();
        }
    }

    fn largest_up_to(&self, records: u64) -> Option<usize> {
        self.templates
            .iter()
            .rposition(|template| u64::from(template.batch_records) <= records)
    }

    fn send(
        &mut self,
        scheduled: Option<(Schedule, usize)>,
        now_ns: u64,
        out: &mut Outgoing,
        tally: &mut Tally,
    ) {
        let (since_ns, stride_ns, size) = match scheduled {
            Some((schedule, size)) => (schedule.next_ns, schedule.stride_ns, size),
            None => (now_ns, 0, self.templates.len() - 1),
        };
        let templates = Arc::clone(&self.templates);
        let Some(template) = templates.get(size) else {
            return;
        };
        let batches = template.batches();
        let sequences = template.batch_records.cast_signed();
        let places: Vec<Place> = (0..batches).map(|_| self.take_place(sequences)).collect();
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let patch = Patch {
            correlation_id: self.correlation_id,
            places: &places,
            producer: self.producer,
            stamp: Some(Stamp {
                intended_ns: since_ns,
                stride_ns: u32::try_from(stride_ns).unwrap_or(u32::MAX),
            }),
        };
        template.send(patch, out);
        let records = template.batch_records * u32::try_from(batches).unwrap_or(u32::MAX);
        if let Some(schedule) = &mut self.schedule {
            schedule.next_ns += u64::from(records) * stride_ns;
        }
        let sent = Sent {
            correlation_id: self.correlation_id,
            since_ns,
            records,
            batches,
            frame_bytes: template.frame_bytes(),
        };
        tally.counters.sent_records.add(records.into());
        if self.acks == 0 {
            acknowledged(sent, tally);
        } else {
            self.in_flight.push_back(sent);
        }
    }

    /// The next partition in turn; its sequence moves on by a batch.
    fn take_place(&mut self, records: i32) -> Place {
        let index = self.next_place;
        self.next_place = (index + 1) % self.places.len();
        let Some(place) = self.places.get_mut(index) else {
            unreachable!("the place is below the count of places");
        };
        let taken = *place;
        // Sequences run from 0 to the largest number and then from 0 again.
        place.sequence = place.sequence.wrapping_add(records) & i32::MAX;
        taken
    }

    /// Takes an answer in.
    pub(crate) fn on_frame(&mut self, frame: &[u8], now_ns: u64, tally: &mut Tally) {
        let Some(sent) = self.in_flight.pop_front() else {
            return tally.fault("an answer to nothing".to_owned());
        };
        if !is_accepted(frame, sent, tally) {
            tally.counters.refused_records.add(sent.records.into());
            return;
        }
        acknowledged(sent, tally);
        if !tally.run.is_measured(sent.since_ns) {
            return;
        }
        let stride_ns = self.schedule.map_or(0, |schedule| schedule.stride_ns);
        let timed = if stride_ns == 0 { 1 } else { sent.records };
        for record in 0..u64::from(timed) {
            let since_ns = sent.since_ns + record * stride_ns;
            tally
                .produce
                .saturating_record(now_ns.saturating_sub(since_ns));
        }
    }
}

/// Whether the answer is the right one and acknowledges every batch of the request.
fn is_accepted(frame: &[u8], sent: Sent, tally: &mut Tally) -> bool {
    let (mut refused, mut accepted) = (0, 0);
    let read = answer::header(frame).and_then(|(id, body)| {
        answer::produced(body, |code| {
            *(if code == 0 {
                &mut accepted
            } else {
                &mut refused
            }) += 1;
            tally.error_code("produce", code);
        })?;
        Some(id)
    });
    if read != Some(sent.correlation_id) {
        tally.fault("an unreadable Produce answer, or one to another request".to_owned());
        return false;
    }
    if accepted + refused != sent.batches {
        tally.fault("a Produce answer that lacks partitions".to_owned());
    }
    accepted == sent.batches
}

fn acknowledged(sent: Sent, tally: &Tally) {
    let counters = &tally.counters;
    counters.produced_requests.add(1);
    counters.produced_records.add(sent.records.into());
    counters.produced_wire_bytes.add(sent.frame_bytes as u64);
}
