//! A message definition as Kafka writes it, read from JSON with comments.

use anyhow::{Context, bail};
use serde::Deserialize;

/// One request or response of an API that still has versions.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) api_key: i16,
    pub(crate) direction: Direction,
    pub(crate) name: String,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    pub(crate) fields: Vec<Field>,
    pub(crate) common_structs: Vec<Struct>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Request,
    Response,
}

impl Direction {
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Request => "requests.rs",
            Self::Response => "responses.rs",
        }
    }
}

/// An inclusive range of versions; empty if `min > max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) versions: String,
    #[serde(default)]
    pub(crate) nullable_versions: Option<String>,
    #[serde(default)]
    pub(crate) tagged_versions: Option<String>,
    #[serde(default)]
    pub(crate) flexible_versions: Option<String>,
    #[serde(default)]
    pub(crate) tag: Option<u8>,
    #[serde(default)]
    pub(crate) fields: Option<Vec<Self>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    api_key: Option<i16>,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    valid_versions: Option<String>,
    #[serde(default)]
    flexible_versions: Option<String>,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    common_structs: Vec<Struct>,
}

impl Definition {
    /// Reads a definition; headers, stored records and removed APIs are none.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Option<Self>> {
        let raw: Raw = serde_json::from_str(&without_comments(text))?;
        let direction = match raw.kind.as_str() {
            "request" => Direction::Request,
            "response" => Direction::Response,
            _ => return Ok(None),
        };
        let versions = Versions::parse(&raw.valid_versions.context("valid versions")?)?;
        if versions.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            api_key: raw.api_key.context("API key")?,
            direction,
            name: raw.name,
            versions,
            flexible: Versions::parse(&raw.flexible_versions.context("flexible versions")?)?,
            fields: raw.fields,
            common_structs: raw.common_structs,
        }))
    }
}

impl Versions {
    const NONE: Self = Self { min: 1, max: 0 };

    /// Reads `3`, `3-5`, `3+` or `none`.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let (min, max) = if let Some(min) = text.strip_suffix('+') {
            (min.parse()?, i16::MAX)
        } else if let Some((min, max)) = text.split_once('-') {
            (min.parse()?, max.parse()?)
        } else {
            (text.parse()?, text.parse()?)
        };
        if min < 0 || min > max {
            bail!("version range {text:?} is not one");
        }
        Ok(Self { min, max })
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        Self {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.min > self.max
    }
}

/// Blanks `//` comments, leaving those inside strings alone.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.lines() {
        let (mut quoted, mut escaped, mut end) = (false, false, line.len());
        for (position, character) in line.char_indices() {
            if !quoted && line[position..].starts_with("//") {
                end = position;
                break;
            }
            if character == '"' && !escaped {
                quoted = !quoted;
            }
            escaped = character == '\\' && !escaped;
        }
        plain.push_str(&line[..end]);
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_ranges_are_read_in_all_their_forms() {
        assert_eq!(Versions::parse("3").unwrap(), Versions { min: 3, max: 3 });
        assert_eq!(Versions::parse("3-5").unwrap(), Versions { min: 3, max: 5 });
        assert_eq!(
            Versions::parse("3+").unwrap(),
            Versions {
                min: 3,
                max: i16::MAX
            }
        );
        assert!(Versions::parse("none").unwrap().is_empty());
        assert!(Versions::parse("5-3").is_err());
    }

    #[test]
    fn comments_go_and_strings_stay() {
        let text = "{ // one\n\"about\": \"http://x\\\" // y\" } // two";
        assert_eq!(
            without_comments(text),
            "{ \n\"about\": \"http://x\\\" // y\" } \n"
        );
    }
}
