//! Sends records; the times of their acknowledgements come by librdkafka's own thread's callbacks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use serde_json::{Value, json};

use crate::Course;
use crate::latency;
use crate::options::Options;
use crate::topic::Topic;

/// Between two looks at acknowledgements while sending at full speed.
const RECORDS_BETWEEN_POLLS: u64 = 256;
/// Each is told of a batch.
const EVENTS_PER_LOOK: usize = 16;
/// Between two looks while there is nothing to send. A wait inside the library's crate would take a
/// core: below a millisecond it asks again and again.
const NAP: Duration = Duration::from_millis(1);
const FLUSH_LIMIT: Duration = Duration::from_secs(60);
/// At full speed acknowledgements come many at a time: the clock is read for one in so many.
const RECORDS_BETWEEN_CLOCK_READS: u64 = 16;
/// Of a value, where the time stands at which it was meant to be sent.
const STAMP_BYTES: usize = 8;

/// Counts what comes back.
struct Deliveries {
    clock: Instant,
    told: Mutex<Told>,
}

struct Told {
    /// Where the measured time begins.
    from_ns: u64,
    acknowledged: u64,
    /// Of these, since the measured time began.
    measured: u64,
    /// When the last few came.
    now_ns: u64,
    clock_read_every: u64,
    latencies: Histogram<u64>,
    faults: BTreeMap<String, u64>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    /// When the record was meant to be sent.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, intended_ns: usize) {
        let intended_ns = intended_ns as u64;
        let Ok(mut told) = self.told.lock() else {
            return;
        };
        match result {
            Ok(_) => {
                if told.acknowledged.is_multiple_of(told.clock_read_every) {
                    told.now_ns = nanos(self.clock);
                }
                told.acknowledged += 1;
                told.measured += u64::from(told.now_ns >= told.from_ns);
                if intended_ns >= told.from_ns {
                    let took_ns = told.now_ns.saturating_sub(intended_ns);
                    told.latencies.saturating_record(took_ns);
                }
            }
            Err((error, _)) => *told.faults.entry(error.to_string()).or_default() += 1,
        }
    }
}

/// Sends for the set time and waits for every acknowledgement.
pub(crate) fn produce(options: &Options, course: &Course) -> Result<Value> {
    let clock = course.clock;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.server)
        .set("acks", "all")
        .set("linger.ms", options.linger_ms.to_string())
        // Less than what is waited for at the end.
        .set("message.timeout.ms", "50000");
    if options.rate.is_some() {
        // What is due is sent, however slow the broker is.
        config.set("queue.buffering.max.messages", "500000");
    }
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    let deliveries = Deliveries {
        clock,
        told: Mutex::new(Told {
            from_ns: u64::MAX,
            acknowledged: 0,
            measured: 0,
            now_ns: 0,
            clock_read_every: options.rate.map_or(RECORDS_BETWEEN_CLOCK_READS, |_| 1),
            latencies: latency::histogram(),
            faults: BTreeMap::new(),
        }),
    };
    let producer: BaseProducer<Deliveries> = config.create_with_context(deliveries)?;
    // Metadata first: what follows is the load alone.
    producer
        .client()
        .fetch_metadata(Some(&options.topic), Duration::from_secs(30))?;
    let from_ns = nanos(clock) + nanoseconds(options.warm_up_seconds);
    course.from_ns.store(from_ns, Ordering::Release);
    if let Ok(mut told) = producer.context().told.lock() {
        told.from_ns = from_ns;
    }
    let sent = match options.rate {
        None => at_full_speed(options, &producer, clock)?,
        Some(rate) => at_rate(options, &producer, clock, rate)?,
    };
    producer
        .flush(FLUSH_LIMIT)
        .context("wait for acknowledgements")?;
    let told = producer.context().told.lock();
    let told = told.map_err(|_| anyhow::anyhow!("a callback panicked"))?;
    let seconds = told.now_ns.saturating_sub(from_ns) as f64 / 1e9;
    let rate = told.measured as f64 / seconds;
    let mut faults = told.faults.clone();
    if sent != told.acknowledged {
        faults.insert("not acknowledged".to_owned(), sent - told.acknowledged);
    }
    Ok(json!({
        "seconds": seconds,
        "records": told.acknowledged,
        "records_per_s": rate,
        "mb_per_s": rate * options.record_bytes as f64 / 1e6,
        "produce_ms": latency::quantiles(&told.latencies),
        "faults": faults,
    }))
}

