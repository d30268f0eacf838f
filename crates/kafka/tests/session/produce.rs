//! Produce: acks, errors per partition, ids, and what a refusal looks like.

use bytes::{Bytes, BytesMut};
use kafka::{KafkaLimits, Staged};
use kafka_protocol::messages::{
    InitProducerIdRequest, ProduceRequest, ProduceResponse,
    produce_request::{PartitionProduceData, TopicProduceData},
};
use model::{
    ProducerEpoch, ProducerId, Sequence, Timestamp,
    batch::{Batch, BatchBuilder, Compression, Levels, NewRecord},
};
use uuid::Uuid;

use crate::{
    metadata::{create, name},
    world::{Client, LISTENER, World, batch, is_waiting, settle},
};

pub(crate) fn producing(
    acks: i16,
    topic: &str,
    records: &[(i32, Option<Bytes>)],
) -> ProduceRequest {
    let partitions = records.iter().map(|(index, records)| {
        PartitionProduceData::default()
            .with_index(*index)
            .with_records(records.clone())
    });
    let topic = TopicProduceData::default()
        .with_name(name(topic))
        .with_partition_data(partitions.collect());
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

pub(crate) async fn produce(
    client: &mut Client<'_>,
    topic: &str,
    partition: i32,
    values: &[&str],
) -> i64 {
    let request = producing(-1, topic, &[(partition, Some(batch(values)))]);
    let response = client.call(9, &request).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!((answer.error_code, &answer.error_message), (0, &None));
    answer.base_offset
}

fn codes(response: &ProduceResponse) -> Vec<i16> {
    let partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    partitions.map(|partition| partition.error_code).collect()
}

#[tokio::test]
async fn every_version_appends_and_tells_the_offset() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    for version in 3..=13 {
        let mut request = producing(-1, "orders", &[(0, Some(batch(&["a", "b"])))]);
        request.topic_data[0].topic_id = id;
        let response = client.call(version, &request).await;
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0, "{version}");
        assert_eq!(answer.base_offset, i64::from(version - 3) * 2, "{version}");
        assert_eq!(answer.log_append_time_ms, -1);
    }
}

#[tokio::test]
async fn requests_take_their_place_in_order_before_anyone_waits() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let request = producing(-1, "orders", &[(0, Some(batch(&["x"])))]);
    let staged: Vec<Staged> = (0..5).map(|_| client.send(8, &request)).collect();
    let mut offsets = Vec::new();
    for staged in staged.into_iter().rev() {
        let mut frame = crate::world::body(&settle(staged).await);
        let _correlation_id = frame.split_to(4);
        let response = wire_response(frame);
        offsets.push(response.responses[0].partition_responses[0].base_offset);
    }
    assert_eq!(offsets, [4, 3, 2, 1, 0]);
}

fn wire_response(mut frame: Bytes) -> ProduceResponse {
    kafka_protocol::protocol::Decodable::decode(&mut frame, 8).unwrap()
}

#[tokio::test]
async fn acks_0_gets_no_reply_but_an_error_closes() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let good = producing(0, "orders", &[(0, Some(batch(&["x"])))]);
    let staged = client.send(8, &good);
    assert!(matches!(staged, Staged::Queued(_)), "it waits for the disk");
    let reply = settle(staged).await;
    assert!(reply.chunks.is_empty());
    assert_eq!(reply.close, None);
    let bad = producing(0, "orders", &[(9, Some(batch(&["x"])))]);
    let reply = settle(client.send(8, &bad)).await;
    assert!(reply.chunks.is_empty());
    let reason = reply.close.unwrap();
    assert!(reason.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{reason}");
}

#[tokio::test]
async fn acks_are_minus_one_zero_or_one() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for (acks, expected) in [(1, 0), (-1, 0), (2, 21), (-2, 21)] {
        let request = producing(acks, "orders", &[(0, Some(batch(&["x"])))]);
        let response = client.call(8, &request).await;
        assert_eq!(codes(&response), [expected], "acks {acks}");
        let offset = response.responses[0].partition_responses[0].base_offset;
        assert_eq!(offset == -1, expected != 0);
    }
}

#[tokio::test]
async fn each_partition_has_its_own_error() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let good = batch(&["x"]);
    let twice = Bytes::from([good.clone(), good.clone()].concat());
    let mut flipped = BytesMut::from(&good[..]);
    flipped[66] ^= 1;
    let mut old = BytesMut::from(&good[..]);
    old[16] = 1;
    let short = good.slice(..good.len() - 1);
    let cases: [(i32, Option<Bytes>, i16); 9] = [
        (0, Some(good.clone()), 0),
        (4, Some(good.clone()), 3),
        (-1, Some(good), 3),
        (1, None, 87),
        (1, Some(Bytes::new()), 87),
        (1, Some(twice), 87),
        (1, Some(flipped.freeze()), 2),
        (1, Some(old.freeze()), 87),
        (1, Some(short), 2),
    ];
    let records: Vec<(i32, Option<Bytes>)> = cases
        .iter()
        .map(|(index, records, _)| (*index, records.clone()))
        .collect();
    let response = client.call(8, &producing(-1, "orders", &records)).await;
    let expected: Vec<i16> = cases.iter().map(|(.., code)| *code).collect();
    assert_eq!(codes(&response), expected);
    for answer in &response.responses[0].partition_responses[1..] {
        assert!(answer.error_message.is_some());
        assert_eq!((answer.base_offset, answer.log_start_offset), (-1, -1));
    }
}

