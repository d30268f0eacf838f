//! `cargo xtask instructions`: counts what the cases of `benches/micro` execute and compares with
//! the committed counts. Instructions, unlike time, do not move with the machine's load.
//!
//! Its last line is in the form of the tests' own: a case passes, fails or is skipped.

#![expect(clippy::print_stdout, reason = "the report is this task's purpose")]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::folders::Folders;

const USAGE: &str = "usage: cargo xtask instructions [--update] [FILTER]...";
const BASELINE: &str = "benches/micro/baseline.toml";
/// What a count may differ from the baseline's, either way.
const TOLERANCE_PERCENT: u64 = 3;
/// Of counts over all threads: how much work meets in one commit is the machine's affair, and moves
/// them by a tenth from run to run. What is left to see is a step that is done twice.
const TOLERANCE_OF_ALL_PERCENT: u64 = 20;

/// The function of `benches/micro` whose inside is counted, as the tool's pattern.
const REGION: &str = "micro::counted_region*";
/// The function that is entered at its end.
const REGION_END: &str = "micro::region_left*";

/// The copying functions of the C library are chosen by the processor and its cache sizes; these
/// settings are meant to make the choice the same on every processor.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM:\
    glibc.cpu.x86_data_cache_size=0x8000:glibc.cpu.x86_shared_cache_size=0x100000:\
    glibc.cpu.x86_non_temporal_threshold=0xc0000";

/// The committed counts, and what they were made with.
#[derive(Default, Serialize, Deserialize)]
struct Baseline {
    rustc: String,
    valgrind: String,
    instructions: BTreeMap<String, u64>,
}

/// A row of `micro --list`.
struct Case {
    name: String,
    runs: u64,
    /// Whether other threads' instructions count.
    all_threads: bool,
}

/// How a count compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Same,
    More,
    Less,
    New,
}

struct Plan {
    update: bool,
    filters: Vec<String>,
}

/// Counts, compares, and says how it went; the process ends with 1 if a count is off.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let plan = Plan::parse(arguments)?;
    let folders = Folders::find()?;
    let path = folders.workspace.join(BASELINE);
    let baseline = Baseline::read(&path)?;
    let Some(valgrind) = version("valgrind")? else {
        return skip(&baseline, "no valgrind");
    };
    let rustc = version("rustc")?.context("there is no rustc")?;
    let differs = baseline.rustc != rustc || baseline.valgrind != valgrind;
    if differs && !plan.update {
        let (theirs, with) = (&baseline.rustc, &baseline.valgrind);
        let reason = format!("counts are of {theirs} under {with}, here are {rustc}, {valgrind}");
        return skip(&baseline, &reason);
    }
    let binary = build(&folders)?;
    let (all, cases) = list(&binary, &plan.filters)?;
    let of_all = cases.iter().filter(|case| case.all_threads);
    let of_all: BTreeSet<String> = of_all.map(|case| case.name.clone()).collect();
    let counts = count_all(&folders, &binary, cases)?;
    if plan.update {
        let kept = if differs {
            BTreeMap::new()
        } else {
            baseline.instructions
        };
        let updated = Baseline {
            rustc,
            valgrind,
            instructions: kept,
        };
        return updated.write(&path, &all, &counts);
    }
    let gone = gone(&baseline.instructions, &all);
    conclude(&baseline.instructions, &counts, &of_all, &gone)
}

impl Plan {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut plan = Self {
            update: false,
            filters: Vec::new(),
        };
        for &argument in arguments {
            match argument {
                "--update" => plan.update = true,
                option if option.starts_with('-') => bail!(USAGE),
                filter => plan.filters.push(filter.to_owned()),
            }
        }
        Ok(plan)
    }
}

