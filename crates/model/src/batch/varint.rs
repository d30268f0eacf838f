//! Zigzag varints of the record format: bounded reads, exact writes.

use bytes::BufMut;

const VARINT_BYTES_MAX: usize = 5;
const VARLONG_BYTES_MAX: usize = 10;

/// Reads a zigzag varint at the front of `bytes`; `None` when it is cut or too long.
pub(super) fn read_varint(bytes: &mut &[u8]) -> Option<i32> {
    let raw = read_unsigned(bytes, VARINT_BYTES_MAX)?;
    let raw = u32::try_from(raw).ok()?;
    Some((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
}

/// Reads a zigzag varlong at the front of `bytes`; `None` when it is cut or too long.
pub(super) fn read_varlong(bytes: &mut &[u8]) -> Option<i64> {
    let raw = read_unsigned(bytes, VARLONG_BYTES_MAX)?;
    Some((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
}

fn read_unsigned(bytes: &mut &[u8], len_max: usize) -> Option<u64> {
    let mut value = 0_u64;
    for index in 0..len_max {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(super) fn write_varint(out: &mut impl BufMut, value: i32) {
    write_varlong(out, i64::from(value));
}

pub(super) fn write_varlong(out: &mut impl BufMut, value: i64) {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let byte = u8::try_from(raw & 0x7f).unwrap_or(0);
        raw >>= 7;
        if raw == 0 {
            out.put_u8(byte);
            return;
        }
        out.put_u8(byte | 0x80);
    }
}

/// Bytes that [`write_varint`] takes for `value`.
pub(super) fn varint_len(value: i32) -> usize {
    let raw = ((value << 1) ^ (value >> 31)).cast_unsigned();
    let bits = 32 - (raw | 1).leading_zeros();
    usize::try_from(bits.div_ceil(7)).unwrap_or(VARINT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_at_the_edges() {
        for value in [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            assert_eq!(out.len(), varint_len(value), "{value}");
            assert_eq!(read_varint(&mut out.as_slice()), Some(value));
        }
        for value in [0, -1, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_varlong(&mut out, value);
            assert_eq!(read_varlong(&mut out.as_slice()), Some(value));
        }
    }

    #[test]
    fn endless_and_cut_varints_are_refused() {
        assert_eq!(read_varint(&mut [0xff_u8; 5].as_slice()), None);
        assert_eq!(read_varint(&mut [0x80_u8].as_slice()), None);
        assert_eq!(read_varlong(&mut [0xff_u8; 11].as_slice()), None);
    }
}
