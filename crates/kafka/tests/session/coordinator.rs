//! FindCoordinator and InitProducerId.

use kafka_protocol::messages::{FindCoordinatorRequest, InitProducerIdRequest, TransactionalId};

use crate::{
    produce::idempotent,
    world::{SENDER, World},
};

#[tokio::test]
async fn one_key_up_to_version_3_and_many_from_4() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=3 {
        let one = FindCoordinatorRequest::default().with_key("g".into());
        let found = client.call(version, &one).await;
        assert_eq!(
            (found.error_code, found.node_id.0, found.port),
            (0, 0, 9092)
        );
    }
    for version in 4..=6 {
        let many =
            FindCoordinatorRequest::default().with_coordinator_keys(vec!["g".into(), "h".into()]);
        let found = client.call(version, &many).await;
        let keys: Vec<&str> = found.coordinators.iter().map(|entry| &*entry.key).collect();
        assert_eq!(keys, ["g", "h"]);
        for entry in &found.coordinators {
            assert_eq!(
                (entry.error_code, entry.node_id.0, entry.port),
                (0, 0, 9092)
            );
        }
    }
}

#[tokio::test]
async fn coordinators_of_transactions_and_share_groups_are_refused_in_words() {
    let world = World::new();
    let mut client = world.connect();
    for version in 1..=6 {
        for (key_type, code) in [(1, 53), (2, 42), (7, 42), (-1, 42)] {
            let request = FindCoordinatorRequest::default().with_key_type(key_type);
            let (told, message) = if version < 4 {
                let found = client.call(version, &request.with_key("t".into())).await;
                (
                    (found.error_code, found.node_id.0, found.port),
                    found.error_message,
                )
            } else {
                let request = request.with_coordinator_keys(vec!["t".into()]);
                let found = client.call(version, &request).await.coordinators.remove(0);
                (
                    (found.error_code, found.node_id.0, found.port),
                    found.error_message,
                )
            };
            assert_eq!(told, (code, -1, -1), "type {key_type}, version {version}");
            let message = message.unwrap();
            let words = format!("type code {key_type}");
            assert!(message.contains(&words), "{}", &*message);
        }
    }
}

#[tokio::test]
async fn an_empty_key_has_a_coordinator_too_and_no_key_no_answer() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=3 {
        let found = client
            .call(version, &FindCoordinatorRequest::default())
            .await;
        assert_eq!((found.error_code, found.node_id.0), (0, 0));
    }
    for version in 4..=6 {
        let keys = vec!["".into(), "g".into(), "g".into()];
        let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
        let found = client.call(version, &request).await.coordinators;
        let told: Vec<_> = found
            .iter()
            .map(|each| (&*each.key, each.error_code))
            .collect();
        assert_eq!(told, [("", 0), ("g", 0)]);
        let none = FindCoordinatorRequest::default();
        assert_eq!(client.call(version, &none).await.coordinators, vec![]);
    }
}

#[tokio::test]
async fn producer_ids_are_for_idempotent_producers_only() {
    let world = World::new();
    let mut client = world.login(SENDER).await;
    for version in 0..=5 {
        let plain = client.call(version, &idempotent()).await;
        assert_eq!((plain.error_code, plain.producer_epoch), (0, 0));
        assert!(plain.producer_id.0 >= 0);
        for (id, code) in [("t", 53), ("", 42)] {
            let id = Some(TransactionalId(id.into()));
            let request = InitProducerIdRequest::default().with_transactional_id(id);
            let refused = client.call(version, &request).await;
            assert_eq!((refused.error_code, refused.producer_id.0), (code, -1));
        }
    }
}