impl Baseline {
    fn read(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).context("read the baseline"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context("open the baseline"),
        }
    }

    /// Replaces the counts that were taken, keeps those of other cases, drops those of none.
    fn write(mut self, path: &Path, all: &[String], counts: &BTreeMap<String, u64>) -> Result<()> {
        for (name, count) in counts {
            let before = self.instructions.insert(name.clone(), *count);
            let verdict = verdict(*count, before, TOLERANCE_PERCENT);
            println!("{}", line(name, *count, before, verdict));
        }
        self.instructions.retain(|name, _| all.contains(name));
        let table = toml::to_string(&self).context("write the baseline")?;
        let text = format!(
            "# Instructions per run of each case, written by `cargo xtask instructions --update`.\n\
             # A change of these numbers is a change on purpose: its commit says why.\n{table}"
        );
        fs::write(path, text).context("write the baseline")?;
        println!("{} counts written to {BASELINE}", counts.len());
        Ok(())
    }
}

/// Counts each case of the baseline as skipped, so that the last line shows what is missing.
fn skip(baseline: &Baseline, reason: &str) -> Result<()> {
    println!("instructions skipped: {reason}");
    println!(
        "0 passed, 0 failed, {} skipped",
        baseline.instructions.len().max(1)
    );
    Ok(())
}

/// A tool's name for its version, or nothing where there is no such tool.
fn version(tool: &str) -> Result<Option<String>> {
    match Command::new(tool).arg("--version").output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(Some(text.trim().to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("start {tool}")),
    }
}

/// Builds as the world tests build the broker, so that nearly everything is built already.
fn build(folders: &Folders) -> Result<PathBuf> {
    if !folders.build_static("fast", &["micro"])? {
        bail!("the cases do not build");
    }
    folders.built_static("fast", "micro")
}

/// The names of all cases, and the cases that are wanted.
fn list(binary: &Path, filters: &[String]) -> Result<(Vec<String>, Vec<Case>)> {
    let output = Command::new(binary).arg("--list").output();
    let output = output.context("list the cases")?;
    let text = String::from_utf8(output.stdout).context("read the list")?;
    let mut cases = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(name), Some(runs), Some(threads)) = (words.next(), words.next(), words.next())
        else {
            bail!("not a case: {line}");
        };
        cases.push(Case {
            name: name.to_owned(),
            runs: runs.parse().context("read the number of runs")?,
            all_threads: threads == "all",
        });
    }
    let all = cases.iter().map(|case| case.name.clone()).collect();
    let wanted = |case: &Case| {
        filters.is_empty()
            || filters
                .iter()
                .any(|filter| case.name.contains(filter.as_str()))
    };
    cases.retain(wanted);
    Ok((all, cases))
}

/// Counts as many cases at once as there are cores; each is a process of its own.
fn count_all(folders: &Folders, binary: &Path, cases: Vec<Case>) -> Result<BTreeMap<String, u64>> {
    let work = folders.target.join("instructions");
    fs::create_dir_all(&work).context("make a folder for the counts")?;
    let waiting = Mutex::new(VecDeque::from(cases));
    let take = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    };
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        let worker = || {
            let mut counts = Vec::new();
            while let Some(case) = take() {
                let count = count(&work, binary, &case);
                let count = count.with_context(|| format!("count {}", case.name))?;
                counts.push((case.name, count));
            }
            Ok(counts)
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let mut counts = BTreeMap::new();
        for worker in workers {
            let counted: Result<Vec<(String, u64)>> = match worker.join() {
                Ok(counted) => counted,
                Err(_) => bail!("a counting thread panicked"),
            };
            counts.extend(counted?);
        }
        Ok(counts)
    })
}

/// Instructions of one run.
fn count(work: &Path, binary: &Path, case: &Case) -> Result<u64> {
    let folder = work.join(&case.name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder)?;
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind", "--fair-sched=yes"]);
    command.arg(format!(
        "--callgrind-out-file={}",
        folder.join("out").display()
    ));
    if case.all_threads {
        // Each run is a dump of its own; what came between two runs is thrown away.
        command.arg(format!("--zero-before={REGION}"));
        command.arg(format!("--dump-before={REGION_END}"));
    } else {
        command.arg(format!("--toggle-collect={REGION}"));
    }
    let status = command
        .arg(binary)
        .args(["--count", &case.name])
        .env("GLIBC_TUNABLES", TUNABLES)
        .stdin(Stdio::null())
        .status()
        .context("start valgrind")?;
    if !status.success() {
        bail!("valgrind ended with {status}");
    }
    let mut counts = totals(&folder, case.all_threads)?;
    counts.sort_unstable();
    let count = if case.all_threads {
        // Who of several threads wakes first moves single runs: the median stands for them all.
        counts.get(counts.len() / 2).copied().unwrap_or(0)
    } else {
        counts.iter().sum::<u64>() / case.runs
    };
    if count == 0 {
        bail!("nothing was counted");
    }
    Ok(count)
}

