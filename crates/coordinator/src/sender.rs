//! Who sends a command, as far as groups care: over which connection, and what it may listen to.
//!
//! A group belongs to no event hub, but what it reads does: its members' subscriptions and its
//! committed offsets. Only those who may listen to all of that see the group and touch it. Callers
//! may listen to all event hubs or to one, so of a group it is enough to know whether it reads
//! none, one, or more: that is kept as it changes, and costs a heartbeat nothing.

use model::TopicName;

/// A connection, as long as it lasts; opaque here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a caller may listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Everything,
    /// The one topic of exactly this name.
    Topic(TopicName),
    /// The one topic of this name in any case.
    TopicInAnyCase(TopicName),
}

/// The sender of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub connection: ConnectionId,
    pub reach: Reach,
}

impl Sender {
    /// The broker itself.
    pub const BROKER: Self = Self {
        connection: ConnectionId(0),
        reach: Reach::Everything,
    };
}

/// What a group or a member of it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interest {
    #[default]
    Nothing,
    Topic(TopicName),
    /// More than one topic, or what cannot be told: nobody limited to one may see it.
    Beyond,
}

impl Interest {
    /// Both together.
    pub(crate) fn and(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Nothing, other) => other.clone(),
            (this, Self::Nothing) => this,
            (Self::Topic(this), Self::Topic(other)) if this == *other => Self::Topic(this),
            (Self::Topic(_) | Self::Beyond, _) => Self::Beyond,
        }
    }

    /// Whether a caller that reaches so far may listen to all of it.
    pub(crate) fn is_within(&self, reach: &Reach) -> bool {
        match (self, reach) {
            (_, Reach::Everything) | (Self::Nothing, _) => true,
            (Self::Topic(topic), Reach::Topic(own)) => topic == own,
            (Self::Topic(topic), Reach::TopicInAnyCase(own)) => {
                topic.as_str().eq_ignore_ascii_case(own.as_str())
            }
            (Self::Beyond, Reach::Topic(_) | Reach::TopicInAnyCase(_)) => false,
        }
    }

    /// What it keeps in memory on a client's word.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Topic(topic) => topic.as_str().len(),
            Self::Nothing | Self::Beyond => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_topics_are_beyond_whoever_is_limited_to_one() {
        let topic = |name: &str| TopicName::try_from(name).unwrap();
        let (a, b) = (Interest::Topic(topic("a")), Interest::Topic(topic("b")));
        let (own, any) = (Reach::Topic(topic("a")), Reach::TopicInAnyCase(topic("A")));
        let both = a.clone().and(&b);
        assert_eq!(both, Interest::Beyond);
        assert_eq!(a.clone().and(&a).and(&Interest::Nothing), a);
        for (interest, seen) in [
            (&Interest::Nothing, [true, true]),
            (&a, [true, true]),
            (&b, [false, false]),
            (&both, [false, false]),
        ] {
            assert_eq!([&own, &any].map(|reach| interest.is_within(reach)), seen);
            assert!(interest.is_within(&Reach::Everything));
        }
        assert!(!Interest::Topic(topic("A")).is_within(&own));
    }
}
