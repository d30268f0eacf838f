//! A Produce request that is too large to be held: read as it comes, its records skipped, so that it
//! can be answered for each partition that it names.
//!
//! ```text
//! head | transactional id, acks, timeout, topics  { topic { index, length | records skipped }  }
//! ```
//! What is kept is bounded, and so is what an unfinished part may gather.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use crate::{api::ApiKey, cursor::Cursor, frame::RequestFrame, shape::ShapeError};

/// Names and partitions that are kept of one request.
const KEPT_BYTES_MAX: usize = 256 << 10;
/// What counts for each topic and each partition, beside the topic's name.
const KEPT_BYTES_PER_NAME: usize = 16;
/// The largest part that is looked at as one: a string of 32,767 bytes and what stands around it.
const PART_BYTES_MAX: usize = 64 << 10;
/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 13;

/// Why a request that is too large can't be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkimError {
    #[error("a request that is too large is no Produce request of a version that is served")]
    NotProduce,
    #[error("a request that is too large names more than can be answered")]
    TooMuch,
    #[error("a request that is too large ends before its last partition")]
    Unfinished,
    #[error("unreadable in a request that is too large: {0}")]
    Shape(ShapeError),
}

/// What a request asked for, without its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkimmedProduce {
    /// Its header; the body is empty.
    pub frame: RequestFrame,
    pub acks: i16,
    pub topics: Vec<SkimmedTopic>,
}

/// A topic's partitions, in the order of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkimmedTopic {
    /// Empty where it is named by its id.
    pub name: String,
    pub id: [u8; 16],
    pub partitions: Vec<i32>,
}

/// Reads a request piece by piece.
#[derive(Debug, Default)]
pub struct ProduceSkim {
    /// What has come of the part that is looked at next.
    part: Vec<u8>,
    /// Bytes of records that are yet to come.
    skipped_bytes: usize,
    next: Part,
    head: Option<RequestFrame>,
    acks: i16,
    topics_left: usize,
    partitions_left: usize,
    topics: Vec<SkimmedTopic>,
    kept_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Head,
    Settings,
    Topic,
    Partition,
    AfterPartition,
    AfterTopic,
    Done,
}

