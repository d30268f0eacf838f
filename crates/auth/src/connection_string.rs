//! Event Hubs' connection strings: `Endpoint=sb://host/;SharedAccessKeyName=..;SharedAccessKey=..`.

use std::{fmt, net::Ipv6Addr};

use model::TopicName;
use thiserror::Error;

use crate::{Key, SasToken, TokenError};

/// The longest host name DNS allows.
const HOST_LEN_MAX: usize = 253;
/// What shells, files of settings and word processors put around a text.
const QUOTES: [char; 7] = [
    '"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}',
];
/// What the SDKs put before a host.
const SCHEMES: [&str; 5] = ["sb", "amqps", "amqp", "https", "http"];
/// The longest policy name Event Hubs allows.
pub(crate) const POLICY_NAME_LEN_MAX: usize = 256;

/// A parsed connection string; `Display` writes it out again, secrets and all.
#[derive(Clone, Debug)]
pub struct ConnectionString {
    pub endpoint: Endpoint,
    pub credential: Credential,
    /// The one event hub that the string is for.
    pub entity_path: Option<TopicName>,
    /// The client speaks to a development emulator: without TLS.
    pub development_emulator: bool,
}

/// Where a connection string says the namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: Option<u16>,
}

/// What the holder of a connection string shows.
#[derive(Clone, Debug)]
pub enum Credential {
    Key { policy: String, key: Key },
    Token(SasToken),
}

/// Why a text is no connection string. Never holds a value of the text: values may be secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConnectionStringError {
    #[error(
        "the connection string begins or ends with a quotation mark: give it without the marks"
    )]
    Quoted,
    #[error("{0} in the connection string begins or ends with a quotation mark: leave that out")]
    QuotedValue(&'static str),
    #[error(
        "this looks like a key alone: give the whole connection string, \
         Endpoint=sb://..;SharedAccessKeyName=..;SharedAccessKey=.."
    )]
    KeyAlone,
    #[error(
        "this is no connection string, which is like \
         Endpoint=sb://..;SharedAccessKeyName=..;SharedAccessKey=.."
    )]
    NothingKnown,
    #[error("a part of the connection string has no \"=\"")]
    NoEquals,
    #[error("{0} is empty in the connection string")]
    EmptyValue(&'static str),
    #[error("the connection string has no {0}")]
    Missing(&'static str),
    #[error(
        "the connection string has both a SharedAccessKey and a SharedAccessSignature: keep one"
    )]
    TwoCredentials,
    #[error("Endpoint in the connection string is not of the form sb://host[:port]/")]
    Endpoint,
    #[error("SharedAccessKeyName is longer than {POLICY_NAME_LEN_MAX} characters")]
    PolicyNameTooLong,
    #[error("EntityPath is not the name of an event hub: {0}")]
    EntityPath(model::TopicNameError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// The raw values of the known keys; the last of several wins, as in the SDKs.
#[derive(Default)]
struct Pairs<'a> {
    endpoint: Option<&'a str>,
    policy: Option<&'a str>,
    key: Option<&'a str>,
    signature: Option<&'a str>,
    entity_path: Option<&'a str>,
    emulator: Option<&'a str>,
}

impl ConnectionString {
    /// Parses by the grammar of Event Hubs' SDKs: keys in any case and order, unknown keys ignored,
    /// blanks around keys and values ignored, stray semicolons accepted.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let text = text.trim();
        if text.starts_with(QUOTES) {
            return Err(ConnectionStringError::Quoted);
        }
        if is_key_alone(text) {
            return Err(ConnectionStringError::KeyAlone);
        }
        let pairs = Pairs::read(text)?;
        let endpoint = pairs
            .endpoint
            .ok_or(ConnectionStringError::Missing("Endpoint"))?;
        let entity_path = pairs
            .entity_path
            .map(TopicName::try_from)
            .transpose()
            .map_err(ConnectionStringError::EntityPath)?;
        Ok(Self {
            endpoint: Endpoint::parse(endpoint).ok_or(ConnectionStringError::Endpoint)?,
            credential: pairs.credential()?,
            entity_path,
            development_emulator: pairs
                .emulator
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        })
    }
}

