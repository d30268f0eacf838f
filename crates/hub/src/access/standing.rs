//! Whether a login still stands: until its token ends, or its key is withdrawn where that counts.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use auth::Caller;
use thiserror::Error;

use super::Access;

/// Why a login no longer counts. Its caller may log in again on the same connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Lapse {
    #[error("after its token has expired")]
    Expired,
    #[error("after its key, policy or rights were withdrawn")]
    Revoked,
}

/// What a login stands on.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    expires: Option<Instant>,
    /// The version of the namespace's policies under which the login stood last.
    version: AtomicU64,
}

impl Standing {
    /// A login that was verified under policies of that version or a later one.
    pub(crate) fn new(expires: Option<Instant>, version: u64) -> Self {
        Self {
            expires,
            version: AtomicU64::new(version),
        }
    }
}

impl Access {
    /// When the login ends (a token's expiry), for SaslAuthenticate's session lifetime.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.inner.standing.expires
    }

    /// Why the login no longer counts, if it does not. To be asked for each request.
    #[must_use]
    pub fn lapse(&self, now: Instant) -> Option<Lapse> {
        if self.expires().is_some_and(|expires| expires <= now) {
            return Some(Lapse::Expired);
        }
        self.is_revoked().then_some(Lapse::Revoked)
    }

    /// Looks only when the policies were replaced since the last look.
    fn is_revoked(&self) -> bool {
        let Caller::Principal(principal) = &self.inner.caller else {
            return false;
        };
        let (namespace, seen) = (&self.inner.namespace, &self.inner.standing.version);
        let version = namespace.policies_version.load(Ordering::Acquire);
        if seen.load(Ordering::Relaxed) == version {
            return false;
        }
        let ends_revoked = namespace.settings.load().disconnect_revoked;
        if ends_revoked && !namespace.policies.load().still_grant(principal) {
            return true;
        }
        seen.store(version, Ordering::Relaxed);
        false
    }

    /// Whether both are the same caller: the same policy of the same namespace, reaching as far.
    pub(crate) fn is_same_caller(&self, other: &Self) -> bool {
        let same = match (&self.inner.caller, &other.inner.caller) {
            (Caller::Principal(ours), Caller::Principal(theirs)) => ours.is_same_as(theirs),
            (Caller::Anonymous, Caller::Anonymous) => true,
            (Caller::Principal(_) | Caller::Anonymous, _) => false,
        };
        same && self.inner.namespace.id == other.inner.namespace.id
    }
}
