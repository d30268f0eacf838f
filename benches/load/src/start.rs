//! From the start of a broker's process to its first acknowledgement.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use gauge::Sample;
use model::Timestamp;
use serde::Serialize;

use crate::answer;
use crate::drive::Target;
use crate::options::Options;
use crate::outgoing::Outgoing;
use crate::payload;
use crate::template::{Patch, Place, Template};

const LIMIT: Duration = Duration::from_secs(120);
/// Between two tries: far below what a start takes.
const RETRY: Duration = Duration::from_micros(200);

#[derive(Debug, Serialize)]
pub(crate) struct Started {
    /// Until the socket took a connection.
    connected_ms: f64,
    /// Until the first record was acknowledged.
    acknowledged_ms: f64,
    /// Of that, until the topic was there.
    topic_ms: f64,
    cpu_s: f64,
    rss_anon_mib: f64,
    rss_mib: f64,
    rss_peak_mib: f64,
}

/// Starts the command, sends it a record until one is acknowledged, and kills it.
pub(crate) fn start(options: &Options) -> Result<Started> {
    let target = Target::new(options)?;
    let now = Timestamp(i64::try_from(
        std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis(),
    )?);
    let batch = payload::batch(options.codec, 1, options.record_bytes, false, now)?;
    let template = Template::new(&options.topic, options.acks, &batch, 1, false)?;
    let mut out = Outgoing::default();
    let patch = Patch {
        correlation_id: 1,
        places: &[Place {
            partition: 0,
            sequence: 0,
        }],
        producer: None,
        stamp: None,
    };
    template.send(patch, &mut out);
    let (program, arguments) = options
        .command
        .split_first()
        .context("a command to start")?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("start {program}"))?;
    let result = first_acknowledgement(&target, &out.to_vec(), started, &mut child);
    // It may have ended by itself already.
    child.kill().ok();
    child.wait()?;
    result
}

fn first_acknowledgement(
    target: &Target,
    request: &[u8],
    started: Instant,
    child: &mut Child,
) -> Result<Started> {
    let ms = || started.elapsed().as_secs_f64() * 1e3;
    let mut connected_ms = None;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the broker ended: {status}");
        }
        if let Ok(mut control) = target.connect() {
            let connected_ms = *connected_ms.get_or_insert_with(ms);
            control.create_topic(&target.topic)?;
            let topic_ms = ms();
            loop {
                let frame = control.exchange(request)?;
                let (_, body) = answer::header(&frame).context("an answer")?;
                let mut refused = 0;
                answer::produced(body, |code| refused = code).context("an answer")?;
                if refused == 0 {
                    break;
                }
                if started.elapsed() > LIMIT {
                    bail!("still refused: error {refused}");
                }
                thread::sleep(RETRY);
            }
            let sample = Sample::of(child.id());
            return Ok(Started {
                connected_ms,
                acknowledged_ms: ms(),
                topic_ms,
                cpu_s: sample.cpu_s(),
                rss_anon_mib: gauge::float(sample.rss_anon_kib) / 1024.0,
                rss_mib: gauge::float(sample.rss_kib) / 1024.0,
                rss_peak_mib: gauge::float(sample.rss_peak_kib) / 1024.0,
            });
        }
        if started.elapsed() > LIMIT {
            bail!("no connection within {LIMIT:?}");
        }
        thread::sleep(RETRY);
    }
}
