//! Records as bytes: the form on disk, kept readable for ever.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use model::{
    GenerationId, GroupId, InstanceId, LeaderEpoch, MemberId, Offset, PartitionIndex, Timestamp,
    TopicName,
};

use crate::{CommittedOffset, DecodeError, GroupMetadata, Record, StoredMember};

fn group() -> Record {
    Record::Group {
        group: GroupId::from("g"),
        metadata: Some(Arc::new(GroupMetadata {
            generation: GenerationId(7),
            protocol_type: Arc::from("consumer"),
            protocol: Some(Arc::from("range")),
            leader: Some(MemberId::from("a-1")),
            settled_at: Timestamp(0x0102),
            members: vec![StoredMember {
                member: MemberId::from("a-1"),
                instance: Some(InstanceId::from("i")),
                client_id: Arc::from("a"),
                client_host: Arc::from("/h"),
                session_timeout: Duration::from_millis(10),
                rebalance_timeout: Duration::from_millis(20),
                metadata: Bytes::from_static(b"M"),
                assignment: Bytes::new(),
            }],
        })),
    }
}

fn offset() -> Record {
    Record::Offset {
        group: GroupId::from("g"),
        topic: TopicName::try_from("t").unwrap(),
        partition: PartitionIndex(3),
        committed: Some(CommittedOffset {
            offset: Offset(5),
            leader_epoch: LeaderEpoch(-1),
            metadata: Arc::from("n"),
            committed_at: Timestamp(9),
        }),
    }
}

/// Version 1 of a group's record.
const GROUP_V1: (&[u8], &[u8]) = (
    b"\x01\x01\0\0\0g",
    b"\x01\x07\0\0\0\x02\x01\0\0\0\0\0\0\x08\0\0\0consumer\x01\x05\0\0\0range\x01\x03\0\0\0a-1\
      \x01\0\0\0\x03\0\0\0a-1\x01\x01\0\0\0i\x01\0\0\0a\x02\0\0\0/h\x0a\0\0\0\x14\0\0\0\
      \x01\0\0\0M\0\0\0\0",
);

/// Version 1 of an offset's record.
const OFFSET_V1: (&[u8], &[u8]) = (
    b"\x02\x01\0\0\0g\x01\0\0\0t\x03\0\0\0",
    b"\x01\x05\0\0\0\0\0\0\0\xff\xff\xff\xff\x09\0\0\0\0\0\0\0\x01\0\0\0n",
);

#[test]
fn version_1_of_each_record_stays_readable_and_is_what_is_written() {
    for (record, (key, value)) in [(group(), GROUP_V1), (offset(), OFFSET_V1)] {
        assert_eq!(Record::decode(key, Some(value)).as_ref(), Ok(&record));
        let (written_key, written_value) = record.encode();
        assert_eq!(written_key, key);
        assert_eq!(written_value.as_deref(), Some(value));
    }
}

#[test]
fn a_tombstone_has_the_key_and_no_value() {
    let ended = Record::Group {
        group: GroupId::from("g"),
        metadata: None,
    };
    assert_eq!(ended.encode(), (Bytes::from_static(GROUP_V1.0), None));
    assert_eq!(Record::decode(GROUP_V1.0, None), Ok(ended));
}

#[test]
fn bytes_of_another_making_are_refused_by_name() {
    let (key, value) = OFFSET_V1;
    let flawed = |at: usize, byte: u8| {
        let mut bytes = value.to_vec();
        *bytes.get_mut(at).unwrap() = byte;
        Record::decode(key, Some(&bytes)).unwrap_err()
    };
    assert_eq!(flawed(0, 2), DecodeError::UnknownVersion(2));
    assert_eq!(flawed(25, 0xff), DecodeError::InvalidText);
    assert_eq!(flawed(24, 0xff), DecodeError::Truncated);
    assert_eq!(flawed(21, 0), DecodeError::TrailingBytes);
    assert_eq!(Record::decode(b"", None), Err(DecodeError::Truncated));
    assert_eq!(
        Record::decode(b"\x03", None),
        Err(DecodeError::UnknownKind(3))
    );
    let bad_topic = b"\x02\x01\0\0\0g\x01\0\0\0/\x03\0\0\0";
    assert_eq!(
        Record::decode(bad_topic, None),
        Err(DecodeError::InvalidText)
    );
    let bad_flag = GROUP_V1
        .1
        .iter()
        .map(|byte| if *byte == 8 { 0 } else { *byte });
    let bad_flag: Vec<u8> = bad_flag.collect();
    assert_eq!(
        Record::decode(GROUP_V1.0, Some(&bad_flag)),
        Err(DecodeError::InvalidFlag)
    );
}

#[test]
fn a_count_that_claims_billions_of_members_allocates_nothing() {
    let (key, value) = GROUP_V1;
    let members_at = value.len() - 45;
    let mut bytes = value.to_vec();
    bytes.splice(members_at..members_at + 4, [0xff; 4]);
    assert_eq!(
        Record::decode(key, Some(&bytes)),
        Err(DecodeError::Truncated)
    );
}
