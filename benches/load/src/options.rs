//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use gauge::SyncSource;

use crate::payload::Codec;

/// Drives a Kafka broker with requests made in advance and prints what it measured as JSON.
#[derive(Clone, Debug, Parser)]
#[command(name = "load", args_override_self = true)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// Broker that leads every partition.
    #[arg(long, default_value = "127.0.0.1:9092")]
    pub(crate) server: String,
    #[arg(long, default_value = "bench")]
    pub(crate) topic: String,
    #[arg(long, default_value_t = 6)]
    pub(crate) partitions: i32,
    /// Topic configuration, as in retention.ms=60000; may be repeated.
    #[arg(long = "config", value_parser = key_value)]
    pub(crate) configs: Vec<(String, String)>,
    /// Connections that produce, or fetch in mode fetch, or stay idle.
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: usize,
    /// Connections that fetch in mode end-to-end.
    #[arg(long, default_value_t = 1)]
    pub(crate) consumers: usize,
    /// Threads for producers, and again for consumers.
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    /// Record bytes of one batch; the count of records follows, at least one.
    #[arg(long, default_value_t = 64 << 10)]
    pub(crate) batch_bytes: usize,
    /// Batches, each to another partition, in one request.
    #[arg(long, default_value_t = 1)]
    pub(crate) batches_per_request: usize,
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) codec: Codec,
    /// 0, 1 or -1 (all).
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    pub(crate) acks: i16,
    #[arg(long)]
    pub(crate) idempotent: bool,
    /// Requests without an answer per connection.
    #[arg(long, default_value_t = 5)]
    pub(crate) in_flight: usize,
    /// Records a second, sent at their time whatever the broker does; without it, full speed.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// With --rate: send at once; what comes due while all requests are in flight joins the next
    /// batch, as a client with linger 0 does. --batch-bytes is the largest batch.
    #[arg(long, requires = "rate")]
    pub(crate) natural: bool,
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Before the measured time.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) warm_up_seconds: f64,
    /// Stop after so many record bytes, sent or, in mode fetch, fetched.
    #[arg(long)]
    pub(crate) bytes_max: Option<u64>,
    /// Where a fetch begins and what it does at the end.
    #[arg(long, value_enum, default_value = "all-over-again")]
    pub(crate) from: From,
    #[arg(long, default_value_t = 500)]
    pub(crate) fetch_wait_ms: i32,
    #[arg(long, default_value_t = 1)]
    pub(crate) fetch_bytes_min: i32,
    #[arg(long, default_value_t = 50 << 20)]
    pub(crate) fetch_bytes_max: i32,
    #[arg(long, default_value_t = 1 << 20)]
    pub(crate) partition_bytes_max: i32,
    /// Check the checksum of every batch fetched.
    #[arg(long)]
    pub(crate) check: bool,
    /// Certificate authority to trust (PEM): connections are under TLS.
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
    /// Log in with SASL PLAIN, as USER:PASSWORD.
    #[arg(long)]
    pub(crate) login: Option<String>,
    /// Process to watch in /proc.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// A folder on the disk whose flushes are counted.
    #[arg(long)]
    pub(crate) disk: Option<PathBuf>,
    /// Tidegate's admin address, whose metrics tell of its syncs.
    #[arg(long)]
    pub(crate) admin: Option<String>,
    /// What the floor prints, which tells of its syncs.
    #[arg(long, conflicts_with = "admin")]
    pub(crate) floor_log: Option<PathBuf>,
    /// Mode start: the broker to start, which is killed at the end.
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

impl Options {
    /// Who tells of the server's syncs.
    pub(crate) fn sync_source(&self) -> Option<SyncSource> {
        let admin = self.admin.clone().map(SyncSource::Admin);
        admin.or_else(|| self.floor_log.clone().map(SyncSource::Log))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Send records.
    Produce,
    /// Read what is there.
    Fetch,
    /// Send records and read them, the time between in each.
    EndToEnd,
    /// Open connections and do nothing.
    Idle,
    /// Start a broker and time its first acknowledgement.
    Start,
    /// Make the topic and nothing else.
    Create,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum From {
    /// From the beginning; at the end, from the beginning again.
    AllOverAgain,
    /// From the beginning, then wait for more.
    Beginning,
    /// Wait for what comes.
    End,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
