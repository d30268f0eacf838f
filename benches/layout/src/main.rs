//! Where should a commit's bytes go first? Writes the same batches to a real disk in the layouts
//! that were considered for the log and prints throughput and commit latency for each.
//!
//! Usage: `cargo run --release -p layout [-- DIR]`. The layouts take turns for five rounds; compare
//! ratios within one run, never absolute numbers between runs.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod files;
mod layouts;

use std::time::Instant;

use anyhow::Result;
use layouts::Layout;

const MIB: usize = 1 << 20;
const ROUNDS: usize = 5;

/// One kind of load: how many partitions are written, and how much arrives per commit.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    name: &'static str,
    partitions: usize,
    batch_bytes: usize,
    batches_per_commit: usize,
    commits: usize,
}

const LOADS: [Load; 4] = [
    Load {
        name: "bulk, 6 partitions, 2 MiB a commit",
        partitions: 6,
        batch_bytes: 128 << 10,
        batches_per_commit: 16,
        commits: 384,
    },
    Load {
        name: "bulk, 100 partitions, 2 MiB a commit",
        partitions: 100,
        batch_bytes: 16 << 10,
        batches_per_commit: 128,
        commits: 256,
    },
    Load {
        name: "small, 6 partitions, 16 KiB a commit",
        partitions: 6,
        batch_bytes: 4 << 10,
        batches_per_commit: 4,
        commits: 1000,
    },
    Load {
        name: "small, 1000 partitions, 16 KiB a commit",
        partitions: 1000,
        batch_bytes: 512,
        batches_per_commit: 32,
        commits: 1000,
    },
];

/// What one layout did with one load.
struct Run {
    mib_per_s: f64,
    commit_p50_us: u128,
    commit_p99_us: u128,
}

fn main() -> Result<()> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    println!(
        "{:<42} {:<34} {:>8} {:>9} {:>9}",
        "load", "layout", "MiB/s", "p50 us", "p99 us"
    );
    for load in LOADS {
        let mut runs: Vec<Vec<Run>> = Layout::ALL.iter().map(|_| Vec::new()).collect();
        for _ in 0..ROUNDS {
            for (layout, runs) in Layout::ALL.iter().zip(&mut runs) {
                runs.push(run(*layout, load, &dir)?);
            }
        }
        for (layout, mut runs) in Layout::ALL.iter().zip(runs) {
            runs.sort_by(|a, b| a.mib_per_s.total_cmp(&b.mib_per_s));
            let median = runs.swap_remove(ROUNDS / 2);
            println!(
                "{:<42} {:<34} {:>8.0} {:>9} {:>9}",
                load.name,
                layout.name(),
                median.mib_per_s,
                median.commit_p50_us,
                median.commit_p99_us
            );
        }
    }
    Ok(())
}

fn run(layout: Layout, load: Load, dir: &str) -> Result<Run> {
    let home = tempfile::tempdir_in(dir)?;
    let mut writer = layout.open(home.path(), load)?;
    let batch = vec![0x5a_u8; load.batch_bytes];
    let mut picks = Picks(0x9e37_79b9_7f4a_7c15);
    let mut latencies = Vec::with_capacity(load.commits);
    let started = Instant::now();
    for _ in 0..load.commits {
        let commit: Vec<(usize, &[u8])> = (0..load.batches_per_commit)
            .map(|_| (picks.below(load.partitions), batch.as_slice()))
            .collect();
        let before = Instant::now();
        writer.commit(&commit)?;
        latencies.push(before.elapsed().as_micros());
    }
    writer.finish()?;
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let bytes = load.commits * load.batches_per_commit * load.batch_bytes;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let mib_per_s = bytes as f64 / MIB as f64 / seconds;
    let at = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .copied()
            .unwrap_or(0)
    };
    Ok(Run {
        mib_per_s,
        commit_p50_us: at(50),
        commit_p99_us: at(99),
    })
}

/// A fixed sequence of pseudo-random picks (xorshift), the same for every layout.
struct Picks(u64);

impl Picks {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }
}
