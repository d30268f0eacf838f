//! Fetch: limits, waiting, sessions, ids, epochs.

use std::time::Duration;

use kafka::Staged;
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, MetadataRequest,
    fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
    fetch_response::PartitionData,
};
use model::batch;
use uuid::Uuid;

use crate::{
    metadata::{create, name},
    produce::produce,
    world::{Client, SENDER, World, is_waiting},
};

const MEBIBYTE: i32 = 1 << 20;

fn wanting(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(MEBIBYTE)
}

fn fetching(topic: &str, id: Uuid, partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(name(topic))
        .with_topic_id(id)
        .with_partitions(partitions);
    session(0, -1).with_topics(vec![topic])
}

fn session(id: i32, epoch: i32) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(50 * MEBIBYTE)
        .with_session_id(id)
        .with_session_epoch(epoch)
        .with_topics(Vec::new())
}

fn partitions(response: &FetchResponse) -> Vec<&PartitionData> {
    response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .collect()
}

/// Base offset and record count of each batch.
fn batches(partition: &PartitionData) -> Vec<(i64, i32)> {
    let records = partition.records.clone().unwrap();
    batch::split(records)
        .map(|(header, _)| (header.base_offset.0, header.records_count))
        .collect()
}

#[tokio::test]
async fn every_version_gives_the_batches_with_their_offsets() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    produce(&mut client, "orders", 1, &["a", "b"]).await;
    produce(&mut client, "orders", 1, &["c"]).await;
    for version in 4..=18 {
        let response = client
            .call(version, &fetching("orders", id, vec![wanting(1, 0)]))
            .await;
        let found = partitions(&response)[0];
        assert_eq!(
            (found.partition_index, found.error_code),
            (1, 0),
            "{version}"
        );
        assert_eq!(batches(found), [(0, 2), (2, 1)], "{version}");
        assert_eq!((found.high_watermark, found.last_stable_offset), (3, 3));
        assert_eq!(found.aborted_transactions, None);
        if version >= 13 {
            assert_eq!(response.responses[0].topic_id, id);
        }
    }
}

#[tokio::test]
async fn at_least_one_batch_is_returned_whatever_the_limits() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for index in [0, 1] {
        produce(&mut client, "orders", index, &["first"]).await;
        produce(&mut client, "orders", index, &["second"]).await;
    }
    let request = fetching("orders", id, vec![wanting(0, 0), wanting(1, 0)]).with_max_bytes(1);
    let response = client.call(11, &request).await;
    let found = partitions(&response);
    assert_eq!(batches(found[0]), [(0, 1)]);
    assert_eq!(batches(found[1]), []);
    let narrow = wanting(0, 1).with_partition_max_bytes(1);
    let response = client.call(11, &fetching("orders", id, vec![narrow])).await;
    assert_eq!(batches(partitions(&response)[0]), [(1, 1)]);
}

#[tokio::test]
async fn too_little_is_waited_for_until_it_is_enough() {
    let world = World::new();
    let mut consumer = world.connect();
    let id = create(&mut consumer, "orders").await;
    let request = fetching("orders", id, vec![wanting(0, 0)])
        .with_min_bytes(1)
        .with_max_wait_ms(10_000);
    let Staged::InTurn(mut later) = consumer.send(11, &request) else {
        panic!("nothing was waited for");
    };
    assert!(is_waiting(&mut later).await);
    produce(&mut world.connect(), "orders", 0, &["a"]).await;
    let reply = later.await;
    let response = consumer.decode::<FetchRequest>(11, &reply);
    assert_eq!(batches(partitions(&response)[0]), [(0, 1)]);
}

#[tokio::test]
async fn a_wait_ends_with_nothing_when_its_time_is_over() {
    let world = World::new();
    let mut consumer = world.connect();
    let id = create(&mut consumer, "orders").await;
    let request = fetching("orders", id, vec![wanting(0, 0)])
        .with_min_bytes(1)
        .with_max_wait_ms(10_000);
    let Staged::InTurn(mut later) = consumer.send(11, &request) else {
        panic!("nothing was waited for");
    };
    assert!(is_waiting(&mut later).await);
    world.clock.advance(Duration::from_millis(10_000));
    let reply = later.await;
    let response = consumer.decode::<FetchRequest>(11, &reply);
    let found = partitions(&response)[0];
    assert_eq!((found.error_code, batches(found)), (0, vec![]));
}

#[tokio::test]
async fn an_error_in_one_partition_ends_the_wait_for_all() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a"]).await;
    for (bad, code) in [(wanting(9, 0), 3), (wanting(0, 2), 1), (wanting(0, -5), 1)] {
        let request = fetching("orders", id, vec![wanting(1, 0), bad])
            .with_min_bytes(1)
            .with_max_wait_ms(60_000);
        let response = client.call(11, &request).await;
        let found = partitions(&response);
        assert_eq!((found[0].error_code, found[1].error_code), (0, code));
        assert!(
            found[1].records.clone().unwrap().is_empty(),
            "empty, not null"
        );
    }
}

