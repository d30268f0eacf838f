//! The machine's two properties: replay rebuilds the live state, and so does a snapshot.

use proptest::prelude::*;

use super::*;

fn commands() -> impl Strategy<Value = Command> {
    let namespace = (1..4_u32).prop_map(NamespaceId);
    let topic = (1..6_u128).prop_map(TopicId);
    let name = prop::sample::select(vec!["a", "a.b", "a_b", "c", "d"]);
    let configs = prop::collection::btree_map("[a-z.]{1,8}", "[a-z0-9]{0,8}", 0..3);
    prop_oneof![
        Just(Command::RaiseEpoch),
        Just(Command::ReserveProducerIds),
        prop::sample::select(vec!["x", "y", "z"]).prop_map(|name| Command::CreateNamespace {
            name: NamespaceName::from(name),
            cluster_id: "id".to_owned(),
        }),
        (namespace.clone(), 0..9_u32, 0..9_u32).prop_map(|(id, configured, in_force)| {
            let units = UnitsRecord {
                configured,
                in_force,
            };
            Command::SetUnits(id, units)
        }),
        (
            namespace.clone(),
            topic.clone(),
            name,
            1..5_u32,
            configs.clone()
        )
            .prop_map(|(namespace, id, name, partition_count, configs)| {
                Command::CreateTopic {
                    namespace,
                    id,
                    name: TopicName::try_from(name).unwrap(),
                    partition_count,
                    configs,
                }
            }),
        (namespace.clone(), topic.clone(), 1..4_u32)
            .prop_map(|(namespace, id, added)| Command::GrowTopic(namespace, id, added)),
        (namespace.clone(), topic.clone(), configs)
            .prop_map(|(namespace, id, configs)| Command::ConfigureTopic(namespace, id, configs)),
        (namespace, topic).prop_map(|(namespace, id)| Command::DeleteTopic(namespace, id)),
    ]
}

fn rebuilt<'a>(records: impl IntoIterator<Item = &'a Record>) -> Metadata {
    let mut machine = Metadata::default();
    for record in records {
        let (key, value) = record.encode();
        machine.replay(&Record::decode(&key, value.as_deref()).unwrap());
    }
    machine
}

proptest! {
    #[test]
    fn replay_and_snapshot_rebuild_the_live_state(commands in prop::collection::vec(commands(), 0..40)) {
        let mut live = Metadata::default();
        let mut log = Vec::new();
        let mut logs_given = std::collections::BTreeSet::new();
        for command in commands {
            let Ok(records) = live.decide(command) else { continue };
            for record in records {
                live.replay(&record);
                log.push(record);
            }
        }
        prop_assert_eq!(&rebuilt(&log), &live);
        prop_assert_eq!(&rebuilt(&live.snapshot()), &live);
        prop_assert_eq!(&rebuilt(log.iter().chain(&live.snapshot())), &live);
        for state in live.namespaces.values() {
            prop_assert!(logs_given.insert(state.record.groups_log));
            for (_, log) in state.topics.values().flat_map(TopicRecord::partitions) {
                prop_assert!(logs_given.insert(log), "{} was given twice", log);
                prop_assert!(log.0 < live.counters.log);
            }
        }
    }

    #[test]
    fn foreign_bytes_are_refused_and_never_panic(
        key in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
    ) {
        if let Ok(record) = Record::decode(&key, value.as_deref()) {
            let (key_again, value_again) = record.encode();
            prop_assert_eq!(&key_again[..], &key[..]);
            prop_assert_eq!(value_again.is_some(), value.is_some());
        }
    }
}

#[test]
fn an_id_in_use_by_another_name_is_not_created_again() {
    let mut machine = Metadata::default();
    let namespace = Command::CreateNamespace {
        name: NamespaceName::from("dev"),
        cluster_id: String::new(),
    };
    for record in machine.decide(namespace).unwrap() {
        machine.replay(&record);
    }
    let topic = |name: &str| Command::CreateTopic {
        namespace: NamespaceId(1),
        id: TopicId(7),
        name: TopicName::try_from(name).unwrap(),
        partition_count: 1,
        configs: BTreeMap::new(),
    };
    for record in machine.decide(topic("a.b")).unwrap() {
        machine.replay(&record);
    }
    assert_eq!(machine.decide(topic("a.b")), Err(Refusal::Exists));
    let collision = machine.decide(topic("a_b")).unwrap_err();
    assert!(matches!(collision, Refusal::Collides(name) if name.as_str() == "a.b"));
    assert_eq!(machine.decide(topic("x")), Err(Refusal::Exists));
}
