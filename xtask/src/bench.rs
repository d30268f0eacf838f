//! `cargo xtask bench`: every named figure of our performance, measured against Apache Kafka and
//! against the floor, in turn, on the same disk.
//!
//! ```text
//! for each figure:   for each round:   for Tidegate and each rival:
//!                                        warm memory -> fresh folder -> start -> drive -> delete
//!                    -> <out>/<figure>.json  -> <out>/README.md over all figures there
//! ```
#![expect(clippy::print_stdout, reason = "the report is this task's purpose")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock and waits for processes"
)]

mod client;
mod figure;
mod figures;
mod kafka;
mod machine;
mod memory_limit;
mod metrics;
mod options;
mod outcome;
mod places;
mod report;
mod server;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::folders::Folders;
use figure::{Driver, Figure, Setting};
use machine::Machine;
use metrics::Metrics;
use options::{Options, USAGE};
use outcome::{Outcome, Round};
use places::Places;
use server::Kind;

/// Kafka's release that is the rival, as `tests/clients/java/kafka-broker` names it.
const KAFKA: &str = "4.4.0";
/// What a killed broker has on its disk, where there is room for two of them and more.
const RECOVERY_GB: u64 = 20;
const RECOVERY_GB_LITTLE: u64 = 5;
const MUCH_ROOM_BYTES: u64 = 60 << 30;
/// The one figure that a smoke run measures with Kafka too: its start, its certificates, both of its
/// listeners.
const SMOKED_WITH_KAFKA: &str = "tls-produce";

/// Measures what is asked for.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if arguments.contains(&"--help") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    let chosen: Vec<&Figure> = figures::all()
        .filter(|figure| options.wants(figure.name))
        .collect();
    ensure!(!chosen.is_empty(), "no figure of that name; see --list");
    if options.list {
        for figure in chosen {
            let rivals: Vec<_> = figure.rivals.iter().map(|kind| kind.name()).collect();
            println!(
                "{:<28}{} [{}]",
                figure.name,
                figure.about,
                rivals.join(", ")
            );
        }
        return Ok(());
    }
    let folders = Folders::find()?;
    let places = Places::new(&folders, &options.profile, options.data.clone())?;
    build(&options, &chosen, &folders, &places)?;
    fs::create_dir_all(&places.data)?;
    let bench = Bench {
        machine: Machine::look(&folders.workspace, &places.data, KAFKA),
        setting: setting(&options, places),
        options,
    };
    let measured = bench.measure_all(&chosen, &folders.workspace);
    // Empty unless another bench runs beside this one.
    fs::remove_dir(&bench.setting.places.data).ok();
    measured
}

fn build(options: &Options, chosen: &[&Figure], folders: &Folders, places: &Places) -> Result<()> {
    let profile = &options.profile;
    if options.no_build {
        return Ok(());
    }
    // The broker alone, so that it is the one that the client tests have built already.
    ensure!(folders.build_static(profile, &["tidegate"])?, "no broker");
    ensure!(
        folders.build_static(profile, &["load", "floor"])?,
        "no load"
    );
    let is_needed = |driver| chosen.iter().any(|figure| figure.driver == driver);
    if places::has_c_compiler() && is_needed(Driver::Librdkafka) {
        places.build_librdkafka(folders)?;
    }
    if places::has_go() && is_needed(Driver::Franz) {
        places.build_franz()?;
    }
    Ok(())
}

/// What a figure needs and this machine doesn't have.
fn reason_to_skip(figure: &Figure) -> Option<&'static str> {
    if figures::is_limited(figure) && !memory_limit::is_possible() {
        return Some("memory can't be limited (a control group, as root)");
    }
    match figure.driver {
        Driver::Librdkafka if !places::has_c_compiler() => Some("there is no C compiler with make"),
        Driver::Java if !places::has_java() => Some("there is no Java with Maven"),
        Driver::Franz if !places::has_go() => Some("there is no Go"),
        Driver::Load | Driver::Librdkafka | Driver::Java | Driver::Franz => None,
    }
}

