//! Who gets memory when it is short.

use futures_util::FutureExt;

use super::*;

const MIB: usize = 1 << 20;

/// A pool of 64 MiB for large ones: one connection may have 24 of it, one tenant 48.
struct World {
    pool: Pool,
    tenants: Tenants,
}

impl World {
    fn new() -> Self {
        Self {
            pool: Pool::new(64 * MIB / 7 * 8 + 64, Flow::Incoming),
            tenants: Tenants::default(),
        }
    }

    fn connection(&self, tenant: u64) -> Account {
        self.tenants.account(tenant)
    }

    /// A share, if there is one at once.
    fn take(&self, account: &Account, bytes: usize) -> Option<Share> {
        match self.pool.reserve(account, bytes, bytes) {
            Reserved::Now(share) => Some(share),
            Reserved::Later(_) => None,
        }
    }

    /// Shares of 1 MiB for connections of the tenant until it gets no more.
    fn exhaust(&self, tenant: u64) -> Vec<Share> {
        let next = || self.take(&self.connection(tenant), MIB);
        std::iter::from_fn(next).collect()
    }
}

#[test]
fn a_full_pool_makes_large_frames_wait_but_small_ones_pass() {
    let world = World::new();
    let all = world.exhaust(1);
    let late = world.connection(1);
    assert!(world.take(&late, MIB).is_none());
    assert!(world.take(&late, 100).is_some());
    drop(all);
    assert!(world.take(&late, MIB).is_some());
}

#[test]
fn however_many_tenants_take_all_they_can_the_next_one_finds_room() {
    let world = World::new();
    let mut held = Vec::new();
    for tenant in 1..5 {
        let taken = world.exhaust(tenant);
        assert!(!taken.is_empty(), "tenant {tenant}");
        held.push(taken);
    }
    let counts: Vec<usize> = held.iter().map(Vec::len).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b), "{counts:?}");
    assert!(counts.iter().sum::<usize>() < 64, "{counts:?}");
    // One that finds none has what it needs beyond the pool, and alone.
    let wait = |tenant| match world.pool.reserve(&world.connection(tenant), MIB, 9 * MIB) {
        Reserved::Now(_) => panic!("no room is left"),
        Reserved::Later(waiting) => waiting,
    };
    assert!(wait(1).now_or_never().is_none());
    let share = wait(7).now_or_never().unwrap().unwrap();
    assert!(share.exceeds());
    assert_eq!(share.bytes(), 9 * MIB);
    assert!(wait(8).now_or_never().is_none());
    drop(share);
    assert!(wait(8).now_or_never().unwrap().unwrap().exceeds());
}

#[test]
fn a_connection_leaves_room_to_the_others_of_its_tenant() {
    let world = World::new();
    let greedy = world.connection(1);
    let all = std::iter::from_fn(|| world.take(&greedy, MIB));
    let all: Vec<Share> = all.collect();
    assert!((20..=24).contains(&all.len()), "{}", all.len());
    let other = world.connection(1);
    assert!(world.take(&other, 8 * MIB).is_some());
}

#[test]
fn what_is_larger_than_anybody_may_have_comes_through_alone() {
    let world = World::new();
    let account = world.connection(1);
    let all = world.take(&account, usize::MAX).unwrap();
    assert!(world.take(&account, usize::MAX).is_none());
    drop(all);
    assert!(world.take(&account, usize::MAX).is_some());
}

#[tokio::test]
async fn who_waits_gets_what_is_given_back_and_keeps_no_other_tenant_waiting() {
    let world = World::new();
    let mut all = world.exhaust(1);
    let Reserved::Later(mut waiting) = world.pool.reserve(&world.connection(1), MIB, MIB) else {
        panic!("the tenant has all it may have");
    };
    assert!(world.take(&world.connection(2), MIB).is_some());
    assert!((&mut waiting).now_or_never().is_none());
    all.pop();
    assert_eq!(waiting.await.unwrap().bytes(), MIB);
}

