//! OffsetCommit and OffsetFetch requests of version 10, which the library lacks: as version 9, but
//! a topic is named by its id where it was named by its name (KIP-848 for classic groups too).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::put;
use crate::shape::ShapeError;

/// The first version with ids.
pub(crate) const IDS_FROM: i16 = 10;
const NO_TAGS: u8 = 0;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Elements behind a compact count; the structure check has proved the count.
fn read_array<'a, T>(
    cursor: &mut Cursor<'a>,
    mut element: impl FnMut(&mut Cursor<'a>) -> Result<T, ShapeError>,
) -> Result<Option<Vec<T>>, ShapeError> {
    match cursor.varint()? {
        0 => Ok(None),
        count => (1..count)
            .map(|_| element(cursor))
            .collect::<Result<_, _>>()
            .map(Some),
    }
}

pub(crate) fn read_offset_commit(body: &Bytes) -> Result<OffsetCommitRequest, ShapeError> {
    let mut cursor = Cursor::new(body);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(cursor.compact_text()?)))
        .with_generation_id_or_member_epoch(cursor.i32()?)
        .with_member_id(text(cursor.compact_text()?))
        .with_group_instance_id(cursor.optional_compact_text()?.map(text))
        .with_topics(read_array(&mut cursor, read_commit_topic)?.unwrap_or_default());
    cursor.skip_tagged_fields()?;
    Ok(request)
}

fn read_commit_topic(cursor: &mut Cursor<'_>) -> Result<OffsetCommitRequestTopic, ShapeError> {
    let topic = OffsetCommitRequestTopic::default()
        .with_topic_id(read_uuid(cursor)?)
        .with_partitions(read_array(cursor, read_commit_partition)?.unwrap_or_default());
    cursor.skip_tagged_fields()?;
    Ok(topic)
}

fn read_commit_partition(
    cursor: &mut Cursor<'_>,
) -> Result<OffsetCommitRequestPartition, ShapeError> {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(cursor.i32()?)
        .with_committed_offset(cursor.i64()?)
        .with_committed_leader_epoch(cursor.i32()?)
        .with_committed_metadata(cursor.optional_compact_text()?.map(text));
    cursor.skip_tagged_fields()?;
    Ok(partition)
}

pub(crate) fn write_offset_commit(request: &OffsetCommitRequest, buffer: &mut BytesMut) {
    put::text(buffer, true, &request.group_id);
    buffer.put_i32(request.generation_id_or_member_epoch);
    put::text(buffer, true, &request.member_id);
    put::optional_text(buffer, true, request.group_instance_id.as_deref());
    put::length(buffer, true, request.topics.len());
    for topic in &request.topics {
        buffer.put_slice(topic.topic_id.as_bytes());
        put::length(buffer, true, topic.partitions.len());
        for partition in &topic.partitions {
            buffer.put_i32(partition.partition_index);
            buffer.put_i64(partition.committed_offset);
            buffer.put_i32(partition.committed_leader_epoch);
            put::optional_text(buffer, true, partition.committed_metadata.as_deref());
            buffer.put_u8(NO_TAGS);
        }
        buffer.put_u8(NO_TAGS);
    }
    buffer.put_u8(NO_TAGS);
}

pub(crate) fn read_offset_fetch(body: &Bytes) -> Result<OffsetFetchRequest, ShapeError> {
    let mut cursor = Cursor::new(body);
    let request = OffsetFetchRequest::default()
        .with_groups(read_array(&mut cursor, read_fetch_group)?.unwrap_or_default())
        .with_require_stable(cursor.i8()? != 0);
    cursor.skip_tagged_fields()?;
    Ok(request)
}

fn read_fetch_group(cursor: &mut Cursor<'_>) -> Result<OffsetFetchRequestGroup, ShapeError> {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(cursor.compact_text()?)))
        .with_member_id(cursor.optional_compact_text()?.map(text))
        .with_member_epoch(cursor.i32()?)
        .with_topics(read_array(cursor, read_fetch_topic)?);
    cursor.skip_tagged_fields()?;
    Ok(group)
}

fn read_fetch_topic(cursor: &mut Cursor<'_>) -> Result<OffsetFetchRequestTopics, ShapeError> {
    let topic = OffsetFetchRequestTopics::default()
        .with_topic_id(read_uuid(cursor)?)
        .with_partition_indexes(read_array(cursor, Cursor::i32)?.unwrap_or_default());
    cursor.skip_tagged_fields()?;
    Ok(topic)
}

pub(crate) fn write_offset_fetch(request: &OffsetFetchRequest, buffer: &mut BytesMut) {
    put::length(buffer, true, request.groups.len());
    for group in &request.groups {
        put::text(buffer, true, &group.group_id);
        put::optional_text(buffer, true, group.member_id.as_deref());
        buffer.put_i32(group.member_epoch);
        match &group.topics {
            None => put::null_length(buffer, true),
            Some(topics) => {
                put::length(buffer, true, topics.len());
                for topic in topics {
                    buffer.put_slice(topic.topic_id.as_bytes());
                    put::length(buffer, true, topic.partition_indexes.len());
                    for index in &topic.partition_indexes {
                        buffer.put_i32(*index);
                    }
                    buffer.put_u8(NO_TAGS);
                }
            }
        }
        buffer.put_u8(NO_TAGS);
    }
    buffer.put_i8(i8::from(request.require_stable));
    buffer.put_u8(NO_TAGS);
}

fn read_uuid(cursor: &mut Cursor<'_>) -> Result<Uuid, ShapeError> {
    let position = cursor.position();
    let bytes = cursor.take(16)?;
    Uuid::from_slice(bytes).map_err(|_| ShapeError::Truncated {
        position,
        wanted: 16,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode_request, encode_request};
    use crate::frame::RequestFrame;

    fn there_and_back<R: crate::codec::Request + Default>(request: &R) -> R {
        let frame = encode_request(IDS_FROM, 7, "client", request).unwrap();
        let parsed = RequestFrame::parse(frame.slice(4..)).unwrap();
        decode_request(IDS_FROM, &parsed.body).unwrap()
    }

    #[test]
    fn offset_commits_by_id_come_back_as_written() {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(3)
            .with_committed_offset(42)
            .with_committed_leader_epoch(1)
            .with_committed_metadata(Some(text("note")));
        let topic = OffsetCommitRequestTopic::default()
            .with_topic_id(Uuid::from_u128(0x1234))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("group")))
            .with_generation_id_or_member_epoch(5)
            .with_member_id(text("member"))
            .with_topics(vec![topic]);
        // The field of old versions has a default of its own, which version 10 can't carry.
        let back = there_and_back(&request);
        assert_eq!(back, request.with_retention_time_ms(back.retention_time_ms));
    }

    #[test]
    fn offset_fetches_by_id_come_back_as_written() {
        let topic = OffsetFetchRequestTopics::default()
            .with_topic_id(Uuid::from_u128(0x1234))
            .with_partition_indexes(vec![0, 1]);
        let named = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("named")))
            .with_member_epoch(-1)
            .with_topics(Some(vec![topic]));
        let all = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("all")))
            .with_member_id(Some(text("member")))
            .with_topics(None);
        let request = OffsetFetchRequest::default()
            .with_groups(vec![named, all])
            .with_require_stable(true);
        let back = there_and_back(&request);
        assert_eq!(back.groups, request.groups);
        assert!(back.require_stable);
    }
}
