//! Plays scenarios, a few at a time, and reports them: a line for each, one with the sums at the end.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write, stdout};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::scenario::{Outcome, Scenario};
use crate::stage::World;

/// How many scenarios ended in which way.
#[derive(Default, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// What the workers share; they wait for clients, not for this lock.
struct Progress {
    waiting: VecDeque<Entry>,
    running: Vec<String>,
    summary: Summary,
    terminal: bool,
}

/// A scenario under its full name.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) scenario: &'static Scenario,
}

/// Plays all entries with so many workers.
pub(crate) fn play(entries: Vec<Entry>, world: &World, workers: usize) -> Summary {
    let progress = Mutex::new(Progress {
        waiting: entries.into(),
        running: Vec::new(),
        summary: Summary::default(),
        terminal: stdout().is_terminal(),
    });
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&progress, world));
        }
    });
    lock(&progress).summary
}

fn work(progress: &Mutex<Progress>, world: &World) {
    loop {
        let mut state = lock(progress);
        let Some(entry) = state.waiting.pop_front() else {
            return;
        };
        state.begin(&entry.name);
        drop(state);
        let (outcome, duration) = entry.scenario.play(world);
        lock(progress).end(&entry.name, &outcome, duration);
    }
}

/// A worker that panicked leaves only counters behind, which are still right.
fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Progress {
    fn begin(&mut self, name: &str) {
        self.running.push(name.to_owned());
        self.status();
    }

    fn end(&mut self, name: &str, outcome: &Outcome, duration: Duration) {
        self.running.retain(|running| running != name);
        let seconds = duration.as_secs_f64();
        self.clear_status();
        let (count, word, color, reason) = match outcome {
            Outcome::Passed => (&mut self.summary.passed, "passed ", 32, ""),
            Outcome::Failed(reason) => (&mut self.summary.failed, "FAILED ", 31, reason.as_str()),
            Outcome::Skipped(reason) => (&mut self.summary.skipped, "skipped", 33, reason.as_str()),
        };
        *count += 1;
        let separator = if reason.is_empty() { "" } else { ": " };
        if self.terminal {
            println!("\x1b[{color}m{word}\x1b[0m {name} ({seconds:.1} s){separator}{reason}");
        } else {
            println!("{word} {name} ({seconds:.1} s){separator}{reason}");
        }
        self.status();
    }

    /// On a terminal, the last line says what runs.
    fn status(&self) {
        if self.terminal && !self.running.is_empty() {
            let left = self.waiting.len();
            print!(
                "\r\x1b[K{left} waiting, running {}",
                self.running.join("; ")
            );
            drop(stdout().flush());
        }
    }

    fn clear_status(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(
            formatter,
            "{passed} passed, {failed} failed, {skipped} skipped"
        )
    }
}
