//! Runs one case under a counting tool: `micro --list`, `micro --count NAME`.
#![expect(
    clippy::print_stdout,
    reason = "the list is read by the task that counts"
)]

use anyhow::{Context, Result, bail};
use micro::{WARM_UPS, cases, counted_region};

/// The broker's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--list"] => list(),
        ["--count", name] => count(name)?,
        _ => bail!("usage: micro --list | --count NAME"),
    }
    Ok(())
}

/// Name, runs and threads of each case, for the task that counts.
fn list() {
    for case in cases() {
        println!("{} {} {}", case.name, case.runs, case.threads.name());
    }
}

fn count(name: &str) -> Result<()> {
    let cases = cases();
    let case = cases.iter().find(|case| case.name == name);
    let case = case.with_context(|| format!("no case {name}"))?;
    let mut bench = (case.prepare)()?;
    for _ in 0..WARM_UPS {
        bench.before();
        bench.run();
    }
    for _ in 0..case.runs {
        bench.before();
        counted_region(&mut *bench);
    }
    Ok(())
}
