//! The command line.

use clap::{Parser, ValueEnum};

/// Drives a Kafka broker by librdkafka and prints what it measured as JSON.
#[derive(Clone, Debug, Parser)]
#[command(args_override_self = true)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    #[arg(long)]
    pub(crate) server: String,
    /// A topic that is there.
    #[arg(long, default_value = "bench")]
    pub(crate) topic: String,
    #[arg(long)]
    pub(crate) partitions: i32,
    #[arg(long, default_value_t = 1024)]
    pub(crate) record_bytes: usize,
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Before the measured time.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) warm_up_seconds: f64,
    /// Records a second; without it, as many as go.
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    #[arg(long, default_value_t = 5)]
    pub(crate) linger_ms: u32,
    /// Further settings of librdkafka, as in batch.size=100000; may be repeated.
    #[arg(long = "property", value_parser = key_value)]
    pub(crate) properties: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Send records.
    Produce,
    /// Read all there is, once.
    Consume,
    /// Send records and read them, the time between in each.
    EndToEnd,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
