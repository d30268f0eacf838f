//! One part of a pool: what is held, by whom, and who waits for it.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::oneshot;

use super::{Account, Reserved, Waiting};

/// Of those who wait so many are looked at whenever something is given back, in turn.
const LOOKED_AT_MAX: usize = 256;

/// A tenant holds at most so many times what is free: of a lane that only it uses three quarters, and
/// two that take all they can leave a seventh.
const TENANT_TIMES_FREE: usize = 3;

/// Names a lane in what parties hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneIndex {
    IncomingLarge,
    IncomingSmall,
    OutgoingLarge,
    OutgoingSmall,
}

impl LaneIndex {
    pub(super) const COUNT: usize = 4;
}

#[derive(Debug)]
pub(super) struct Lane {
    index: LaneIndex,
    bytes: usize,
    state: Mutex<State>,
    /// Whether anybody waits, so that whoever gives back need not look.
    waits: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    waiters: VecDeque<Waiter>,
    /// Somebody was given more than there is.
    is_exceeded: bool,
}

#[derive(Debug)]
struct Waiter {
    wish: Wish,
    reply: oneshot::Sender<Share>,
}

/// What somebody wants of a lane.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) account: Account,
    pub(super) bytes: usize,
    /// What it will need in all.
    pub(super) needs: usize,
    /// It waits with a share of the same frame in hand.
    pub(super) has_begun: bool,
}

/// A share of memory; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    lane: Arc<Lane>,
    account: Account,
    bytes: usize,
    /// Given although there was no room.
    exceeds: bool,
}

impl Share {
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether its holder is the one that was given more than there is.
    pub(crate) const fn exceeds(&self) -> bool {
        self.exceeds
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    /// Gives back what there is beyond so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let beyond = self.bytes.saturating_sub(bytes);
        self.bytes -= beyond;
        drop(Self {
            lane: Arc::clone(&self.lane),
            account: self.account.clone(),
            bytes: beyond,
            exceeds: false,
        });
    }

    /// Makes both one share.
    pub(crate) fn join(&mut self, mut other: Self) {
        debug_assert!(Arc::ptr_eq(&self.lane, &other.lane));
        self.bytes += mem::take(&mut other.bytes);
        self.exceeds |= mem::take(&mut other.exceeds);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 || self.exceeds {
            self.lane.give_back(self);
        }
    }
}

impl Lane {
    pub(super) fn new(index: LaneIndex, bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            index,
            bytes: bytes.max(1),
            state: Mutex::default(),
            waits: AtomicBool::new(false),
        })
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a connection gets of a lane that nobody else uses.
    pub(super) fn most(&self) -> usize {
        let of_tenant = self.bytes / (TENANT_TIMES_FREE + 1) * TENANT_TIMES_FREE;
        (of_tenant / 2).max(1)
    }

    pub(super) fn reserve(self: &Arc<Self>, wish: Wish) -> Reserved {
        let mut state = self.lock();
        if wish.bytes <= self.room(&state, &wish.account) {
            return Reserved::Now(self.give(&mut state, wish, false));
        }
        let (reply, waiting) = oneshot::channel();
        state.waiters.push_back(Waiter { wish, reply });
        self.waits.store(true, Ordering::Relaxed);
        self.serve(state);
        Reserved::Later(Waiting(waiting))
    }

    pub(super) fn allowance(&self, account: &Account) -> usize {
        self.room(&self.lock(), account)
    }

    pub(super) fn is_short(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Counts another lane's share here instead, if there is room.
    pub(super) fn take_over(self: &Arc<Self>, share: Share) -> Share {
        let wish = Wish {
            account: share.account.clone(),
            bytes: share.bytes,
            needs: share.bytes,
            has_begun: false,
        };
        let mut state = self.lock();
        if share.lane.index == self.index || wish.bytes > self.room(&state, &wish.account) {
            return share;
        }
        let taken = self.give(&mut state, wish, false);
        drop(state);
        taken
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most that the connection may take now, by the rules of tenants and connections.
    fn room(&self, state: &State, account: &Account) -> usize {
        let free = self.bytes.saturating_sub(state.held);
        let tenant = account.0.tenant.bytes(self.index);
        let connection = account.0.connection.bytes(self.index);
        // What is taken is held and is no longer free: it counts on both sides of the rule.
        let of_tenant = (TENANT_TIMES_FREE * free).saturating_sub(tenant) / (TENANT_TIMES_FREE + 1);
        of_tenant.saturating_sub(connection) / 2
    }

    fn give(self: &Arc<Self>, state: &mut State, wish: Wish, exceeds: bool) -> Share {
        let Wish { account, bytes, .. } = wish;
        state.held += bytes;
        state.is_exceeded |= exceeds;
        for party in [&account.0.connection, &account.0.tenant] {
            party.of(self.index).fetch_add(bytes, Ordering::Relaxed);
        }
        Share {
            lane: Arc::clone(self),
            account,
            bytes,
            exceeds,
        }
    }

    fn give_back(self: &Arc<Self>, share: &Share) {
        let mut state = self.lock();
        state.held -= share.bytes;
        state.is_exceeded &= !share.exceeds;
        for party in [&share.account.0.connection, &share.account.0.tenant] {
            party
                .of(self.index)
                .fetch_sub(share.bytes, Ordering::Relaxed);
        }
        if self.is_short() {
            self.serve(state);
        }
    }

    /// Gives those who wait what there is for them, in their order: one whose tenant has its share
    /// keeps no other tenant waiting.
    fn serve(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut served = Vec::new();
        for _ in 0..state.waiters.len().min(LOOKED_AT_MAX) {
            let Some(waiter) = state.waiters.pop_front() else {
                break;
            };
            if waiter.reply.is_closed() {
                continue;
            }
            if waiter.wish.bytes <= self.room(&state, &waiter.wish.account) {
                served.push((waiter.reply, self.give(&mut state, waiter.wish, false)));
            } else {
                state.waiters.push_back(waiter);
            }
        }
        if !state.is_exceeded
            && let Some(Waiter { mut wish, reply }) = self.take_next_to_exceed(&mut state)
        {
            wish.bytes = wish.needs;
            served.push((reply, self.give(&mut state, wish, true)));
        }
        self.waits
            .store(!state.waiters.is_empty(), Ordering::Relaxed);
        drop(state);
        for (reply, share) in served {
            // Who does not wait any more gives it back by dropping it.
            drop(reply.send(share));
        }
    }

    /// Of those who wait with something in hand, or whose tenant has nothing, the first of the tenant
    /// that holds least.
    fn take_next_to_exceed(&self, state: &mut State) -> Option<Waiter> {
        let held = |waiter: &Waiter| waiter.wish.account.0.tenant.bytes(self.index);
        let waiters = state.waiters.iter().take(LOOKED_AT_MAX).enumerate();
        let (index, _) = waiters
            .filter(|(_, waiter)| !waiter.reply.is_closed())
            .map(|(index, waiter)| (index, waiter, held(waiter)))
            .filter(|(_, waiter, held)| waiter.wish.has_begun || *held == 0)
            .map(|(index, _, held)| (index, held))
            .min_by_key(|(_, held)| *held)?;
        state.waiters.remove(index)
    }
}
