//! A Produce request as the handler wants it: topics, partitions, and the records as the slices
//! of the frame that they are.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use model::TopicId;

use crate::api::ApiKey;
use crate::codec::DecodeError;
use crate::cursor::Cursor;
use crate::shape::{self, ShapeError};

/// A request to append records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    pub transactional_id: Option<StrBytes>,
    /// 0, 1 or -1 if the client is sane; as sent.
    pub acks: i16,
    pub timeout_ms: i32,
    pub topics: Vec<ProducedTopic>,
}

/// The partitions of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedTopic {
    pub topic: TopicReference,
    pub partitions: Vec<ProducedPartition>,
}

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicReference {
    Name(StrBytes),
    Id(TopicId),
}

/// Batches for one partition; null is the client's mistake, which the handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducedPartition {
    pub index: i32,
    pub records: Option<Bytes>,
}

/// First version that names topics by id.
const TOPIC_ID_VERSION: i16 = 13;

impl ProduceRequest {
    /// Decodes a body, its structure checked first. Records stay slices of `body`.
    pub fn decode(version: i16, body: &Bytes) -> Result<Self, DecodeError> {
        let api = ApiKey::Produce;
        if !api.accepts(version) {
            return Err(DecodeError::UnsupportedVersion { api, version });
        }
        let failed = |source| DecodeError::Shape {
            api,
            version,
            source,
        };
        shape::check_request(api.code(), version, body).map_err(failed)?;
        let flexible = api.is_flexible(version);
        let by_id = version >= TOPIC_ID_VERSION;
        let cursor = Cursor::new(body);
        Checked {
            body,
            cursor,
            flexible,
            by_id,
        }
        .request()
        .map_err(failed)
    }
}

/// The way through a body whose structure has been proved, so that its counts may be believed.
/// Written by hand because every event passes here: half of what the library and a conversion take.
struct Checked<'a> {
    body: &'a Bytes,
    cursor: Cursor<'a>,
    flexible: bool,
    by_id: bool,
}

impl Checked<'_> {
    fn request(mut self) -> Result<ProduceRequest, ShapeError> {
        let transactional_id = self.text()?;
        let acks = self.cursor.i16()?;
        let timeout_ms = self.cursor.i32()?;
        let topics = self.array(Self::topic)?;
        self.end()?;
        Ok(ProduceRequest {
            transactional_id,
            acks,
            timeout_ms,
            topics,
        })
    }

    fn topic(&mut self) -> Result<ProducedTopic, ShapeError> {
        let topic = if self.by_id {
            TopicReference::Id(TopicId(self.cursor.u128()?))
        } else {
            TopicReference::Name(self.text()?.unwrap_or_default())
        };
        let partitions = self.array(Self::partition)?;
        self.end()?;
        Ok(ProducedTopic { topic, partitions })
    }

    fn partition(&mut self) -> Result<ProducedPartition, ShapeError> {
        let index = self.cursor.i32()?;
        let length = self.cursor.length(self.flexible)?;
        let records = length.map(|length| self.slice(length)).transpose()?;
        self.end()?;
        Ok(ProducedPartition { index, records })
    }

    fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, ShapeError>,
    ) -> Result<Vec<T>, ShapeError> {
        let count = self.cursor.length(self.flexible)?.unwrap_or_default();
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    fn text(&mut self) -> Result<Option<StrBytes>, ShapeError> {
        let position = self.cursor.position();
        let Some(length) = self.cursor.text_length(self.flexible)? else {
            return Ok(None);
        };
        let text = StrBytes::from_utf8(self.slice(length)?);
        text.map(Some).map_err(|_| ShapeError::NotUtf8 { position })
    }

    fn slice(&mut self, length: usize) -> Result<Bytes, ShapeError> {
        let start = self.cursor.position();
        self.cursor.take(length)?;
        Ok(self.body.slice(start..start + length))
    }

    /// The tagged fields of which no version has any.
    fn end(&mut self) -> Result<(), ShapeError> {
        if self.flexible {
            self.cursor.skip_tagged_fields()
        } else {
            Ok(())
        }
    }
}
