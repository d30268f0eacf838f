//! The outside of a message: the length prefix with its limits, and the headers of requests and
//! responses. Everything here looks at bytes nobody has vouched for.
//!
//! ```text
//! request:  length i32 | key i16 | version i16 | correlation id i32 | client id | [tags] | body
//! response: length i32 | correlation id i32 | [tags] | body
//! ```

#[cfg(test)]
mod tests;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use model::Piece;

use crate::api::ApiKey;
use crate::cursor::Cursor;
use crate::shape::ShapeError;

/// Bytes of the length in front of every frame.
pub const LENGTH_BYTES: usize = 4;

/// Bytes to read before the limit of a request is known: length, API key, version.
pub const FRAME_START_BYTES: usize = 8;

/// A Produce request of at most so many times its limit, and so much more, is read away and answered.
const SKIMMED_TIMES: usize = 2;
const SKIMMED_BYTES: usize = 16 << 20;

/// The fixed part of a request header: API key, version, correlation id.
const REQUEST_FIXED_BYTES: usize = 8;

/// The most a frame may hold, by what is known of it when its first bytes have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Any frame of a caller who has not logged in.
    pub before_login_bytes_max: usize,
    /// A Produce request; the operator's to choose.
    pub produce_bytes_max: usize,
    /// Every other request.
    pub other_bytes_max: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self {
            before_login_bytes_max: 64 * 1024,
            // Kafka's default of socket.request.max.bytes.
            produce_bytes_max: 100 * 1024 * 1024,
            other_bytes_max: 8 * 1024 * 1024,
        }
    }
}

/// Whether the caller at the other end has proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    Pending,
    Done,
}

/// What the first eight bytes of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStart {
    /// Bytes of the frame after the length, the four of key and version included.
    pub frame_bytes: usize,
    pub api_key: i16,
    pub api_version: i16,
}

/// A frame that must not be read any further: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame length {length} is negative")]
    NegativeLength { length: i32 },
    #[error("frame of {frame_bytes} bytes is shorter than a request header")]
    TooShort { frame_bytes: usize },
    #[error("frame of {frame_bytes} bytes exceeds the limit of {limit_bytes}")]
    TooLong {
        frame_bytes: usize,
        limit_bytes: usize,
    },
}

/// The length of a frame that carries no request header: the raw token after SaslHandshake 0, and
/// any response.
pub fn frame_length(prefix: [u8; LENGTH_BYTES], limit_bytes: usize) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(prefix);
    let frame_bytes = usize::try_from(length).map_err(|_| FrameError::NegativeLength { length })?;
    if frame_bytes > limit_bytes {
        return Err(FrameError::TooLong {
            frame_bytes,
            limit_bytes,
        });
    }
    Ok(frame_bytes)
}

impl FrameLimits {
    /// The limit for a request of this key.
    #[must_use]
    pub fn limit(&self, login: Login, api_key: i16) -> usize {
        match login {
            Login::Pending => self.before_login_bytes_max,
            Login::Done if api_key == ApiKey::Produce.code() => self.produce_bytes_max,
            Login::Done => self.other_bytes_max,
        }
    }

    /// The largest Produce request that is still read, not held, and answered with an error.
    #[must_use]
    pub const fn skimmed_bytes_max(&self) -> usize {
        self.produce_bytes_max
            .saturating_mul(SKIMMED_TIMES)
            .saturating_add(SKIMMED_BYTES)
    }

    /// The largest frame any caller may send.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.before_login_bytes_max
            .max(self.produce_bytes_max)
            .max(self.other_bytes_max)
    }

    /// Judges a request by its first eight bytes, before anything is allocated for the rest.
    pub fn check_start(
        &self,
        start: [u8; FRAME_START_BYTES],
        login: Login,
    ) -> Result<FrameStart, FrameError> {
        let [l0, l1, l2, l3, k0, k1, v0, v1] = start;
        let api_key = i16::from_be_bytes([k0, k1]);
        let frame_bytes = frame_length([l0, l1, l2, l3], self.limit(login, api_key))?;
        if frame_bytes < REQUEST_FIXED_BYTES {
            return Err(FrameError::TooShort { frame_bytes });
        }
        Ok(FrameStart {
            frame_bytes,
            api_key,
            api_version: i16::from_be_bytes([v0, v1]),
        })
    }
}