/// Whether the text is a key as Azure and we make them, without anything around it.
fn is_key_alone(text: &str) -> bool {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.strip_suffix('=')
        .is_some_and(|rest| rest.len() == 43 && rest.bytes().all(is_base64))
}

impl<'a> Pairs<'a> {
    fn read(text: &'a str) -> Result<Self, ConnectionStringError> {
        let mut pairs = Self::default();
        let mut is_any_known = false;
        for pair in text.split(';').filter(|pair| !pair.trim().is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or(ConnectionStringError::NoEquals)?;
            is_any_known |= pairs.set(key.trim(), value.trim())?;
        }
        is_any_known
            .then_some(pairs)
            .ok_or(ConnectionStringError::NothingKnown)
    }

    /// Keeps the value of a known key; says whether it is one.
    fn set(&mut self, key: &str, value: &'a str) -> Result<bool, ConnectionStringError> {
        let mut is_known = false;
        let known: [(&'static str, &mut Option<&'a str>); 6] = [
            ("Endpoint", &mut self.endpoint),
            ("SharedAccessKeyName", &mut self.policy),
            ("SharedAccessKey", &mut self.key),
            ("SharedAccessSignature", &mut self.signature),
            ("EntityPath", &mut self.entity_path),
            ("UseDevelopmentEmulator", &mut self.emulator),
        ];
        for (name, place) in known {
            if key.eq_ignore_ascii_case(name) {
                if value.is_empty() {
                    return Err(ConnectionStringError::EmptyValue(name));
                }
                if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
                    return Err(ConnectionStringError::QuotedValue(name));
                }
                *place = Some(value);
                is_known = true;
            }
        }
        Ok(is_known)
    }

    fn credential(&self) -> Result<Credential, ConnectionStringError> {
        use ConnectionStringError::{Missing, PolicyNameTooLong, TwoCredentials};
        match (self.policy, self.key, self.signature) {
            (_, Some(_), Some(_)) | (Some(_), None, Some(_)) => Err(TwoCredentials),
            (None, None, Some(token)) => Ok(Credential::Token(SasToken::parse(token)?)),
            (Some(policy), Some(_), None) if policy.len() > POLICY_NAME_LEN_MAX => {
                Err(PolicyNameTooLong)
            }
            (Some(policy), Some(key), None) => Ok(Credential::Key {
                policy: policy.to_owned(),
                key: Key::from(key),
            }),
            (None, _, None) => Err(Missing("SharedAccessKeyName")),
            (Some(_), None, None) => Err(Missing("SharedAccessKey")),
        }
    }
}

impl Endpoint {
    /// Reads `[scheme://]host[:port][/]`. A path is refused: it would look like a narrower string
    /// than the one it is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match Self::parse_with_path(text)? {
            (endpoint, "") => Some(endpoint),
            _ => None,
        }
    }

    /// Reads `[scheme://]host[:port][/path]`, and gives the path without its first slash. What is
    /// not exactly that is nothing: whatever were taken for a part of the host instead, an escaped
    /// slash say, would widen what the text opens.
    pub(crate) fn parse_with_path(text: &str) -> Option<(Self, &str)> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) => SCHEMES
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
                .then_some(rest)?,
            None => text,
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (address, after) = bracketed.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                let port = match after {
                    "" => None,
                    _ => Some(after.strip_prefix(':')?),
                };
                (address.to_string(), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host_name(host)?, Some(port)),
                None => (host_name(authority)?, None),
            },
        };
        let port = match port {
            Some(text) => Some(port_number(text)?),
            None => None,
        };
        Some((Self { host, port }, path))
    }
}

