//! When a thread has so much more to do than another that a connection should move, and which.

use std::time::{Duration, Instant};

/// The least part of its time by which the busiest thread is busier than the idlest.
const UNEVEN: f64 = 0.25;
/// A thread that is busy for less than this part of its time delays nobody.
const BUSY: f64 = 0.5;

/// What was seen of the threads at the last look.
pub(super) struct Moves {
    busy: Vec<Duration>,
    at: Instant,
    /// The thread that was too busy at the last look. Which one idled most is no matter: of many it is
    /// another one each time.
    too_busy: Option<usize>,
}

/// One thread has much more to do than another; parts of their time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Uneven {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) from_busy: f64,
    pub(super) to_busy: f64,
}

impl Moves {
    pub(super) fn new(busy: impl Iterator<Item = Duration>, now: Instant) -> Self {
        Self {
            busy: busy.collect(),
            at: now,
            too_busy: None,
        }
    }

    /// Compares the threads' work since the last look. True stands beside a thread that was too busy then,
    /// too: one look may see a moment, two see what lasts.
    pub(super) fn look(
        &mut self,
        busy: impl Iterator<Item = Duration>,
        now: Instant,
    ) -> Option<(Uneven, bool)> {
        let before = std::mem::replace(self, Self::new(busy, now));
        let seconds = (now - before.at).as_secs_f64();
        if seconds == 0.0 {
            return None;
        }
        let part = |(now, before): (&Duration, &Duration)| {
            now.saturating_sub(*before).as_secs_f64() / seconds
        };
        let parts = self.busy.iter().zip(&before.busy).map(part).enumerate();
        let parts: Vec<(usize, f64)> = parts.collect();
        let by_part = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
        let &(from, from_busy) = parts.iter().max_by(by_part)?;
        let &(to, to_busy) = parts.iter().min_by(by_part)?;
        if from_busy < BUSY || from_busy - to_busy < UNEVEN {
            return None;
        }
        self.too_busy = Some(from);
        let uneven = Uneven {
            from,
            to,
            from_busy,
            to_busy,
        };
        Some((uneven, before.too_busy == self.too_busy))
    }
}

impl Uneven {
    /// Which of the busy thread's connections should move: with them as even as one move can make
    /// it. Given is what each has moved since the last look; none, if that would only exchange the
    /// two threads' roles.
    pub(super) fn choose(&self, bytes: &[u64]) -> Option<usize> {
        let total = bytes.iter().fold(0.0, |sum, bytes| sum + float(*bytes));
        let left = |bytes: u64| {
            let part = float(bytes) / total * self.from_busy;
            (self.from_busy - part).max(self.to_busy + part)
        };
        let loads = bytes.iter().copied().enumerate();
        let loads = loads.filter(|(_, bytes)| *bytes > 0);
        let (index, busiest) = loads
            .map(|(index, bytes)| (index, left(bytes)))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        (self.from_busy - busiest >= UNEVEN / 2.0).then_some(index)
    }
}

fn float(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "proportions")]
    let float = bytes as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms<const N: usize>(times: [u64; N]) -> impl Iterator<Item = Duration> {
        times.into_iter().map(Duration::from_millis)
    }

    #[test]
    fn threads_are_uneven_when_one_is_busy_and_another_much_less() {
        let start = crate::clock::now().monotonic;
        let after = start + Duration::from_secs(1);
        let uneven = |before, now| Moves::new(ms(before), start).look(ms(now), after);
        assert_eq!(uneven([5000, 0], [5000, 0]), None);
        // Nobody waits for a thread that is idle for most of its time.
        assert_eq!(uneven([5000, 0], [5400, 0]), None);
        assert_eq!(uneven([0, 0], [950, 800]), None);
        let (found, lasts) = uneven([5000, 100], [5100, 1000]).unwrap();
        assert_eq!((found.from, found.to, lasts), (1, 0, false));
        assert!((found.from_busy - 0.9).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_moment_is_told_from_what_lasts() {
        let second = Duration::from_secs(1);
        let start = crate::clock::now().monotonic;
        let mut moves = Moves::new(ms([0, 0]), start);
        let mut look = |busy, seconds| {
            let found = moves.look(ms(busy), start + second * seconds);
            found.map(|(_, lasts)| lasts)
        };
        assert_eq!(look([900, 0], 1), Some(false));
        assert_eq!(look([1800, 0], 2), Some(true));
        assert_eq!(look([1800, 900], 3), Some(false));
        assert_eq!(look([1800, 900], 4), None);
        assert_eq!(look([1800, 1800], 5), Some(false));
    }

    #[test]
    fn of_many_idle_threads_another_one_may_be_the_idlest_each_time() {
        let second = Duration::from_secs(1);
        let start = crate::clock::now().monotonic;
        let mut moves = Moves::new(ms([0, 0, 0]), start);
        let first = moves.look(ms([900, 2, 1]), start + second);
        let next = moves.look(ms([1800, 3, 9]), start + 2 * second);
        let told = [first, next].map(|found| found.map(|(uneven, lasts)| (uneven.to, lasts)));
        assert_eq!(told, [Some((2, false)), Some((1, true))]);
    }

    #[test]
    fn what_moves_makes_both_as_even_as_one_move_can() {
        let uneven = |from_busy, to_busy| Uneven {
            from: 0,
            to: 1,
            from_busy,
            to_busy,
        };
        // Two of a kind: one goes.
        assert!(uneven(1.0, 0.0).choose(&[0, 500, 500]).is_some());
        // A lone one stays: the other thread would be as busy as this one.
        assert_eq!(uneven(1.0, 0.0).choose(&[0, 900, 10]), None);
        // Not the largest, but the one that leaves both with the same.
        assert_eq!(uneven(1.0, 0.0).choose(&[600, 300, 100]), Some(0));
        assert_eq!(uneven(1.0, 0.4).choose(&[600, 300, 100]), Some(1));
        // Nothing moved at all: nobody knows who keeps the thread busy.
        assert_eq!(uneven(1.0, 0.0).choose(&[0, 0]), None);
        assert_eq!(uneven(1.0, 0.0).choose(&[]), None);
    }
}
