//! The world tests: real clients, each from its own toolchain, against a broker in its own process.
//!
//! `suites` holds the scenarios, `runner` plays them, `stage` gives each one a folder and a broker,
//! `toolchain` installs the clients, and `oracle` is Apache Kafka, which the client programs must
//! agree with before they may judge Tidegate.

#![expect(clippy::print_stdout, reason = "the report is this program's purpose")]

mod broker;
mod clock;
mod endpoint;
mod network;
mod oracle;
mod process;
mod raw;
mod runner;
mod scenario;
mod skip;
mod stage;
mod suites;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::thread;

use anyhow::{Result, ensure};
use clap::Parser;

use stage::{Target, World};
use toolchain::Toolchains;

/// Runs real Kafka clients against a broker.
#[derive(Parser)]
struct Arguments {
    /// Only scenarios whose name holds one of these.
    filters: Vec<String>,
    /// Name the scenarios and run none.
    #[arg(long)]
    list: bool,
    /// Install the clients' toolchains and run nothing.
    #[arg(long)]
    prepare: bool,
    /// What to test: `tidegate`, `kafka` (Apache Kafka, the oracle), or the address of a broker.
    #[arg(long, default_value = "tidegate", value_name = "TARGET")]
    against: String,
    /// The broker's binary.
    #[arg(long, env = "TIDEGATE_BIN", default_value = "target/fast/tidegate")]
    binary: PathBuf,
    /// Where the clients' toolchains are kept.
    #[arg(long, env = "TIDEGATE_CLIENTS_DIR", default_value = "target/clients")]
    clients: PathBuf,
    /// How many scenarios run at a time; by default as many as there are processors, at most 4.
    #[arg(long)]
    jobs: Option<usize>,
    /// Write the last line, with the sums, to this file instead.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let entries = suites::entries(&arguments.filters);
    if entries.is_empty() {
        println!("no scenario's name holds any of {:?}", arguments.filters);
    }
    let none = entries.is_empty();
    if arguments.list {
        for entry in &entries {
            println!("{}", entry.name);
        }
        return Ok(code(!none));
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let tools = Toolchains::new(std::path::absolute(&arguments.clients)?, sources);
    if arguments.prepare {
        tools.prepare();
        return Ok(ExitCode::SUCCESS);
    }
    let target = match arguments.against.as_str() {
        "tidegate" => Target::Tidegate(binary(&arguments.binary)?),
        "kafka" => Target::Kafka(OnceLock::new()),
        address => Target::Running(address.to_owned()),
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let workers = arguments.jobs.unwrap_or_else(|| processors.min(4)).max(1);
    let summary = runner::play(entries, &World { tools, target }, workers);
    match arguments.summary {
        Some(file) => std::fs::write(file, summary.to_string())?,
        None => println!("{summary}"),
    }
    // A filter with a slip in it must not look like a success.
    Ok(code(summary.failed == 0 && !none))
}

fn code(success: bool) -> ExitCode {
    if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn binary(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path)?;
    ensure!(
        path.is_file(),
        "no broker at {}: cargo build --profile fast",
        path.display()
    );
    Ok(path)
}
