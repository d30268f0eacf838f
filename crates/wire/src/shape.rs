//! The structure check: before any library decodes a frame, a walk over a table for that API and
//! version proves every length and count against the bytes that are really there, and the memory
//! the decoded form will take against a budget.
//!
//! The library behind this check reserves memory for whatever count the wire claims: five bytes
//! can abort the process. Nothing that passes here makes it reserve more than the budget.

mod requests;
mod responses;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use table::Message;

/// Why a frame's structure is refused. Always the peer's fault; the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("byte {position}: {wanted} bytes wanted, fewer are there")]
    Truncated { position: usize, wanted: usize },
    #[error("byte {position}: {count} elements claimed, {possible} fit into the rest")]
    FalseCount {
        position: usize,
        count: usize,
        possible: usize,
    },
    #[error("byte {position}: negative length")]
    NegativeLength { position: usize },
    #[error("byte {position}: null where a value must be")]
    UnexpectedNull { position: usize },
    #[error("byte {position}: neither null nor a structure")]
    NotPresence { position: usize },
    #[error("byte {position}: variable-length number of more than 32 bits")]
    VarintTooLong { position: usize },
    #[error("byte {position}: string is not UTF-8")]
    NotUtf8 { position: usize },
    #[error("byte {position}: tags out of order or repeated")]
    TagOrder { position: usize },
    #[error("byte {position}: tagged field of {size} bytes holds {used}")]
    TagSize {
        position: usize,
        size: usize,
        used: usize,
    },
    #[error("byte {position}: decoded form exceeds {budget} bytes")]
    OverBudget { position: usize, budget: usize },
    #[error("no table for key {api_key} version {version}")]
    UnknownVersion { api_key: i16, version: i16 },
}

/// What a walk found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// Bytes after the message. Kafka ignores them, and so do we.
    pub trailing_bytes: usize,
    /// Upper estimate of the memory that the decoded message takes.
    pub decoded_bytes: usize,
}

/// Memory that a decoded message may take, by the bytes of its body: room for what real clients
/// send (names of a dozen bytes become a structure of a hundred), none for a frame of empty
/// names made to grow thirtyfold.
const DECODED_PER_BODY_BYTE: usize = 16;
/// Allowed to any message, however small.
const DECODED_BYTES_FLOOR: usize = 64 * 1024;
/// Allowed to no message, however large. Payloads do not count: they stay in the frame.
const DECODED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most memory that decoding a body of this size may take.
#[must_use]
pub fn decoded_budget(body_bytes: usize) -> usize {
    body_bytes
        .saturating_mul(DECODED_PER_BODY_BYTE)
        .saturating_add(DECODED_BYTES_FLOOR)
        .min(DECODED_BYTES_MAX)
}

/// Proves the structure of a request body.
pub fn check_request(api_key: i16, version: i16, body: &[u8]) -> Result<Walked, ShapeError> {
    let budget = decoded_budget(body.len());
    check(&requests::REQUESTS, (api_key, version), body, budget)
}

/// As [`check_request`], where the decoded form may take no more than this.
pub fn check_small_request(
    api_key: i16,
    version: i16,
    body: &[u8],
    decoded_bytes_max: usize,
) -> Result<Walked, ShapeError> {
    let budget = decoded_budget(body.len()).min(decoded_bytes_max);
    check(&requests::REQUESTS, (api_key, version), body, budget)
}

/// Proves the structure of a response body, for a client that does not trust its server.
pub fn check_response(api_key: i16, version: i16, body: &[u8]) -> Result<Walked, ShapeError> {
    let budget = decoded_budget(body.len());
    check(&responses::RESPONSES, (api_key, version), body, budget)
}

fn check(
    messages: &[Message],
    (api_key, version): (i16, i16),
    body: &[u8],
    budget: usize,
) -> Result<Walked, ShapeError> {
    let unknown = ShapeError::UnknownVersion { api_key, version };
    let found = messages.binary_search_by_key(&api_key, |message| message.api_key);
    let message = found
        .ok()
        .and_then(|index| messages.get(index))
        .ok_or(unknown)?;
    let (min, max) = message.versions;
    if version < min || version > max {
        return Err(unknown);
    }
    walk::walk(message, version, body, budget)
}
