//! What a namespace's groups hold in memory on their clients' word, in bytes: exact where clients
//! choose the size, a constant for what comes with each thing. The groups keep their own sums, so
//! that each question costs no walk.

/// A group without members and offsets: itself, its place among the groups, its timers.
pub(crate) const GROUP_BYTES: usize = 1024;
/// A member beside its texts: itself, its places in the tables, its settled form, its timer.
pub(crate) const MEMBER_BYTES: usize = 1024;
/// An id given out and not joined with, beside its text.
pub(crate) const GIVEN_ID_BYTES: usize = 256;
/// What a topic's first committed partition takes, beside the topic's name.
pub(crate) const TOPIC_BYTES: usize = 640;
/// A committed offset beside its text.
pub(crate) const OFFSET_BYTES: usize = 128;

/// Bytes held, by what bounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBytes {
    /// Groups and their members. What a group's last settled generation holds counts where it is
    /// more than the present one, with which it shares its memory as a rule.
    pub members: usize,
    /// Committed offsets with their texts.
    pub offsets: usize,
}

/// Requests refused because too much was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Joins, and assignments.
    pub members: u64,
    /// Partitions of commits.
    pub offsets: u64,
}

impl HeldBytes {
    /// Replaces what a thing was counted with by what it holds now.
    pub(crate) fn replace(&mut self, counted: Self, now: Self) {
        self.members = self.members - counted.members + now.members;
        self.offsets = self.offsets - counted.offsets + now.offsets;
    }
}
