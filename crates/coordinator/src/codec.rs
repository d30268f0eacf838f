//! Records as bytes in the internal log.
//!
//! ```text
//! key    kind u8 = 1 (group)    | group text
//!        kind u8 = 2 (offset)   | group text | topic text | partition i32
//!
//! value  version u8 = 1, then
//!        of a group:   generation i32 | settled at i64 | protocol type text
//!                      | protocol optional text | leader optional text | member count u32
//!                      | per member: id text | instance optional text | client id text
//!                        | client host text | session timeout u32 ms | rebalance timeout u32 ms
//!                        | metadata bytes | assignment bytes
//!        of an offset: offset i64 | leader epoch i32 | committed at i64 | metadata text
//!
//! text, bytes    length u32, then so many bytes        all numbers little endian
//! optional text  0 u8, or 1 u8 and a text
//! ```
//!
//! An absent value is a tombstone. Decoding believes no length or count beyond the bytes that are
//! there.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{
    GenerationId, GroupId, InstanceId, LeaderEpoch, MemberId, Offset, PartitionIndex, Timestamp,
    TopicName,
};
use thiserror::Error;

use crate::{CommittedOffset, GroupMetadata, Record, StoredMember};

/// The first byte of a key. Persisted: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Group = 1,
    Offset = 2,
}

/// The first byte of a value. Persisted: raise it when the form changes, and keep reading the old.
const VERSION: u8 = 1;

/// Why bytes of the internal log are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("the record ends early")]
    Truncated,
    #[error("the record goes on after its end")]
    TrailingBytes,
    #[error("record kind {0} is unknown")]
    UnknownKind(u8),
    #[error("record version {0} is unknown")]
    UnknownVersion(u8),
    #[error("a text is not valid UTF-8, or no valid name")]
    InvalidText,
    #[error("a byte that says whether a text follows is neither 0 nor 1")]
    InvalidFlag,
}

impl Record {
    /// The key and the value (`None`: tombstone) as bytes for the log.
    #[must_use]
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = BytesMut::new();
        let value = match self {
            Self::Group { group, metadata } => {
                key.put_u8(Kind::Group as u8);
                put_text(&mut key, group.as_str());
                metadata.as_deref().map(encode_group)
            }
            Self::Offset {
                group,
                topic,
                partition,
                committed,
            } => {
                key.put_u8(Kind::Offset as u8);
                put_text(&mut key, group.as_str());
                put_text(&mut key, topic.as_str());
                key.put_i32_le(partition.0);
                committed.as_ref().map(encode_offset)
            }
        };
        (key.freeze(), value)
    }

    /// The record of these bytes.
    ///
    /// # Errors
    /// Says what is wrong with bytes that `encode` did not make.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, DecodeError> {
        let mut key = Reader(key);
        let record = match key.u8()? {
            kind if kind == Kind::Group as u8 => Self::Group {
                group: GroupId::from(key.text()?),
                metadata: value.map(decode_group).transpose()?.map(Arc::new),
            },
            kind if kind == Kind::Offset as u8 => Self::Offset {
                group: GroupId::from(key.text()?),
                topic: TopicName::try_from(key.text()?).map_err(|_| DecodeError::InvalidText)?,
                partition: PartitionIndex(key.i32()?),
                committed: value.map(decode_offset).transpose()?,
            },
            kind => return Err(DecodeError::UnknownKind(kind)),
        };
        key.end()?;
        Ok(record)
    }
}

fn encode_group(metadata: &GroupMetadata) -> Bytes {
    let mut value = BytesMut::new();
    value.put_u8(VERSION);
    value.put_i32_le(metadata.generation.0);
    value.put_i64_le(metadata.settled_at.0);
    put_text(&mut value, &metadata.protocol_type);
    put_optional(&mut value, metadata.protocol.as_deref());
    put_optional(&mut value, metadata.leader.as_ref().map(MemberId::as_str));
    value.put_u32_le(len(metadata.members.len()));
    for member in &metadata.members {
        put_text(&mut value, member.member.as_str());
        put_optional(&mut value, member.instance.as_ref().map(InstanceId::as_str));
        put_text(&mut value, &member.client_id);
        put_text(&mut value, &member.client_host);
        value.put_u32_le(millis(member.session_timeout));
        value.put_u32_le(millis(member.rebalance_timeout));
        put_bytes(&mut value, &member.metadata);
        put_bytes(&mut value, &member.assignment);
    }
    value.freeze()
}

