//! Walks the records of a batch without building one: proves their structure, and tells each
//! record's time and whether it has a key. A compressed block is looked at through a window.

use std::{cell::RefCell, io::Read};

use super::{
    BatchError, Compression,
    compression::DecompressError,
    record::{RecordError, Seen, read_body},
    unpack::read_block,
    varint::{read_varint, read_varlong},
};

/// What is seen of an unpacked block at a time. A record that is larger is walked field by field.
const WINDOW_BYTES: usize = 64 << 10;
/// The longest number in a record.
const NUMBER_BYTES_MAX: usize = 10;
/// The longest length of a record.
const LENGTH_BYTES_MAX: usize = 5;

thread_local! {
    static WINDOW: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Proves that `block` unpacks to exactly `count` whole records with offset deltas 0, 1, 2, ..., in
/// at most `unpacked_max` bytes, whose number it gives; shows each to `visit`.
pub(super) fn walk_block(
    codec: Compression,
    block: &[u8],
    count: i32,
    unpacked_max: usize,
    visit: &mut impl FnMut(Seen),
) -> Result<usize, BatchError> {
    WINDOW.with_borrow_mut(|buffer| {
        buffer.resize(WINDOW_BYTES, 0);
        walk_in(buffer, codec, block, (count, unpacked_max), visit)
    })
}

fn walk_in(
    buffer: &mut [u8],
    codec: Compression,
    block: &[u8],
    (count, unpacked_max): (i32, usize),
    visit: &mut impl FnMut(Seen),
) -> Result<usize, BatchError> {
    let damaged = |_| BatchError::Block(DecompressError::Damaged { codec });
    read_block(codec, block, |source| {
        let mut window = Window {
            buffer,
            start: 0,
            end: 0,
            source,
            codec,
            unpacked: 0,
            unpacked_max,
            is_ended: false,
        };
        for index in 0..count {
            let (offset_delta, seen) = window.record(index)?;
            if offset_delta != index {
                return Err(BatchError::Record(RecordError::OffsetDelta {
                    index,
                    offset_delta,
                }));
            }
            visit(seen);
        }
        window.finish()?;
        Ok(window.unpacked)
    })
    .map_err(damaged)?
}

/// A stretch of the unpacked block.
struct Window<'a> {
    buffer: &'a mut [u8],
    start: usize,
    end: usize,
    source: &'a mut dyn Read,
    codec: Compression,
    unpacked: usize,
    unpacked_max: usize,
    is_ended: bool,
}

/// What stands at the front of the window.
enum Front {
    /// A record, of so many bytes with its length.
    Whole(i32, Seen, usize),
    /// Too little of one to say.
    Part,
    Malformed,
}

