//! Where in the log a byte stands.

use std::fmt;

/// An extent's number; extents are numbered from 1 in the order they are filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtentSequence(pub u32);

impl ExtentSequence {
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A byte in an extent. Positions of one log are ordered as its entries are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub extent: ExtentSequence,
    pub byte: u32,
}

impl Position {
    /// Both parts in one number, the extent in the upper half, as entries and the manifest keep it.
    #[must_use]
    pub const fn pack(self) -> u64 {
        ((self.extent.0 as u64) << 32) | self.byte as u64
    }

    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each half of the number is one part"
    )]
    pub const fn unpack(packed: u64) -> Self {
        Self {
            extent: ExtentSequence((packed >> 32) as u32),
            byte: packed as u32,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}:{}", self.extent.0, self.byte)
    }
}
