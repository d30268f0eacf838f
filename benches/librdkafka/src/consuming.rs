//! Reads: all there is, once, or what comes while somebody sends.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::latency;
use crate::options::Options;
use crate::{Course, DRAIN_LIMIT};

const ASK_LIMIT: Duration = Duration::from_secs(30);
/// Without a record for so long, something is wrong.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Reads every partition from its beginning to the end it has now.
pub(crate) fn consume(options: &Options) -> Result<Value> {
    let consumer = consumer(options)?;
    let mut expected = 0;
    for partition in 0..options.partitions {
        let (low, high) = watermarks(&consumer, options, partition)?;
        expected += u64::try_from(high - low)?;
    }
    ensure!(expected > 0, "there is nothing to read");
    let started = Instant::now();
    consumer.assign(&everything(options, Offset::Beginning)?)?;
    let mut records = 0;
    let mut bytes = 0;
    while records < expected {
        let message = consumer
            .poll(SILENCE_LIMIT)
            .context("nothing more comes")??;
        records += 1;
        bytes += message.payload_len() as u64;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({
        "seconds": seconds,
        "records": records,
        "records_per_s": records as f64 / seconds,
        "mb_per_s": bytes as f64 / seconds / 1e6,
        "faults": {},
    }))
}

/// A partition's first offset and its next. One that was just made may have no leader yet.
fn watermarks(consumer: &BaseConsumer, options: &Options, partition: i32) -> Result<(i64, i64)> {
    let started = Instant::now();
    loop {
        match consumer.fetch_watermarks(&options.topic, partition, ASK_LIMIT) {
            Err(error) if is_not_led(&error) && started.elapsed() < ASK_LIMIT => sleep(POLL),
            asked => return Ok(asked?),
        }
    }
}

fn is_not_led(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
    )
}

/// Reads from the ends until as many records as `expected` says have come; gives their times under
/// way, and how many never came.
pub(crate) fn follow(options: &Options, course: &Course) -> Result<(Histogram<u64>, u64)> {
    let expected = &course.expected;
    let consumer = consumer(options)?;
    // Positions as numbers: what is sent before the first fetch is seen all the same.
    let mut positions = TopicPartitionList::new();
    for partition in 0..options.partitions {
        let (_, high) = watermarks(&consumer, options, partition)?;
        positions.add_partition_offset(&options.topic, partition, Offset::Offset(high))?;
    }
    consumer.assign(&positions)?;
    course.is_ready.store(true, Ordering::Release);
    let mut latencies = latency::histogram();
    let mut records = 0;
    let mut last = Instant::now();
    while records < expected.load(Ordering::Acquire) && last.elapsed() < DRAIN_LIMIT {
        let Some(message) = consumer.poll(POLL) else {
            continue;
        };
        let message = message?;
        let payload = message.payload().and_then(<[u8]>::first_chunk);
        let intended_ns = u64::from_be_bytes(*payload.context("a record with a time")?);
        if intended_ns >= course.from_ns.load(Ordering::Acquire) {
            latencies.saturating_record(course.now_ns().saturating_sub(intended_ns));
        }
        records += 1;
        last = Instant::now();
    }
    let missing = expected.load(Ordering::Acquire).saturating_sub(records);
    Ok((latencies, missing))
}

fn consumer(options: &Options) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.server)
        .set("group.id", "bench")
        .set("enable.auto.commit", "false")
        .set("fetch.min.bytes", "1")
        // Without it a reader that is ahead waits half a second for its queue to run low.
        .set("queued.min.messages", "1000000");
    for (name, value) in &options.properties {
        config.set(name, value);
    }
    Ok(config.create()?)
}

fn everything(options: &Options, from: Offset) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in 0..options.partitions {
        list.add_partition_offset(&options.topic, partition, from)?;
    }
    Ok(list)
}