/// A host's name in lower case: labels of letters, digits, `-` and `_` between dots, and at most
/// one dot behind the last.
fn host_name(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let labels = text.strip_suffix('.').unwrap_or(text);
    let are_labels = labels
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(allowed));
    (are_labels && labels.len() <= HOST_LEN_MAX).then(|| text.to_ascii_lowercase())
}

/// A port in digits alone; `u16`'s own reader takes a sign as well.
fn port_number(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "sb://[{}]", self.host)?;
        } else {
            write!(f, "sb://{}", self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}/"),
            None => f.write_str("/"),
        }
    }
}

impl fmt::Display for ConnectionString {
    /// Writes the string a client needs, with its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint={}", self.endpoint)?;
        match &self.credential {
            Credential::Key { policy, key } => write!(
                f,
                ";SharedAccessKeyName={policy};SharedAccessKey={}",
                key.reveal()
            )?,
            Credential::Token(token) => write!(f, ";SharedAccessSignature={}", token.reveal())?,
        }
        if let Some(hub) = &self.entity_path {
            write!(f, ";EntityPath={hub}")?;
        }
        if self.development_emulator {
            f.write_str(";UseDevelopmentEmulator=true")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: &str = "Endpoint=sb://dev.example:9093/;SharedAccessKeyName=root;\
                        SharedAccessKey=a+b/c=;EntityPath=orders";

    #[test]
    fn a_string_reads_back_as_written() {
        let parsed = ConnectionString::parse(FULL).unwrap();
        assert_eq!(parsed.to_string(), FULL);
        assert_eq!(parsed.endpoint.host, "dev.example");
        assert_eq!(parsed.endpoint.port, Some(9093));
        assert!(matches!(&parsed.credential, Credential::Key { policy, key }
            if policy == "root" && key.reveal() == "a+b/c="));
        assert_eq!(parsed.entity_path.unwrap().as_str(), "orders");
    }

    #[test]
    fn the_tolerances_of_the_sdks_hold() {
        for text in [
            ";Endpoint=sb://H/;SharedAccessKeyName=p;SharedAccessKey=k;",
            " endpoint = sb://h ; SHAREDACCESSKEYNAME = p ;sharedAccessKey= k ;; Foo=bar=baz",
            "Endpoint=amqps://h/;SharedAccessKeyName=p;SharedAccessKey=k;UseDevelopmentEmulator=true",
            "Endpoint=h;SharedAccessKeyName=p;SharedAccessKey=k",
            "\n\t Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=k\r\n",
        ] {
            let parsed = ConnectionString::parse(text).expect(text);
            assert_eq!(parsed.endpoint.host, "h", "{text}");
            assert!(matches!(&parsed.credential, Credential::Key { policy, key }
                if policy == "p" && key.reveal() == "k"));
        }
    }

    #[test]
    fn a_signature_keeps_its_own_equals_signs() {
        let text = "Endpoint=sb://h/;SharedAccessSignature=SharedAccessSignature \
                    sr=sb%3a%2f%2fh%2forders&sig=AAAA&se=1700000000&skn=p";
        let parsed = ConnectionString::parse(text).unwrap();
        let Credential::Token(token) = parsed.credential else {
            panic!("expected a token");
        };
        assert_eq!(token.policy(), "p");
    }

    #[test]
    fn each_fault_is_named_and_no_value_is_shown() {
        use ConnectionStringError as E;
        let long = "x".repeat(257);
        let cases = [
            ("garbage", E::NoEquals),
            ("SEKRIT=", E::NothingKnown),
            ("", E::NothingKnown),
            (
                "\"Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=SEKRIT\"",
                E::Quoted,
            ),
            (" 'Endpoint=sb://h/;SharedAccessKey=SEKRIT' ", E::Quoted),
            (
                "\u{201c}Endpoint=sb://h/;SharedAccessKey=SEKRIT\u{201d}",
                E::Quoted,
            ),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=\"SEKRIT\"",
                E::QuotedValue("SharedAccessKey"),
            ),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=SEKRIT\";",
                E::QuotedValue("SharedAccessKey"),
            ),
            ("SEKRIT00000000000000000000000000000000000+/=", E::KeyAlone),
            ("Endpoint=;a=b", E::EmptyValue("Endpoint")),
            (
                "SharedAccessKeyName=p;SharedAccessKey=SEKRIT",
                E::Missing("Endpoint"),
            ),
            ("Endpoint=sb://h/", E::Missing("SharedAccessKeyName")),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=p",
                E::Missing("SharedAccessKey"),
            ),
            (
                "Endpoint=sb://h/;SharedAccessKey=SEKRIT",
                E::Missing("SharedAccessKeyName"),
            ),
            (
                "Endpoint=sb:///;SharedAccessKeyName=p;SharedAccessKey=SEKRIT",
                E::Endpoint,
            ),
            (
                "Endpoint=sb://h:99999/;SharedAccessKeyName=p;SharedAccessKey=SEKRIT",
                E::Endpoint,
            ),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=SEKRIT;\
                 SharedAccessSignature=SharedAccessSignature sr=a&sig=b&se=1&skn=p",
                E::TwoCredentials,
            ),
            (
                "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=SEKRIT;EntityPath=a b",
                E::EntityPath(model::TopicNameError::Characters),
            ),
            (
                &format!("Endpoint=sb://h/;SharedAccessKeyName={long};SharedAccessKey=SEKRIT"),
                E::PolicyNameTooLong,
            ),
        ];
        for (text, expected) in cases {
            let error = ConnectionString::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("SEKRIT"));
        }
    }

    #[test]
    fn addresses_of_both_families_are_endpoints() {
        let endpoint = Endpoint::parse("sb://[::1]:9093/").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", Some(9093)));
        assert_eq!(endpoint.to_string(), "sb://[::1]:9093/");
        assert_eq!(
            Endpoint::parse("127.0.0.1").unwrap().to_string(),
            "sb://127.0.0.1/"
        );
    }

    #[test]
    fn what_is_not_exactly_an_endpoint_is_none() {
        for text in [
            "sb%3a%2f%2fh%2forders",
            "sb://h%2forders",
            "sb://h/orders",
            "sb://h//",
            "sb://user@h/",
            "sb://h?x",
            "sb://h#x",
            "sb://h\\orders",
            "sb://h:+80/",
            "sb://h:/",
            "sb://h:1:2/",
            "sb://[::1]x/",
            "sb://[h]/",
            "sb://[::1",
            "sb://.h/",
            "sb://h../",
            "sb://a..b/",
            "sb://caf\u{e9}/",
            "x/sb://h/",
            "ftp://h/",
            "://h/",
            "sb:/h/",
            "",
        ] {
            assert_eq!(Endpoint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        let shown = format!("{:?}", ConnectionString::parse(FULL).unwrap());
        assert!(!shown.contains("a+b/c="), "{shown}");
    }

    proptest! {
        /// Whoever may connect may send this.
        #[test]
        fn no_text_panics(text in "[ -~;=/:%\\[\\]]{0,200}") {
            drop(ConnectionString::parse(&text));
            drop(ConnectionString::parse(&format!("Endpoint={text};SharedAccessSignature={text}")));
        }

        #[test]
        fn what_is_written_reads_back(
            host in "[a-z][a-z0-9-]{0,9}(\\.[a-z0-9_-]{1,9}){0,3}",
            port in prop::option::of(any::<u16>()),
            policy in "[A-Za-z][A-Za-z0-9._-]{0,30}",
            key in "[A-Za-z0-9+/=]{1,60}",
            hub in prop::option::of("[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}"),
        ) {
            let string = ConnectionString {
                endpoint: Endpoint { host, port },
                credential: Credential::Key { policy, key: Key::from(key.as_str()) },
                entity_path: hub.map(|hub| TopicName::try_from(hub.as_str()).unwrap()),
                development_emulator: false,
            };
            let written = string.to_string();
            prop_assert_eq!(ConnectionString::parse(&written).unwrap().to_string(), written);
        }
    }
}
