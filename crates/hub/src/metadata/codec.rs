//! The metadata records as keys and values of the internal log.
//!
//! Numbers are big-endian; texts are a u16 length and UTF-8. The first byte of a key is the
//! record's kind, the first byte of a value the version of its layout. A kind or a version that
//! this program does not know stops the start: an older program must not serve a newer one's data.
//!
//! | Kind | Key after the kind | Value after the version |
//! |---|---|---|
//! | 1 epoch | | epoch i32 |
//! | 2 counters | | next log u64, namespace u32, producer i64 |
//! | 3 namespace | namespace u32 | groups log u64, name, cluster id |
//! | 4 units | namespace u32 | configured u32, in force u32 |
//! | 5 topic | namespace u32, topic u128 | name, run count u32, (first u64, count u32) each, config count u16, (name, value) each |

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use model::{LeaderEpoch, LogId, NamespaceId, NamespaceName, TopicId, TopicName};
use thiserror::Error;

use super::{Counters, LogRun, NamespaceRecord, Record, TopicRecord, UnitsRecord};

/// Persisted: never renumber.
const EPOCH: u8 = 1;
const COUNTERS: u8 = 2;
const NAMESPACE: u8 = 3;
const UNITS: u8 = 4;
const TOPIC: u8 = 5;
/// The version of every value's layout.
const VERSION: u8 = 1;

/// Why bytes of the internal log are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    #[error("the record is cut or malformed")]
    Malformed,
    #[error("record kind {0} is unknown: written by a newer version?")]
    Kind(u8),
    #[error("record layout {0} is unknown: written by a newer version?")]
    Version(u8),
}

impl Record {
    /// Key and value for the log; no value ends what the key names.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let mut key = BytesMut::new();
        let mut value = BytesMut::new();
        value.put_u8(VERSION);
        match self {
            Self::Epoch(epoch) => {
                key.put_u8(EPOCH);
                value.put_i32(epoch.0);
            }
            Self::Counters(counters) => {
                key.put_u8(COUNTERS);
                value.put_u64(counters.log);
                value.put_u32(counters.namespace);
                value.put_i64(counters.producer);
            }
            Self::Namespace(id, record) => {
                key.put_u8(NAMESPACE);
                key.put_u32(id.0);
                value.put_u64(record.groups_log.0);
                put_text(&mut value, record.name.as_str());
                put_text(&mut value, &record.cluster_id);
            }
            Self::Units(id, units) => {
                key.put_u8(UNITS);
                key.put_u32(id.0);
                value.put_u32(units.configured);
                value.put_u32(units.in_force);
            }
            Self::Topic(namespace, id, topic) => {
                key.put_u8(TOPIC);
                key.put_u32(namespace.0);
                key.put_u128(id.0);
                let Some(topic) = topic else {
                    return (key.freeze(), None);
                };
                put_topic(&mut value, topic);
            }
        }
        (key.freeze(), Some(value.freeze()))
    }

    /// The record of these bytes.
    pub(crate) fn decode(mut key: &[u8], value: Option<&[u8]>) -> Result<Self, DecodeError> {
        let kind = key.try_get_u8().map_err(|_| DecodeError::Malformed)?;
        let mut value = match value {
            Some(mut value) => match value.try_get_u8() {
                Ok(VERSION) => Some(value),
                Ok(version) => return Err(DecodeError::Version(version)),
                Err(_) => return Err(DecodeError::Malformed),
            },
            None => None,
        };
        let record = match kind {
            EPOCH | COUNTERS | NAMESPACE | UNITS | TOPIC => {
                decode_known(kind, &mut key, value.as_mut())
            }
            kind => return Err(DecodeError::Kind(kind)),
        };
        let rest = key.len() + value.map_or(0, <[u8]>::len);
        record.filter(|_| rest == 0).ok_or(DecodeError::Malformed)
    }
}

fn decode_known(kind: u8, key: &mut &[u8], value: Option<&mut &[u8]>) -> Option<Record> {
    if kind == TOPIC {
        let namespace = NamespaceId(key.try_get_u32().ok()?);
        let id = TopicId(key.try_get_u128().ok()?);
        let topic = match value {
            Some(value) => Some(read_topic(value)?),
            None => None,
        };
        return Some(Record::Topic(namespace, id, topic));
    }
    let value = value?;
    match kind {
        EPOCH => Some(Record::Epoch(LeaderEpoch(value.try_get_i32().ok()?))),
        COUNTERS => Some(Record::Counters(Counters {
            log: value.try_get_u64().ok()?,
            namespace: value.try_get_u32().ok()?,
            producer: value.try_get_i64().ok()?,
        })),
        NAMESPACE => {
            let id = NamespaceId(key.try_get_u32().ok()?);
            let groups_log = LogId(value.try_get_u64().ok()?);
            let name = NamespaceName::from(read_text(value)?);
            let cluster_id = read_text(value)?.to_owned();
            let record = NamespaceRecord {
                name,
                cluster_id,
                groups_log,
            };
            Some(Record::Namespace(id, record))
        }
        UNITS => {
            let id = NamespaceId(key.try_get_u32().ok()?);
            let units = UnitsRecord {
                configured: value.try_get_u32().ok()?,
                in_force: value.try_get_u32().ok()?,
            };
            Some(Record::Units(id, units))
        }
        _ => None,
    }
}

fn put_topic(value: &mut BytesMut, topic: &TopicRecord) {
    put_text(value, topic.name.as_str());
    value.put_u32(u32::try_from(topic.logs.len()).unwrap_or(u32::MAX));
    for run in &topic.logs {
        value.put_u64(run.first.0);
        value.put_u32(run.count);
    }
    value.put_u16(u16::try_from(topic.configs.len()).unwrap_or(u16::MAX));
    for (name, text) in &topic.configs {
        put_text(value, name);
        put_text(value, text);
    }
}

fn read_topic(value: &mut &[u8]) -> Option<TopicRecord> {
    let name = TopicName::try_from(read_text(value)?).ok()?;
    let runs = value.try_get_u32().ok()?;
    let mut logs = Vec::new();
    for _ in 0..runs {
        logs.push(LogRun {
            first: LogId(value.try_get_u64().ok()?),
            count: value.try_get_u32().ok()?,
        });
    }
    let mut configs = BTreeMap::new();
    for _ in 0..value.try_get_u16().ok()? {
        let name = read_text(value)?.to_owned();
        configs.insert(name, read_text(value)?.to_owned());
    }
    Some(TopicRecord {
        name,
        logs,
        configs,
    })
}

fn put_text(out: &mut BytesMut, text: &str) {
    let len = u16::try_from(text.len());
    assert!(len.is_ok(), "a text of metadata is longer than 64 KiB");
    out.put_u16(len.unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = usize::from(bytes.try_get_u16().ok()?);
    let (text, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    std::str::from_utf8(text).ok()
}
