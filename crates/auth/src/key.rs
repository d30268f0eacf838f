//! A shared access key: text that must never be shown and is compared in constant time.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

/// A policy's key as it stands in a connection string. Event Hubs signs with the text's own bytes,
/// so the key is text, even where it looks like base64.
#[derive(Clone)]
pub struct Key(Arc<str>);

impl Key {
    /// A key of 256 random bits, which the caller provides.
    #[must_use]
    pub fn from_random(bits: [u8; 32]) -> Self {
        Self(STANDARD.encode(bits).into())
    }

    /// The secret itself, for writing it where a person asked for it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether the other key is the same. Both are hashed first, so that neither the place of the
    /// first difference nor the length shows in the time it takes.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        let ours = digest::digest(&digest::SHA256, self.0.as_bytes());
        let theirs = digest::digest(&digest::SHA256, other.0.as_bytes());
        ours.as_ref().ct_eq(theirs.as_ref()).into()
    }

    /// HMAC-SHA256 of the text under this key.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        hmac::sign(&self.hmac_key(), text.as_bytes())
            .as_ref()
            .to_vec()
    }

    /// Whether the signature is this key's over the text; in constant time.
    pub(crate) fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.hmac_key(), text.as_bytes(), signature).is_ok()
    }

    fn hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.as_bytes())
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_only_itself_and_never_shows() {
        let key = Key::from("s3cret");
        assert!(key.matches(&Key::from("s3cret")));
        assert!(!key.matches(&Key::from("s3creT")));
        assert!(!key.matches(&Key::from("s3cret ")));
        assert!(!format!("{key:?}").contains("s3cret"));
    }

    #[test]
    fn a_made_key_has_44_characters_like_event_hubs_own() {
        assert_eq!(Key::from_random([7; 32]).reveal().len(), 44);
    }
}
