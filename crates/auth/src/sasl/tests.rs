//! The exchange's states, and logins right and wrong.

use std::collections::BTreeMap;

use model::TopicName;

use super::*;
use crate::Rights;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn policy(name: &str, rights: Rights, primary: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        rights,
        primary: Key::from(primary),
        secondary: Some(Key::from(format!("{primary}-2").as_str())),
    }
}

fn hub(name: &str) -> TopicName {
    TopicName::try_from(name).unwrap()
}

/// Namespace dev: root (all), reader (listen); on its event hub `Orders`: writer and reader.
fn policies() -> PolicySet {
    PolicySet::new(
        NamespaceName::from("dev"),
        vec![
            policy("root", Rights::MANAGE, "ROOTKEY"),
            policy("reader", Rights::LISTEN, "READKEY"),
        ],
        BTreeMap::from([(
            hub("Orders"),
            vec![
                policy("writer", Rights::SEND, "WRITEKEY"),
                policy("reader", Rights::SEND, "HUBREADKEY"),
            ],
        )]),
    )
    .unwrap()
}

fn plain(password: &str) -> Vec<u8> {
    format!("\0$ConnectionString\0{password}").into_bytes()
}

fn login(password: &str) -> Result<Principal, LoginError> {
    Login::parse(&plain(password))?.verify(&policies(), NOW)
}

fn string(rest: &str) -> String {
    format!("Endpoint=sb://dev.example/;{rest}")
}

#[test]
fn keys_open_what_their_policy_stands_on() {
    let cases = [
        (
            "SharedAccessKeyName=root;SharedAccessKey=ROOTKEY",
            Scope::Namespace,
            Rights::MANAGE,
        ),
        (
            "SharedAccessKeyName=root;SharedAccessKey=ROOTKEY-2",
            Scope::Namespace,
            Rights::MANAGE,
        ),
        (
            "SharedAccessKeyName=root;SharedAccessKey=ROOTKEY;EntityPath=orders",
            Scope::NarrowedTo(hub("orders")),
            Rights::MANAGE,
        ),
        (
            "SharedAccessKeyName=writer;SharedAccessKey=WRITEKEY;EntityPath=orders",
            Scope::Hub(hub("Orders")),
            Rights::SEND,
        ),
        // The same name on both: the key says which is meant.
        (
            "SharedAccessKeyName=reader;SharedAccessKey=HUBREADKEY;EntityPath=Orders",
            Scope::Hub(hub("Orders")),
            Rights::SEND,
        ),
        (
            "SharedAccessKeyName=reader;SharedAccessKey=READKEY;EntityPath=Orders",
            Scope::NarrowedTo(hub("Orders")),
            Rights::LISTEN,
        ),
    ];
    for (rest, scope, rights) in cases {
        let principal = login(&string(rest)).expect(rest);
        assert_eq!(
            (principal.scope, principal.rights),
            (scope, rights),
            "{rest}"
        );
        assert_eq!(principal.expires, None);
    }
}

#[test]
fn the_log_hears_what_was_wrong_and_strangers_hear_one_thing() {
    let cases = [
        (
            "SharedAccessKeyName=boss;SharedAccessKey=ROOTKEY",
            "no policy \"boss\" in namespace dev",
        ),
        (
            "SharedAccessKeyName=root;SharedAccessKey=WRONG",
            "the key does not match policy \"root\" in namespace dev",
        ),
        // A hub's policy is unknown where the hub is not named.
        (
            "SharedAccessKeyName=writer;SharedAccessKey=WRITEKEY",
            "no policy \"writer\" in namespace dev",
        ),
        (
            "SharedAccessKeyName=writer;SharedAccessKey=WRITEKEY;EntityPath=other",
            "no policy \"writer\" in namespace dev",
        ),
    ];
    for (rest, expected) in cases {
        let error = login(&string(rest)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.for_strangers(), REFUSED);
    }
    let parsed = Login::parse(&plain(&string(cases[0].0))).unwrap();
    let error = parsed.verify_nowhere(LoginError::NoNamespace);
    assert_eq!(error.for_strangers(), REFUSED);
}

/// Counts the keys that a login is compared with.
fn tried(hub: Option<&TopicName>, name: &str) -> usize {
    let count = std::cell::Cell::new(0);
    let none = |_: &Key| {
        count.set(count.get() + 1);
        false
    };
    assert!(find(&policies(), hub, name, none).is_err());
    count.get()
}

