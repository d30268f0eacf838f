//! Tokens read and signed, and what their resources open.

use proptest::prelude::*;

use super::*;

/// Event Hubs' own vector, from the Rust SDK's test of its signer.
const VECTOR: &str = "SharedAccessSignature \
    sr=amqps%3a%2f%2fexample.servicebus.windows.net%2fmyhub\
    &sig=SgJoMn7K6nWDCF6e1%2BfsxrmJLsorqPeZ3B8N1uQ31dc%3D\
    &se=1700000000&skn=RootManageSharedAccessKey";

#[test]
fn the_sdks_vector_verifies_with_the_raw_key_only() {
    let token = SasToken::parse(VECTOR).unwrap();
    assert!(token.is_signed_by(&Key::from("mykey")));
    assert!(!token.is_signed_by(&Key::from("bXlrZXk=")));
    assert_eq!(token.policy(), "RootManageSharedAccessKey");
    assert_eq!(token.host(), "example.servicebus.windows.net");
    assert_eq!(token.hub().unwrap().as_str(), "myhub");
    assert_eq!(token.expires(), Timestamp(1_700_000_000_000));
}

#[test]
fn signing_gives_the_sdks_vector() {
    let token = SasToken::sign(
        "RootManageSharedAccessKey",
        &Key::from("mykey"),
        "amqps://example.servicebus.windows.net/myhub",
        1_700_000_000,
    )
    .unwrap();
    let expected = VECTOR.replace("%2B", "%2b").replace("%3D", "%3d");
    assert_eq!(token.reveal(), expected);
}

#[test]
fn the_resource_is_signed_as_it_was_written() {
    let upper = VECTOR.replace("%3a%2f%2f", "%3A%2F%2F");
    let token = SasToken::parse(&upper).unwrap();
    assert!(
        !token.is_signed_by(&Key::from("mykey")),
        "another encoding of the same resource is another text"
    );
}

#[test]
fn fields_come_in_any_order() {
    let token =
        SasToken::parse("sharedaccesssignature skn=p&se=5&sig=AAAA&sr=http%3A%2F%2FHost%3A80%2F")
            .unwrap();
    assert_eq!((token.host(), token.hub()), ("host", None));
}

#[test]
fn each_fault_is_named() {
    use TokenError as E;
    let cases = [
        ("Endpoint=x", E::Prefix),
        ("SharedAccessSignature", E::Missing("sr")),
        ("SharedAccessSignature sr=h", E::Missing("sig")),
        (
            "SharedAccessSignature sr=h&sig=AAAA&skn=p",
            E::Missing("se"),
        ),
        (
            "SharedAccessSignature sr=h&sig=AAAA&se=1",
            E::Missing("skn"),
        ),
        (
            "SharedAccessSignature sr=h%2&sig=AAAA&se=1&skn=p",
            E::Malformed("sr"),
        ),
        (
            "SharedAccessSignature sr=h%2fa%20b&sig=AAAA&se=1&skn=p",
            E::Malformed("sr"),
        ),
        (
            "SharedAccessSignature sr=h&sig=%%%&se=1&skn=p",
            E::Malformed("sig"),
        ),
        (
            "SharedAccessSignature sr=h&sig=AAAA&se=soon&skn=p",
            E::Malformed("se"),
        ),
        (
            "SharedAccessSignature sr=sb%3a%2f%2fh%2forders%2fPublishers%2fx&sig=AAAA&se=1&skn=p",
            E::TooNarrow,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(SasToken::parse(text).unwrap_err(), expected, "{text}");
    }
}

/// What a resource opens, by another reading than the parser's: an alphabet without escapes,
/// then the places of the slashes.
fn plain_reading(resource: &str) -> Option<(String, Option<String>)> {
    let lower = resource.to_ascii_lowercase();
    let schemes = ["sb://", "amqps://", "amqp://", "https://", "http://"];
    let scheme = schemes.iter().find(|scheme| lower.starts_with(**scheme));
    let rest = resource.get(scheme.map_or(0, |scheme| scheme.len())..)?;
    if rest.contains(|c: char| !(c.is_ascii_alphanumeric() || "-._:/[]".contains(c))) {
        return None;
    }
    let parts: Vec<&str> = rest.split('/').collect();
    let hub = match parts.as_slice() {
        [_] | [_, ""] => None,
        [_, hub] | [_, hub, ""] => Some((*hub).to_owned()),
        _ => return None,
    };
    let authority = parts.first()?.to_ascii_lowercase();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host.to_owned(),
        _ => authority,
    };
    Some((host, hub))
}

#[test]
fn a_resource_that_is_not_exactly_understood_opens_nothing() {
    for resource in [
        "sb%3a%2f%2fh%2forders",
        "sb%253a%252f%252fh%252forders",
        "sb://h%2forders",
        "sb://h%5corders",
        "h\\orders",
        "sb://h//orders",
        "sb://h//",
        "sb://h/orders//",
        "sb://h/./orders",
        "sb://h/../",
        "sb://h/.",
        "sb://h/?orders",
        "sb://h?/orders",
        "sb://h#/orders",
        "sb://h/orders?x=y",
        "sb://h/orders#x",
        "sb://orders@h/",
        "sb://h:/orders",
        "sb://h:x/orders",
        "h/orders://h",
        "x/sb://h/",
        "sb:h/orders",
        "sb://h\0/orders",
        "sb://h /orders",
        "sb://h/ orders",
        "sb://h\u{2215}orders",
        "sb://h\u{ff0f}orders",
        "sb://h/orders/consumergroups/g",
        "sb://h/orders/publishers/p",
        "sb://h/orders/partitions/0/",
    ] {
        assert!(Audience::parse(resource).is_err(), "{resource:?}");
    }
}

