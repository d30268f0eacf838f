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
        let fields = whole.get(PREFIX.len()..).ok_or(TokenError::Prefix)?;
        if !fields.is_empty() && !fields.starts_with(char::is_whitespace) {
            return Err(TokenError::Prefix);
        }
        let field = |name: &'static str| only_field(fields.trim(), name);
        let resource_encoded = field("sr")?;
        let resource = percent_decode(resource_encoded).ok_or(TokenError::Malformed("sr"))?;
        let signature = percent_decode(field("sig")?)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(TokenError::Malformed("sig"))?;
        let expiry_text = field("se")?;
        let is_digits = expiry_text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 = is_digits
            .then(|| expiry_text.parse().ok())
            .flatten()
            .ok_or(TokenError::Malformed("se"))?;
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
        let malformed = TokenError::Malformed("sr");
        let (endpoint, path) =
            Endpoint::parse_with_path(resource).ok_or_else(|| malformed.clone())?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let hub = match path.split_once('/') {
            // `h//` is no namespace, and `h/orders//` no event hub: an empty name names nothing.
            None if path.is_empty() && resource.ends_with("//") => return Err(malformed),
            None if path.is_empty() => None,
            None => Some(TopicName::try_from(path).map_err(|_| malformed)?),
            Some((hub, inside)) => {
                let is_named = TopicName::try_from(hub).is_ok() && !inside.is_empty();
                return Err(if is_named {
                    TokenError::TooNarrow
                } else {
                    malformed
                });
            }
        };
        Ok(Self {
            host: endpoint.host,
            hub,
        })
    }
}

/// The one value of a token's field. Two of a name are none: which of them was meant is a guess.
fn only_field<'a>(fields: &'a str, name: &'static str) -> Result<&'a str, TokenError> {
    let mut values = fields
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(TokenError::Malformed(name)),
        (Some(value), None) if !value.is_empty() => Ok(value),
        (Some(_) | None, _) => Err(TokenError::Missing(name)),
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
mod tests;
