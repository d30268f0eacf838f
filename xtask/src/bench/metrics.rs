//! Numbers by name: what one run of one server gave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Names end with their unit; what has none is a ratio or a count.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Metrics(BTreeMap<String, f64>);

/// What a report of `load` holds, as a JSON pointer, and the name it has here.
const TAKEN: [(&str, &str); 32] = [
    ("/seconds", "seconds"),
    ("/records_per_s", "records_per_s"),
    ("/mb_per_s", "mb_per_s"),
    ("/requests_per_s", "requests_per_s"),
    ("/server/cpu_s_per_gb", "cpu_s_per_gb"),
    (
        "/server/cpu_s_per_million_records",
        "cpu_s_per_million_records",
    ),
    ("/server/cpu_us_per_request", "cpu_us_per_request"),
    ("/server/cpu_share", "cpu_share"),
    ("/server/rss_anon_mib_max", "rss_anon_mib"),
    ("/server/rss_peak_mib", "rss_peak_mib"),
    ("/server/read_calls_per_s", "read_calls_per_s"),
    ("/server/write_calls_per_s", "write_calls_per_s"),
    ("/server/context_switches_per_s", "context_switches_per_s"),
    ("/flushes_per_s", "disk_flushes_per_s"),
    ("/disk/write_mb_per_s", "disk_write_mb_per_s"),
    ("/disk/read_mb_per_s", "disk_read_mb_per_s"),
    ("/syncs/per_s", "syncs_per_s"),
    ("/syncs/slowest_ms", "slowest_sync_ms"),
    ("/syncs/slowest_ms_least", "slowest_sync_least_ms"),
    ("/stolen_s", "stolen_s"),
    ("/most_stolen_ms", "most_stolen_ms"),
    ("/totals/sent_records", "sent_records"),
    ("/totals/stored_records", "stored_records"),
    ("/client_cpu_s", "client_cpu_s"),
    ("/server/before/rss_anon_kib", "before_rss_anon_kib"),
    ("/server/at_end/rss_anon_kib", "at_end_rss_anon_kib"),
    ("/connected_ms", "connected_ms"),
    ("/acknowledged_ms", "acknowledged_ms"),
    // Of mode start, from the first instruction to the first acknowledgement.
    ("/cpu_s", "cpu_s"),
    ("/rss_anon_mib", "rss_anon_mib"),
    ("/rss_mib", "rss_mib"),
    ("/rss_peak_mib", "rss_peak_mib"),
];

/// What is told of each kind of latency.
const QUANTILES: [(&str, &str); 5] = [
    ("p50", "p50_ms"),
    ("p99", "p99_ms"),
    ("p99_9", "p99_9_ms"),
    ("p99_99", "p99_99_ms"),
    ("max", "max_ms"),
];

impl Metrics {
    /// What the load generator and the driver of librdkafka print.
    pub(super) fn of_report(report: &Value) -> Self {
        let mut metrics = Self::default();
        let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
        for (pointer, name) in TAKEN {
            if let Some(value) = number(pointer) {
                metrics.set(name, value);
            }
        }
        for kind in ["produce", "fetch", "end_to_end"] {
            for (quantile, name) in QUANTILES {
                if let Some(value) = number(&format!("/{kind}_ms/{quantile}")) {
                    metrics.set(&format!("{kind}_{name}"), value);
                }
            }
        }
        let faults = report.pointer("/faults").and_then(Value::as_object);
        let faults = faults.into_iter().flat_map(|faults| faults.values());
        let faults = faults
            .filter_map(Value::as_f64)
            .fold(0.0, |sum, count| sum + count);
        metrics.set("faults", faults);
        metrics
    }

    pub(super) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Takes numbers of another run in, with a word in front of their names.
    pub(super) fn take_all(&mut self, of: &str, other: &Self, names: &[&str]) {
        for name in names {
            self.take(&format!("{of}_{name}"), other, name);
        }
    }

    /// Takes one number of another run in under another name.
    pub(super) fn take(&mut self, name: &str, other: &Self, theirs: &str) {
        if let Some(value) = other.value(theirs) {
            self.set(name, value);
        }
    }

    /// Notes a number divided by another, where there are both.
    pub(super) fn divide(&mut self, name: &str, upper: Option<f64>, lower: Option<f64>) {
        if let (Some(upper), Some(lower)) = (upper, lower)
            && lower > 0.0
        {
            self.set(name, upper / lower);
        }
    }

    /// A run beside another one on the same server: with the ratio of a number to the other's.
    pub(super) fn beside(&self, other: &Self, ratio: &str, number: &str) -> Self {
        let mut metrics = self.clone();
        metrics.divide(ratio, self.value(number), other.value(number));
        metrics.add_faults(&[self, other]);
        metrics
    }

    /// Of two runs of a baseline the one with the lower number. Something that disturbs one of them
    /// must not make what is compared with it look good.
    pub(super) fn lower<'a>(one: &'a Self, other: &'a Self, number: &str) -> &'a Self {
        match (one.value(number), other.value(number)) {
            (Some(a), Some(b)) if b < a => other,
            _ => one,
        }
    }

    /// The one with the higher number, where more is better.
    pub(super) fn higher<'a>(one: &'a Self, other: &'a Self, number: &str) -> &'a Self {
        match (one.value(number), other.value(number)) {
            (Some(a), Some(b)) if b > a => other,
            _ => one,
        }
    }

    /// What went wrong in any of the runs.
    pub(super) fn add_faults(&mut self, runs: &[&Self]) {
        let faults = runs.iter().filter_map(|run| run.value("faults"));
        let faults = faults.fold(0.0, |sum, count| sum + count);
        self.set("faults", faults);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

/// Numbers that were measured several times.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    pub(super) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?)
        } else {
            *values.get(middle)?
        };
        Some(Self {
            min: *values.first()?,
            median,
            max: *values.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_median_between_the_ends() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        let of = |min, median, max| Some(Spread { min, median, max });
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), of(3.0, 3.0, 3.0));
        assert_eq!(spread(&[5.0, 1.0]), of(1.0, 3.0, 5.0));
        assert_eq!(spread(&[5.0, 1.0, 2.0]), of(1.0, 2.0, 5.0));
    }

    #[test]
    fn a_disturbed_baseline_does_not_count() {
        let run = |p99_ms| {
            let mut run = Metrics::default();
            run.set("p99_ms", p99_ms);
            run
        };
        let (quiet, disturbed) = (run(2.0), run(17.6));
        assert_eq!(Metrics::lower(&quiet, &disturbed, "p99_ms"), &quiet);
        assert_eq!(Metrics::lower(&disturbed, &quiet, "p99_ms"), &quiet);
        assert_eq!(Metrics::higher(&quiet, &disturbed, "p99_ms"), &disturbed);
    }

    #[test]
    fn a_report_gives_its_numbers_and_the_sum_of_its_faults() {
        let report = serde_json::json!({
            "records_per_s": 5.0, "server": {"cpu_s_per_gb": 0.5}, "produce_ms": {"p99": 2.5},
            "fetch_ms": null, "faults": {"produce: error 7": 2, "connection": 1}
        });
        let metrics = Metrics::of_report(&report);
        let found: Vec<_> = metrics.iter().collect();
        let expected = [
            ("cpu_s_per_gb", 0.5),
            ("faults", 3.0),
            ("produce_p99_ms", 2.5),
            ("records_per_s", 5.0),
        ];
        assert_eq!(found, expected);
    }
}
