//! Memory that all connections share: what comes in and what goes out, in pools of their own, so
//! that slow readers cannot starve producers.
//!
//! ```text
//! incoming: 7/8 for frames of any size, 1/8 for small ones   (a full pool: sockets are not read)
//! outgoing: 7/8 for replies of any size, 1/8 for small ones  (a full pool: replies wait, and
//!                                                             their connections are not read)
//! ```
//!
//! The small ones' part keeps heartbeats and acknowledgements moving while bulk waits.
//!
//! Nobody has all of a part. A tenant (a namespace) holds at most three times what is free, so that
//! the next tenant finds something however many there are; a connection holds at most what is left
//! to its tenant. A large frame takes its memory in steps, as its bytes arrive, so frames that have
//! come in part could hold all of it and wait for each other. They do not: of those that wait with
//! something in hand, or of a tenant that has nothing, one is given what it still needs beyond the
//! pool, and no other until that one's request has ended. It has all the memory it will ever need and
//! a deadline for its bytes, so it ends; then the next one is given the same, of the tenant that holds
//! least. The pool is exceeded by one frame at most.

mod lane;

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::sync::oneshot;

pub(crate) use self::lane::Share;
use self::lane::{Lane, LaneIndex, Wish};

/// What counts as small.
pub(crate) const SMALL_BYTES_MAX: usize = 16 * 1024;

/// Bytes for all connections in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    large: Arc<Lane>,
    small: Arc<Lane>,
}

/// Which way the bytes of a pool go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Incoming,
    Outgoing,
}

/// What one party holds of each lane. Changed under the lane's lock only.
#[derive(Debug, Default)]
struct Held([AtomicUsize; LaneIndex::COUNT]);

impl Held {
    fn of(&self, lane: LaneIndex) -> &AtomicUsize {
        let [
            incoming_large,
            incoming_small,
            outgoing_large,
            outgoing_small,
        ] = &self.0;
        match lane {
            LaneIndex::IncomingLarge => incoming_large,
            LaneIndex::IncomingSmall => incoming_small,
            LaneIndex::OutgoingLarge => outgoing_large,
            LaneIndex::OutgoingSmall => outgoing_small,
        }
    }

    fn bytes(&self, lane: LaneIndex) -> usize {
        self.of(lane).load(Ordering::Relaxed)
    }
}

/// Whom a share is counted to: a connection, and the tenant to which it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Account(Arc<Party>);

#[derive(Debug)]
struct Party {
    connection: Held,
    tenant: Arc<Held>,
}

/// The tenants that hold anything, by number.
#[derive(Debug, Default)]
pub(crate) struct Tenants(Mutex<HashMap<u64, Weak<Held>>>);

impl Tenants {
    /// An account for a connection of the tenant.
    pub(crate) fn account(&self, tenant: u64) -> Account {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.get(&tenant).and_then(Weak::upgrade);
        let tenant = known.unwrap_or_else(|| {
            tenants.retain(|_, held| held.strong_count() > 0);
            let held = Arc::default();
            tenants.insert(tenant, Arc::downgrade(&held));
            held
        });
        Account(Arc::new(Party {
            connection: Held::default(),
            tenant,
        }))
    }
}

/// A share that has to be waited for. Dropped, it is waited for no more.
pub(crate) struct Waiting(oneshot::Receiver<Share>);

impl Future for Waiting {
    type Output = Option<Share>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Share>> {
        Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

/// A share, at once or after a wait.
pub(crate) enum Reserved {
    Now(Share),
    Later(Waiting),
}

/// Where one connection's large requests take their memory.
pub(crate) struct LargeMemory {
    pool: Pool,
    account: Account,
}

impl LargeMemory {
    pub(crate) fn new(pool: &Pool, account: &Account) -> Self {
        Self {
            pool: pool.clone(),
            account: account.clone(),
        }
    }

    /// Takes so much, not among the small ones.
    pub(crate) fn take(&self, bytes: usize) -> Reserved {
        let whole = bytes.max(SMALL_BYTES_MAX + 1);
        self.pool.reserve(&self.account, bytes, whole)
    }
}

impl Pool {
    pub(crate) fn new(bytes: usize, flow: Flow) -> Self {
        let (large, small) = match flow {
            Flow::Incoming => (LaneIndex::IncomingLarge, LaneIndex::IncomingSmall),
            Flow::Outgoing => (LaneIndex::OutgoingLarge, LaneIndex::OutgoingSmall),
        };
        Self {
            large: Lane::new(large, bytes / 8 * 7),
            small: Lane::new(small, bytes / 8),
        }
    }

    /// Reserves the bytes of what is this large as a whole. What is larger than anybody may have
    /// gets that, so that it comes through alone instead of never.
    pub(crate) fn reserve(&self, account: &Account, bytes: usize, whole: usize) -> Reserved {
        let lane = if whole <= SMALL_BYTES_MAX {
            &self.small
        } else {
            &self.large
        };
        lane.reserve(Wish {
            account: account.clone(),
            bytes: bytes.min(lane.most()),
            needs: whole.min(lane.bytes()),
            has_begun: false,
        })
    }

    /// So much more for what has a share of large ones already, and will need so much in all.
    pub(crate) fn extend(&self, share: &Share, bytes: usize, needs: usize) -> Reserved {
        self.large.reserve(Wish {
            account: share.account().clone(),
            bytes: bytes.min(needs),
            needs,
            has_begun: true,
        })
    }

    /// What the connection may take at once, by what others hold now.
    pub(crate) fn allowance(&self, account: &Account) -> usize {
        self.large.allowance(account)
    }

    /// Whether anybody waits for what large ones hold.
    pub(crate) fn is_short(&self) -> bool {
        self.large.is_short()
    }

    /// Moves a share to the lane of large ones, if there is room: what is held for long must not keep
    /// small requests out.
    pub(crate) fn make_large(&self, share: Share) -> Share {
        self.large.take_over(share)
    }
}

#[cfg(test)]
mod tests;
