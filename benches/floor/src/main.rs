//! The floor: what receiving, checking, writing and syncing records costs at least. It takes the
//! same Produce requests as a broker, checks each batch's CRC-32C, appends to one file, syncs by
//! group commit and replies. Writes go past the page cache: each request is copied once, into whole
//! blocks. There is no broker in it: no offsets that last, no reads, no limits.
//!
//! ```text
//! a thread per connection: read frame -> check -> write at a reserved place -> wait list
//! one sync thread:         take the wait list -> fdatasync -> replies to their sockets
//! ```
#![expect(
    clippy::print_stdout,
    reason = "it says where it listens and how often it has synced"
)]
#![expect(clippy::disallowed_methods, reason = "a server reads the clock")]

mod answers;
mod commit;
mod connection;
mod file;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use clap::Parser;

use answers::Answers;
use commit::Commits;
use file::LogFile;

/// Takes Produce requests, writes and syncs them, and replies.
#[derive(Debug, Parser)]
#[command(name = "floor")]
struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// Folder of the file that everything is appended to.
    #[arg(long)]
    data_dir: PathBuf,
    /// Partitions of every topic.
    #[arg(long, default_value_t = 6)]
    partitions: i32,
    /// Reply before the sync.
    #[arg(long)]
    unsynced: bool,
    /// Write through the page cache instead of past it.
    #[arg(long)]
    buffered: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.data_dir).context("create the data directory")?;
    let file = Arc::new(LogFile::create(
        &options.data_dir.join("log"),
        options.buffered,
    )?);
    let commits = Arc::new(Commits::start(Arc::clone(&file))?);
    let listener = TcpListener::bind(&options.listen)?;
    let address = listener.local_addr()?;
    let answers = Arc::new(Answers::new(address, options.partitions));
    println!("listening on {address}");
    for socket in listener.incoming() {
        let connection = connection::Connection {
            socket: Arc::new(socket?),
            file: Arc::clone(&file),
            commits: (!options.unsynced).then(|| Arc::clone(&commits)),
            answers: Arc::clone(&answers),
        };
        // Ends with its connection; the process ends by a signal.
        thread::Builder::new().spawn(move || connection.run())?;
    }
    Ok(())
}
