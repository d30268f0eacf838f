//! A reader over bytes nobody has vouched for: every step says whether it was possible.
//! Shared by the header parser and the structure check.

use crate::shape::ShapeError;

/// The unread rest of a frame, and how far it has been read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], ShapeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(taken) = rest.get(..count) else {
            return Err(ShapeError::Truncated {
                position: self.position,
                wanted: count,
            });
        };
        self.position += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ShapeError> {
        let position = self.position;
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| ShapeError::Truncated {
            position,
            wanted: N,
        })
    }

    pub(crate) fn i8(&mut self) -> Result<i8, ShapeError> {
        self.array().map(i8::from_be_bytes)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, ShapeError> {
        self.array().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, ShapeError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, ShapeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// A variable-length number of at most 32 bits. A number padded with empty groups is read, as
    /// Kafka does: writers that reserve room for a length make such numbers. One of more than 32
    /// bits is refused; the library behind the check would drop its upper bits.
    pub(crate) fn varint(&mut self) -> Result<u32, ShapeError> {
        let position = self.position;
        let mut value = 0_u32;
        for shift in [0_u32, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            let group = u32::from(byte & 0x7f);
            if shift == 28 && byte > 0x0f {
                return Err(ShapeError::VarintTooLong { position });
            }
            value |= group << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ShapeError::VarintTooLong { position })
    }

    /// A string of `length` bytes; a negative length is the peer's fault.
    pub(crate) fn text(&mut self, length: i32) -> Result<&'a str, ShapeError> {
        let position = self.position;
        let bytes = self.blob(length)?;
        std::str::from_utf8(bytes).map_err(|_| ShapeError::NotUtf8 { position })
    }

    /// A string behind a compact length; null is the peer's fault.
    pub(crate) fn compact_text(&mut self) -> Result<&'a str, ShapeError> {
        let position = self.position;
        self.optional_compact_text()?
            .ok_or(ShapeError::UnexpectedNull { position })
    }

    /// A string behind a compact length, or null.
    pub(crate) fn optional_compact_text(&mut self) -> Result<Option<&'a str>, ShapeError> {
        let position = self.position;
        match self.varint()? {
            0 => Ok(None),
            length => {
                let length = i32::try_from(length - 1)
                    .map_err(|_| ShapeError::NegativeLength { position })?;
                self.text(length).map(Some)
            }
        }
    }

    /// A length or count: four bytes with -1 for null, or a compact one with 0 for null.
    pub(crate) fn length(&mut self, flexible: bool) -> Result<Option<usize>, ShapeError> {
        let position = self.position;
        if flexible {
            return Ok(self.varint()?.checked_sub(1).map(|length| length as usize));
        }
        match self.i32()? {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| ShapeError::NegativeLength { position }),
        }
    }

    /// The length of a string; unlike others it has two bytes outside flexible versions.
    pub(crate) fn text_length(&mut self, flexible: bool) -> Result<Option<usize>, ShapeError> {
        let position = self.position;
        if flexible {
            return self.length(true);
        }
        match self.i16()? {
            -1 => Ok(None),
            length => usize::try_from(length)
                .map(Some)
                .map_err(|_| ShapeError::NegativeLength { position }),
        }
    }

    /// Bytes of a signed length.
    pub(crate) fn blob(&mut self, length: i32) -> Result<&'a [u8], ShapeError> {
        let count = usize::try_from(length).map_err(|_| ShapeError::NegativeLength {
            position: self.position,
        })?;
        self.take(count)
    }

    /// The tagged fields of a structure none of whose tags is known.
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), ShapeError> {
        let mut previous = None;
        for _ in 0..self.varint()? {
            self.tag(&mut previous)?;
            let size = self.varint()?;
            self.take(size as usize)?;
        }
        Ok(())
    }

    /// The next tag, which must be higher than the one before (KIP-482).
    pub(crate) fn tag(&mut self, previous: &mut Option<u32>) -> Result<u32, ShapeError> {
        let position = self.position;
        let tag = self.varint()?;
        if previous.is_some_and(|previous| tag <= previous) {
            return Err(ShapeError::TagOrder { position });
        }
        *previous = Some(tag);
        Ok(tag)
    }
}
