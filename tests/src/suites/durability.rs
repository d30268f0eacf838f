//! What was acknowledged is there after a crash.

use crate::scenario::Suite;
pub(super) const SUITE: Suite = Suite {
    name: "durability",
    scenarios: &[],
};