#[test]
fn an_sr_that_was_encoded_twice_opens_nothing() {
    let twice = percent_encode(&percent_encode("sb://h/orders"));
    let text = format!("SharedAccessSignature sr={twice}&sig=AAAA&se=1&skn=p");
    assert_eq!(
        SasToken::parse(&text).unwrap_err(),
        TokenError::Malformed("sr")
    );
}

#[test]
fn the_forms_that_sdks_write_are_understood() {
    for (resource, host, hub) in [
        ("amqps://Ns.example/Orders", "ns.example", Some("Orders")),
        ("AMQP://ns/orders/", "ns", Some("orders")),
        ("https://ns.example:443/", "ns.example", None),
        ("http://ns", "ns", None),
        ("sb://my_host./orders", "my_host.", Some("orders")),
        ("sb://[::1]:9093/orders", "::1", Some("orders")),
        ("127.0.0.1:9093", "127.0.0.1", None),
    ] {
        let audience = Audience::parse(resource).expect(resource);
        let read = (audience.host.as_str(), audience.hub.as_ref());
        assert_eq!(read, (host, hub.map(topic).as_ref()), "{resource}");
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::try_from(name).unwrap()
}

#[test]
fn a_field_that_comes_twice_is_none() {
    for (doubled, name) in [
        ("sr=h&sr=h%2forders&sig=AAAA&se=1&skn=p", "sr"),
        ("sr=h&SR=h&sig=AAAA&se=1&skn=p", "sr"),
        ("sr=h&sig=AAAA&se=1&se=9&skn=p", "se"),
        ("sr=h&sig=AAAA&se=1&skn=p&skn=q", "skn"),
    ] {
        let error = SasToken::parse(&format!("SharedAccessSignature {doubled}")).unwrap_err();
        assert_eq!(error, TokenError::Malformed(name), "{doubled}");
    }
}

#[test]
fn debug_output_hides_the_signature() {
    let shown = format!("{:?}", SasToken::parse(VECTOR).unwrap());
    assert!(!shown.contains("SgJo"), "{shown}");
}

proptest! {
    /// Whoever may connect may send this.
    #[test]
    fn no_text_panics(text in "\\PC{0,80}", sr in "[ -~]{0,40}", sig in "[ -~]{0,40}") {
        drop(SasToken::parse(&text));
        drop(SasToken::parse(&format!("SharedAccessSignature sr={sr}&sig={sig}&se=1&skn=p")));
    }

    /// Pieces of resources in any order: whatever is opened, a plain reading opens it too.
    #[test]
    fn no_resource_opens_more_than_it_says(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "sb", "://", "h", ".", "/", "orders", ":", "80", "%2f", "%252f", "%3a", "%",
                "?", "#", "@", "\\", " ", "\0", "..", "[", "]", "::1", "+", "&", "=", "\u{ff0f}",
                "consumergroups", "http", "é",
            ]),
            0..9,
        ),
    ) {
        let resource = pieces.concat();
        if let Ok(audience) = Audience::parse(&resource) {
            let hub = audience.hub.map(|hub| hub.as_str().to_owned());
            let host = match audience.host.as_str() {
                address if address.contains(':') => format!("[{address}]"),
                name => name.to_owned(),
            };
            prop_assert_eq!(plain_reading(&resource), Some((host, hub)));
        }
    }

    /// One edit of a resource that names `orders` never turns it into its whole namespace.
    #[test]
    fn an_edited_resource_never_opens_the_namespace(
        edit in "[ -~\\x00é／]{0,3}",
        at in 0_usize..14,
        replaced in 0_usize..2,
        encoded in 0_usize..3,
    ) {
        let plain = "sb://h/orders/";
        let end = (at + replaced).min(plain.len());
        let mut resource = format!("{}{edit}{}", &plain[..at], &plain[end..]);
        for _ in 0..encoded {
            resource = percent_encode(&resource);
        }
        let opened = Audience::parse(&resource).ok();
        prop_assert!(
            opened.is_none_or(|opened| opened.hub.is_some() || opened.host != "h"),
            "{resource:?}"
        );
    }

    #[test]
    fn a_token_is_signed_by_its_key_only(
        key in "[ -~]{1,60}",
        other in "[ -~]{1,60}",
        policy in "\\PC{1,20}",
        hub in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}",
        end in 0..i64::MAX / 1000,
    ) {
        let resource = format!("sb://h/{hub}");
        let token = SasToken::sign(&policy, &Key::from(key.as_str()), &resource, end).unwrap();
        prop_assert!(token.is_signed_by(&Key::from(key.as_str())));
        prop_assert_eq!(token.is_signed_by(&Key::from(other.as_str())), key == other);
        prop_assert_eq!((token.policy(), token.hub().unwrap().as_str()), (&*policy, &*hub));
    }
}
