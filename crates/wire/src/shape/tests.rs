//! The check on hostile bodies written by hand, each named by the lie it tells.

use super::*;
use crate::api::ApiKey;

fn metadata(version: i16, body: &[u8]) -> Result<Walked, ShapeError> {
    check_request(ApiKey::Metadata.code(), version, body)
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_anything_is_reserved() {
    // Either of these makes the library reserve hundreds of gigabytes and abort the process.
    let compact = metadata(9, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
    let possible = 0;
    let count = u32::MAX as usize - 1;
    assert_eq!(
        compact,
        Err(ShapeError::FalseCount {
            position: 0,
            count,
            possible
        })
    );
    let plain = metadata(0, &[0x7f, 0xff, 0xff, 0xff]);
    let count = i32::MAX as usize;
    assert_eq!(
        plain,
        Err(ShapeError::FalseCount {
            position: 0,
            count,
            possible
        })
    );
}

#[test]
fn a_count_must_fit_at_the_smallest_size_of_an_element() {
    // Two names of two bytes each need four; three are there.
    let short = metadata(0, &[0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(
        short,
        Err(ShapeError::FalseCount {
            position: 0,
            count: 2,
            possible: 1
        })
    );
    assert!(metadata(0, &[0, 0, 0, 2, 0, 0, 0, 0]).is_ok());
}

#[test]
fn null_is_taken_only_where_the_version_has_it() {
    let null_array = [0xff, 0xff, 0xff, 0xff];
    assert_eq!(
        metadata(0, &null_array),
        Err(ShapeError::UnexpectedNull { position: 0 })
    );
    assert!(metadata(1, &null_array).is_ok());
    let null_name = [0, 0, 0, 1, 0xff, 0xff];
    assert_eq!(
        metadata(1, &null_name),
        Err(ShapeError::UnexpectedNull { position: 4 })
    );
}

#[test]
fn negative_lengths_are_refused() {
    assert_eq!(
        metadata(1, &[0xff, 0xff, 0xff, 0xfe]),
        Err(ShapeError::NegativeLength { position: 0 })
    );
    assert_eq!(
        metadata(1, &[0, 0, 0, 1, 0xff, 0xfe]),
        Err(ShapeError::NegativeLength { position: 4 })
    );
}

#[test]
fn an_optional_structure_is_there_or_not() {
    // DescribeTopicPartitions 0: no topics, limit, cursor, no tags.
    let check = |cursor: &[u8]| {
        let body = [&[1, 0, 0, 0, 9], cursor, &[0]].concat();
        check_request(ApiKey::DescribeTopicPartitions.code(), 0, &body)
    };
    assert!(check(&[0xff]).is_ok());
    assert!(check(&[1, 2, b't', 0, 0, 0, 4, 0]).is_ok());
    // The library would read this as null and the rest as something else.
    assert_eq!(check(&[2]), Err(ShapeError::NotPresence { position: 5 }));
}

#[test]
fn a_string_is_utf8() {
    assert_eq!(
        metadata(0, &[0, 0, 0, 1, 0, 2, 0xc3, 0x28]),
        Err(ShapeError::NotUtf8 { position: 4 })
    );
}

#[test]
fn a_number_of_more_than_32_bits_is_refused_and_a_padded_one_is_read() {
    let api_versions = |body: &[u8]| check_request(ApiKey::ApiVersions.code(), 3, body);
    // Name and version of the client empty, no tags; the first length padded to five bytes.
    assert!(api_versions(&[0x81, 0x80, 0x80, 0x80, 0x00, 1, 0]).is_ok());
    let too_long = Err(ShapeError::VarintTooLong { position: 0 });
    assert_eq!(
        api_versions(&[0x81, 0x80, 0x80, 0x80, 0x10, 1, 0]),
        too_long
    );
    assert_eq!(
        api_versions(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 0]),
        too_long
    );
}

#[test]
fn tags_ascend_and_do_not_repeat() {
    let api_versions = |tags: &[u8]| {
        let body = [&[1, 1], tags].concat();
        check_request(ApiKey::ApiVersions.code(), 3, &body)
    };
    assert!(api_versions(&[2, 5, 1, 0xaa, 6, 0]).is_ok());
    assert_eq!(
        api_versions(&[2, 5, 0, 5, 0]),
        Err(ShapeError::TagOrder { position: 5 })
    );
    assert_eq!(
        api_versions(&[2, 6, 0, 5, 0]),
        Err(ShapeError::TagOrder { position: 5 })
    );
}

#[test]
fn a_known_tagged_field_fills_its_size_exactly() {
    // Fetch 12: the cluster id is tag 0 of the request.
    let fetch = |tags: &[u8]| {
        let fixed = [0; 4 + 4 + 4 + 4 + 1 + 4 + 4];
        let body = [&fixed[..], &[1, 1, 1], tags].concat();
        check_request(ApiKey::Fetch.code(), 12, &body)
    };
    assert!(fetch(&[0]).is_ok());
    assert!(fetch(&[1, 0, 3, 3, b'a', b'b']).is_ok());
    let wrong = fetch(&[1, 0, 4, 3, b'a', b'b', 0]);
    assert_eq!(
        wrong,
        Err(ShapeError::TagSize {
            position: 31,
            size: 4,
            used: 3
        })
    );
}

#[test]
fn small_bytes_may_not_become_a_large_message() {
    // Empty names of two bytes each become structures of about a hundred.
    let names = 500_000_u32;
    let mut body = Vec::new();
    let mut count = names + 1;
    while count >= 0x80 {
        body.push(count.to_be_bytes()[3] | 0x80);
        count >>= 7;
    }
    body.push(count.to_be_bytes()[3]);
    body.extend(std::iter::repeat_n([1, 0], names as usize).flatten());
    body.extend([0, 0, 0, 0]);
    let refused = metadata(9, &body);
    assert!(
        matches!(refused, Err(ShapeError::OverBudget { .. })),
        "{refused:?}"
    );
}

#[test]
fn the_budget_grows_with_the_body_up_to_its_limit() {
    assert_eq!(decoded_budget(0), DECODED_BYTES_FLOOR);
    assert_eq!(decoded_budget(1000), DECODED_BYTES_FLOOR + 16_000);
    assert_eq!(decoded_budget(usize::MAX), DECODED_BYTES_MAX);
}

#[test]
fn a_list_of_four_hundred_thousand_topics_is_within_the_budget() {
    let names = 400_000_u32;
    let mut body = names.to_be_bytes().to_vec();
    for name in 0..names {
        body.extend([0, 12]);
        body.extend(format!("topic-{name:06}").into_bytes());
    }
    assert!(metadata(0, &body).is_ok());
}

#[test]
fn versions_outside_the_table_are_unknown() {
    for (api_key, version) in [(0, 2), (0, 14), (3, -1), (4, 0), (-1, 0), (999, 0)] {
        let unknown = Err(ShapeError::UnknownVersion { api_key, version });
        assert_eq!(check_request(api_key, version, &[]), unknown);
        assert_eq!(check_response(api_key, version, &[]), unknown);
    }
}

#[test]
fn the_table_of_api_keys_and_the_generated_tables_say_the_same() {
    for key in ApiKey::all() {
        for table in [&requests::REQUESTS, &responses::RESPONSES] {
            let message = table.iter().find(|message| message.api_key == key.code());
            let message = message.unwrap_or_else(|| panic!("{key} has no table"));
            let accepted = key.facts().accepted;
            // 4.4 marks InitProducerId 6 unstable.
            let unstable = i16::from(key == ApiKey::InitProducerId);
            assert_eq!(
                (accepted.min, accepted.max + unstable),
                message.versions,
                "{key}"
            );
            let flexible = key.facts().first_flexible.unwrap_or(table::NEVER);
            assert_eq!(flexible, message.first_flexible, "{key}");
        }
    }
}

#[test]
fn tables_ascend_by_key_and_tags_are_unique() {
    for table in [&requests::REQUESTS, &responses::RESPONSES] {
        assert!(table.is_sorted_by(|a, b| a.api_key < b.api_key));
        for message in table {
            assert!(message.body.fields.len() < 64, "key {}", message.api_key);
            let mut tags: Vec<_> = message.body.fields.iter().filter_map(|f| f.tag).collect();
            let count = tags.len();
            tags.dedup();
            assert_eq!(tags.len(), count, "key {}", message.api_key);
        }
    }
}
