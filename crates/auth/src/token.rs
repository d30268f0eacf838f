//! Shared access tokens: `SharedAccessSignature sr=..&sig=..&se=..&skn=..`.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use model::{Timestamp, TopicName};
use thiserror::Error;

use crate::{Endpoint, Key, connection_string::POLICY_NAME_LEN_MAX};

/// What every token begins with.
const PREFIX: &str = "SharedAccessSignature";

/// A token as received. The signature covers the encoded resource exactly as the client wrote it,
/// so that text is kept and never encoded again.
#[derive(Clone)]
pub struct SasToken {
    whole: String,
    resource_encoded: String,
    expiry_text: String,
    expires: Timestamp,
    signature: Vec<u8>,
    policy: String,
    audience: Audience,
}

/// What a token's resource names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    pub(crate) host: String,
    pub(crate) hub: Option<TopicName>,
}

/// Why a text is no token, or none that is of use. Holds no part of the signature.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    #[error("the token does not begin with \"SharedAccessSignature \"")]
    Prefix,
    #[error("the token has no {0}")]
    Missing(&'static str),
    #[error("the token's {0} cannot be read")]
    Malformed(&'static str),
    #[error("the token's resource (sr) is narrower than an event hub")]
    TooNarrow,
}

impl SasToken {
    /// Whether the text claims to be a token, rather than a connection string.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.trim_start()
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
            && !text.trim_start().starts_with("SharedAccessSignature=")
    }

    /// Parses a token; its fields may come in any order.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let whole = text.trim();
        if !Self::looks_like(whole) {
            return Err(TokenError::Prefix);
        }
        let fields = whole.get(PREFIX.len()..).ok_or(TokenError::Prefix)?.trim();
        let field = |name: &'static str| {
            fields
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then_some(value))
                .filter(|value| !value.is_empty())
                .ok_or(TokenError::Missing(name))
        };
        let resource_encoded = field("sr")?;
        let resource = percent_decode(resource_encoded).ok_or(TokenError::Malformed("sr"))?;
        let signature = percent_decode(field("sig")?)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(TokenError::Malformed("sig"))?;
        let expiry_text = field("se")?;
        let seconds: i64 = expiry_text
            .parse()
            .map_err(|_| TokenError::Malformed("se"))?;
        let policy = percent_decode(field("skn")?)
            .filter(|policy| policy.len() <= POLICY_NAME_LEN_MAX)
            .ok_or(TokenError::Malformed("skn"))?;
        Ok(Self {
            whole: whole.to_owned(),
            resource_encoded: resource_encoded.to_owned(),
            expiry_text: expiry_text.to_owned(),
            expires: Timestamp(seconds.saturating_mul(1000)),
            signature,
            policy,
            audience: Audience::parse(&resource)?,
        })
    }

    /// Makes a token for the resource (`sb://host/hub`), signed with the key.
    pub fn sign(
        policy: &str,
        key: &Key,
        resource: &str,
        expires_seconds: i64,
    ) -> Result<Self, TokenError> {
        let encoded = percent_encode(resource);
        let signature = key.sign(&format!("{encoded}\n{expires_seconds}"));
        let signature = percent_encode(&STANDARD.encode(signature));
        let policy = percent_encode(policy);
        Self::parse(&format!(
            "{PREFIX} sr={encoded}&sig={signature}&se={expires_seconds}&skn={policy}"
        ))
    }

    /// Whether the key signed this token.
    #[must_use]
    pub fn is_signed_by(&self, key: &Key) -> bool {
        let signed = format!("{}\n{}", self.resource_encoded, self.expiry_text);
        key.verifies(&signed, &self.signature)
    }

    /// The policy whose key signed the token, as it claims.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// When the token ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// The host that the token is for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.audience.host
    }

    /// The event hub that the token is for; none means the whole namespace.
    #[must_use]
    pub fn hub(&self) -> Option<&TopicName> {
        self.audience.hub.as_ref()
    }

    /// The token as received: whoever holds it is let in.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.whole
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SasToken")
            .field("policy", &self.policy)
            .field("audience", &self.audience)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Audience {
    /// A token covers what its resource is a prefix of, scheme and case aside. Prefixes end at a
    /// slash here: a token for `orders` does not open `orders-eu`. One for something inside an
    /// event hub (a publisher, a consumer group) covers no whole hub, so it opens nothing.
    fn parse(resource: &str) -> Result<Self, TokenError> {
        let endpoint = Endpoint::parse(resource).ok_or(TokenError::Malformed("sr"))?;
        let rest = resource
            .split_once("://")
            .map_or(resource, |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let hub = segments
            .next()
            .map(TopicName::try_from)
            .transpose()
            .map_err(|_| TokenError::Malformed("sr"))?;
        if segments.next().is_some() {
            return Err(TokenError::TooNarrow);
        }
        Ok(Self {
            host: endpoint.host,
            hub,
        })
    }
}

/// Decodes `%xx`; none where an escape is cut off or the bytes are no text.
fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// Encodes all but the unreserved characters, in lower case as most SDKs do.
fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02x}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
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
        let token = SasToken::parse(
            "sharedaccesssignature skn=p&se=5&sig=AAAA&sr=http%3A%2F%2FHost%3A80%2F",
        )
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
}
