//! FindCoordinator, InitProducerId and DescribeCluster.

use kafka_protocol::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, InitProducerIdRequest, TransactionalId,
};

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
    for (key_type, code) in [(1, 53), (2, 42), (7, 42)] {
        let request = FindCoordinatorRequest::default()
            .with_key_type(key_type)
            .with_coordinator_keys(vec!["t".into()]);
        let found = client.call(6, &request).await.coordinators.remove(0);
        assert_eq!((found.error_code, found.node_id.0), (code, -1));
        let message = found.error_message.unwrap();
        assert!(
            message.contains(&format!("type code {key_type}")),
            "{}",
            &*message
        );
    }
    let one = FindCoordinatorRequest::default()
        .with_key("t".into())
        .with_key_type(1);
    let found = client.call(1, &one).await;
    assert_eq!(found.error_code, 53);
    assert!(found.error_message.is_some());
}

#[tokio::test]
async fn a_sender_is_told_that_groups_are_not_for_it() {
    let world = World::new();
    let mut client = world.login(SENDER).await;
    let one = FindCoordinatorRequest::default().with_key("g".into());
    assert_eq!(client.call(2, &one).await.error_code, 30);
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

#[tokio::test]
async fn a_cluster_has_one_broker_and_an_id_that_stays() {
    let world = World::new();
    let mut client = world.connect();
    let request = DescribeClusterRequest::default().with_endpoint_type(1);
    for version in 0..=2 {
        let cluster = client.call(version, &request).await;
        assert_eq!((cluster.error_code, cluster.controller_id.0), (0, 0));
        assert_eq!(cluster.brokers.len(), 1);
        assert_eq!(cluster.cluster_id.len(), 22);
    }
    for (endpoint_type, code) in [(2, 114), (3, 115)] {
        let request = DescribeClusterRequest::default().with_endpoint_type(endpoint_type);
        assert_eq!(client.call(1, &request).await.error_code, code);
    }
}
