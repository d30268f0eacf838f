//! All figures, in the order in which they are measured.

mod cold;
mod fetch;
mod latency;
pub(super) mod matrix;
mod memory;
mod outside;
mod produce;
mod scale;
mod secure;
mod start;

pub(super) use outside::is_limited;

use super::figure::Figure;

/// Everything that `cargo xtask bench --list` lists.
pub(super) fn all() -> impl Iterator<Item = &'static Figure> {
    let parts: [&[Figure]; 10] = [
        &produce::FIGURES,
        &outside::FIGURES,
        &fetch::FIGURES,
        std::slice::from_ref(&cold::FIGURE),
        &latency::FIGURES,
        &secure::FIGURES,
        &start::FIGURES,
        &memory::FIGURES,
        &scale::FIGURES,
        &matrix::FIGURES,
    ];
    parts.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_goal_of_a_ratio_has_its_rival_in_the_round() {
        for figure in all() {
            for goal in figure.goals {
                let has_rival = goal
                    .against
                    .is_none_or(|kind| figure.rivals.contains(&kind));
                assert!(has_rival, "{}: {}", figure.name, goal.metric);
            }
        }
    }

    #[test]
    fn names_are_given_once() {
        let names: BTreeSet<_> = all().map(|figure| figure.name).collect();
        assert_eq!(names.len(), all().count());
    }
}