/// The totals of a process's dumps; where runs dump, what came after the last is left out.
fn totals(folder: &Path, runs_dump: bool) -> Result<Vec<u64>> {
    let mut counts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        if runs_dump && !text.contains("desc: Trigger: --dump-before") {
            continue;
        }
        let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let totals = totals.with_context(|| format!("no totals in {}", path.display()))?;
        counts.push(totals.trim().parse().context("read the totals")?);
    }
    Ok(counts)
}

/// Rows of the baseline that no case has any more. A filter leaves cases out, it ends none.
fn gone<'a>(baseline: &'a BTreeMap<String, u64>, all: &[String]) -> Vec<&'a str> {
    let names = baseline.keys().filter(|name| !all.contains(name));
    names.map(String::as_str).collect()
}

fn conclude(
    baseline: &BTreeMap<String, u64>,
    counts: &BTreeMap<String, u64>,
    of_all: &BTreeSet<String>,
    gone: &[&str],
) -> Result<()> {
    let (mut passed, mut failed) = (0, gone.len());
    for (name, count) in counts {
        let before = baseline.get(name).copied();
        let percent = if of_all.contains(name) {
            TOLERANCE_OF_ALL_PERCENT
        } else {
            TOLERANCE_PERCENT
        };
        let verdict = verdict(*count, before, percent);
        println!("{}", line(name, *count, before, verdict));
        match verdict {
            Verdict::Same => passed += 1,
            Verdict::More | Verdict::Less | Verdict::New => failed += 1,
        }
    }
    for name in gone {
        println!("GONE {name:<36} no case has this name");
    }
    if failed > 0 {
        println!(
            "counts are off by more than {TOLERANCE_PERCENT} % ({TOLERANCE_OF_ALL_PERCENT} % over \
             all threads), new or gone: if that is meant, \
             `cargo xtask instructions --update` and commit {BASELINE}"
        );
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn verdict(count: u64, before: Option<u64>, percent: u64) -> Verdict {
    let Some(before) = before else {
        return Verdict::New;
    };
    // In whole numbers, so that the limit itself is within.
    if count * 100 > before * (100 + percent) {
        Verdict::More
    } else if count * 100 < before * (100 - percent) {
        Verdict::Less
    } else {
        Verdict::Same
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "percent for people and a tolerance"
)]
fn percent(count: u64, before: u64) -> f64 {
    (count as f64 / before.max(1) as f64 - 1.0) * 100.0
}

fn line(name: &str, count: u64, before: Option<u64>, verdict: Verdict) -> String {
    let change = before.map_or_else(
        || "new".to_owned(),
        |before| format!("{:+.2} % of {before}", percent(count, before)),
    );
    let mark = match verdict {
        Verdict::Same => "ok",
        Verdict::More => "MORE",
        Verdict::Less => "LESS",
        Verdict::New => "NEW",
    };
    format!("{mark:<4} {name:<36} {count:>12}  {change}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_percent_either_way_is_the_same() {
        assert_eq!(verdict(1_030, Some(1_000), 3), Verdict::Same);
        assert_eq!(verdict(970, Some(1_000), 3), Verdict::Same);
        assert_eq!(verdict(1_031, Some(1_000), 3), Verdict::More);
        assert_eq!(verdict(969, Some(1_000), 3), Verdict::Less);
        assert_eq!(verdict(969, None, 3), Verdict::New);
    }

    #[test]
    fn rows_of_the_baseline_without_a_case_are_found() {
        let rows = ["kept", "lost", "renamed"].map(|name| (name.to_owned(), 1));
        let cases = ["kept", "new"].map(str::to_owned);
        assert_eq!(gone(&BTreeMap::from(rows), &cases), ["lost", "renamed"]);
    }
}
