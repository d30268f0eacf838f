//! The little DER that a PKCS #12 file needs.

/// A tag, a length, the content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            let bytes: Vec<u8> = length
                .to_be_bytes()
                .into_iter()
                .skip_while(|byte| *byte == 0)
                .collect();
            out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            out.extend_from_slice(&bytes);
        }
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

pub(super) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    element(0x31, &parts.concat())
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    element(0x04, content)
}

/// `[0] EXPLICIT`.
pub(super) fn explicit(content: &[u8]) -> Vec<u8> {
    element(0xa0, content)
}

/// A number small enough for the three places where one is needed.
pub(super) fn integer(number: u32) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let mut content: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    // A leading one bit would make it negative.
    if content.first().is_none_or(|byte| byte & 0x80 != 0) {
        content.insert(0, 0);
    }
    element(0x02, &content)
}

pub(super) fn object_id(arcs: &[u32]) -> Vec<u8> {
    let mut content = Vec::new();
    let (first, rest) = match arcs {
        [first, second, rest @ ..] => (first * 40 + second, rest),
        _ => (0, arcs),
    };
    for arc in std::iter::once(&first).chain(rest) {
        let groups = (32 - (arc | 1).leading_zeros()).div_ceil(7);
        for group in (0..groups).rev() {
            let more = if group == 0 { 0 } else { 0x80 };
            let bits = u8::try_from((arc >> (7 * group)) & 0x7f).unwrap_or_default();
            content.push(bits | more);
        }
    }
    element(0x06, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_match_known_encodings() {
        let certificate_bag = [1, 2, 840, 113_549, 1, 12, 10, 1, 3];
        assert_eq!(
            object_id(&certificate_bag),
            [
                0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03
            ]
        );
        assert_eq!(
            object_id(&[2, 5, 29, 37, 0]),
            [0x06, 0x04, 0x55, 0x1d, 0x25, 0x00]
        );
        assert_eq!(integer(3), [0x02, 0x01, 0x03]);
        assert_eq!(integer(10_000), [0x02, 0x02, 0x27, 0x10]);
        assert_eq!(integer(200), [0x02, 0x02, 0x00, 0xc8]);
        assert_eq!(octets(&[7; 200])[..3], [0x04, 0x81, 0xc8]);
        assert_eq!(octets(&[7; 300])[..4], [0x04, 0x82, 0x01, 0x2c]);
    }
}
