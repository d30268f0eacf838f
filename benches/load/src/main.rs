//! The load generator: raw Kafka frames made in advance, at full speed or at a set rate.
//!
//! ```text
//! options -> control (login, topic, producer ids, offsets)
//!         -> worker threads: epoll over connections, each producing or consuming
//!            template: a request made in advance, a few bytes patched for each sending
//!         -> report: throughput, latency from the intended time, the server's cost from /proc
//! ```
#![expect(clippy::print_stdout, reason = "the report is printed")]
#![expect(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock and waits"
)]

mod answer;
mod consuming;
mod control;
mod drive;
mod losses;
mod options;
mod outgoing;
mod payload;
mod producing;
mod report;
mod run;
mod start;
mod tally;
mod template;
mod transport;
mod worker;

use anyhow::Result;
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use options::{Mode, Options};

fn main() -> Result<()> {
    let options = Options::parse();
    // One descriptor for each connection: as many as the system allows.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: most,
            maximum: most,
        },
    )?;
    let report = match options.mode {
        Mode::Start => serde_json::to_string_pretty(&start::start(&options)?),
        _ => serde_json::to_string_pretty(&drive::drive(&options)?),
    };
    println!("{}", report?);
    Ok(())
}