impl Window<'_> {
    /// The next record's offset delta, and what is seen of it.
    fn record(&mut self, index: i32) -> Result<(i32, Seen), BatchError> {
        let cut = BatchError::Record(RecordError::Cut { index });
        for is_last in [false, true] {
            match front(self.bytes(), index) {
                Front::Whole(offset_delta, seen, bytes) => {
                    self.start += bytes;
                    return Ok((offset_delta, seen));
                }
                Front::Malformed => return Err(cut),
                Front::Part if self.is_ended => return Err(cut),
                Front::Part if is_last => break,
                Front::Part => self.fill()?,
            }
        }
        Large::read(self, index)
    }

    /// Nothing may follow the last record.
    fn finish(&mut self) -> Result<(), BatchError> {
        if self.start == self.end {
            self.fill()?;
        }
        match self.end - self.start {
            0 => Ok(()),
            bytes => Err(RecordError::Trailing { bytes }.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads on until the window is full or the block ends.
    fn fill(&mut self) -> Result<(), BatchError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while let Some(room) = self.buffer.get_mut(self.end..)
            && !room.is_empty()
        {
            let codec = self.codec;
            let read = self.source.read(room);
            let read = read.map_err(|_| DecompressError::Damaged { codec })?;
            if read == 0 {
                self.is_ended = true;
                break;
            }
            self.end += read;
            self.unpacked += read;
            if self.unpacked > self.unpacked_max {
                let cap = self.unpacked_max;
                return Err(DecompressError::TooLarge { cap }.into());
            }
        }
        Ok(())
    }
}

fn front(bytes: &[u8], index: i32) -> Front {
    let mut rest = bytes;
    let Some(len) = read_varint(&mut rest) else {
        return if bytes.len() < LENGTH_BYTES_MAX {
            Front::Part
        } else {
            Front::Malformed
        };
    };
    let Ok(len) = usize::try_from(len) else {
        return Front::Malformed;
    };
    let Some(body) = rest.get(..len) else {
        return Front::Part;
    };
    read_body(body).map_or(Front::Malformed, |record| {
        let seen = Seen {
            index,
            timestamp_delta: record.timestamp_delta,
            has_key: record.key.is_some(),
        };
        let bytes = bytes.len() - rest.len() + len;
        Front::Whole(record.offset_delta, seen, bytes)
    })
}

/// A record that is larger than the window, field by field.
struct Large<'a, 'w> {
    window: &'a mut Window<'w>,
    /// Bytes of the record that are still to come.
    left: usize,
    cut: BatchError,
}

impl<'a, 'w> Large<'a, 'w> {
    fn read(window: &'a mut Window<'w>, index: i32) -> Result<(i32, Seen), BatchError> {
        let cut = BatchError::Record(RecordError::Cut { index });
        let left = LENGTH_BYTES_MAX;
        let mut record = Large { window, left, cut };
        let len = record.number(LENGTH_BYTES_MAX, read_varint)?;
        record.left = usize::try_from(len).map_err(|_| cut)?;
        record.skip(1)?;
        let timestamp_delta = record.number(NUMBER_BYTES_MAX, read_varlong)?;
        let offset_delta = record.number(LENGTH_BYTES_MAX, read_varint)?;
        let has_key = record.nullable()?;
        record.nullable()?;
        let headers = record.number(LENGTH_BYTES_MAX, read_varint)?;
        for _ in 0..headers {
            if !record.nullable()? {
                return Err(cut);
            }
            record.nullable()?;
        }
        if headers < 0 || record.left > 0 {
            return Err(cut);
        }
        let seen = Seen {
            index,
            timestamp_delta,
            has_key,
        };
        Ok((offset_delta, seen))
    }

    fn number<N>(
        &mut self,
        len_max: usize,
        read: fn(&mut &[u8]) -> Option<N>,
    ) -> Result<N, BatchError> {
        if self.window.bytes().len() < len_max && !self.window.is_ended {
            self.window.fill()?;
        }
        let bytes = self.window.bytes();
        let mut rest = bytes.get(..len_max.min(self.left)).unwrap_or(bytes);
        let before = rest.len();
        let number = read(&mut rest).ok_or(self.cut)?;
        let used = before - rest.len();
        self.window.start += used;
        self.left -= used;
        Ok(number)
    }

    /// Skips length-prefixed bytes; whether there were any, even none, rather than null.
    fn nullable(&mut self) -> Result<bool, BatchError> {
        let len = self.number(LENGTH_BYTES_MAX, read_varint)?;
        if len == -1 {
            return Ok(false);
        }
        self.skip(usize::try_from(len).map_err(|_| self.cut)?)?;
        Ok(true)
    }

    fn skip(&mut self, count: usize) -> Result<(), BatchError> {
        self.left = self.left.checked_sub(count).ok_or(self.cut)?;
        let mut count = count;
        loop {
            let step = count.min(self.window.bytes().len());
            self.window.start += step;
            count -= step;
            if count == 0 {
                return Ok(());
            }
            if self.window.is_ended {
                return Err(self.cut);
            }
            self.window.fill()?;
        }
    }
}

#[cfg(test)]
mod tests;
