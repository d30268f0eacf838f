//! Rights, and the one question every request asks: may this caller do that to this resource?

use std::{fmt, sync::Arc};

use model::{GroupId, Timestamp, TopicName};

use crate::Key;

/// One of Event Hubs' three rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Send,
    Listen,
    Manage,
}

/// A set of rights. Manage brings the other two along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    pub const NONE: Self = Self(0);
    pub const SEND: Self = Self(1);
    pub const LISTEN: Self = Self(2);
    pub const MANAGE: Self = Self(7);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the right is among these.
    #[must_use]
    pub const fn include(self, right: Right) -> bool {
        let bit = match right {
            Right::Send => 1,
            Right::Listen => 2,
            Right::Manage => 4,
        };
        self.0 & bit != 0
    }
}

impl From<Right> for Rights {
    fn from(right: Right) -> Self {
        match right {
            Right::Send => Self::SEND,
            Right::Listen => Self::LISTEN,
            Right::Manage => Self::MANAGE,
        }
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights
            .into_iter()
            .fold(Self::NONE, |sum, right| sum.and(right.into()))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                [Right::Send, Right::Listen, Right::Manage]
                    .into_iter()
                    .filter(|right| self.include(*right)),
            )
            .finish()
    }
}

/// What a login reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespace,
    /// The policy stands on this event hub: exactly this name.
    Hub(TopicName),
    /// A namespace's policy, narrowed by `EntityPath` or by a token's resource. SDKs write those
    /// in lower case, so the name counts in any case.
    NarrowedTo(TopicName),
}

/// Who logged in, and with what. Valid in the one namespace where the login was checked.
#[derive(Clone, Debug)]
pub struct Principal {
    pub policy: Arc<str>,
    pub rights: Rights,
    pub scope: Scope,
    /// When the token ends; none for a key.
    pub expires: Option<Timestamp>,
    /// The policy's key that was shown, or that signed the token.
    pub key: Key,
}

impl Principal {
    /// Whether this is the same caller: the same policy with the same reach. Its key, its token
    /// and by now its rights may be others.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let same_scope = match (&self.scope, &other.scope) {
            (Scope::Namespace, Scope::Namespace) => true,
            (Scope::Hub(ours), Scope::Hub(theirs)) => ours == theirs,
            (Scope::NarrowedTo(ours), Scope::NarrowedTo(theirs)) => {
                ours.as_str().eq_ignore_ascii_case(theirs.as_str())
            }
            (Scope::Namespace | Scope::Hub(_) | Scope::NarrowedTo(_), _) => false,
        };
        same_scope && self.policy == other.policy
    }
}

/// What a request touches.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    /// The namespace as a whole, and what belongs to nobody else: a producer's id, say.
    Namespace,
    Topic(&'a TopicName),
    Group(&'a GroupId),
}

/// The caller of a request.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Anyone, on a listener without login: a development broker grants everything.
    Anonymous,
    Principal(Principal),
}

impl Caller {
    /// Whether the caller has the right on the resource.
    ///
    /// A scope of one event hub withholds every other hub. Groups and the namespace belong to no
    /// hub: there such a caller may send and listen, because no client works without, but manage
    /// nothing.
    #[must_use]
    pub fn allows(&self, resource: Resource<'_>, right: Right) -> bool {
        let principal = match self {
            Self::Anonymous => return true,
            Self::Principal(principal) => principal,
        };
        let in_scope = match (&principal.scope, resource) {
            (Scope::Namespace, _) => true,
            (Scope::Hub(hub), Resource::Topic(topic)) => hub == topic,
            (Scope::NarrowedTo(hub), Resource::Topic(topic)) => {
                hub.as_str().eq_ignore_ascii_case(topic.as_str())
            }
            (Scope::Hub(_) | Scope::NarrowedTo(_), Resource::Namespace | Resource::Group(_)) => {
                right != Right::Manage
            }
        };
        in_scope && principal.rights.include(right)
    }

    /// Whether the caller has any right at all on the resource: what it takes to see that it is
    /// there.
    #[must_use]
    pub fn sees(&self, resource: Resource<'_>) -> bool {
        [Right::Send, Right::Listen]
            .into_iter()
            .any(|right| self.allows(resource, right))
    }

    /// When the caller's credential ends, where it does.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Anonymous => None,
            Self::Principal(principal) => principal.expires,
        }
    }

    /// The name for logs: the policy, or `anonymous`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Principal(principal) => &principal.policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(rights: Rights, scope: Scope) -> Caller {
        Caller::Principal(Principal {
            policy: Arc::from("p"),
            rights,
            scope,
            expires: None,
            key: Key::from("k"),
        })
    }

    fn topic(name: &str) -> TopicName {
        TopicName::try_from(name).unwrap()
    }

    #[test]
    fn manage_brings_send_and_listen_and_nothing_else_does() {
        let all = [Right::Send, Right::Listen, Right::Manage];
        let included = |rights: Rights| all.map(|right| rights.include(right));
        assert_eq!(included(Rights::MANAGE), [true, true, true]);
        assert_eq!(included(Rights::SEND), [true, false, false]);
        assert_eq!(included(Rights::LISTEN), [false, true, false]);
        assert_eq!(
            included([Right::Send, Right::Listen].into_iter().collect()),
            [true, true, false]
        );
    }

    #[test]
    fn a_hubs_policy_reaches_that_hub_only_but_all_groups() {
        let (orders, upper, other) = (topic("orders"), topic("Orders"), topic("other"));
        let group = GroupId::from("g");
        let hub = caller(Rights::MANAGE, Scope::Hub(orders.clone()));
        assert!(hub.allows(Resource::Topic(&orders), Right::Manage));
        assert!(!hub.allows(Resource::Topic(&upper), Right::Listen));
        assert!(!hub.allows(Resource::Topic(&other), Right::Send));
        assert!(!hub.sees(Resource::Topic(&other)));
        assert!(hub.allows(Resource::Group(&group), Right::Listen));
        assert!(!hub.allows(Resource::Group(&group), Right::Manage));
        assert!(hub.allows(Resource::Namespace, Right::Send));
        assert!(!hub.allows(Resource::Namespace, Right::Manage));

        let narrowed = caller(Rights::LISTEN, Scope::NarrowedTo(orders));
        assert!(narrowed.allows(Resource::Topic(&upper), Right::Listen));
        assert!(!narrowed.allows(Resource::Topic(&upper), Right::Send));
        assert!(!narrowed.allows(Resource::Topic(&other), Right::Listen));
    }

    #[test]
    fn anonymous_callers_may_everything() {
        assert!(Caller::Anonymous.allows(Resource::Namespace, Right::Manage));
    }
}
