//! Throughput units hold a producer back, and lose nothing.

use crate::scenario::Suite;
pub(super) const SUITE: Suite = Suite {
    name: "units",
    scenarios: &[],
};