#[tokio::test]
async fn topics_that_are_not_to_be_had_say_why() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let error = |response: FetchResponse| partitions(&response)[0].error_code;
    let unknown = fetching("nope", Uuid::from_u128(7), vec![wanting(0, 0)]);
    assert_eq!(error(client.call(12, &unknown).await), 3);
    assert_eq!(error(client.call(13, &unknown).await), 100);
    let mut sender = world.login(SENDER).await;
    let known = fetching("orders", id, vec![wanting(0, 0)]);
    assert_eq!(error(sender.call(12, &known).await), 29);
    assert_eq!(error(sender.call(12, &unknown).await), 29);
    assert_eq!(error(sender.call(13, &known).await), 29);
}

#[tokio::test]
async fn epochs_are_checked_and_a_parted_log_is_told() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a", "b"]).await;
    let metadata = client
        .call(9, &MetadataRequest::default().with_topics(None))
        .await;
    let epoch = metadata.topics[0].partitions[0].leader_epoch;
    let newer = wanting(0, 0).with_current_leader_epoch(epoch + 1);
    let response = client.call(16, &fetching("orders", id, vec![newer])).await;
    assert_eq!(partitions(&response)[0].error_code, 75);
    // The client holds records of an epoch that this log never had at that offset.
    let parted = wanting(0, 9)
        .with_current_leader_epoch(epoch)
        .with_last_fetched_epoch(epoch);
    let response = client.call(12, &fetching("orders", id, vec![parted])).await;
    let found = partitions(&response)[0];
    assert_eq!(found.error_code, 0);
    let end = &found.diverging_epoch;
    assert_eq!((end.epoch, end.end_offset), (epoch, 2));
    assert_eq!(batches(found), []);
}

#[tokio::test]
async fn a_committed_read_lists_no_aborted_transactions() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    produce(&mut client, "orders", 0, &["a"]).await;
    let request = fetching("orders", id, vec![wanting(0, 0)]).with_isolation_level(1);
    let response = client.call(11, &request).await;
    assert_eq!(partitions(&response)[0].aborted_transactions, Some(vec![]));
}

async fn begin(client: &mut Client<'_>, id: Uuid, version: i16) -> i32 {
    let wanted = vec![wanting(0, 0), wanting(1, 0)];
    let request = fetching("orders", id, wanted).with_session_epoch(0);
    let response = client.call(version, &request).await;
    assert_eq!((response.error_code, partitions(&response).len()), (0, 2));
    assert!(response.session_id > 0);
    response.session_id
}

#[tokio::test]
async fn a_session_names_only_what_has_news() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in [7, 12, 13, 18] {
        let session_id = begin(&mut client, id, version).await;
        let quiet = client.call(version, &session(session_id, 1)).await;
        assert_eq!((quiet.error_code, quiet.session_id), (0, session_id));
        assert_eq!(quiet.responses, vec![]);
    }
    let session_id = begin(&mut client, id, 13).await;
    produce(&mut client, "orders", 1, &["a"]).await;
    let news = client.call(13, &session(session_id, 1)).await;
    let found = partitions(&news);
    assert_eq!((found.len(), found[0].partition_index), (1, 1));
    let forgotten = ForgottenTopic::default()
        .with_topic_id(id)
        .with_partitions(vec![1]);
    let without = session(session_id, 2).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(client.call(13, &without).await.responses, vec![]);
}

#[tokio::test]
async fn sessions_refuse_what_does_not_follow() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let session_id = begin(&mut client, id, 13).await;
    for (request, version, code) in [
        (session(session_id, 5), 13, 71),
        (session(session_id ^ 1, 1), 13, 70),
        (session(session_id, 1), 12, 106),
        (session(session_id, 1), 13, 0),
        (session(session_id, -1), 13, 0),
        (session(session_id, 2), 13, 70),
    ] {
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, code, "{request:?}");
        if code != 0 {
            assert_eq!((response.session_id, response.responses.len()), (0, 0));
        }
    }
}

#[tokio::test]
async fn above_the_units_new_clients_are_told_and_old_ones_wait() {
    let world = World::with(kafka::KafkaLimits::default(), |dev| {
        dev.units.throughput_units = Some(1);
    });
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let large = "x".repeat(1_000_000);
    for _ in 0..4 {
        produce(&mut client, "orders", 0, &[&large]).await;
    }
    let wanted = || wanting(0, 0).with_partition_max_bytes(4 * MEBIBYTE);
    let request = fetching("orders", id, vec![wanted()]);
    client.call(8, &request).await;
    let (response, reply) = client.exchange(8, &request).await;
    assert!(
        response.throttle_time_ms > 1_000,
        "{}",
        response.throttle_time_ms
    );
    let mute = u128::try_from(response.throttle_time_ms).unwrap();
    assert_eq!(reply.mute.as_millis(), mute);
    let Staged::InTurn(mut later) = client.send(7, &request) else {
        panic!("answered at once");
    };
    for _ in 0..100 {
        assert!(is_waiting(&mut later).await);
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_secs(60));
    let reply = later.await;
    assert_eq!(reply.mute, Duration::ZERO);
    let late = client.decode::<FetchRequest>(7, &reply);
    assert_eq!(partitions(&late)[0].error_code, 0);
}
