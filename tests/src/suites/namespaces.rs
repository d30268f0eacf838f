//! Namespaces know nothing of each other.

use crate::scenario::Suite;
pub(super) const SUITE: Suite = Suite {
    name: "namespaces",
    scenarios: &[],
};
