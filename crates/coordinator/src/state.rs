//! The states of a group, by the names clients see.

/// Where a group stands in the classic protocol.
///
/// How each request of a member of the present generation is answered (*unknown*:
/// UNKNOWN_MEMBER_ID, *rebalance*: REBALANCE_IN_PROGRESS, *again*: what it was told when it joined
/// this generation):
///
/// | State | JoinGroup | SyncGroup | Heartbeat | OffsetCommit | LeaveGroup |
/// |---|---|---|---|---|---|
/// | Empty | new: waits | unknown | unknown | only outside groups | unknown |
/// | PreparingRebalance | waits | rebalance | rebalance | ok | removed |
/// | CompletingRebalance | unchanged: again; else waits | waits | ok | rebalance | removed |
/// | Stable | unchanged follower: again; else waits | assignment | ok | ok | removed |
/// | Dead | only descriptions know this state: there is no such group | | | | |
///
/// A new dynamic member of version 4 on is first given an id, in every state (KIP-394).
///
/// | State | Event | Next state |
/// |---|---|---|
/// | Empty | a member joins | PreparingRebalance |
/// | PreparingRebalance | all have joined, or the rebalance timeout | CompletingRebalance |
/// | PreparingRebalance | the same, and no member is left | Empty |
/// | CompletingRebalance | the leader's SyncGroup | Stable |
/// | CompletingRebalance | a member comes, changes or goes; the sync timeout | PreparingRebalance |
/// | Stable | the same, or the leader joins again | PreparingRebalance |
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