impl ProduceSkim {
    /// Takes the next bytes of the frame, its length prefix taken off.
    ///
    /// # Errors
    /// What has come is no Produce request, or names too much.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), SkimError> {
        let mut rest = bytes;
        loop {
            let skipped = self.skipped_bytes.min(rest.len());
            self.skipped_bytes -= skipped;
            rest = rest.get(skipped..).unwrap_or_default();
            if self.skipped_bytes > 0 || self.next == Part::Done {
                return Ok(());
            }
            let kept = self.part.len();
            let taken = rest.len().min(PART_BYTES_MAX - kept);
            self.part
                .extend_from_slice(rest.get(..taken).unwrap_or_default());
            let part = std::mem::take(&mut self.part);
            let mut cursor = Cursor::new(&part);
            match self.read(&mut cursor) {
                Ok(()) => {
                    // What was gathered before belongs to the part that is read now.
                    let read = cursor.position().saturating_sub(kept);
                    rest = rest.get(read..).unwrap_or_default();
                }
                Err(SkimError::Shape(ShapeError::Truncated { .. })) => {
                    self.part = part;
                    if self.part.len() >= PART_BYTES_MAX {
                        return Err(SkimError::TooMuch);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What the whole request asked for.
    ///
    /// # Errors
    /// It ended early.
    pub fn finish(self) -> Result<SkimmedProduce, SkimError> {
        let is_done = self.next == Part::Done && self.skipped_bytes == 0;
        match self.head.filter(|_| is_done) {
            Some(frame) => Ok(SkimmedProduce {
                frame,
                acks: self.acks,
                topics: self.topics,
            }),
            None => Err(SkimError::Unfinished),
        }
    }

    /// Reads one part, if all of it has come.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        match self.next {
            Part::Head => self.read_head(cursor),
            Part::Settings => self.read_settings(cursor),
            Part::Topic => self.read_topic(cursor),
            Part::Partition => self.read_partition(cursor),
            Part::AfterPartition => {
                self.read_tags(cursor)?;
                self.next = self.after_partition();
                Ok(())
            }
            Part::AfterTopic => {
                self.read_tags(cursor)?;
                self.next = self.after_topic();
                Ok(())
            }
            Part::Done => Ok(()),
        }
    }

    fn read_head(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        let (api_key, api_version) = (cursor.i16()?, cursor.i16()?);
        let api = ApiKey::from_code(api_key);
        if api != Some(ApiKey::Produce) || !ApiKey::Produce.accepts(api_version) {
            return Err(SkimError::NotProduce);
        }
        let correlation_id = cursor.i32()?;
        // As in every request's header, its length has two bytes also where that is flexible.
        let client_id = match cursor.i16()? {
            -1 => None,
            length => Some(cursor.text(length.into())?),
        };
        let client_id = client_id.map(|text| StrBytes::from_string(text.to_owned()));
        self.head = Some(RequestFrame {
            api_key,
            api,
            api_version,
            correlation_id,
            client_id,
            body: Bytes::new(),
        });
        self.read_tags(cursor)?;
        self.next = Part::Settings;
        Ok(())
    }

    fn read_settings(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        let flexible = self.is_flexible();
        if let Some(length) = cursor.text_length(flexible)? {
            cursor.take(length)?;
        }
        self.acks = cursor.i16()?;
        cursor.i32()?;
        self.topics_left = cursor.length(flexible)?.unwrap_or(0);
        self.next = self.after_topic();
        Ok(())
    }

    fn read_topic(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        let flexible = self.is_flexible();
        let mut topic = SkimmedTopic::default();
        if self.version() >= TOPIC_IDS_FROM {
            let id = cursor.take(topic.id.len())?;
            topic.id.copy_from_slice(id);
        } else {
            let position = cursor.position();
            let length = cursor.text_length(flexible)?;
            let length = length.ok_or(ShapeError::UnexpectedNull { position })?;
            let name = cursor.take(length)?;
            let name = std::str::from_utf8(name).map_err(|_| ShapeError::NotUtf8 { position })?;
            topic.name = name.to_owned();
        }
        let partitions = cursor.length(flexible)?.unwrap_or(0);
        self.keep(topic.name.len())?;
        self.topics.push(topic);
        self.topics_left -= 1;
        self.partitions_left = partitions;
        self.next = self.after_partition();
        Ok(())
    }

    fn read_partition(&mut self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        let index = cursor.i32()?;
        let records = cursor.length(self.is_flexible())?.unwrap_or(0);
        self.keep(0)?;
        if let Some(topic) = self.topics.last_mut() {
            topic.partitions.push(index);
        }
        self.partitions_left -= 1;
        self.skipped_bytes = records;
        self.next = if self.is_flexible() {
            Part::AfterPartition
        } else {
            self.after_partition()
        };
        Ok(())
    }

    const fn after_partition(&self) -> Part {
        if self.partitions_left > 0 {
            Part::Partition
        } else {
            Part::AfterTopic
        }
    }

    const fn after_topic(&self) -> Part {
        if self.topics_left > 0 {
            Part::Topic
        } else {
            // Tagged fields of the whole say nothing that the answer needs.
            Part::Done
        }
    }

    fn read_tags(&self, cursor: &mut Cursor<'_>) -> Result<(), SkimError> {
        if self.is_flexible() {
            cursor.skip_tagged_fields()?;
        }
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> Result<(), SkimError> {
        self.kept_bytes += bytes + KEPT_BYTES_PER_NAME;
        if self.kept_bytes > KEPT_BYTES_MAX {
            return Err(SkimError::TooMuch);
        }
        Ok(())
    }

    fn version(&self) -> i16 {
        self.head.as_ref().map_or(0, |head| head.api_version)
    }

    fn is_flexible(&self) -> bool {
        ApiKey::Produce.is_flexible(self.version())
    }
}

impl From<ShapeError> for SkimError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}

#[cfg(test)]
mod tests;
