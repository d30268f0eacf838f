//! Responses of versions that `kafka-protocol` lacks and that differ from its newest by a field.
//!
//! | Response | Version | Adds, at the end of each result |
//! |---|---|---|
//! | DeleteGroups | 3 | the error message, nullable |
//! | DescribeLogDirs | 5 | whether the directory is cordoned |
//!
//! The library writes each result in its newest version; the added field goes in front of the
//! result's tagged fields, of which we never write any.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::{DeleteGroupsResponse, DescribeLogDirsResponse, GroupId};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::cursor::Cursor;
use crate::put;
use crate::shape::ShapeError;

/// Writes a DeleteGroups response of version 3; the messages are null.
pub(crate) fn write_delete_groups_3(
    response: &DeleteGroupsResponse,
    buffer: &mut BytesMut,
) -> Result<(), String> {
    buffer.put_i32(response.throttle_time_ms);
    put::length(buffer, true, response.results.len());
    for result in &response.results {
        write_result(buffer, result, 2, NULL)?;
    }
    buffer.put_u8(NO_TAGS);
    Ok(())
}

/// Writes a DescribeLogDirs response of version 5; no directory is cordoned.
pub(crate) fn write_describe_log_dirs_5(
    response: &DescribeLogDirsResponse,
    buffer: &mut BytesMut,
) -> Result<(), String> {
    buffer.put_i32(response.throttle_time_ms);
    buffer.put_i16(response.error_code);
    put::length(buffer, true, response.results.len());
    for result in &response.results {
        write_result(buffer, result, 4, FALSE)?;
    }
    buffer.put_u8(NO_TAGS);
    Ok(())
}

const NULL: u8 = 0;
const FALSE: u8 = 0;
const NO_TAGS: u8 = 0;

fn write_result(
    buffer: &mut BytesMut,
    result: &impl Encodable,
    library_version: i16,
    added: u8,
) -> Result<(), String> {
    result
        .encode(buffer, library_version)
        .map_err(|error| error.to_string())?;
    if buffer.last() != Some(&NO_TAGS) {
        return Err("a result has tagged fields".to_owned());
    }
    buffer.truncate(buffer.len() - 1);
    buffer.put_u8(added);
    buffer.put_u8(NO_TAGS);
    Ok(())
}

/// Reads a DeleteGroups response of version 3; the messages are dropped.
pub(crate) fn read_delete_groups_3(body: &mut Bytes) -> Result<DeleteGroupsResponse, ShapeError> {
    let mut cursor = Cursor::new(body);
    let mut response = DeleteGroupsResponse::default();
    response.throttle_time_ms = cursor.i32()?;
    // A null array has been refused by the structure check; here it reads as empty.
    for _ in 1..cursor.varint()? {
        let mut result = DeletableGroupResult::default();
        result.group_id = GroupId(StrBytes::from_string(cursor.compact_text()?.to_owned()));
        result.error_code = cursor.i16()?;
        cursor.optional_compact_text()?;
        cursor.skip_tagged_fields()?;
        response.results.push(result);
    }
    cursor.skip_tagged_fields()?;
    Ok(response)
}

/// Reads a DescribeLogDirs response of version 5; the cordoned flag is dropped.
pub(crate) fn read_describe_log_dirs_5(
    body: &mut Bytes,
) -> Result<DescribeLogDirsResponse, String> {
    let mut response = DescribeLogDirsResponse::default();
    let results;
    (response.throttle_time_ms, response.error_code, results) = step(body, |cursor| {
        Ok((cursor.i32()?, cursor.i16()?, cursor.varint()?))
    })?;
    for _ in 1..results {
        let mut result = DescribeLogDirsResult::default();
        let topics;
        (result.error_code, result.log_dir, topics) = step(body, |cursor| {
            let error = cursor.i16()?;
            Ok((
                error,
                StrBytes::from_string(cursor.compact_text()?.to_owned()),
                cursor.varint()?,
            ))
        })?;
        for _ in 1..topics {
            let topic = DescribeLogDirsTopic::decode(body, 4).map_err(|error| error.to_string())?;
            result.topics.push(topic);
        }
        (result.total_bytes, result.usable_bytes) = step(body, |cursor| {
            let volume = (cursor.i64()?, cursor.i64()?);
            cursor.i8()?;
            cursor.skip_tagged_fields()?;
            Ok(volume)
        })?;
        response.results.push(result);
    }
    step(body, |cursor| cursor.skip_tagged_fields())?;
    Ok(response)
}

/// Takes off the front of `body` what `read` reads.
fn step<T>(
    body: &mut Bytes,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, ShapeError>,
) -> Result<T, String> {
    let mut cursor = Cursor::new(body);
    let value = read(&mut cursor).map_err(|error| error.to_string())?;
    let position = cursor.position();
    body.advance(position);
    Ok(value)
}
