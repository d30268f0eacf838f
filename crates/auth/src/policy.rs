//! Shared access policies: named rights with two keys each, on a namespace or on one event hub.

use std::collections::{BTreeMap, BTreeSet};

use model::{NamespaceName, TopicName};
use thiserror::Error;

use crate::{Key, Principal, Rights, Scope};

/// Event Hubs' limit of policies on a namespace, and on each event hub.
pub const POLICIES_PER_SCOPE_MAX: usize = 12;

/// A shared access policy. Both keys are valid at once, so that one can be exchanged at a time.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    pub rights: Rights,
    pub primary: Key,
    pub secondary: Option<Key>,
}

impl Policy {
    /// Whether either key satisfies the test.
    pub(crate) fn any_key(&self, test: impl Fn(&Key) -> bool) -> bool {
        self.key_that(test).is_some()
    }

    /// The first key that satisfies the test. Two are always tried, for an even timing.
    pub(crate) fn key_that(&self, test: impl Fn(&Key) -> bool) -> Option<&Key> {
        let secondary = match &self.secondary {
            Some(key) => Some(key).filter(|key| test(key)),
            None => {
                test(&self.primary);
                None
            }
        };
        if test(&self.primary) {
            return Some(&self.primary);
        }
        secondary
    }
}

/// Why policies cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicySetError {
    #[error("more than {POLICIES_PER_SCOPE_MAX} policies on {0}")]
    TooMany(String),
    #[error("two policies named {name:?} on {place}")]
    Duplicate { name: String, place: String },
    #[error("policy {name:?} on {place} has an empty key")]
    EmptyKey { name: String, place: String },
    #[error("policy {name:?} on {place} grants no right")]
    NoRight { name: String, place: String },
}

/// A namespace's policies and those of its event hubs. Replaced as a whole when keys change: live
/// connections keep what they were granted at login, unless [`PolicySet::still_grant`] is asked.
#[derive(Clone, Debug)]
pub struct PolicySet {
    namespace: NamespaceName,
    policies: Vec<Policy>,
    hubs: BTreeMap<TopicName, Vec<Policy>>,
}

impl PolicySet {
    /// Checks the policies and puts them together.
    pub fn new(
        namespace: NamespaceName,
        policies: Vec<Policy>,
        hubs: BTreeMap<TopicName, Vec<Policy>>,
    ) -> Result<Self, PolicySetError> {
        check(&policies, &format!("namespace {namespace}"))?;
        for (hub, policies) in &hubs {
            check(policies, &format!("event hub {hub}"))?;
        }
        Ok(Self {
            namespace,
            policies,
            hubs,
        })
    }

    /// The namespace that these policies guard.
    #[must_use]
    pub fn namespace(&self) -> &NamespaceName {
        &self.namespace
    }

    /// The namespace's own policies, in the order of configuration.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policies of one event hub.
    #[must_use]
    pub fn hub_policies(&self, hub: &TopicName) -> &[Policy] {
        self.hubs.get(hub).map_or(&[], Vec::as_slice)
    }

    /// Whether these policies still grant what they granted at login, or what others granted in
    /// their place: the policy stands, with the same rights and the key that was used.
    #[must_use]
    pub fn still_grant(&self, principal: &Principal) -> bool {
        let policies = match &principal.scope {
            Scope::Hub(owner) => self.hub_policies(owner),
            Scope::Namespace | Scope::NarrowedTo(_) => self.policies(),
        };
        policies.iter().any(|policy| {
            *policy.name == *principal.policy
                && policy.rights == principal.rights
                && policy.any_key(|key| key.matches(&principal.key))
        })
    }

    /// The namespace's policy of that name.
    pub(crate) fn of_namespace(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }

    /// The policies of that name on the event hub, with the name it has here: clients write a
    /// hub's name in any case, as Event Hubs lets them.
    pub(crate) fn of_hub<'a>(
        &'a self,
        hub: &'a TopicName,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a TopicName, &'a Policy)> {
        self.hubs
            .iter()
            .filter(|(owner, _)| hub.as_str().eq_ignore_ascii_case(owner.as_str()))
            .flat_map(|(owner, policies)| policies.iter().map(move |policy| (owner, policy)))
            .filter(move |(_, policy)| policy.name == name)
    }
}

fn check(policies: &[Policy], place: &str) -> Result<(), PolicySetError> {
    if policies.len() > POLICIES_PER_SCOPE_MAX {
        return Err(PolicySetError::TooMany(place.to_owned()));
    }
    let mut seen = BTreeSet::new();
    for policy in policies {
        let (name, place) = (policy.name.clone(), place.to_owned());
        if !seen.insert(&policy.name) {
            return Err(PolicySetError::Duplicate { name, place });
        }
        // An empty key would let anybody in.
        if policy.any_key(|key| key.reveal().is_empty()) {
            return Err(PolicySetError::EmptyKey { name, place });
        }
        if policy.rights == Rights::NONE {
            return Err(PolicySetError::NoRight { name, place });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, key: &str, rights: Rights) -> Policy {
        Policy {
            name: name.to_owned(),
            rights,
            primary: Key::from(key),
            secondary: Some(Key::from("second")),
        }
    }

    fn set(policies: Vec<Policy>) -> Result<PolicySet, PolicySetError> {
        PolicySet::new(NamespaceName::from("dev"), policies, BTreeMap::new())
    }

    #[test]
    fn policies_that_cannot_stand_together_are_refused() {
        let place = || "namespace dev".to_owned();
        let name = || "a".to_owned();
        let a = || policy("a", "k", Rights::SEND);
        let many = (0..13).map(|i| policy(&i.to_string(), "k", Rights::SEND));
        assert_eq!(
            set(many.collect()).unwrap_err(),
            PolicySetError::TooMany(place())
        );
        assert_eq!(
            set(vec![a(), a()]).unwrap_err(),
            PolicySetError::Duplicate {
                name: name(),
                place: place()
            }
        );
        assert_eq!(
            set(vec![policy("a", "", Rights::SEND)]).unwrap_err(),
            PolicySetError::EmptyKey {
                name: name(),
                place: place()
            }
        );
        assert_eq!(
            set(vec![policy("a", "k", Rights::NONE)]).unwrap_err(),
            PolicySetError::NoRight {
                name: name(),
                place: place()
            }
        );
        assert!(set(vec![a()]).is_ok());
    }
}
