//! Every topic configuration that Kafka 4.4 knows, in the order of names.

use super::{ConfigKind, ConfigRange, ConfigSpec};

/// The table itself.
pub static TOPIC_CONFIGS: &[ConfigSpec] = &[ConfigSpec {
    name: "retention.ms",
    kind: ConfigKind::Long,
    default: "604800000",
    range: ConfigRange::Between(-1, i64::MAX),
    broker_synonym: Some("log.retention.ms"),
    documentation: "How long records are kept before they may be deleted; -1 keeps them all.",
    has_effect: true,
}];
