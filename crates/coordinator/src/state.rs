//! The states of a group, by the names clients see.

/// Where a group stands in the classic protocol.
///
/// How each request is answered (M: from a known member of the present generation):
///
/// | State | JoinGroup | SyncGroup | Heartbeat | OffsetCommit | LeaveGroup |
/// |---|---|---|---|---|---|
/// | Empty | new member: parked | unknown member | unknown member | generation -1 only | unknown member |
/// | PreparingRebalance | parked | M: rebalance in progress | M: rebalance in progress | M: accepted | M: removed |
/// | CompletingRebalance | same metadata: this generation again; else parked | M: parked until the leader's | M: accepted | M: rebalance in progress | M: removed |
/// | Stable | follower, same metadata: this generation again; else parked | M: its assignment | M: accepted | M: accepted | M: removed |
/// | Dead | there is no such group; only descriptions say so | | | | |
///
/// Event => next state:
///
/// | State | Event => next |
/// |---|---|
/// | Empty | first member joins => PreparingRebalance (after the initial delay) |
/// | PreparingRebalance | all known members joined, or the rebalance timeout => CompletingRebalance; no member left => Empty |
/// | CompletingRebalance | leader's SyncGroup => Stable; join with changed metadata, new member, member gone, sync timeout => PreparingRebalance |
/// | Stable | new member, leader rejoins, changed metadata, member gone, sync timeout => PreparingRebalance |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members; there may be offsets.
    Empty,
    /// Waiting for the members to join.
    PreparingRebalance,
    /// Waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member may have its assignment.
    Stable,
    /// No such group.
    Dead,
}

impl GroupState {
    /// Kafka's name of the state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }

    /// The state of this name, in any case, as filters are compared.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Empty,
            Self::PreparingRebalance,
            Self::CompletingRebalance,
            Self::Stable,
            Self::Dead,
        ]
        .into_iter()
        .find(|state| state.as_str().eq_ignore_ascii_case(name))
    }
}

/// The protocol a group speaks. The newer ones have names in filters, but no groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupType {
    Classic,
}

impl GroupType {
    /// Kafka's name of the type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
        }
    }

    /// The type of this name, in any case; `None` also for types that no group here has.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::Classic
            .as_str()
            .eq_ignore_ascii_case(name)
            .then_some(Self::Classic)
    }
}
