//! Whether what lies between the entries that a reader wants is wanted, too: by those who read the other
//! partitions of a topic beside it, mostly.

/// Above it, it is not: per mille that nobody came for.
const WASTED_MAX: u32 = 500;

/// Per mille of what lay between that nobody came for: an average in which what was seen last counts for
/// an eighth.
#[derive(Default)]
pub(super) struct ByCatch(u32);

impl ByCatch {
    #[cfg(test)]
    pub(super) const fn unwanted() -> Self {
        Self(1000)
    }

    /// Takes note of a span that is put out, of which so many bytes were what its reader came for, and so
    /// many were got out of it by anybody.
    pub(super) fn note_out(&mut self, bytes: u32, own_bytes: u32, used_bytes: u32) {
        let others = bytes - own_bytes.min(bytes);
        if others <= bytes / 4 {
            return;
        }
        let used = used_bytes.saturating_sub(own_bytes).min(others);
        let wasted = (others - used) / (others / 1000).max(1);
        self.note(wasted.min(1000));
    }

    /// Takes note of a reader that has to read what would have lain between.
    pub(super) fn note_missed(&mut self) {
        self.note(0);
    }

    fn note(&mut self, wasted: u32) {
        self.0 = (self.0 * 7 + wasted) / 8;
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.0 <= WASTED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_is_read_as_long_as_others_come_for_it() {
        let mut by_catch = ByCatch::default();
        let mut outs_until = |used_bytes, wanted| {
            let outs = (0..100).take_while(|_| {
                by_catch.note_out(400_000, 100_000, used_bytes);
                by_catch.is_wanted() != wanted
            });
            outs.count()
        };
        assert_eq!(outs_until(400_000, false), 100, "all of it is read");
        assert_eq!(outs_until(260_000, false), 100, "more than half of it");
        assert!(outs_until(100_000, false) < 8, "none of it");
        assert!(outs_until(400_000, true) < 8);
    }

    #[test]
    fn a_span_with_little_between_says_nothing() {
        let mut by_catch = ByCatch::default();
        by_catch.note_out(400_000, 390_000, 0);
        assert_eq!(by_catch.0, 0);
    }
}