fn decode_group(value: &[u8]) -> Result<GroupMetadata, DecodeError> {
    let mut value = Reader(value);
    value.version()?;
    let generation = GenerationId(value.i32()?);
    let settled_at = Timestamp(value.i64()?);
    let protocol_type = Arc::from(value.text()?);
    let protocol = value.optional()?.map(Arc::from);
    let leader = value.optional()?.map(MemberId::from);
    let count = value.u32()?;
    // Grows with what is really there, not with what the count claims.
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(StoredMember {
            member: MemberId::from(value.text()?),
            instance: value.optional()?.map(InstanceId::from),
            client_id: Arc::from(value.text()?),
            client_host: Arc::from(value.text()?),
            session_timeout: Duration::from_millis(u64::from(value.u32()?)),
            rebalance_timeout: Duration::from_millis(u64::from(value.u32()?)),
            metadata: Bytes::copy_from_slice(value.bytes()?),
            assignment: Bytes::copy_from_slice(value.bytes()?),
        });
    }
    value.end()?;
    Ok(GroupMetadata {
        generation,
        protocol_type,
        protocol,
        leader,
        settled_at,
        members,
    })
}

fn encode_offset(committed: &CommittedOffset) -> Bytes {
    let mut value = BytesMut::with_capacity(25 + committed.metadata.len());
    value.put_u8(VERSION);
    value.put_i64_le(committed.offset.0);
    value.put_i32_le(committed.leader_epoch.0);
    value.put_i64_le(committed.committed_at.0);
    put_text(&mut value, &committed.metadata);
    value.freeze()
}

fn decode_offset(value: &[u8]) -> Result<CommittedOffset, DecodeError> {
    let mut value = Reader(value);
    value.version()?;
    let committed = CommittedOffset {
        offset: Offset(value.i64()?),
        leader_epoch: LeaderEpoch(value.i32()?),
        committed_at: Timestamp(value.i64()?),
        metadata: Arc::from(value.text()?),
    };
    value.end()?;
    Ok(committed)
}

/// Lengths here stay far below 4 GiB: what clients bring is limited by frames and configuration.
fn len(len: usize) -> u32 {
    u32::try_from(len).expect("a length in a record of ours fits 32 bits")
}

/// Timeouts come from 32-bit numbers of milliseconds.
fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn put_bytes(to: &mut BytesMut, bytes: &[u8]) {
    to.put_u32_le(len(bytes.len()));
    to.put_slice(bytes);
}

fn put_text(to: &mut BytesMut, text: &str) {
    put_bytes(to, text.as_bytes());
}

fn put_optional(to: &mut BytesMut, text: Option<&str>) {
    to.put_u8(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(to, text);
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.0.try_get_u8().map_err(|_| DecodeError::Truncated)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.0.try_get_u32_le().map_err(|_| DecodeError::Truncated)
    }

    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.0.try_get_i32_le().map_err(|_| DecodeError::Truncated)
    }

    fn i64(&mut self) -> Result<i64, DecodeError> {
        self.0.try_get_i64_le().map_err(|_| DecodeError::Truncated)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = usize::try_from(self.u32()?).map_err(|_| DecodeError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::InvalidText)
    }

    fn optional(&mut self) -> Result<Option<&'a str>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.text().map(Some),
            _ => Err(DecodeError::InvalidFlag),
        }
    }

    fn version(&mut self) -> Result<(), DecodeError> {
        match self.u8()? {
            VERSION => Ok(()),
            version => Err(DecodeError::UnknownVersion(version)),
        }
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }
}
