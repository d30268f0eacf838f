//! How often a request names a thing: Kafka wants each topic, resource or group of an
//! administrator's request once.

use std::{collections::HashMap, hash::Hash};

/// The things that a request names, counted.
pub(super) struct Mentions<T> {
    counts: HashMap<T, Count>,
}

#[derive(Default)]
struct Count {
    mentions: usize,
    passed: usize,
}

/// One mention among the others of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mention {
    Only,
    /// Of several.
    First,
    /// A further one of several.
    Again,
}

impl<T: Eq + Hash> Mentions<T> {
    pub(super) fn count(things: impl Iterator<Item = T>) -> Self {
        let mut counts: HashMap<T, Count> = HashMap::new();
        for thing in things {
            counts.entry(thing).or_default().mentions += 1;
        }
        Self { counts }
    }

    /// What the next mention of the thing is; called once for each, in the request's order.
    pub(super) fn of(&mut self, thing: &T) -> Mention {
        let Some(count) = self.counts.get_mut(thing) else {
            return Mention::Only;
        };
        count.passed += 1;
        match (count.mentions, count.passed) {
            (..=1, _) => Mention::Only,
            (_, 1) => Mention::First,
            (_, _) => Mention::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_mentions_is_told_from_the_others() {
        let things = ["a", "b", "a", "a"];
        let mut mentions = Mentions::count(things.into_iter());
        let told: Vec<Mention> = things.iter().map(|thing| mentions.of(thing)).collect();
        let expected = [
            Mention::First,
            Mention::Only,
            Mention::Again,
            Mention::Again,
        ];
        assert_eq!(told, expected);
    }
}
