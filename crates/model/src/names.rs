//! Names that people choose, validated where Kafka validates them. Cheap to clone.

use std::{borrow::Borrow, fmt, sync::Arc};

use thiserror::Error;

/// The longest topic name Kafka accepts.
const TOPIC_NAME_LEN_MAX: usize = 249;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name! {
    /// A topic's (event hub's) name: 1 to 249 of `[a-zA-Z0-9._-]`, neither `.` nor `..`.
    TopicName
}
name! {
    /// A consumer group's name: any text; whether it may be empty depends on the request.
    GroupId
}
name! {
    /// A group member's identity, given by the coordinator; empty before the first join.
    MemberId
}
name! {
    /// A static member's name (`group.instance.id`, KIP-345).
    InstanceId
}
name! {
    /// A namespace's name: what a Kafka client sees as the cluster.
    NamespaceName
}

macro_rules! from_text {
    ($($name:ident),*) => {$(
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Arc::from(text))
            }
        }
    )*};
}
from_text!(GroupId, MemberId, InstanceId, NamespaceName);

/// Why a text is no topic name, in Kafka's words for the caller to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TopicNameError {
    #[error("the empty string is not allowed")]
    Empty,
    #[error("the name cannot be \".\" or \"..\"")]
    Dots,
    #[error("the length of the name is longer than the max allowed length {TOPIC_NAME_LEN_MAX}")]
    TooLong,
    #[error(
        "the name contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Characters,
}

impl TryFrom<&str> for TopicName {
    type Error = TopicNameError;

    fn try_from(text: &str) -> Result<Self, TopicNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        match text {
            "" => Err(TopicNameError::Empty),
            "." | ".." => Err(TopicNameError::Dots),
            _ if text.len() > TOPIC_NAME_LEN_MAX => Err(TopicNameError::TooLong),
            _ if !text.bytes().all(allowed) => Err(TopicNameError::Characters),
            _ => Ok(Self(Arc::from(text))),
        }
    }
}

impl TopicName {
    /// Whether the two names would collide in Kafka's metrics, where `.` and `_` are one: Kafka
    /// refuses to create the second.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .bytes()
                .zip(other.0.bytes())
                .all(|(a, b)| a == b || (matches!(a, b'.' | b'_') && matches!(b, b'.' | b'_')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafkas_rules() {
        let long = "x".repeat(250);
        let cases: [(&str, Option<TopicNameError>); 8] = [
            ("orders", None),
            ("a.b_c-D9", None),
            ("", Some(TopicNameError::Empty)),
            (".", Some(TopicNameError::Dots)),
            ("..", Some(TopicNameError::Dots)),
            (&long, Some(TopicNameError::TooLong)),
            ("a/b", Some(TopicNameError::Characters)),
            ("caf\u{e9}", Some(TopicNameError::Characters)),
        ];
        for (text, expected) in cases {
            assert_eq!(TopicName::try_from(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn dots_and_underscores_collide() {
        let name = |text| TopicName::try_from(text).unwrap();
        assert!(name("a.b").collides_with(&name("a_b")));
        assert!(!name("a.b").collides_with(&name("a-b")));
    }
}
