//! The one place that looks into a member's opaque metadata: who may see a group depends on what it
//! reads, and OffsetDelete must not forget offsets of topics that a consumer is subscribed to.
//!
//! ```text
//! version i16 | topic count i32 | per topic: length i16, name | (more, not needed)     big endian
//! ```

use bytes::Buf;
use model::TopicName;

use crate::{Protocol, sender::Interest};

/// The protocol type of consumers, whose metadata has this shape.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// Shows the subscribed topics, one by one, for as long as they are wanted; `None` if the bytes are
/// something else. Keeps nothing: a megabyte may hold hundreds of thousands of names.
pub(crate) fn visit<'a>(
    metadata: &'a [u8],
    mut wants_more: impl FnMut(&'a str) -> bool,
) -> Option<()> {
    let mut rest = metadata;
    rest.try_get_i16().ok()?;
    let count = rest.try_get_i32().ok()?;
    for _ in 0..count {
        let len = usize::try_from(rest.try_get_i16().ok()?).ok()?;
        let (name, after) = rest.split_at_checked(len)?;
        rest = after;
        if !wants_more(std::str::from_utf8(name).ok()?) {
            break;
        }
    }
    Some(())
}

/// What a member with these protocols reads. That of anything but a consumer cannot be told.
pub(crate) fn interest(protocol_type: &str, protocols: &[Protocol]) -> Interest {
    if protocol_type != PROTOCOL_TYPE {
        return Interest::Beyond;
    }
    let mut only: Option<&str> = None;
    for protocol in protocols {
        let mut is_one = true;
        let read = visit(&protocol.metadata, |topic| {
            is_one = *only.get_or_insert(topic) == topic;
            is_one
        });
        if read.is_none() || !is_one {
            return Interest::Beyond;
        }
    }
    match only.map(TopicName::try_from) {
        None => Interest::Nothing,
        Some(Ok(topic)) => Interest::Topic(topic),
        Some(Err(_)) => Interest::Beyond,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn topics(metadata: &[u8]) -> Option<Vec<&str>> {
        let mut topics = Vec::new();
        visit(metadata, |topic| {
            topics.push(topic);
            true
        })?;
        Some(topics)
    }

    fn protocol(metadata: &'static [u8]) -> Protocol {
        Protocol {
            name: "range".into(),
            metadata: Bytes::from_static(metadata),
        }
    }

    #[test]
    fn topics_come_out_of_a_consumers_subscription() {
        let bytes = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        assert_eq!(topics(bytes).unwrap(), ["a", "bc"]);
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
            assert_eq!(topics(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn interest_is_the_one_topic_of_all_protocols_or_beyond() {
        let a = protocol(b"\0\0\0\0\0\x02\0\x01a\0\x01a");
        let b = protocol(b"\0\0\0\0\0\x01\0\x01b");
        let none = protocol(b"\0\0\0\0\0\0");
        let no_name = protocol(b"\0\0\0\0\0\x01\0\x01/");
        let only = Interest::Topic(TopicName::try_from("a").unwrap());
        let of = |protocols: &[&Protocol]| {
            let protocols: Vec<_> = protocols.iter().map(|&each| each.clone()).collect();
            interest(PROTOCOL_TYPE, &protocols)
        };
        assert_eq!(of(&[&a, &a, &none]), only);
        assert_eq!(of(&[&none]), Interest::Nothing);
        assert_eq!(of(&[&a, &b]), Interest::Beyond);
        assert_eq!(of(&[&no_name]), Interest::Beyond);
        assert_eq!(of(&[&protocol(b"?")]), Interest::Beyond);
        assert_eq!(interest("connect", &[a]), Interest::Beyond);
    }
}
