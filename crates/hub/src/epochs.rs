//! The history of leader epochs of one partition: where each began (KIP-101, KIP-320).

use model::{LeaderEpoch, Offset};

use crate::offsets::EpochEnd;

/// Epochs with their first offsets, both rising. Holds one entry per reign that wrote something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    starts: Vec<(LeaderEpoch, Offset)>,
}

impl Epochs {
    /// Takes note that a batch of `epoch` stands at `offset`.
    pub(crate) fn note(&mut self, epoch: LeaderEpoch, offset: Offset) {
        let newer = self.starts.last().is_none_or(|(last, _)| *last < epoch);
        if newer {
            self.starts.push((epoch, offset));
        }
    }

    /// Forgets epochs that ended at or below the first offset.
    pub(crate) fn trim(&mut self, start: Offset) {
        let ended = self
            .starts
            .iter()
            .skip(1)
            .take_while(|(_, next_start)| *next_start <= start)
            .count();
        self.starts.drain(..ended);
        if let Some((_, first)) = self.starts.first_mut() {
            *first = (*first).max(start);
        }
    }

    /// Where the largest epoch not above `asked` ended, while `current` reigns and `end` is the
    /// last position that readers may see. Kafka's answers (`LeaderEpochFileCache`):
    ///
    /// | asked | answer |
    /// |---|---|
    /// | none, or above the current | undefined |
    /// | the current | the end |
    /// | below the first known | itself, where the first known begins |
    /// | between | the largest not above it, where the next begins |
    pub(crate) fn end_of(&self, asked: LeaderEpoch, current: LeaderEpoch, end: Offset) -> EpochEnd {
        if asked == LeaderEpoch::NONE || asked > current {
            return EpochEnd::UNDEFINED;
        }
        if asked == current {
            return EpochEnd {
                epoch: asked,
                end_offset: end,
            };
        }
        // The current epoch began at the end if it has written nothing yet.
        let next = self.starts.iter().find(|(epoch, _)| *epoch > asked);
        let end_offset = next.map_or(end, |(_, start)| *start).min(end);
        let floor = self.starts.iter().rfind(|(epoch, _)| *epoch <= asked);
        EpochEnd {
            epoch: floor.map_or(asked, |(epoch, _)| *epoch),
            end_offset,
        }
    }

    /// The epoch of the record at `offset`.
    pub(crate) fn at(&self, offset: Offset) -> LeaderEpoch {
        let floor = self.starts.iter().rfind(|(_, start)| *start <= offset);
        floor.map_or(LeaderEpoch::NONE, |(epoch, _)| *epoch)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (LeaderEpoch, Offset)> + '_ {
        self.starts.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, offset) in [(2, 0), (2, 5), (4, 10), (7, 20)] {
            epochs.note(LeaderEpoch(epoch), Offset(offset));
        }
        epochs
    }

    #[test]
    fn the_end_of_an_epoch_follows_kafkas_rules() {
        let cases = [
            (-1, (-1, -1)),
            (0, (0, 0)),
            (2, (2, 10)),
            (3, (2, 10)),
            (4, (4, 20)),
            (6, (4, 20)),
            (7, (7, 33)),
            (8, (7, 33)),
            (9, (9, 33)),
            (10, (-1, -1)),
        ];
        for (asked, (epoch, end_offset)) in cases {
            let end = history().end_of(LeaderEpoch(asked), LeaderEpoch(9), Offset(33));
            let expected = EpochEnd {
                epoch: LeaderEpoch(epoch),
                end_offset: Offset(end_offset),
            };
            assert_eq!(end, expected, "epoch {asked}");
        }
    }

    #[test]
    fn trimmed_epochs_are_forgotten_and_the_first_begins_at_the_start() {
        let mut epochs = history();
        epochs.trim(Offset(12));
        let starts: Vec<_> = epochs.iter().collect();
        assert_eq!(
            starts,
            [(LeaderEpoch(4), Offset(12)), (LeaderEpoch(7), Offset(20))]
        );
        assert_eq!(epochs.at(Offset(19)), LeaderEpoch(4));
        assert_eq!(epochs.at(Offset(20)), LeaderEpoch(7));
    }
}