#[test]
fn a_policy_that_is_not_there_costs_what_one_that_is_there_does() {
    for name in ["root", "reader", "writer", "nobody"] {
        assert_eq!(tried(None, name), 2, "{name}");
        for place in ["Orders", "orders", "absent"] {
            assert_eq!(tried(Some(&hub(place)), name), 4, "{name} on {place}");
        }
    }
    let without_second = Policy {
        secondary: None,
        ..policy("p", Rights::SEND, "k")
    };
    let count = std::cell::Cell::new(0);
    let is_wrong = |_: &Key| {
        count.set(count.get() + 1);
        false
    };
    assert!(without_second.key_that(is_wrong).is_none());
    assert_eq!(count.get(), 2, "one key or two");
}

#[test]
fn tokens_are_taken_bare_or_inside_a_connection_string() {
    let end = NOW.0 / 1000 + 60;
    let sign = |name: &str, key: &str, resource: &str, end: i64| {
        let token = SasToken::sign(name, &Key::from(key), resource, end).unwrap();
        token.reveal().to_owned()
    };
    let whole = sign("root", "ROOTKEY", "sb://dev.example/", end);
    let principal = login(&whole).unwrap();
    assert_eq!(principal.scope, Scope::Namespace);
    assert_eq!(principal.expires, Some(Timestamp(end * 1000)));
    let inside = string(&format!("SharedAccessSignature={whole};EntityPath=orders"));
    assert_eq!(
        login(&inside).unwrap().scope,
        Scope::NarrowedTo(hub("orders"))
    );

    let of_hub = sign("writer", "WRITEKEY-2", "amqps://dev.example/orders", end);
    assert_eq!(login(&of_hub).unwrap().scope, Scope::Hub(hub("Orders")));
    let mismatch = string(&format!("SharedAccessSignature={of_hub};EntityPath=other"));
    assert_eq!(
        login(&mismatch).unwrap_err(),
        LoginError::EntityPathMismatch
    );

    let old = sign("root", "ROOTKEY", "sb://dev.example/", NOW.0 / 1000);
    assert_eq!(login(&old).unwrap_err(), LoginError::Expired);
    let forged = sign("root", "OTHER", "sb://dev.example/", end);
    assert!(matches!(
        login(&forged).unwrap_err(),
        LoginError::WrongSignature { .. }
    ));
}

#[test]
fn malformed_messages_are_refused() {
    use LoginError as E;
    let good = string("SharedAccessKeyName=root;SharedAccessKey=ROOTKEY");
    let cases: [(Vec<u8>, E); 7] = [
        (b"".to_vec(), E::Malformed),
        (b"\xff\0\xfe\0".to_vec(), E::Malformed),
        (b"$ConnectionString\0x".to_vec(), E::Malformed),
        (
            format!("\0$ConnectionString\0{good}\0").into_bytes(),
            E::Malformed,
        ),
        (vec![b'x'; MESSAGE_LEN_MAX + 1], E::Malformed),
        (b"\0alice\0secret".to_vec(), E::UserName),
        (
            format!("bob\0$ConnectionString\0{good}").into_bytes(),
            E::AuthorizationId,
        ),
    ];
    for (message, expected) in cases {
        assert_eq!(Login::parse(&message).unwrap_err(), expected);
    }
    let same = format!("$ConnectionString\0$ConnectionString\0{good}");
    assert!(Login::parse(same.as_bytes()).is_ok());
}

#[test]
fn steps_out_of_turn_are_refused() {
    let good = plain(&string("SharedAccessKeyName=root;SharedAccessKey=ROOTKEY"));
    let mut sasl = Sasl::default();
    assert_eq!(sasl.message(&good).unwrap_err(), SaslError::NoHandshake);
    assert_eq!(
        sasl.handshake("GSSAPI", Framing::Raw).unwrap_err(),
        SaslError::Mechanism
    );
    sasl.handshake("PLAIN", Framing::Raw).unwrap();
    assert!(sasl.expects_raw_message());
    sasl.message(&good).unwrap();
    assert!(!sasl.expects_raw_message());
    assert_eq!(sasl.message(&good).unwrap_err(), SaslError::Decided);
    assert!(!sasl.is_done());
    sasl.accepted();
    assert!(sasl.is_done());
    assert_eq!(sasl.message(&good).unwrap_err(), SaslError::Decided);
}

#[test]
fn a_client_logs_in_again_but_not_after_a_refusal() {
    let good = plain(&string("SharedAccessKeyName=root;SharedAccessKey=ROOTKEY"));
    let mut sasl = Sasl::default();
    for _ in 0..2 {
        sasl.handshake("PLAIN", Framing::Wrapped).unwrap();
        sasl.message(&good).unwrap();
        sasl.accepted();
    }
    sasl.handshake("PLAIN", Framing::Wrapped).unwrap();
    assert!(sasl.message(b"nonsense").is_err());
    assert_eq!(
        sasl.handshake("PLAIN", Framing::Wrapped).unwrap_err(),
        SaslError::Decided
    );
}
