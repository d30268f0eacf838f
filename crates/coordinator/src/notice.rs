//! What an operator reads in the log about groups: one line when a rebalance starts and one when it
//! ends, with the cause. The shell writes them; a pure crate cannot.

use std::{fmt, sync::Arc};

use model::{GenerationId, GroupId, MemberId};

/// Something that happened to a group; prints as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    RebalanceStarted {
        group: GroupId,
        /// The one that ends.
        generation: GenerationId,
        cause: Cause,
    },
    /// All that are left have joined.
    GenerationStarted {
        group: GroupId,
        generation: GenerationId,
        protocol: Arc<str>,
        members: usize,
        /// Members that did not join again in time, and so are members no more.
        dropped: usize,
    },
    /// The last member is gone.
    Emptied {
        group: GroupId,
        generation: GenerationId,
    },
}

/// Why a group rebalances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    Joined {
        member: MemberId,
        /// In the client's words; empty if it said nothing.
        reason: Arc<str>,
    },
    Rejoined {
        member: MemberId,
        /// In the client's words; empty if it said nothing.
        reason: Arc<str>,
    },
    /// A static member is back under this id, and the group could not go on as it was.
    Returned {
        member: MemberId,
    },
    Left {
        member: MemberId,
    },
    /// Not heard of for its session timeout.
    Expired {
        member: MemberId,
    },
    /// Refused on joining again, because the group is too large.
    Refused {
        member: MemberId,
    },
    /// So many members did not ask for their assignment in time.
    NotSynced {
        members: usize,
    },
    /// The connection of a newcomer broke before it learnt its id.
    Lost {
        member: MemberId,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RebalanceStarted {
                group,
                generation,
                cause,
            } => write!(
                f,
                "group {group} rebalances after generation {generation}: {cause}"
            ),
            Self::GenerationStarted {
                group,
                generation,
                protocol,
                members,
                dropped,
            } => write!(
                f,
                "group {group} is in generation {generation} with {members} members by {protocol}, \
                 {dropped} dropped"
            ),
            Self::Emptied { group, generation } => {
                write!(f, "group {group} is empty in generation {generation}")
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { member, reason } if reason.is_empty() => write!(f, "{member} joined"),
            Self::Joined { member, reason } => write!(f, "{member} joined ({reason})"),
            Self::Rejoined { member, reason } if reason.is_empty() => {
                write!(f, "{member} joined again")
            }
            Self::Rejoined { member, reason } => write!(f, "{member} joined again ({reason})"),
            Self::Returned { member } => write!(f, "static member returned as {member}"),
            Self::Left { member } => write!(f, "{member} left"),
            Self::Expired { member } => write!(f, "{member} was not heard of"),
            Self::Refused { member } => write!(f, "{member} was refused, the group is too large"),
            Self::NotSynced { members } => write!(f, "{members} members did not sync"),
            Self::Lost { member } => write!(f, "newcomer {member} hung up"),
        }
    }
}
