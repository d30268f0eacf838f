//! Writing the protocol's primitive forms, for the messages we encode ourselves.

use bytes::{BufMut, BytesMut};

/// A variable-length unsigned number.
pub(crate) fn varint(buffer: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        let [.., low] = value.to_be_bytes();
        buffer.put_u8(low | 0x80);
        value >>= 7;
    }
    let [.., low] = value.to_be_bytes();
    buffer.put_u8(low);
}

/// A length or count in the way of the version: compact ones are one higher, zero being null.
pub(crate) fn length(buffer: &mut BytesMut, flexible: bool, count: usize) {
    let count = i32::try_from(count).expect("a message of ours is bounded far below 2 GiB");
    if flexible {
        varint(buffer, count.unsigned_abs() + 1);
    } else {
        buffer.put_i32(count);
    }
}

/// The length or count of what is not there.
pub(crate) fn null_length(buffer: &mut BytesMut, flexible: bool) {
    if flexible {
        buffer.put_u8(0);
    } else {
        buffer.put_i32(-1);
    }
}

/// A string; unlike other things with a length it has two bytes of it outside flexible versions.
pub(crate) fn text(buffer: &mut BytesMut, flexible: bool, text: &str) {
    if flexible {
        length(buffer, true, text.len());
    } else {
        buffer.put_i16(i16::try_from(text.len()).expect("names of ours are short"));
    }
    buffer.put_slice(text.as_bytes());
}

/// A string that may be missing.
pub(crate) fn optional_text(buffer: &mut BytesMut, flexible: bool, value: Option<&str>) {
    match value {
        Some(value) => text(buffer, flexible, value),
        None if flexible => buffer.put_u8(0),
        None => buffer.put_i16(-1),
    }
}

/// The size and bytes of a tagged field.
pub(crate) fn tagged_bytes(buffer: &mut BytesMut, field: &[u8]) {
    varint(
        buffer,
        u32::try_from(field.len()).expect("a message of ours is far below 4 GiB"),
    );
    buffer.put_slice(field);
}
