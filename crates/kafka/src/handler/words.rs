//! Small conversions between the words of the wire and the words of the domain.

use kafka_protocol::{messages::BrokerId, protocol::StrBytes};
use model::TopicId;
use uuid::Uuid;

use crate::address::NODE_ID;

/// The one broker there is.
pub(super) const BROKER: BrokerId = BrokerId(NODE_ID);

/// What a reply says where authorized operations were not asked for.
pub(super) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

pub(super) fn text(text: impl AsRef<str>) -> StrBytes {
    StrBytes::from_string(text.as_ref().to_owned())
}

pub(super) const fn uuid(id: TopicId) -> Uuid {
    Uuid::from_u128(id.0)
}

pub(super) const fn topic_id(uuid: Uuid) -> TopicId {
    TopicId(uuid.as_u128())
}

/// A size or count that a client sent as a signed number; nothing is smaller than none.
pub(super) fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