#[tokio::test]
async fn a_record_at_fault_is_named() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    // The second record's length says more than is there.
    let mut cut = BytesMut::from(&batch(&["a", "b"])[..]);
    let second = cut.len() - (cut.len() - 61) / 2;
    cut[second] = 0x7e;
    let request = producing(-1, "orders", &[(0, Some(checksummed(cut)))]);
    let response = client.call(8, &request).await;
    let answer = &response.responses[0].partition_responses[0];
    assert_eq!(answer.error_code, 87);
    assert_eq!(answer.record_errors[0].batch_index, 1);
    assert_eq!(
        answer.record_errors[0].batch_index_error_message,
        answer.error_message
    );
    assert_eq!(codes(&client.call(7, &request).await), [87]);
}

#[tokio::test]
async fn each_record_that_breaks_a_rule_of_its_topic_is_named() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let mut builder = BatchBuilder::default();
    for ms in [0, 86_400_000, 1, 86_400_000] {
        builder.push(NewRecord {
            timestamp: Timestamp(1_700_000_000_000 + ms),
            ..NewRecord::default()
        });
    }
    let plain = Batch::check(builder.build()).unwrap();
    for codec in [Compression::None, Compression::Gzip] {
        let sent = plain.recompress(codec, Levels::default(), 1 << 20).unwrap();
        // What the header says of it changes nothing.
        let sent = sent.with_max_timestamp(Timestamp(1_700_000_000_000));
        let request = producing(-1, "orders", &[(0, Some(sent.bytes().clone()))]);
        let response = client.call(8, &request).await;
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 32, "{codec:?}");
        let records: Vec<i32> = answer
            .record_errors
            .iter()
            .map(|record| record.batch_index)
            .collect();
        assert_eq!(records, [1, 3], "{codec:?}");
        let message = answer.error_message.as_deref().unwrap_or_default();
        for part in [
            "1700086400000",
            "1700003600000",
            "message.timestamp.after.max.ms",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(codes(&client.call(7, &request).await), [32]);
    }
}

#[tokio::test]
async fn a_block_that_no_client_could_read_is_refused() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for codec in 1..=4 {
        let garbage = with_attributes(&batch(&["x"]), codec);
        let request = producing(-1, "orders", &[(0, Some(garbage))]);
        assert_eq!(codes(&client.call(9, &request).await), [87], "{codec}");
    }
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let plain = Batch::check(batch(&["x"])).unwrap();
    let compressed = plain.recompress(Compression::Zstd, Levels::default(), 1 << 20);
    let compressed = compressed.unwrap().bytes().clone();
    let request = producing(-1, "orders", &[(0, Some(compressed))]);
    assert_eq!(codes(&client.call(6, &request).await), [76]);
    assert_eq!(codes(&client.call(7, &request).await), [0]);
    let unknown = with_attributes(&batch(&["x"]), 5);
    let request = producing(-1, "orders", &[(0, Some(unknown))]);
    assert_eq!(codes(&client.call(9, &request).await), [76]);
}

/// The batch with other attributes and a checksum that fits.
fn with_attributes(batch: &Bytes, attributes: i16) -> Bytes {
    let mut changed = BytesMut::from(&batch[..]);
    changed[21..23].copy_from_slice(&attributes.to_be_bytes());
    checksummed(changed)
}

fn checksummed(mut batch: BytesMut) -> Bytes {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.freeze()
}

#[tokio::test]
async fn topics_are_named_by_id_alone_from_version_13() {
    let world = World::new();
    let mut client = world.connect();
    let id = create(&mut client, "orders").await;
    let mut request = producing(-1, "ignored", &[(0, Some(batch(&["x"])))]);
    request.topic_data[0].topic_id = id;
    let response = client.call(13, &request).await;
    assert_eq!(codes(&response), [0]);
    assert_eq!(response.responses[0].topic_id, id);
    request.topic_data[0].topic_id = Uuid::from_u128(7);
    assert_eq!(codes(&client.call(13, &request).await), [100]);
    let unknown = producing(-1, "nope", &[(0, Some(batch(&["x"])))]);
    assert_eq!(codes(&client.call(12, &unknown).await), [3]);
}

#[tokio::test]
async fn without_send_a_topic_is_not_authorized_whether_it_exists_or_not() {
    let world = World::new();
    create(&mut world.connect(), "orders").await;
    let mut client = world.login(LISTENER).await;
    for topic in ["orders", "nope"] {
        let request = producing(1, topic, &[(0, Some(batch(&["x"])))]);
        assert_eq!(codes(&client.call(9, &request).await), [29], "{topic}");
    }
}

