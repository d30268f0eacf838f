//! Random bodies made from a table alone, in the one form a careful writer would give them:
//! shortest numbers, ascending tags, no tagged field that says its default.

use crate::random::Random;
use crate::tables::table::{Element, Field, Kind, Message, Structure};

/// A body of this message in this version, its outer arrays with fewer than `elements_max`.
pub(crate) fn body(
    message: &Message,
    version: i16,
    elements_max: usize,
    random: &mut Random,
) -> Vec<u8> {
    let flexible = version >= message.first_flexible;
    let mut sample = Sample {
        version,
        flexible,
        elements_max,
        random,
        bytes: Vec::new(),
    };
    sample.structure(&message.body);
    sample.bytes
}

/// A seed of its own for every message and version.
pub(crate) fn seed(message: &Message, version: i16) -> u64 {
    u64::from(message.api_key.unsigned_abs()) << 16 | u64::from(version.unsigned_abs())
}

struct Sample<'a> {
    version: i16,
    flexible: bool,
    elements_max: usize,
    random: &'a mut Random,
    bytes: Vec<u8>,
}

impl Sample<'_> {
    fn structure(&mut self, structure: &Structure) {
        let here = structure
            .fields
            .iter()
            .filter(|field| field.exists_in(self.version));
        let (tagged, plain): (Vec<&Field>, Vec<&Field>) =
            here.partition(|field| field.tag.is_some());
        for field in plain {
            let null = field.is_nullable_in(self.version) && self.random.chance(4);
            self.value(field, null, 0);
        }
        if self.flexible {
            self.tagged_fields(tagged);
        }
    }

    fn tagged_fields(&mut self, mut known: Vec<&Field>) {
        known.retain(|_| self.random.chance(2));
        known.sort_by_key(|field| field.tag);
        let unknown = if self.random.chance(8) {
            1 + self.random.below(20)
        } else {
            0
        };
        self.varint(known.len() + unknown);
        for field in known {
            self.varint(field.tag.unwrap() as usize);
            let outer = std::mem::take(&mut self.bytes);
            self.value(field, false, 1);
            let value = std::mem::replace(&mut self.bytes, outer);
            self.varint(value.len());
            self.bytes.extend(value);
        }
        for number in 0..unknown {
            self.varint(1000 + number);
            let size = self.random.below(3);
            self.varint(size);
            self.bytes.extend(std::iter::repeat_n(7, size));
        }
    }

    /// A value; arrays and strings have at least `least` elements.
    fn value(&mut self, field: &Field, null: bool, least: usize) {
        match &field.kind {
            Kind::Fixed(width) => self.fixed(*width, least > 0),
            Kind::Text if null && !self.flexible => self.bytes.extend([0xff, 0xff]),
            Kind::Text => self.text(null, least),
            Kind::Blob => {
                let bytes = least + self.random.below(40);
                self.count((!null).then_some(bytes));
                if !null {
                    self.bytes.extend(std::iter::repeat_n(0xab, bytes));
                }
            }
            Kind::Structure(inner) if field.is_nullable_in(self.version) => {
                self.bytes.push(if null { 0xff } else { 1 });
                if !null {
                    self.structure(inner);
                }
            }
            Kind::Structure(inner) => self.structure(inner),
            Kind::Array(element) => {
                let elements_max = self.elements_max;
                let count = least + self.random.below(elements_max);
                self.count((!null).then_some(count));
                if !null {
                    // Smaller inside, so that a sample stays small.
                    self.elements_max = elements_max.min(3);
                    self.elements(element, count);
                    self.elements_max = elements_max;
                }
            }
        }
    }

    fn elements(&mut self, element: &Element, count: usize) {
        for _ in 0..count {
            match element {
                Element::Fixed(width) => self.fixed(*width, false),
                Element::Text => self.text(false, 0),
                Element::Structure(inner) => self.structure(inner),
            }
        }
    }

    /// A single byte may be a boolean, which has two spellings only.
    fn fixed(&mut self, width: usize, not_zero: bool) {
        for _ in 0..width {
            let byte = self.random.next().to_be_bytes()[0];
            self.bytes.push(match (width, not_zero) {
                (1, true) => 1,
                (1, false) => byte & 1,
                (_, true) => (byte & 0x7f) | 1,
                (_, false) => byte,
            });
        }
    }

    fn text(&mut self, null: bool, least: usize) {
        let text = "caf\u{e9} \u{1f980} tide";
        let ends: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
        let least = least.min(ends.len() - 1);
        let end = ends[least + self.random.below(ends.len() - least)];
        let text = &text[..end];
        if self.flexible {
            self.count((!null).then_some(text.len()));
        } else {
            self.bytes
                .extend(i16::try_from(text.len()).unwrap().to_be_bytes());
        }
        if !null {
            self.bytes.extend(text.as_bytes());
        }
    }

    fn count(&mut self, count: Option<usize>) {
        match count {
            count if self.flexible => self.varint(count.map_or(0, |count| count + 1)),
            None => self.bytes.extend([0xff; 4]),
            Some(count) => self
                .bytes
                .extend(i32::try_from(count).unwrap().to_be_bytes()),
        }
    }

    fn varint(&mut self, value: usize) {
        let mut value = u32::try_from(value).unwrap();
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }
}
