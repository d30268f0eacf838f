//! Records inside an uncompressed block: a walk that proves their structure, and a reader.

use thiserror::Error;

use super::varint::{read_varint, read_varlong};

/// What a walk sees of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) index: i32,
    pub(super) timestamp_delta: i64,
    pub(super) has_key: bool,
}

/// Why the bytes after a batch header are not the records it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("record {index} is cut or has an impossible length")]
    Cut { index: i32 },
    #[error("record {index} carries offset delta {offset_delta}")]
    OffsetDelta { index: i32, offset_delta: i32 },
    #[error("at least {bytes} bytes follow the last record")]
    Trailing { bytes: usize },
}

/// One record's view over its batch's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    headers_count: i32,
    headers: &'a [u8],
}

/// A record header; keys may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// The record's headers in their order.
    pub fn headers(&self) -> impl Iterator<Item = Header<'a>> + use<'a> {
        let mut rest = self.headers;
        (0..self.headers_count).map_while(move |_| read_header(&mut rest))
    }
}

/// Reads records one after another; stops at the first that is not whole.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// A reader over an uncompressed block.
    #[must_use]
    pub const fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        read_record(&mut self.rest)
    }
}

/// Proves that `block` holds exactly `count` whole records with offset deltas 0, 1, 2, ...
/// Shows each to `visit`.
pub(super) fn walk(
    block: &[u8],
    count: i32,
    visit: &mut impl FnMut(Seen),
) -> Result<(), RecordError> {
    let mut rest = block;
    for index in 0..count {
        let record = read_record(&mut rest).ok_or(RecordError::Cut { index })?;
        if record.offset_delta != index {
            let offset_delta = record.offset_delta;
            return Err(RecordError::OffsetDelta {
                index,
                offset_delta,
            });
        }
        visit(Seen {
            index,
            timestamp_delta: record.timestamp_delta,
            has_key: record.key.is_some(),
        });
    }
    match rest.len() {
        0 => Ok(()),
        bytes => Err(RecordError::Trailing { bytes }),
    }
}

fn read_record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let len = usize::try_from(read_varint(rest)?).ok()?;
    let (body, after) = rest.split_at_checked(len)?;
    *rest = after;
    read_body(body)
}

/// Reads a record without its length, which fills `bytes` exactly.
#[inline]
pub(super) fn read_body(bytes: &[u8]) -> Option<Record<'_>> {
    let (_attributes, mut body) = bytes.split_first()?;
    let timestamp_delta = read_varlong(&mut body)?;
    let offset_delta = read_varint(&mut body)?;
    let key = read_nullable(&mut body)?;
    let value = read_nullable(&mut body)?;
    let headers_count = read_varint(&mut body)?;
    let headers = body;
    for _ in 0..headers_count {
        read_header(&mut body)?;
    }
    (headers_count >= 0 && body.is_empty()).then_some(Record {
        timestamp_delta,
        offset_delta,
        key,
        value,
        headers_count,
        headers,
    })
}

fn read_header<'a>(body: &mut &'a [u8]) -> Option<Header<'a>> {
    let key = read_nullable(body)??;
    let value = read_nullable(body)?;
    Some(Header { key, value })
}

/// Length-prefixed bytes: outer `None` when malformed, inner when null (length -1).
#[expect(clippy::option_option, reason = "malformed and null are two answers")]
fn read_nullable<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = read_varint(body)?;
    if len == -1 {
        return Some(None);
    }
    let (bytes, after) = body.split_at_checked(usize::try_from(len).ok()?)?;
    *body = after;
    Some(Some(bytes))
}
