//! Throughput units, and what one of them allows (Event Hubs' figures).

use std::{fmt, num::NonZeroU32};

use thiserror::Error;

/// Bytes a second that one unit lets in.
pub(crate) const INGRESS_BYTES: u64 = 1_048_576;
/// Events a second that one unit lets in.
pub(crate) const INGRESS_EVENTS: u64 = 1_000;
/// Bytes a second that one unit lets out.
pub(crate) const EGRESS_BYTES: u64 = 2_097_152;
/// Events a second that one unit lets out.
pub(crate) const EGRESS_EVENTS: u64 = 4_096;

/// A namespace's throughput units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    Limited(NonZeroU32),
    Unlimited,
}

/// Why a text names no throughput units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("throughput units are a whole number from 1, or \"unlimited\"")]
pub struct UnitsError;

impl Units {
    /// So many units; none for 0.
    #[must_use]
    pub fn limited(count: u32) -> Option<Self> {
        NonZeroU32::new(count).map(Self::Limited)
    }

    /// How many; none where unlimited.
    #[must_use]
    pub fn count(self) -> Option<u32> {
        match self {
            Self::Limited(count) => Some(count.get()),
            Self::Unlimited => None,
        }
    }
}

impl std::str::FromStr for Units {
    type Err = UnitsError;

    /// Reads what `Display` writes, so that the units in force can be kept as text.
    fn from_str(text: &str) -> Result<Self, UnitsError> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        text.parse().ok().and_then(Self::limited).ok_or(UnitsError)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(count) => count.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_back_as_written() {
        for units in [
            Units::limited(1).unwrap(),
            Units::limited(40).unwrap(),
            Units::Unlimited,
        ] {
            assert_eq!(units.to_string().parse(), Ok(units));
        }
        for text in ["0", "-1", "1.5", "", "many"] {
            assert_eq!(text.parse::<Units>(), Err(UnitsError), "{text}");
        }
    }
}
