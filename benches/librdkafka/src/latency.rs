//! Latencies, and how they are told.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

const LEAST_NS: u64 = 100;
const MOST_NS: u64 = 600_000_000_000;

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LEAST_NS, MOST_NS, 3).expect("bounds and digits are allowed")
}

pub(crate) fn quantiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    let ms = |ns: u64| ns as f64 / 1e6;
    let at = |quantile| ms(histogram.value_at_quantile(quantile));
    json!({
        "p50": at(0.5), "p99": at(0.99), "p99_9": at(0.999), "p99_99": at(0.9999),
        "max": ms(histogram.max()),
    })
}
