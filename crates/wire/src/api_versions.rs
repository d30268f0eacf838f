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
