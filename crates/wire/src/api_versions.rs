//! The ApiVersions request with the fields that 4.4 added: which cluster and node the client
//! believes it is talking to (KIP-1242).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use crate::codec::Body;
use crate::cursor::Cursor;
use crate::put;
use crate::shape::ShapeError;

/// The first version with the client's name and version.
const NAMED_VERSION: i16 = 3;
/// The first version with cluster and node.
const ADDRESSED_VERSION: i16 = 5;
/// What the wire says for "no node in particular".
const NO_NODE: i32 = -1;

/// A request for the versions that the server speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiVersionsRequest {
    /// Empty before version 3.
    pub client_software_name: StrBytes,
    /// Empty before version 3.
    pub client_software_version: StrBytes,
    /// The cluster that the client wants to reach, from version 5 and if it knows.
    pub cluster_id: Option<StrBytes>,
    /// The node that the client wants to reach, from version 5 and if it knows.
    pub node_id: Option<i32>,
}

impl ApiVersionsRequest {
    /// Whether the request says what its version asks for, or is answered INVALID_REQUEST: a
    /// client names its software (KIP-511), and cluster and node only together (KIP-1242).
    #[must_use]
    pub fn is_valid(&self, version: i16) -> bool {
        let addressed = self.cluster_id.is_some() == self.node_id.is_some();
        let named = is_plain(&self.client_software_name) && is_plain(&self.client_software_version);
        (version < ADDRESSED_VERSION || addressed) && (version < NAMED_VERSION || named)
    }

    fn read_fields(body: &Bytes, version: i16) -> Result<Self, ShapeError> {
        let mut request = Self::default();
        if version < NAMED_VERSION {
            return Ok(request);
        }
        let mut cursor = Cursor::new(body);
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        request.client_software_name = text(cursor.compact_text()?);
        request.client_software_version = text(cursor.compact_text()?);
        if version >= ADDRESSED_VERSION {
            request.cluster_id = cursor.optional_compact_text()?.map(text);
            request.node_id = Some(cursor.i32()?).filter(|node| *node != NO_NODE);
        }
        cursor.skip_tagged_fields()?;
        Ok(request)
    }
}

/// Letters and digits, with hyphens and dots between them.
fn is_plain(text: &str) -> bool {
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.iter()
        .all(|end| end.is_some_and(|end| end.is_ascii_alphanumeric()))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

impl Body for ApiVersionsRequest {
    fn read(body: &mut Bytes, version: i16) -> Result<Self, String> {
        Self::read_fields(body, version).map_err(|error| error.to_string())
    }

    fn write(&self, buffer: &mut BytesMut, version: i16) -> Result<(), String> {
        if version < NAMED_VERSION {
            return Ok(());
        }
        put::text(buffer, true, &self.client_software_name);
        put::text(buffer, true, &self.client_software_version);
        if version >= ADDRESSED_VERSION {
            put::optional_text(buffer, true, self.cluster_id.as_deref());
            buffer.put_i32(self.node_id.unwrap_or(NO_NODE));
        }
        buffer.put_u8(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_has_a_plain_name_from_version_three() {
        let named = |name: &'static str| ApiVersionsRequest {
            client_software_name: StrBytes::from_static_str(name),
            client_software_version: StrBytes::from_static_str("1"),
            ..ApiVersionsRequest::default()
        };
        for good in ["a", "apache-kafka-java", "x.y-9", "librdkafka"] {
            assert!(named(good).is_valid(3), "{good}");
        }
        for bad in ["", "-", "-a", "a.", "a b", "caf\u{e9}", "a_b"] {
            assert!(!named(bad).is_valid(3), "{bad}");
            assert!(named(bad).is_valid(2), "{bad}");
        }
    }

    #[test]
    fn cluster_and_node_come_together_from_version_five() {
        let plain = StrBytes::from_static_str("a");
        for (cluster, node, valid) in [
            (None, None, true),
            (Some("c"), Some(1), true),
            (Some("c"), None, false),
        ] {
            let request = ApiVersionsRequest {
                client_software_name: plain.clone(),
                client_software_version: plain.clone(),
                cluster_id: cluster.map(StrBytes::from_static_str),
                node_id: node,
            };
            assert_eq!(request.is_valid(5), valid);
            assert!(request.is_valid(4));
        }
    }
}