#[tokio::test]
async fn transactions_are_refused_for_good() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let request = producing(-1, "orders", &[(0, Some(batch(&["x"])))])
        .with_transactional_id(Some(kafka_protocol::messages::TransactionalId("t".into())));
    assert_eq!(codes(&client.call(9, &request).await), [53]);
    let transactional = with_attributes(&batch(&["x"]), 1 << 4);
    let request = producing(-1, "orders", &[(0, Some(transactional))]);
    assert_ne!(codes(&client.call(9, &request).await), [0]);
    let control = with_attributes(&batch(&["x"]), 1 << 5);
    let request = producing(-1, "orders", &[(0, Some(control))]);
    assert_eq!(codes(&client.call(9, &request).await), [87]);
}

#[tokio::test]
async fn an_idempotent_producers_repetition_is_stored_once() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let first = client.call(4, &idempotent()).await;
    let second = client.call(0, &idempotent()).await;
    assert_eq!((first.error_code, first.producer_epoch), (0, 0));
    assert_ne!(first.producer_id, second.producer_id);
    let send = |sequence| {
        let producer = ProducerId(first.producer_id.0);
        let mut builder =
            BatchBuilder::default().producer(producer, ProducerEpoch(0), Sequence(sequence));
        builder.push(NewRecord {
            timestamp: Timestamp(1_700_000_000_000),
            value: Some(b"x"),
            ..NewRecord::default()
        });
        producing(-1, "orders", &[(0, Some(builder.build()))])
    };
    let mut offsets = Vec::new();
    for sequence in [0, 1, 1, 0] {
        let response = client.call(9, &send(sequence)).await;
        assert_eq!(codes(&response), [0], "{sequence}");
        offsets.push(response.responses[0].partition_responses[0].base_offset);
    }
    assert_eq!(offsets, [0, 1, 1, 0]);
    assert_eq!(codes(&client.call(9, &send(7)).await), [45]);
}

#[tokio::test]
async fn a_batch_above_the_limit_is_too_large() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let large = "x".repeat(1_048_588);
    let request = producing(-1, "orders", &[(0, Some(batch(&[&large])))]);
    assert_eq!(codes(&client.call(9, &request).await), [10]);
}

#[tokio::test]
async fn above_the_units_new_clients_are_told_and_old_ones_wait() {
    let world = World::with(KafkaLimits::default(), |dev| {
        dev.units.throughput_units = Some(1)
    });
    let mut client = world.connect();
    create(&mut client, "orders").await;
    let half = "x".repeat(900_000);
    let request = producing(-1, "orders", &[(0, Some(batch(&[&half])))]);
    let mut told = 0;
    for _ in 0..6 {
        let (response, reply) = client.exchange(6, &request).await;
        assert_eq!(codes(&response), [0]);
        told = response.throttle_time_ms;
        assert_eq!(reply.mute.as_millis(), u128::try_from(told).unwrap());
    }
    assert!(told > 1_000, "{told}");
    let Staged::Queued(mut later) = client.send(5, &request) else {
        panic!("answered at once");
    };
    // The clock stands still, so however often it is looked at, an old client's reply waits.
    for _ in 0..100 {
        assert!(is_waiting(&mut later).await);
        tokio::task::yield_now().await;
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    let reply = later.await;
    assert_eq!(reply.mute, std::time::Duration::ZERO);
    assert_eq!(codes(&client.decode::<ProduceRequest>(5, &reply)), [0]);
}

/// A batch of one record that packs to next to nothing.
fn tight(value_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.push(NewRecord {
        timestamp: Timestamp(1_700_000_000_000),
        value: Some(&vec![0; value_bytes]),
        ..NewRecord::default()
    });
    let batch = Batch::check(builder.build()).unwrap();
    let packed = batch.recompress(Compression::Zstd, Levels::default(), usize::MAX);
    packed.unwrap().bytes().clone()
}

#[tokio::test]
async fn what_takes_long_to_open_is_left_to_other_threads() {
    let world = World::new();
    let mut client = world.connect();
    create(&mut client, "orders").await;
    for (value_bytes, batches, is_long) in
        [(1 << 20, 1, false), (4 << 20, 1, true), (1 << 20, 3, true)]
    {
        let partitions: Vec<_> = (0..batches)
            .map(|index| (index, Some(tight(value_bytes))))
            .collect();
        let request = producing(-1, "orders", &partitions);
        let staged = client.send(9, &request);
        assert_eq!(
            matches!(staged, Staged::Large(_)),
            is_long,
            "{value_bytes}, {batches}"
        );
        let response = client.call(9, &request).await;
        assert_eq!(codes(&response), vec![0; partitions.len()]);
    }
}

/// A request for the id of an idempotent producer.
pub(crate) fn idempotent() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None)
}
