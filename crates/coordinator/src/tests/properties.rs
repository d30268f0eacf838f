//! What holds whatever clients do.

use bytes::Bytes;
use model::{GroupId, Now};
use proptest::prelude::*;

use super::script::{World, sender};
use crate::{Command, Config, Coordinator, GroupState, Outcome, Record, Reply, Ticket};

/// One thing that one of five clients does in one of two groups, as a line of a script.
fn action() -> impl Strategy<Value = String> {
    let client = 0..5_usize;
    let verb = prop_oneof![
        8 => Just("join"),
        3 => Just("join known"),
        2 => Just("join fresh"),
        2 => Just("join changed"),
        2 => Just("join static"),
        8 => Just("sync"),
        4 => Just("beat"),
        3 => Just("leave"),
        4 => Just("commit"),
        2 => Just("outside"),
        1 => Just("forget"),
        1 => Just("drop-topic"),
        1 => Just("delete"),
        2 => Just("abandon"),
        2 => Just("hang-up"),
        2 => Just("join topic"),
        6 => Just("wait"),
        1 => Just("crash"),
    ];
    (client, verb, 0..6_u32).prop_map(|(client, verb, number)| {
        let group = if client == 4 { "h" } else { "g" };
        let place = format!("c{client} group={group}");
        match verb {
            "join" => format!("> join {place} rebalance=20"),
            "join known" => format!("> join {place} known rebalance=20"),
            "join fresh" => format!("> join {place} fresh rebalance=20"),
            "join changed" => format!("> join {place} with=range:{number},sticky:m"),
            "join static" => {
                format!("> join s{client} group={group} fresh instance=i{client} skip")
            }
            "sync" => format!("> sync {place} give=all"),
            "beat" => format!("> beat {place}"),
            "leave" => format!("> leave {place}"),
            "commit" => format!("> commit {place} t:{number}=1 u:0={number}:note"),
            "outside" => format!("> commit - group={group} t:{number}=2"),
            "forget" => format!("> forget t:{number} group={group}"),
            "drop-topic" => "> drop-topic t".to_owned(),
            "delete" => "> delete g h".to_owned(),
            "hang-up" => format!("> hang-up c{client}"),
            "join topic" => format!("> join {place} reads=t reach=t"),
            "abandon" => format!("> abandon c{client}"),
            "wait" => format!("> wait {}", number * number),
            verb => format!("> {verb}"),
        }
    })
}

/// What clients see of the settled groups.
fn settled_groups(coordinator: &mut Coordinator, now: Now) -> Vec<Reply> {
    let settled = |state| matches!(state, GroupState::Stable | GroupState::Empty);
    let groups = coordinator.groups();
    let ids: Vec<GroupId> = groups
        .filter(|group| settled(group.state) && group.generation.0 > 0)
        .map(|group| group.group.clone())
        .collect();
    ids.into_iter()
        .map(|id| describe(coordinator, id, now))
        .collect()
}

fn describe(coordinator: &mut Coordinator, id: GroupId, now: Now) -> Reply {
    let command = Command::DescribeGroups(vec![id]);
    let Outcome { mut replies, .. } =
        coordinator.handle(command, &sender(""), Ticket(u64::MAX), now);
    replies.pop().unwrap().1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn replaying_the_log_rebuilds_the_live_state(
        script in prop::collection::vec(action(), 1..80)
    ) {
        let mut world = World::new(Config::default());
        for line in &script {
            world.play(line);
            prop_assert_eq!(world.coordinator.held(), world.coordinator.recounted(), "{}", line);
            prop_assert!(world.coordinator.has_true_newcomers(), "after {}", line);
            let mut rebuilt = world.rebuilt();
            prop_assert_eq!(rebuilt.snapshot(), world.coordinator.snapshot(), "after {}", line);
            prop_assert_eq!(rebuilt.held(), rebuilt.recounted(), "after {}", line);
            prop_assert_eq!(rebuilt.held().offsets, world.coordinator.held().offsets);
            rebuilt.loaded(world.now);
            prop_assert_eq!(rebuilt.held(), rebuilt.recounted(), "after {}", line);
            let (now, live) = (world.now, &mut world.coordinator);
            for reply in settled_groups(live, now) {
                let Reply::DescribeGroups(groups) = &reply else { unreachable!() };
                let id = groups.first().unwrap().group.clone();
                let again = describe(&mut rebuilt, id, now);
                prop_assert_eq!(&again, &reply, "after {}", line);
            }
        }
    }

    #[test]
    fn a_snapshot_is_as_good_as_the_log(script in prop::collection::vec(action(), 1..80)) {
        let mut world = World::new(Config::default());
        world.play(&script.join("\n"));
        let snapshot = world.coordinator.snapshot();
        let mut rebuilt = Coordinator::new(Config::default(), super::script::ids_from(1));
        for record in &snapshot {
            rebuilt.replay(record);
        }
        prop_assert_eq!(rebuilt.snapshot(), snapshot);
    }

    /// Nobody waits for ever, nobody is answered twice (the script would panic), and once all is
    /// quiet only groups with offsets are left, and no timer.
    #[test]
    fn every_request_is_answered_and_silence_leaves_nothing_behind(
        script in prop::collection::vec(action(), 1..80)
    ) {
        let mut world = World::new(Config::default());
        world.play(&script.join("\n"));
        world.play("> wait 4000");
        prop_assert_eq!(world.waiting(), 0);
        let offsets = world.coordinator.offsets();
        let mut with_offsets: Vec<GroupId> = offsets.map(|(group, ..)| group.clone()).collect();
        with_offsets.dedup();
        let groups = world.coordinator.groups();
        let groups: Vec<GroupId> = groups.map(|group| group.group.clone()).collect();
        prop_assert_eq!(groups, with_offsets);
        prop_assert_eq!(world.coordinator.next_deadline(), None);
        prop_assert!(world.coordinator.has_true_newcomers());
        prop_assert_eq!(world.coordinator.held(), world.coordinator.recounted());
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_without_panic(
        key in prop::collection::vec(any::<u8>(), 0..60),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..120)),
    ) {
        if let Ok(record) = Record::decode(&key, value.as_deref()) {
            let (key_again, value_again) = record.encode();
            prop_assert_eq!(&key_again[..], &key[..]);
            prop_assert_eq!(value_again.as_deref(), value.as_deref());
        }
    }

    #[test]
    fn a_damaged_record_is_refused_or_another_record_but_never_a_panic(
        script in prop::collection::vec(action(), 20..60),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut world = World::new(Config::default());
        world.play(&script.join("\n"));
        world.play("> wait 3");
        for (key, value) in &world.log {
            let Some(value) = value else { continue };
            let mut damaged = value.to_vec();
            let at = at.index(damaged.len());
            if cut {
                damaged.truncate(at);
                prop_assert!(Record::decode(key, Some(&damaged)).is_err());
            } else {
                *damaged.get_mut(at).unwrap() = byte;
                if let Ok(record) = Record::decode(key, Some(&damaged)) {
                    prop_assert_eq!(record.encode().1, Some(Bytes::from(damaged)));
                }
            }
        }
    }
}
