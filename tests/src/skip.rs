//! What a scenario returns where something it needs is not there: skipped, by name.

use std::fmt;

/// An error that means "skipped", not "failed".
#[derive(Debug, Clone)]
pub(crate) struct Skip(pub(crate) String);

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}