/// The header of a request, and the bytes after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFrame {
    /// As sent; `api` is the key if it is one we know.
    pub api_key: i16,
    pub api: Option<ApiKey>,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<StrBytes>,
    pub body: Bytes,
}

impl RequestFrame {
    /// Reads the header of a frame whose length prefix has been taken off. The client id is read
    /// for unknown APIs and versions too, so that the log can say who sent them.
    pub fn parse(frame: Bytes) -> Result<Self, ShapeError> {
        let mut cursor = Cursor::new(&frame);
        let api_key = cursor.i16()?;
        let api_version = cursor.i16()?;
        let correlation_id = cursor.i32()?;
        // The client id keeps its two-byte length even where the header is flexible, so that an
        // old server can read it.
        let client_id = match cursor.i16()? {
            -1 => None,
            length => Some(cursor.text(length.into())?),
        };
        let client_id = client_id.map(|text| frame.slice_ref(text.as_bytes()));
        let api = ApiKey::from_code(api_key);
        if api.is_some_and(|api| api.is_flexible(api_version)) {
            cursor.skip_tagged_fields()?;
        }
        let body = frame.slice(cursor.position()..);
        let client_id = client_id.and_then(|bytes| StrBytes::from_utf8(bytes).ok());
        Ok(Self {
            api_key,
            api,
            api_version,
            correlation_id,
            client_id,
            body,
        })
    }
}

/// A response ready for the socket: length, header and body as a list of pieces, so that stored
/// records are sent from where they lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFrame {
    pub chunks: Vec<Piece>,
}

impl ResponseFrame {
    /// Puts length and header in front of a body.
    #[must_use]
    pub fn new(api: ApiKey, version: i16, correlation_id: i32, body: Vec<Piece>) -> Self {
        let body_bytes: usize = body.iter().map(Piece::len).sum();
        let mut head = BytesMut::with_capacity(LENGTH_BYTES + RESPONSE_HEADER_BYTES_MAX);
        put_response_head(&mut head, api, version, correlation_id, body_bytes);
        let mut chunks = Vec::with_capacity(body.len() + 1);
        chunks.push(head.freeze().into());
        chunks.extend(body.into_iter().filter(|chunk| !chunk.is_empty()));
        Self { chunks }
    }

    /// Bytes on the wire, the length prefix included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.iter().map(Piece::len).sum()
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(Piece::is_empty)
    }

    /// The whole frame in one buffer, as [`Piece::join`] has it.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        Piece::join(&self.chunks)
    }
}

/// Correlation id and, in flexible versions, the count of tagged fields.
pub(crate) const RESPONSE_HEADER_BYTES_MAX: usize = 5;

/// Writes length and response header for a body of `body_bytes`.
pub(crate) fn put_response_head(
    buffer: &mut BytesMut,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
    body_bytes: usize,
) {
    let flexible = api.response_header_version(version) > 0;
    let length = 4 + usize::from(flexible) + body_bytes;
    let length = i32::try_from(length).expect("a response is bounded far below 2 GiB");
    buffer.put_i32(length);
    buffer.put_i32(correlation_id);
    if flexible {
        buffer.put_u8(0);
    }
}

/// Takes the header off a response whose length prefix has been taken off, for a caller who knows
/// what it asked for. Leaves the body in `frame` and returns the correlation id.
pub fn take_response_header(
    frame: &mut Bytes,
    api: ApiKey,
    version: i16,
) -> Result<i32, ShapeError> {
    let mut cursor = Cursor::new(frame);
    let correlation_id = cursor.i32()?;
    if api.response_header_version(version) > 0 {
        cursor.skip_tagged_fields()?;
    }
    let position = cursor.position();
    frame.advance(position);
    Ok(correlation_id)
}
