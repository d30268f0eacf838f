//! The walk: one pass over a body, along its table, allocating nothing.

use super::table::{Element, Field, Kind, Message, SLICE_BYTES, Structure};
use super::{ShapeError, Walked};
use crate::cursor::Cursor;

/// What the library's map takes for the first unknown tagged field of a structure (a tree node
/// with room for eleven), and for each further one (nodes at least half full).
const FIRST_TAG_BYTES: usize = 440;
const FURTHER_TAG_BYTES: usize = 100;

/// Walks a body of this version, which the table has.
pub(super) fn walk(
    message: &Message,
    version: i16,
    body: &[u8],
    budget: usize,
) -> Result<Walked, ShapeError> {
    let mut walk = Walk {
        cursor: Cursor::new(body),
        version,
        flexible: version >= message.first_flexible,
        decoded_bytes: 0,
        budget,
    };
    walk.charge(1, message.body.memory_bytes)?;
    walk.structure(&message.body)?;
    Ok(Walked {
        trailing_bytes: walk.cursor.remaining(),
        decoded_bytes: walk.decoded_bytes,
    })
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    decoded_bytes: usize,
    budget: usize,
}

impl Walk<'_> {
    fn structure(&mut self, structure: &Structure) -> Result<(), ShapeError> {
        for field in structure.fields {
            if field.exists_in(self.version) && field.tag.is_none() {
                self.field(field)?;
            }
        }
        if self.flexible {
            self.tagged_fields(structure)
        } else {
            Ok(())
        }
    }

    fn field(&mut self, field: &Field) -> Result<(), ShapeError> {
        let nullable = field.is_nullable_in(self.version);
        match &field.kind {
            Kind::Fixed(width) => self.cursor.take(*width).map(drop),
            Kind::Text => self.text(nullable),
            Kind::Blob => {
                let position = self.cursor.position();
                let bytes = self.cursor.length(self.flexible)?;
                self.present(bytes, nullable, position)?
                    .map_or(Ok(()), |bytes| self.cursor.take(bytes).map(drop))
            }
            Kind::Structure(structure) if nullable => self.optional_structure(structure),
            Kind::Structure(structure) => self.structure(structure),
            Kind::Array(element) => self.array(element, nullable),
        }
    }

    /// A structure behind a byte that says whether it is there. Only the two values that every
    /// writer uses are taken: the library reads all others as null, Kafka some as present.
    fn optional_structure(&mut self, structure: &Structure) -> Result<(), ShapeError> {
        let position = self.cursor.position();
        match self.cursor.i8()? {
            -1 => Ok(()),
            1 => self.structure(structure),
            _ => Err(ShapeError::NotPresence { position }),
        }
    }

    fn text(&mut self, nullable: bool) -> Result<(), ShapeError> {
        let position = self.cursor.position();
        let length = self.cursor.text_length(self.flexible)?;
        let Some(length) = self.present(length, nullable, position)? else {
            return Ok(());
        };
        let bytes = self.cursor.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(ShapeError::NotUtf8 { position }),
        }
    }

    fn array(&mut self, element: &Element, nullable: bool) -> Result<(), ShapeError> {
        let position = self.cursor.position();
        let count = self.cursor.length(self.flexible)?;
        let Some(count) = self.present(count, nullable, position)? else {
            return Ok(());
        };
        if count == 0 {
            return Ok(());
        }
        let possible = self.cursor.remaining() / self.element_bytes_min(element);
        if count > possible {
            return Err(ShapeError::FalseCount {
                position,
                count,
                possible,
            });
        }
        self.charge(count, element_memory_bytes(element))?;
        match element {
            // The product is at most the bytes that remain.
            Element::Fixed(width) => self.cursor.take(count * width).map(drop),
            Element::Text => (0..count).try_for_each(|_| self.text(false)),
            Element::Structure(inner) => (0..count).try_for_each(|_| self.structure(inner)),
        }
    }

    /// Refuses null where a value must be.
    fn present(
        &self,
        length: Option<usize>,
        nullable: bool,
        position: usize,
    ) -> Result<Option<usize>, ShapeError> {
        match length {
            None if !nullable => Err(ShapeError::UnexpectedNull { position }),
            length => Ok(length),
        }
    }

    fn tagged_fields(&mut self, structure: &Structure) -> Result<(), ShapeError> {
        let mut previous = None;
        let mut unknown = 0_usize;
        for _ in 0..self.cursor.varint()? {
            let tag = self.cursor.tag(&mut previous)?;
            let size = self.cursor.varint()? as usize;
            let known = structure
                .fields
                .iter()
                .find(|field| field.tag == Some(tag) && field.exists_in(self.version));
            if let Some(field) = known {
                self.tagged_field(field, size)?;
                continue;
            }
            self.cursor.take(size)?;
            self.charge(
                1,
                if unknown == 0 {
                    FIRST_TAG_BYTES
                } else {
                    FURTHER_TAG_BYTES
                },
            )?;
            unknown += 1;
        }
        Ok(())
    }

    /// A known tagged field must fill its size exactly: the library does not look at the size.
    fn tagged_field(&mut self, field: &Field, size: usize) -> Result<(), ShapeError> {
        let position = self.cursor.position();
        self.field(field)?;
        let used = self.cursor.position() - position;
        if used == size {
            Ok(())
        } else {
            Err(ShapeError::TagSize {
                position,
                size,
                used,
            })
        }
    }

    /// The fewest bytes in which an element can be written; never zero.
    fn element_bytes_min(&self, element: &Element) -> usize {
        match element {
            Element::Fixed(width) => *width,
            Element::Text if self.flexible => 1,
            Element::Text => 2,
            Element::Structure(structure) => self.structure_bytes_min(structure).max(1),
        }
    }

    fn structure_bytes_min(&self, structure: &Structure) -> usize {
        let fields = structure.fields.iter();
        let fields = fields.filter(|field| field.exists_in(self.version) && field.tag.is_none());
        let bytes: usize = fields.map(|field| self.field_bytes_min(field)).sum();
        bytes + usize::from(self.flexible)
    }

    fn field_bytes_min(&self, field: &Field) -> usize {
        match &field.kind {
            Kind::Fixed(width) => *width,
            Kind::Structure(_) if field.is_nullable_in(self.version) => 1,
            Kind::Structure(structure) => self.structure_bytes_min(structure),
            Kind::Text | Kind::Blob | Kind::Array(_) if self.flexible => 1,
            Kind::Text => 2,
            Kind::Blob | Kind::Array(_) => 4,
        }
    }

    fn charge(&mut self, count: usize, bytes: usize) -> Result<(), ShapeError> {
        self.decoded_bytes = self
            .decoded_bytes
            .saturating_add(count.saturating_mul(bytes));
        if self.decoded_bytes > self.budget {
            let (position, budget) = (self.cursor.position(), self.budget);
            return Err(ShapeError::OverBudget { position, budget });
        }
        Ok(())
    }
}

/// What one element takes in a decoded `Vec`.
fn element_memory_bytes(element: &Element) -> usize {
    match element {
        Element::Fixed(width) => *width,
        Element::Text => SLICE_BYTES,
        Element::Structure(structure) => structure.memory_bytes,
    }
}
