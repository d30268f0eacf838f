//! Estimates of the memory that a reply takes while it is made: never less than it does, so that it can
//! be taken before.

use std::ops::ControlFlow;

/// What an allocation takes beside what it is for.
const ALLOCATION: usize = 32;

/// One entry of a reply with what is worked out for it and its bytes on the wire, texts apart. The
/// entry counts twice: lists double when they grow.
pub(super) const fn entry<R>(more: usize) -> usize {
    2 * size_of::<R>() + ALLOCATION + more
}

/// A text of so many bytes that is copied once and written once.
pub(super) const fn text(bytes: usize) -> usize {
    2 * bytes + ALLOCATION
}

/// A sum that need not go on beyond `enough`.
pub(super) struct Sum {
    bytes: usize,
    enough: usize,
}

impl Sum {
    pub(super) const fn new(enough: usize) -> Self {
        Self { bytes: 0, enough }
    }

    /// Adds to it; a break says that it is enough.
    pub(super) fn add(&mut self, bytes: usize) -> ControlFlow<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.enough {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Adds all of them, or as many as are enough.
    pub(super) fn add_all(&mut self, mut each: impl Iterator<Item = usize>) -> ControlFlow<()> {
        each.try_for_each(|bytes| self.add(bytes))
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The sum of the parts, or of as many as are enough.
pub(super) fn sum(parts: impl Iterator<Item = usize>, enough: usize) -> usize {
    let mut sum = Sum::new(enough);
    // Whether all were counted makes no difference: it is too much either way.
    let _enough = sum.add_all(parts);
    sum.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_ends_when_it_is_enough() {
        let mut seen = 0;
        let parts = std::iter::repeat_n(10, 1_000).inspect(|_| seen += 1);
        assert_eq!(sum(parts, 95), 100);
        assert_eq!(seen, 10);
        assert_eq!(sum([1, 2].into_iter(), 95), 3);
    }
}
