//! The limits and defaults that programs look up on a broker, under Kafka's names. They stand in
//! the configuration file under names of their own.

use hub::Access;
use model::topic_config::Kind;

use crate::address::NODE_ID;

/// One setting of the broker.
pub(super) struct BrokerConfig {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) value: String,
    pub(super) documentation: &'static str,
}

impl BrokerConfig {
    fn new(
        (name, kind): (&'static str, Kind),
        value: impl ToString,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            value: value.to_string(),
            documentation,
        }
    }
}

/// As they are in the caller's namespace, in the order of names.
pub(super) fn broker_configs(access: &Access) -> Vec<BrokerConfig> {
    let (limits, settings) = (access.limits(), access.settings());
    let retention_ms = settings.retention.map_or(-1, |kept| {
        i64::try_from(kept.as_millis()).unwrap_or(i64::MAX)
    });
    vec![
        BrokerConfig::new(
            ("auto.create.topics.enable", Kind::Boolean),
            settings.auto_create,
            "Whether a topic is made when a client that may manage first asks for it.",
        ),
        BrokerConfig::new(
            ("broker.id", Kind::Int),
            NODE_ID,
            "The id of this broker, the only one.",
        ),
        BrokerConfig::new(
            ("default.replication.factor", Kind::Int),
            1,
            "How many replicas a topic has: one, whatever is asked for.",
        ),
        BrokerConfig::new(
            ("delete.topic.enable", Kind::Boolean),
            true,
            "Whether topics can be deleted.",
        ),
        BrokerConfig::new(
            ("group.max.session.timeout.ms", Kind::Int),
            limits.session_timeout_max.as_millis(),
            "The longest session that a group's member may ask for.",
        ),
        BrokerConfig::new(
            ("group.min.session.timeout.ms", Kind::Int),
            limits.session_timeout_min.as_millis(),
            "The shortest session that a group's member may ask for.",
        ),
        BrokerConfig::new(
            ("log.retention.ms", Kind::Long),
            retention_ms,
            "How long records are kept where the topic does not say; -1 is for ever.",
        ),
        BrokerConfig::new(
            ("message.max.bytes", Kind::Int),
            limits.batch_bytes_max,
            "The largest batch that is taken.",
        ),
        BrokerConfig::new(
            ("min.insync.replicas", Kind::Int),
            1,
            "How many replicas must have a record before it counts as written.",
        ),
        BrokerConfig::new(
            ("node.id", Kind::Int),
            NODE_ID,
            "The id of this broker, the only one.",
        ),
        BrokerConfig::new(
            ("num.partitions", Kind::Int),
            settings.partition_count,
            "How many partitions a topic gets that is made without a number.",
        ),
        BrokerConfig::new(
            ("offset.metadata.max.bytes", Kind::Int),
            limits.offset_metadata_bytes_max,
            "How long the metadata of a committed offset may be.",
        ),
    ]
}