fn at_full_speed(
    options: &Options,
    producer: &BaseProducer<Deliveries>,
    clock: Instant,
) -> Result<u64> {
    let mut sender = Sender::new(options, producer)?;
    let end_ns = nanos(clock) + nanoseconds(options.warm_up_seconds + options.seconds);
    loop {
        let now_ns = nanos(clock);
        if now_ns >= end_ns {
            return Ok(sender.sent);
        }
        for _ in 0..RECORDS_BETWEEN_POLLS {
            sender.send(now_ns)?;
        }
        producer.poll(Duration::ZERO);
    }
}

/// Each record at its time, whatever the broker does.
fn at_rate(
    options: &Options,
    producer: &BaseProducer<Deliveries>,
    clock: Instant,
    rate: f64,
) -> Result<u64> {
    let mut sender = Sender::new(options, producer)?;
    let begin_ns = nanos(clock);
    let records = ((options.warm_up_seconds + options.seconds) * rate) as u64;
    for number in 0..records {
        let due_ns = begin_ns + (number as f64 / rate * 1e9) as u64;
        loop {
            let now_ns = nanos(clock);
            if now_ns >= due_ns {
                break;
            }
            producer.poll(Duration::ZERO);
            thread::sleep(Duration::from_nanos(due_ns - now_ns).min(NAP));
        }
        sender.send(due_ns)?;
    }
    Ok(sender.sent)
}

struct Sender<'a> {
    options: &'a Options,
    producer: &'a BaseProducer<Deliveries>,
    topic: Topic<'a, Deliveries>,
    payload: Payload,
    next_partition: i32,
    sent: u64,
}

/// What records hold.
enum Payload {
    /// All the same, never copied by the client: as librdkafka's own performance program sends.
    Same(&'static [u8]),
    /// Each tells its reader when it was meant to be sent.
    Stamped(Vec<u8>),
}

impl Payload {
    fn of(options: &Options) -> Self {
        let bytes = pseudo_random(options.record_bytes.max(STAMP_BYTES));
        if options.rate.is_some() {
            Self::Stamped(bytes)
        } else {
            Self::Same(bytes.leak())
        }
    }
}

impl<'a> Sender<'a> {
    fn new(options: &'a Options, producer: &'a BaseProducer<Deliveries>) -> Result<Self> {
        Ok(Self {
            options,
            producer,
            topic: Topic::new(producer, &options.topic)?,
            payload: Payload::of(options),
            next_partition: 0,
            sent: 0,
        })
    }

    /// To the next partition in turn; waits where librdkafka's queue is full.
    fn send(&mut self, intended_ns: u64) -> Result<()> {
        let partition = self.next_partition;
        self.next_partition = (partition + 1) % self.options.partitions;
        if let Payload::Stamped(bytes) = &mut self.payload {
            bytes[..STAMP_BYTES].copy_from_slice(&intended_ns.to_be_bytes());
        }
        let number = usize::try_from(intended_ns)?;
        let send = || match &self.payload {
            Payload::Same(bytes) => self.topic.send_shared(partition, bytes, number),
            Payload::Stamped(bytes) => self.topic.send_copy(partition, bytes, number),
        };
        while let Err(error) = send() {
            ensure!(error == RDKafkaErrorCode::QueueFull, "cannot send: {error}");
            self.wait_for_room();
        }
        self.sent += 1;
        Ok(())
    }

    /// Takes acknowledgements until a good part of what waited has gone.
    fn wait_for_room(&self) {
        let enough = self.producer.in_flight_count() / 8 * 7;
        while self.producer.in_flight_count() > enough {
            for _ in 0..EVENTS_PER_LOOK {
                self.producer.poll(Duration::ZERO);
            }
            thread::sleep(NAP);
        }
    }
}

/// Bytes that can't be packed, the same in every run (xorshift).
fn pseudo_random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn nanos(clock: Instant) -> u64 {
    clock.elapsed().as_nanos() as u64
}
