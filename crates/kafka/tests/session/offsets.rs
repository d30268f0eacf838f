//! ListOffsets and OffsetForLeaderEpoch.

use kafka_protocol::messages::{
    MetadataRequest, list_offsets_response::ListOffsetsPartitionResponse,
};
use model::{
    Timestamp,
    batch::{BatchBuilder, NewRecord},
};

use crate::{
    admin_requests::{asking_epoch, deleting_records, listing_offsets},
    metadata::create,
    produce::{produce, producing},
    world::{Client, World},
};

/// What `batch` stamps its records with.
const THEN: i64 = 1_700_000_000_000;

async fn list(
    client: &mut Client<'_>,
    version: i16,
    partitions: &[(i32, i64)],
) -> Vec<ListOffsetsPartitionResponse> {
    let request = listing_offsets("orders", partitions);
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

/// Appends one batch to partition 0 of `orders`: a record for each span after [`THEN`].
async fn append(client: &mut Client<'_>, spans_ms: &[i64]) {
    let mut builder = BatchBuilder::default();
    for span in spans_ms {
        builder.push(NewRecord {
            timestamp: Timestamp(THEN + span),
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    let request = producing(-1, "orders", &[(0, Some(builder.build()))]);
    let response = client.call(9, &request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
}

#[tokio::test]
async fn a_time_finds_the_first_record_that_is_not_older_wherever_it_stands() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for spans_ms in [&[100, 200][..], &[150, 400], &[300, 350, 400], &[250]] {
        append(&mut client, spans_ms).await;
    }
    let epoch = list(&mut client, 4, &[(0, -1)]).await[0].leader_epoch;
    for version in 1..=11 {
        for (span, found) in [
            (0, Some((0, 100))),
            (100, Some((0, 100))),
            (101, Some((1, 200))),
            (151, Some((1, 200))),
            (200, Some((1, 200))),
            // Of times out of order the first offset counts, not the nearest time.
            (201, Some((3, 400))),
            (250, Some((3, 400))),
            (400, Some((3, 400))),
            (401, None),
        ] {
            let told = &list(&mut client, version, &[(0, THEN + span)]).await[0];
            let (offset, at) = found.map_or((-1, -1), |(offset, span)| (offset, THEN + span));
            assert_eq!(
                (told.error_code, told.offset, told.timestamp),
                (0, offset, at)
            );
            let known = version >= 4 && found.is_some();
            assert_eq!(
                told.leader_epoch,
                if known { epoch } else { -1 },
                "{version}"
            );
        }
        let newest = &list(&mut client, version, &[(0, -1)]).await[0];
        assert_eq!((newest.offset, newest.timestamp), (8, -1));
        if version >= 7 {
            let largest = &list(&mut client, version, &[(0, -3)]).await[0];
            assert_eq!((largest.offset, largest.timestamp), (3, THEN + 400));
        }
    }
    // What was deleted is found no more.
    let cut = deleting_records("orders", &[(0, 3)]);
    assert_eq!(
        client.call(2, &cut).await.topics[0].partitions[0].error_code,
        0
    );
    for version in 1..=11 {
        for (time, at) in [(-2, -1), (0, THEN + 400), (THEN + 100, THEN + 400)] {
            let told = &list(&mut client, version, &[(0, time)]).await[0];
            assert_eq!((told.error_code, told.offset, told.timestamp), (0, 3, at));
        }
    }
}

#[tokio::test]
async fn nothing_is_found_in_an_empty_partition_and_that_is_no_error() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for version in 1..=11 {
        for (time, since, offset) in [(-1, 1, 0), (-2, 1, 0), (0, 1, -1), (-3, 7, -1), (-4, 8, 0)] {
            if version >= since {
                let told = &list(&mut client, version, &[(0, time)]).await[0];
                let expected = (0, offset, -1);
                assert_eq!((told.error_code, told.offset, told.timestamp), expected);
            }
        }
    }
}

#[tokio::test]
async fn a_client_ahead_of_the_brokers_epoch_is_told_so_from_version_4() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let epoch = list(&mut client, 4, &[(0, -1)]).await[0].leader_epoch;
    for version in 4..=11 {
        for (current, code) in [(-1, 0), (epoch, 0), (epoch + 1, 75)] {
            let mut request = listing_offsets("orders", &[(0, -1)]);
            request.topics[0].partitions[0].current_leader_epoch = current;
            let told = client.call(version, &request).await.topics.remove(0);
            assert_eq!(told.partitions[0].error_code, code, "{current} at {epoch}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_has_an_error_of_its_own() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for version in 1..=11 {
        let asked = [(0, -1), (1, -1), (1, -2), (9, -1), (-1, -1), (2, -7)];
        let found = list(&mut client, version, &asked).await;
        let told: Vec<_> = found
            .iter()
            .map(|partition| (partition.partition_index, partition.error_code))
            .collect();
        assert_eq!(told, [(0, 0), (1, 42), (9, 3), (-1, 3), (2, 35)]);
        for unknown in ["nope", "a/b", ""] {
            let request = listing_offsets(unknown, &[(0, -1)]);
            let told = client.call(version, &request).await.topics.remove(0);
            assert_eq!(told.partitions[0].error_code, 3, "{unknown}");
        }
    }
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
        for (topic, current, wanted, expected) in [
            ("orders", -1, epoch, (0, epoch, 2)),
            ("orders", epoch, epoch, (0, epoch, 2)),
            ("orders", epoch + 1, epoch, (75, -1, -1)),
            ("orders", -1, epoch + 1, (0, -1, -1)),
            ("orders", -1, -1, (0, -1, -1)),
            ("nope", -1, epoch, (3, -1, -1)),
            ("a/b", -1, epoch, (3, -1, -1)),
        ] {
            let request = asking_epoch(topic, current, wanted);
            let response = client.call(version, &request).await;
            let end = &response.topics[0].partitions[0];
            let told = (end.error_code, end.leader_epoch, end.end_offset);
            assert_eq!(
                told, expected,
                "{topic}: current {current}, wanted {wanted}"
            );
        }
        let mut request = asking_epoch("orders", -1, epoch);
        request.topics[0].partitions[0].partition = 9;
        let response = client.call(version, &request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 3);
    }
}
