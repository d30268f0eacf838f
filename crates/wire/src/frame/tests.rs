//! Frames from the outside: limits, headers, and what must not panic.

use super::*;

fn start(length: i32, api_key: i16, api_version: i16) -> [u8; FRAME_START_BYTES] {
    let mut bytes = [0; FRAME_START_BYTES];
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..6].copy_from_slice(&api_key.to_be_bytes());
    bytes[6..].copy_from_slice(&api_version.to_be_bytes());
    bytes
}

#[test]
fn the_limit_follows_login_and_api() {
    let limits = FrameLimits::default();
    let produce = start(50 << 20, 0, 9);
    assert!(limits.check_start(produce, Login::Done).is_ok());
    let limit_bytes = 64 << 10;
    assert_eq!(
        limits.check_start(produce, Login::Pending),
        Err(FrameError::TooLong {
            frame_bytes: 50 << 20,
            limit_bytes
        })
    );
    let metadata = start((8 << 20) + 1, 3, 9);
    let limit_bytes = 8 << 20;
    assert_eq!(
        limits.check_start(metadata, Login::Done),
        Err(FrameError::TooLong {
            frame_bytes: (8 << 20) + 1,
            limit_bytes
        })
    );
    assert!(
        limits
            .check_start(start(8 << 20, 3, 9), Login::Done)
            .is_ok()
    );
}

#[test]
fn false_lengths_are_refused() {
    let limits = FrameLimits::default();
    let check = |length| limits.check_start(start(length, 3, 0), Login::Done);
    assert_eq!(check(-1), Err(FrameError::NegativeLength { length: -1 }));
    assert_eq!(
        check(i32::MIN),
        Err(FrameError::NegativeLength { length: i32::MIN })
    );
    assert_eq!(check(7), Err(FrameError::TooShort { frame_bytes: 7 }));
    let found = FrameStart {
        frame_bytes: 8,
        api_key: 3,
        api_version: 0,
    };
    assert_eq!(check(8), Ok(found));
    assert_eq!(frame_length([0, 0, 0, 0], 10), Ok(0));
}

#[test]
fn text_of_another_protocol_is_too_long_to_be_a_frame() {
    // "GET " and a TLS ClientHello, read as lengths.
    let limits = FrameLimits::default();
    for first in [*b"GET / HT", [0x16, 3, 1, 2, 0, 1, 0, 1]] {
        let refused = limits.check_start(first, Login::Pending);
        assert!(
            matches!(refused, Err(FrameError::TooLong { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_header_is_read_with_and_without_tagged_fields() {
    let plain = [0, 3, 0, 8, 0, 0, 0, 7, 0, 2, b'm', b'e', 0xaa];
    let frame = RequestFrame::parse(Bytes::copy_from_slice(&plain)).unwrap();
    assert_eq!(frame.api, Some(ApiKey::Metadata));
    assert_eq!((frame.api_version, frame.correlation_id), (8, 7));
    assert_eq!(frame.client_id.as_deref(), Some("me"));
    assert_eq!(&frame.body[..], [0xaa]);

    let tagged = [0, 3, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 1, 4, 2, 9, 9, 0xaa];
    let frame = RequestFrame::parse(Bytes::copy_from_slice(&tagged)).unwrap();
    assert_eq!(frame.client_id, None);
    assert_eq!(&frame.body[..], [0xaa]);
}

#[test]
fn an_unknown_api_still_says_who_calls() {
    let unknown = [0x7f, 0, 0, 1, 0, 0, 0, 7, 0, 2, b'm', b'e', 0xaa];
    let frame = RequestFrame::parse(Bytes::copy_from_slice(&unknown)).unwrap();
    assert_eq!((frame.api, frame.api_key), (None, 0x7f00));
    assert_eq!(frame.client_id.as_deref(), Some("me"));
}

#[test]
fn an_api_versions_request_of_the_future_has_a_readable_header() {
    // KIP-511: the answer is version 0, error 35; for that the correlation id must be known.
    let future = [0, 18, 0, 99, 0, 0, 0, 7, 0, 2, b'm', b'e', 0, 0xde, 0xad];
    let frame = RequestFrame::parse(Bytes::copy_from_slice(&future)).unwrap();
    assert_eq!(
        (frame.api, frame.correlation_id),
        (Some(ApiKey::ApiVersions), 7)
    );
    assert!(!ApiKey::ApiVersions.accepts(frame.api_version));
}

#[test]
fn a_header_cut_short_anywhere_is_refused() {
    let whole = [0, 3, 0, 9, 0, 0, 0, 7, 0, 2, b'm', b'e', 1, 4, 2, 9, 9];
    for end in 0..whole.len() {
        let cut = RequestFrame::parse(Bytes::copy_from_slice(&whole[..end]));
        assert!(cut.is_err(), "cut at {end}");
    }
    assert!(RequestFrame::parse(Bytes::copy_from_slice(&whole)).is_ok());
}

#[test]
fn a_response_frame_counts_all_its_chunks() {
    let body = [
        Bytes::from_static(b"ab"),
        Bytes::new(),
        Bytes::from_static(b"c"),
    ];
    let body = body.map(Piece::from).to_vec();
    let frame = ResponseFrame::new(ApiKey::Fetch, 12, 7, body);
    assert_eq!(frame.len(), 4 + 4 + 1 + 3);
    let bytes = frame.into_bytes().unwrap();
    assert_eq!(&bytes[..], [0, 0, 0, 8, 0, 0, 0, 7, 0, b'a', b'b', b'c']);
    let mut rest = bytes.slice(LENGTH_BYTES..);
    assert_eq!(take_response_header(&mut rest, ApiKey::Fetch, 12), Ok(7));
    assert_eq!(&rest[..], b"abc");
}
