//! The one place that looks into a member's opaque metadata: OffsetDelete must not forget offsets
//! of topics that a consumer is subscribed to.
//!
//! ```text
//! version i16 | topic count i32 | per topic: length i16, name | (more, not needed)     big endian
//! ```

use bytes::{Buf, Bytes};

/// The protocol type of consumers, whose metadata has this shape.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// The subscribed topics; `None` if the bytes are something else.
pub(crate) fn topics(metadata: &Bytes) -> Option<Vec<String>> {
    let mut rest = metadata.clone();
    rest.try_get_i16().ok()?;
    let count = rest.try_get_i32().ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        if len > rest.remaining() {
            return None;
        }
        let name = rest.split_to(len);
        topics.push(std::str::from_utf8(&name).ok()?.to_owned());
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_come_out_of_a_consumers_subscription() {
        let bytes = Bytes::from_static(b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff");
        assert_eq!(topics(&bytes).unwrap(), ["a", "bc"]);
    }

    #[test]
    fn a_false_count_or_length_is_no_subscription() {
        for bytes in [
            &b""[..],
            b"\0\0\x7f\xff\xff\xff\0\x01a",
            b"\0\0\0\0\0\x01\0\x05a",
            b"\0\0\0\0\0\x01\xff\xffa",
            b"\0\0\0\0\0\x01\0\x01\xff",
        ] {
            assert_eq!(topics(&Bytes::from_static(bytes)), None, "{bytes:?}");
        }
    }
}
