//! Numbers that are identities or positions, each a type of its own.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A record's place in its partition: dense, from 0.
    Offset(i64)
}
number! {
    /// Counts the reigns over a partition; raised by every unclean start (KIP-101, KIP-320).
    LeaderEpoch(i32)
}
number! {
    /// A partition's number within its topic, from 0.
    PartitionIndex(i32)
}
number! {
    /// Counts the completed rebalances of a consumer group; -1 outside a group.
    GenerationId(i32)
}
number! {
    /// An idempotent producer's identity (KIP-98); never reused; -1 for none.
    ProducerId(i64)
}
number! {
    /// Fences older instances of one producer id; -1 for none.
    ProducerEpoch(i16)
}
number! {
    /// A record's number in its producer's stream to one partition; wraps to 0 after `i32::MAX`.
    Sequence(i32)
}
number! {
    /// A partition's identity inside one data directory: allotted once, never reused.
    LogId(u64)
}
number! {
    /// A namespace's identity inside one data directory: allotted once, never reused.
    NamespaceId(u32)
}

impl Offset {
    pub const ZERO: Self = Self(0);

    /// The offset `count` records further on; saturates instead of wrapping.
    #[must_use]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl LeaderEpoch {
    /// What the protocol says where no epoch is known.
    pub const NONE: Self = Self(-1);
}

impl ProducerId {
    /// A batch without an idempotent producer.
    pub const NONE: Self = Self(-1);
}

impl Sequence {
    /// The sequence `count` records later, wrapping from `i32::MAX` to 0 as Kafka does.
    #[must_use]
    pub fn plus(self, count: i32) -> Self {
        let sum = i64::from(self.0) + i64::from(count);
        let wrapped = sum.rem_euclid(i64::from(i32::MAX) + 1);
        Self(i32::try_from(wrapped).unwrap_or(0))
    }
}

/// A topic's 128-bit identity (KIP-516); survives nothing: a re-created topic has a new one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u128);

impl TopicId {
    /// What the protocol says where no id is known.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for TopicId {
    /// Prints the usual 8-4-4-4-12 form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            (id >> 80) & 0xffff,
            (id >> 64) & 0xffff,
            (id >> 48) & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero_after_the_largest() {
        assert_eq!(Sequence(i32::MAX).plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).plus(3), Sequence(1));
        assert_eq!(Sequence(5).plus(2), Sequence(7));
    }

    #[test]
    fn topic_ids_print_in_the_usual_groups() {
        let id = TopicId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        assert_eq!(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
