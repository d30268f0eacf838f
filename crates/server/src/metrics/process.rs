//! The process itself, under the names that Prometheus' own libraries use. Read from `/proc` at
//! each scrape; what is not there is left out.

use std::fs;

use model::Timestamp;

use super::{Exposition, Kind, Source};

/// Ticks of `/proc/self/stat` in a second: fixed in Linux' interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;
/// Places of the user and the system time after the command's closing bracket.
const TIME_FIELDS: [usize; 2] = [11, 12];

/// Memory, descriptors and processor time.
#[derive(Clone, Copy, Debug)]
pub struct ProcessSource {
    started: Timestamp,
}

impl ProcessSource {
    #[must_use]
    pub const fn new(started: Timestamp) -> Self {
        Self { started }
    }
}

impl Source for ProcessSource {
    fn write(&self, out: &mut Exposition) {
        let mut gauge = |name, help, value: Option<f64>| {
            if let Some(value) = value {
                out.family(name, Kind::Gauge, help).sample(&[], value);
            }
        };
        gauge(
            "process_start_time_seconds",
            "When the process began.",
            Some(self.started.0 as f64 / 1000.0),
        );
        gauge(
            "process_resident_memory_bytes",
            "Memory in use.",
            resident_bytes(),
        );
        gauge("process_open_fds", "Open descriptors.", open_descriptors());
        if let Some(seconds) = processor_seconds() {
            out.family(
                "process_cpu_seconds_total",
                Kind::Counter,
                "Processor time spent.",
            )
            .sample(&[], seconds);
        }
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib * 1024) as f64)
}

fn open_descriptors() -> Option<f64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as f64)
}

fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may hold anything, brackets and blanks too.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let mut ticks = 0_u64;
    for place in TIME_FIELDS {
        ticks += fields.get(place)?.parse::<u64>().ok()?;
    }
    Some(ticks as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_shows_itself() {
        let mut out = Exposition::default();
        ProcessSource::new(Timestamp(1_500)).write(&mut out);
        let text = out.into_text();
        assert!(text.contains("process_start_time_seconds 1.5\n"), "{text}");
        let bytes = resident_bytes().unwrap();
        assert!(bytes > 1e6, "{bytes}");
        assert!(open_descriptors().unwrap() > 2.0);
        assert!(processor_seconds().unwrap() >= 0.0);
    }
}