fn setting(options: &Options, places: Places) -> Setting {
    let recovery_gb = options.recovery_gb.unwrap_or_else(|| {
        if gauge::room(&places.data) > MUCH_ROOM_BYTES {
            RECOVERY_GB
        } else {
            RECOVERY_GB_LITTLE
        }
    });
    Setting {
        seconds: options.seconds,
        warm_up_seconds: options.warm_up_seconds,
        warm_bytes: options.warm_gb << 30,
        smoke: options.smoke,
        recovery_bytes: recovery_gb * 1_000_000_000,
        cold_bytes: options.cold_gb * 1_000_000_000,
        places,
    }
}

struct Bench {
    options: Options,
    setting: Setting,
    machine: Machine,
}

impl Bench {
    fn measure_all(&self, figures: &[&Figure], workspace: &Path) -> Result<()> {
        println!("{}", self.machine.line());
        let default = || workspace.join("benches/results").join(&self.machine.date);
        let out = self.options.out.clone().unwrap_or_else(default);
        let mut failed = Vec::new();
        for figure in figures {
            if let Some(reason) = reason_to_skip(figure) {
                println!("{}: skipped, {reason}", figure.name);
                continue;
            }
            match self.measure(figure) {
                Ok(outcome) => {
                    println!("{}", report::section(&outcome));
                    if !self.options.smoke {
                        report::keep(&outcome, &out)?;
                    }
                }
                Err(error) => {
                    println!("{}: failed, {error:#}", figure.name);
                    failed.push(figure.name);
                }
            }
        }
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }

    /// Rounds of A B A B: each server in turn, and all of them again.
    fn measure(&self, figure: &Figure) -> Result<Outcome> {
        let is_asked_for = |kind: &Kind| {
            let is_smoked = *kind == Kind::Kafka && figure.name == SMOKED_WITH_KAFKA;
            self.options.against.contains(kind) || (self.options.smoke && is_smoked)
        };
        let may_run = |kind: &Kind| is_asked_for(kind) && (!kind.is_kafka() || places::has_java());
        let rivals = figure.rivals.iter().copied().filter(may_run);
        let kinds: Vec<Kind> = [Kind::Tidegate].into_iter().chain(rivals).collect();
        let mut rounds = Vec::new();
        for number in 1..=self.options.pairs {
            let mut round = Round::new();
            for kind in &kinds {
                print!(
                    "{} {number}/{} {} ",
                    figure.name,
                    self.options.pairs,
                    kind.name()
                );
                std::io::stdout().flush()?;
                let begun = Instant::now();
                let metrics = self.once(figure, *kind);
                println!(" ({:.1} s)", begun.elapsed().as_secs_f64());
                match metrics {
                    Ok(metrics) => {
                        round.insert(kind.name().to_owned(), metrics);
                    }
                    // A rival that can't do it leaves a gap, not the figure.
                    Err(error) if !self.options.smoke && *kind != Kind::Tidegate => {
                        println!("{} left out: {error:#}", kind.name());
                    }
                    Err(error) => return Err(error),
                }
            }
            rounds.push(round);
        }
        Ok(Outcome::new(
            figure,
            &self.machine,
            self.setting.seconds,
            rounds,
        ))
    }

    fn once(&self, figure: &Figure, kind: Kind) -> Result<Metrics> {
        let metrics = (figure.run)(&self.setting, kind).context(kind.name())?;
        for name in figure.headline {
            if let Some(value) = metrics.value(name) {
                print!(" {name} {}", report::number(value));
            }
        }
        let faults = metrics.value("faults").unwrap_or(0.0);
        if faults > 0.0 {
            print!(" FAULTS {faults}");
        }
        ensure!(
            faults == 0.0 || !self.options.smoke,
            "{faults} faults: {:?}",
            metrics
        );
        Ok(metrics)
    }
}
