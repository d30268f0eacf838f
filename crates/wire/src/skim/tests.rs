//! What is read away, against the requests that the codec writes.

use kafka_protocol::messages::{
    ProduceRequest, TopicName,
    produce_request::{PartitionProduceData, TopicProduceData},
};
use uuid::Uuid;

use super::*;
use crate::codec;

/// A request for these partitions of each topic, with so many bytes of records each.
fn request(topics: &[(&str, &[i32])], records: usize) -> ProduceRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        let partitions = partitions.iter().map(|index| {
            PartitionProduceData::default()
                .with_index(*index)
                .with_records(Some(vec![0xff; records].into()))
        });
        TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string((*name).to_owned())))
            .with_topic_id(Uuid::from_u128(7))
            .with_partition_data(partitions.collect())
    });
    ProduceRequest::default()
        .with_acks(-1)
        .with_topic_data(topics.collect())
}

fn skim(frame: &[u8], piece: usize) -> Result<SkimmedProduce, SkimError> {
    let mut skim = ProduceSkim::default();
    for piece in frame.chunks(piece) {
        skim.feed(piece)?;
    }
    skim.finish()
}

#[test]
fn every_partition_is_named_in_every_version_however_the_bytes_come() {
    let topics: [(&str, &[i32]); 3] = [("a", &[0, 7, 3]), ("empty", &[]), ("bc", &[1])];
    for version in 3..=13 {
        let request = request(&topics, 1_000);
        let frame = codec::encode_request(version, 42, "tester", &request).unwrap();
        for piece in [1, 2, 7, 500, 1 << 20] {
            let skimmed = skim(&frame[4..], piece).unwrap();
            assert_eq!(skimmed.frame.correlation_id, 42);
            assert_eq!(skimmed.frame.api_version, version);
            assert_eq!(skimmed.frame.client_id.as_deref(), Some("tester"));
            assert_eq!(skimmed.acks, -1);
            let named = skimmed.topics.iter().map(|topic| &topic.partitions[..]);
            assert!(named.eq(topics.iter().map(|(_, partitions)| *partitions)));
            for (topic, (name, _)) in skimmed.topics.iter().zip(topics) {
                if version < 13 {
                    assert_eq!(topic.name, name);
                } else {
                    assert_eq!(topic.id, *Uuid::from_u128(7).as_bytes());
                }
            }
        }
    }
}

#[test]
fn what_is_cut_short_or_something_else_is_refused() {
    let request = request(&[("a", &[0, 1])], 100);
    for version in [7, 12] {
        let frame = codec::encode_request(version, 42, "tester", &request).unwrap();
        // Tagged fields of the whole may be missing: nobody asks for them.
        for end in 4..frame.len() - 1 {
            let cut = skim(&frame[4..end], 10);
            assert!(
                cut.is_err() || version == 12 && end == frame.len() - 1,
                "{end}"
            );
        }
    }
    assert_eq!(
        skim(&[0, 1, 0, 11, 0, 0, 0, 0], 8),
        Err(SkimError::NotProduce)
    );
    assert_eq!(
        skim(&[0, 0, 0, 99, 0, 0, 0, 0], 8),
        Err(SkimError::NotProduce)
    );
}

#[test]
fn what_is_kept_is_bounded() {
    let many: Vec<i32> = (0..20_000).collect();
    let request = request(&[("a", &many)], 0);
    let frame = codec::encode_request(7, 42, "tester", &request).unwrap();
    assert_eq!(skim(&frame[4..], 8_192), Err(SkimError::TooMuch));

    let mut endless = ProduceSkim::default();
    // A client id of a flexible version, then tagged fields that never end.
    let mut head = vec![0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0x7f];
    head.resize(PART_BYTES_MAX, 0);
    assert_eq!(endless.feed(&head), Err(SkimError::TooMuch));
    assert!(endless.part.capacity() <= 2 * PART_BYTES_MAX);
}
