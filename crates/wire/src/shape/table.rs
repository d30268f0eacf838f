//! The words in which the generated tables are written. Everything is made at compile time.

/// The structure of one request or response over all its versions.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) api_key: i16,
    pub(crate) versions: (i16, i16),
    /// [`NEVER`] for the two APIs that have none.
    pub(crate) first_flexible: i16,
    pub(crate) body: Structure,
}

/// Fields in their order on the wire, and what a decoded one takes in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Structure {
    pub(crate) fields: &'static [Field],
    pub(crate) memory_bytes: usize,
}

/// One field: what it is, and in which versions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) kind: Kind,
    since: i16,
    until: i16,
    /// [`NEVER`] for a field that must have a value.
    nullable_since: i16,
    /// Where set, the field stands among the tagged ones under this number.
    pub(crate) tag: Option<u32>,
}

/// What a field is on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Fixed(usize),
    Text,
    /// Bytes or records: opaque here.
    Blob,
    Structure(Structure),
    Array(Element),
}

/// What an array consists of. Arrays of arrays do not occur.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Element {
    Fixed(usize),
    Text,
    Structure(Structure),
}

/// A version that does not come.
pub(crate) const NEVER: i16 = i16::MAX;

pub(crate) const FIXED_1: Field = field(Kind::Fixed(1));
pub(crate) const FIXED_2: Field = field(Kind::Fixed(2));
pub(crate) const FIXED_4: Field = field(Kind::Fixed(4));
pub(crate) const FIXED_8: Field = field(Kind::Fixed(8));
pub(crate) const FIXED_16: Field = field(Kind::Fixed(16));
pub(crate) const TEXT: Field = field(Kind::Text);
pub(crate) const BLOB: Field = field(Kind::Blob);

/// A structure in place.
pub(crate) const fn structure(fields: &'static [Field]) -> Field {
    field(Kind::Structure(Structure::new(fields)))
}

/// An array of structures.
pub(crate) const fn structures(fields: &'static [Field]) -> Field {
    field(Kind::Array(Element::Structure(Structure::new(fields))))
}

/// An array of what has no parts.
pub(crate) const fn array(element: Field) -> Field {
    let element = match element.kind {
        Kind::Fixed(width) => Element::Fixed(width),
        Kind::Text => Element::Text,
        _ => panic!("no such array in any message"),
    };
    field(Kind::Array(element))
}

pub(crate) const fn message(
    api_key: i16,
    min: i16,
    max: i16,
    first_flexible: i16,
    fields: &'static [Field],
) -> Message {
    Message {
        api_key,
        versions: (min, max),
        first_flexible,
        body: Structure::new(fields),
    }
}

const fn field(kind: Kind) -> Field {
    Field {
        kind,
        since: 0,
        until: NEVER,
        nullable_since: NEVER,
        tag: None,
    }
}

impl Field {
    pub(crate) const fn since(mut self, version: i16) -> Self {
        self.since = version;
        self
    }

    pub(crate) const fn until(mut self, version: i16) -> Self {
        self.until = version;
        self
    }

    pub(crate) const fn nullable_since(mut self, version: i16) -> Self {
        self.nullable_since = version;
        self
    }

    pub(crate) const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn exists_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }

    pub(crate) const fn is_nullable_in(&self, version: i16) -> bool {
        self.nullable_since <= version
    }
}

/// A string or byte slice of the library: a `Bytes` that shares the frame.
pub(crate) const SLICE_BYTES: usize = 32;
/// A `Vec`.
const ARRAY_BYTES: usize = 24;
/// The map of unknown tagged fields that every structure of the library carries, while empty.
const TAGS_BYTES: usize = 24;

impl Structure {
    /// The library's structures have all fields of all versions. Each is taken with its size
    /// rounded up to a word, and one word for being optional: never less than it really is.
    const fn new(fields: &'static [Field]) -> Self {
        let mut memory_bytes = TAGS_BYTES;
        let mut rest = fields;
        while let [field, tail @ ..] = rest {
            memory_bytes += match field.kind {
                Kind::Fixed(width) => width.next_multiple_of(8),
                Kind::Text | Kind::Blob => SLICE_BYTES,
                Kind::Structure(structure) => structure.memory_bytes + 8,
                Kind::Array(_) => ARRAY_BYTES,
            };
            rest = tail;
        }
        Self {
            fields,
            memory_bytes,
        }
    }
}
