//! ListOffsets and OffsetForLeaderEpoch.

use kafka_protocol::messages::{
    ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    list_offsets_response::ListOffsetsPartitionResponse,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};

use crate::{
    metadata::{create, name},
    produce::produce,
    world::{Client, SENDER, World},
};

/// What `batch` stamps its records with.
const THEN: i64 = 1_700_000_000_000;

async fn list(
    client: &mut Client<'_>,
    version: i16,
    partitions: &[(i32, i64)],
) -> Vec<ListOffsetsPartitionResponse> {
    let partitions = partitions.iter().map(|(index, timestamp)| {
        ListOffsetsPartition::default()
            .with_partition_index(*index)
            .with_timestamp(*timestamp)
    });
    let topic = ListOffsetsTopic::default()
        .with_name(name("orders"))
        .with_partitions(partitions.collect());
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let response = client.call(version, &request).await;
    response.topics[0].partitions.clone()
}

#[tokio::test]
async fn times_and_special_times_find_offsets() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a", "b", "c"]).await;
    for version in 1..=11 {
        for (timestamp, since, offset, at) in [
            (-1, 1, 3, -1),
            (-2, 1, 0, -1),
            (THEN - 1, 1, 0, THEN),
            (THEN + 1, 1, -1, -1),
            (-4, 8, 0, -1),
            (-5, 9, -1, -1),
            (-6, 11, -1, -1),
        ] {
            let found = &list(&mut client, version, &[(0, timestamp)]).await[0];
            if version < since {
                assert_eq!(found.error_code, 35, "{timestamp} in version {version}");
                continue;
            }
            let told = (found.error_code, found.offset, found.timestamp);
            assert_eq!(told, (0, offset, at), "{timestamp} in version {version}");
            assert_eq!(found.leader_epoch >= 0, version >= 4 && offset >= 0);
        }
    }
    let largest = &list(&mut client, 7, &[(0, -3)]).await[0];
    assert_eq!((largest.error_code, largest.timestamp), (0, THEN));
}

#[tokio::test]
async fn what_cannot_be_looked_up_has_an_error_of_its_own() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    let found = list(
        &mut world.connect(),
        5,
        &[(0, -1), (1, -1), (1, -2), (9, -1)],
    )
    .await;
    let codes: Vec<i16> = found.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, 42, 3]);
    let mut sender = world.login(SENDER).await;
    assert_eq!(list(&mut sender, 5, &[(0, -1)]).await[0].error_code, 29);
}

#[tokio::test]
async fn an_epochs_end_is_found_and_a_wrong_epoch_refused() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a", "b"]).await;
    let metadata = client
        .call(9, &MetadataRequest::default().with_topics(None))
        .await;
    let epoch = metadata.topics[0].partitions[0].leader_epoch;
    for version in 2..=4 {
        for (current, wanted, expected) in [
            (-1, epoch, (0, epoch, 2)),
            (epoch, epoch, (0, epoch, 2)),
            (epoch + 1, epoch, (75, -1, -1)),
            (-1, epoch + 1, (0, -1, -1)),
        ] {
            let partition = OffsetForLeaderPartition::default()
                .with_current_leader_epoch(current)
                .with_leader_epoch(wanted);
            let topic = OffsetForLeaderTopic::default()
                .with_topic(name("orders"))
                .with_partitions(vec![partition]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            let response = client.call(version, &request).await;
            let end = &response.topics[0].partitions[0];
            let told = (end.error_code, end.leader_epoch, end.end_offset);
            assert_eq!(told, expected, "current {current}, wanted {wanted}");
        }
    }
}