#[tokio::test]
async fn of_frames_that_wait_for_each_other_one_gets_all_it_needs_and_then_the_next() {
    let world = World::new();
    let begun = world.exhaust(1);
    let extend = |share| match world.pool.extend(share, MIB, 10 * MIB) {
        Reserved::Now(_) => panic!("there is no room"),
        Reserved::Later(waiting) => waiting,
    };
    let mut waiting: Vec<Waiting> = begun.iter().map(extend).collect();
    // A frame that holds nothing yet is not what the others wait for.
    let late = world.pool.reserve(&world.connection(1), MIB, 10 * MIB);
    assert!(matches!(late, Reserved::Later(_)));
    let mut begun = begun.into_iter();
    let mut one = begun.next().unwrap();
    one.join(waiting.remove(0).await.unwrap());
    assert!(one.exceeds());
    assert_eq!(one.bytes(), 11 * MIB);
    let mut second = waiting.remove(0);
    assert!((&mut second).now_or_never().is_none());
    // Its connection hung up meanwhile.
    drop(waiting.remove(0));
    drop(one);
    let second = second.await.unwrap();
    assert!(second.exceeds());
    drop(second);
    let third = waiting.remove(0).await.unwrap();
    assert!(third.bytes() >= MIB);
}

#[test]
fn who_has_less_is_the_first_to_exceed() {
    let world = World::new();
    let (many, one) = (
        world.exhaust(1),
        world.take(&world.connection(2), MIB).unwrap(),
    );
    let exceeding = world.pool.extend(&many[0], MIB, 10 * MIB);
    let of_many = world.pool.extend(&many[1], MIB, 10 * MIB);
    let of_one = world.pool.extend(&one, 40 * MIB, 40 * MIB);
    let [mut exceeding, mut of_many, mut of_one] =
        [exceeding, of_many, of_one].map(|reserved| match reserved {
            Reserved::Now(_) => panic!("there is no room"),
            Reserved::Later(waiting) => waiting,
        });
    drop(exceeding.0.try_recv().unwrap());
    assert!(of_many.0.try_recv().is_err());
    assert!(of_one.0.try_recv().unwrap().exceeds());
}

#[test]
fn what_was_held_by_tenants_that_are_gone_is_forgotten() {
    let world = World::new();
    for tenant in 0..100 {
        drop(world.take(&world.connection(tenant), MIB));
    }
    let kept = world.connection(1_000);
    assert_eq!(world.tenants.0.lock().unwrap().len(), 1);
    drop(kept);
}

#[test]
fn small_shares_that_are_held_for_long_leave_their_lane() {
    let pool = Pool::new(1_000_000, Flow::Incoming);
    let tenants = Tenants::default();
    let take = || pool.reserve(&tenants.account(1), 10_000, 10_000);
    let in_small: Vec<Reserved> = std::iter::from_fn(|| {
        let reserved = take();
        matches!(reserved, Reserved::Now(_)).then_some(reserved)
    })
    .collect();
    let count = in_small.len();
    drop(in_small);
    let mut held = Vec::new();
    // Many more than the small lane has room for.
    for _ in 0..4 * count {
        let Reserved::Now(share) = take() else {
            panic!("the small lane is empty");
        };
        held.push(pool.make_large(share));
    }
}

#[test]
fn what_a_share_has_too_much_of_is_given_back() {
    let (pool, account) = (
        Pool::new(8 << 20, Flow::Outgoing),
        Tenants::default().account(1),
    );
    let memory = LargeMemory::new(&pool, &account);
    let Reserved::Now(mut share) = memory.take(2 << 20) else {
        panic!("an empty pool has it");
    };
    let before = pool.allowance(&account);
    share.shrink(1 << 20);
    assert_eq!(share.bytes(), 1 << 20);
    assert!(pool.allowance(&account) > before);
    share.shrink(2 << 20);
    assert_eq!(share.bytes(), 1 << 20);
    drop(share);
    assert!(matches!(memory.take(2 << 20), Reserved::Now(_)));
}
