//! Sessions as a client meets them, without any partition behind them.

use std::collections::BTreeMap as Model;

use proptest::prelude::*;

use super::*;

struct World {
    sessions: FetchSessions,
    now: Instant,
}

impl World {
    fn new(session_count_max: usize, partition_count_max: usize) -> Self {
        Self {
            sessions: FetchSessions::new(session_count_max, partition_count_max),
            now: instant(),
        }
    }

    fn open(&mut self, id: i32, epoch: i32, wanted: &[i32]) -> Result<Plan, SessionError> {
        self.open_in("dev", id, epoch, wanted, &[])
    }

    fn open_in(
        &mut self,
        namespace: &str,
        session_id: i32,
        epoch: i32,
        wanted: &[i32],
        forgotten: &[i32],
    ) -> Result<Plan, SessionError> {
        self.sessions.open(Opening {
            namespace: &NamespaceName::from(namespace),
            session_id,
            epoch,
            by_id: false,
            wanted: wanted.iter().map(|index| partition(*index)).collect(),
            forgotten: forgotten.iter().map(|index| key(*index)).collect(),
            now: self.now,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "an instant to count from; only differences matter"
)]
fn instant() -> Instant {
    Instant::now()
}

fn key(index: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::named("orders"),
        index,
    }
}

fn partition(index: i32) -> Wanted {
    Wanted {
        key: key(index),
        offset: 0,
        bytes_max: 1,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn indexes(plan: &Plan) -> Vec<i32> {
    plan.wanted.iter().map(|wanted| wanted.key.index).collect()
}

const QUIET: News = News {
    has_records: false,
    high_watermark: 7,
    log_start_offset: 0,
    must_be_said: false,
};

#[test]
fn a_session_remembers_and_a_request_changes_it() {
    let mut world = World::new(10, 100);
    let full = world.open(0, 0, &[0, 1, 2]).unwrap();
    let id = full.reply.session_id();
    assert!(id > 0);
    let same = world.open(id, 1, &[]).unwrap();
    assert_eq!(indexes(&same), [0, 1, 2]);
    let changed = world.open_in("dev", id, 2, &[3], &[1]).unwrap();
    assert_eq!(indexes(&changed), [0, 2, 3]);
}

#[test]
fn epochs_must_follow_each_other() {
    let mut world = World::new(10, 100);
    let id = world.open(0, 0, &[0]).unwrap().reply.session_id();
    assert_eq!(world.open(id, 2, &[]).unwrap_err(), SessionError::Epoch);
    world.open(id, 1, &[]).unwrap();
    assert_eq!(world.open(id, 1, &[]).unwrap_err(), SessionError::Epoch);
    let other = id.wrapping_add(1);
    assert_eq!(
        world.open(other, 1, &[]).unwrap_err(),
        SessionError::NotFound
    );
    let foreign = world.open_in("other", id, 2, &[], &[]);
    assert_eq!(foreign.unwrap_err(), SessionError::NotFound);
}

#[test]
fn the_final_epoch_ends_a_session() {
    let mut world = World::new(10, 100);
    let id = world.open(0, 0, &[0]).unwrap().reply.session_id();
    // Another namespace's request ends nothing.
    world.open_in("other", id, -1, &[0], &[]).unwrap();
    world.open(id, 1, &[]).unwrap();
    assert_eq!(world.open(id, -1, &[0]).unwrap().reply.session_id(), 0);
    assert_eq!(world.open(id, 2, &[]).unwrap_err(), SessionError::NotFound);
}

#[test]
fn full_means_no_session_until_one_has_rested() {
    let mut world = World::new(2, 100);
    let first = world.open(0, 0, &[0]).unwrap().reply.session_id();
    let second = world.open(0, 0, &[0]).unwrap().reply.session_id();
    assert_eq!(world.open(0, 0, &[0]).unwrap().reply.session_id(), 0);
    world.now += EVICTION_AGE;
    world.open(second, 1, &[]).unwrap();
    assert!(world.open(0, 0, &[0]).unwrap().reply.session_id() > 0);
    assert_eq!(
        world.open(first, 1, &[]).unwrap_err(),
        SessionError::NotFound
    );
    world.open(second, 2, &[]).unwrap();
}

#[test]
fn partitions_are_bounded_over_all_sessions() {
    let mut world = World::new(10, 3);
    let id = world.open(0, 0, &[0, 1]).unwrap().reply.session_id();
    assert_eq!(world.open(0, 0, &[0, 1]).unwrap().reply.session_id(), 0);
    world.open(id, 1, &[2]).unwrap();
    let grown = world.open(id, 2, &[3]);
    assert_eq!(grown.unwrap_err(), SessionError::NotFound);
    assert_eq!(lock(&world.sessions.table).partition_count, 0);
}

#[test]
fn a_reply_names_what_has_news_and_the_served_go_behind() {
    let mut world = World::new(10, 100);
    let full = world.open(0, 0, &[0, 1]).unwrap();
    let id = full.reply.session_id();
    for index in [0, 1] {
        assert!(full.reply.names(&key(index), QUIET));
    }
    let plan = world.open(id, 1, &[]).unwrap();
    assert!(!plan.reply.names(&key(1), QUIET));
    let served = News {
        has_records: true,
        ..QUIET
    };
    assert!(plan.reply.names(&key(0), served));
    let plan = world.open(id, 2, &[]).unwrap();
    assert_eq!(indexes(&plan), [1, 0]);
    assert!(plan.reply.names(
        &key(1),
        News {
            high_watermark: 8,
            ..QUIET
        }
    ));
    assert!(plan.reply.names(
        &key(0),
        News {
            log_start_offset: 1,
            ..QUIET
        }
    ));
    let failed = News {
        must_be_said: true,
        log_start_offset: 1,
        ..QUIET
    };
    assert!(plan.reply.names(&key(0), failed));
}

#[test]
fn names_and_ids_do_not_mix_in_one_session() {
    let mut world = World::new(10, 100);
    let id = world.open(0, 0, &[0]).unwrap().reply.session_id();
    let mixed = world.sessions.open(Opening {
        namespace: &NamespaceName::from("dev"),
        session_id: id,
        epoch: 1,
        by_id: true,
        wanted: Vec::new(),
        forgotten: Vec::new(),
        now: world.now,
    });
    assert_eq!(mixed.unwrap_err(), SessionError::TopicIds);
}

proptest! {
    /// Whatever is added, changed and forgotten, a session wants exactly what a plain map would
    /// hold, each partition once, and the table's count is the sum over its sessions.
    #[test]
    fn a_session_is_a_map_with_an_order(
        steps in proptest::collection::vec(
            (
                proptest::collection::vec((0..6, 0..100_i64), 0..4),
                proptest::collection::vec(0..6, 0..3),
                proptest::collection::vec(0..6, 0..3),
            ),
            1..20,
        )
    ) {
        let world = World::new(10, 100);
        let open = |id, epoch, wanted: &[(i32, i64)], forgotten: &[i32]| {
            let wanted = wanted.iter().map(|(index, offset)| Wanted {
                offset: *offset,
                ..partition(*index)
            });
            world.sessions.open(Opening {
                namespace: &NamespaceName::from("dev"),
                session_id: id,
                epoch,
                by_id: false,
                wanted: wanted.collect(),
                forgotten: forgotten.iter().map(|index| key(*index)).collect(),
                now: world.now,
            })
        };
        let id = open(0, 0, &[(9, 0)], &[]).unwrap().reply.session_id();
        let mut model = Model::from([(9, 0)]);
        for (epoch, (wanted, forgotten, served)) in (1..).zip(steps) {
            let plan = open(id, epoch, &wanted, &forgotten).unwrap();
            model.extend(wanted);
            model.retain(|index, _| !forgotten.contains(index));
            for index in served {
                plan.reply.names(&key(index), News { has_records: true, ..QUIET });
            }
            let found: Vec<(i32, i64)> =
                plan.wanted.iter().map(|wanted| (wanted.key.index, wanted.offset)).collect();
            prop_assert_eq!(found.len(), model.len());
            prop_assert_eq!(found.into_iter().collect::<Model<_, _>>(), model.clone());
            prop_assert_eq!(lock(&world.sessions.table).partition_count, model.len());
        }
    }
}

#[test]
fn partitions_under_endless_names_count_as_many() {
    let named = |len: usize| Wanted {
        key: PartitionKey {
            topic: TopicKey::named(&"x".repeat(len)),
            index: 0,
        },
        ..partition(0)
    };
    let sessions = FetchSessions::new(10, 100);
    let open = |wanted| {
        let plan = sessions.open(Opening {
            namespace: &NamespaceName::from("dev"),
            session_id: 0,
            epoch: 0,
            by_id: false,
            wanted: vec![wanted],
            forgotten: Vec::new(),
            now: instant(),
        });
        plan.unwrap().reply.session_id() != 0
    };
    assert!(!open(named(32_767)), "more than all partitions may take");
    assert!(open(named(249)), "as long as a topic's name may be");
    assert!(open(named(20_000)));
    assert!(!open(named(20_000)));
}
