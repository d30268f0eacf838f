//! The table of topic settings: names, types, defaults and ranges are Kafka 4.4's.

use super::Valid;

/// A setting's type, as DescribeConfigs reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Long,
    Double,
    List,
}

/// Whether a setting changes what the broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Honoured,
    /// Accepted, kept and described, without effect.
    Accepted,
}

/// One setting that a topic may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub valid: Valid,
    pub effect: Effect,
    pub documentation: &'static str,
    /// The broker settings that Kafka takes this one's default from, nearest first.
    pub synonyms: &'static [&'static str],
}

/// The setting called `name`.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    let index = DEFINITIONS
        .binary_search_by(|known| known.name.cmp(name))
        .ok()?;
    DEFINITIONS.get(index)
}

/// Every setting, sorted by name.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        name: "cleanup.policy",
        kind: Kind::List,
        default: "delete",
        valid: Valid::EachOf(&["compact", "delete"]),
        effect: Effect::Honoured,
        documentation: "What becomes of old records: `delete` removes them by time and size, `compact` \
            is to keep the last record of each key. Compaction is accepted but not carried \
            out yet: with `compact` alone nothing is removed.",
        synonyms: &["log.cleanup.policy"],
    },
    Definition {
        name: "compression.gzip.level",
        kind: Kind::Int,
        default: "-1",
        valid: Valid::GzipLevel,
        effect: Effect::Honoured,
        documentation: "The level used when a batch is compressed again with gzip; -1 is the codec's \
            own default.",
        synonyms: &["compression.gzip.level"],
    },
    Definition {
        name: "compression.lz4.level",
        kind: Kind::Int,
        default: "9",
        valid: Valid::Between(1, 17),
        effect: Effect::Accepted,
        documentation: "The level for lz4; the one encoder in use has a single level.",
        synonyms: &["compression.lz4.level"],
    },
    Definition {
        name: "compression.type",
        kind: Kind::String,
        default: "producer",
        valid: Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        effect: Effect::Honoured,
        documentation: "The codec that stored batches have. `producer` stores what was sent; any other \
            word makes the broker compress differing batches again.",
        synonyms: &["compression.type"],
    },
    Definition {
        name: "compression.zstd.level",
        kind: Kind::Int,
        default: "3",
        valid: Valid::Between(-131_072, 22),
        effect: Effect::Honoured,
        documentation: "The level used when a batch is compressed again with zstd.",
        synonyms: &["compression.zstd.level"],
    },
    Definition {
        name: "delete.retention.ms",
        kind: Kind::Long,
        default: "86400000",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "How long tombstones outlive compaction; without effect until there is \
            compaction.",
        synonyms: &["log.cleaner.delete.retention.ms"],
    },
    Definition {
        name: "errors.deadletterqueue.group.enable",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Whether the topic may serve share groups as a dead letter queue; there are no \
            share groups yet.",
        synonyms: &[],
    },
    Definition {
        name: "file.delete.delay.ms",
        kind: Kind::Long,
        default: "60000",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "Deleted data is freed at once; there are no files that wait.",
        synonyms: &["log.segment.delete.delay.ms"],
    },
    Definition {
        name: "flush.messages",
        kind: Kind::Long,
        default: "9223372036854775807",
        valid: Valid::AtLeast(1),
        effect: Effect::Accepted,
        documentation: "Every commit is synced before it is acknowledged; a count of records between \
            syncs changes nothing.",
        synonyms: &["log.flush.interval.messages"],
    },
    Definition {
        name: "flush.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "Every commit is synced before it is acknowledged; a time between syncs changes \
            nothing.",
        synonyms: &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    },
    Definition {
        name: "follower.replication.throttled.replicas",
        kind: Kind::List,
        default: "",
        valid: Valid::Replicas,
        effect: Effect::Accepted,
        documentation: "Replicas whose follower traffic is limited; there are no followers.",
        synonyms: &[],
    },
    Definition {
        name: "index.interval.bytes",
        kind: Kind::Int,
        default: "4096",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "How densely a segment is indexed; every stored piece is indexed here.",
        synonyms: &["log.index.interval.bytes"],
    },
    Definition {
        name: "leader.replication.throttled.replicas",
        kind: Kind::List,
        default: "",
        valid: Valid::Replicas,
        effect: Effect::Accepted,
        documentation: "Replicas whose leader traffic is limited; there are no followers.",
        synonyms: &[],
    },
    Definition {
        name: "local.retention.bytes",
        kind: Kind::Long,
        default: "-2",
        valid: Valid::AtLeast(-2),
        effect: Effect::Accepted,
        documentation: "Bytes kept locally when older ones are tiered; there is no tiered storage.",
        synonyms: &["log.local.retention.bytes"],
    },
    Definition {
        name: "local.retention.ms",
        kind: Kind::Long,
        default: "-2",
        valid: Valid::AtLeast(-2),
        effect: Effect::Accepted,
        documentation: "Time kept locally when older records are tiered; there is no tiered storage.",
        synonyms: &["log.local.retention.ms"],
    },
    Definition {
        name: "max.compaction.lag.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        valid: Valid::AtLeast(1),
        effect: Effect::Accepted,
        documentation: "The longest a record may stay uncompacted, at least `min.compaction.lag.ms`; \
            without effect until there is compaction.",
        synonyms: &["log.cleaner.max.compaction.lag.ms"],
    },
    Definition {
        name: "max.decompressed.message.bytes",
        kind: Kind::Int,
        default: "2147483639",
        valid: Valid::Between(1, 2_147_483_639),
        effect: Effect::Honoured,
        documentation: "The most bytes a batch may unfold to where the broker opens it.",
        synonyms: &["max.decompressed.message.bytes"],
    },
    Definition {
        name: "max.message.bytes",
        kind: Kind::Int,
        default: "1048588",
        valid: Valid::AtLeast(0),
        effect: Effect::Honoured,
        documentation: "The largest batch that a producer may send, as it is sent.",
        synonyms: &["message.max.bytes"],
    },
    Definition {
        name: "message.timestamp.after.max.ms",
        kind: Kind::Long,
        default: "3600000",
        valid: Valid::AtLeast(0),
        effect: Effect::Honoured,
        documentation: "How far a batch's largest timestamp may lie ahead of the broker's clock; not \
            looked at with LogAppendTime.",
        synonyms: &["log.message.timestamp.after.max.ms"],
    },
    Definition {
        name: "message.timestamp.before.max.ms",
        kind: Kind::Long,
        default: "9223372036854775807",
        valid: Valid::AtLeast(0),
        effect: Effect::Honoured,
        documentation: "How far a batch's largest timestamp may lie behind the broker's clock; not \
            looked at with LogAppendTime.",
        synonyms: &["log.message.timestamp.before.max.ms"],
    },
    Definition {
        name: "message.timestamp.type",
        kind: Kind::String,
        default: "CreateTime",
        valid: Valid::OneOf(&["CreateTime", "LogAppendTime"]),
        effect: Effect::Honoured,
        documentation: "Whether records keep their producer's timestamps or take the broker's at \
            arrival.",
        synonyms: &["log.message.timestamp.type"],
    },
    Definition {
        name: "min.cleanable.dirty.ratio",
        kind: Kind::Double,
        default: "0.5",
        valid: Valid::Share,
        effect: Effect::Accepted,
        documentation: "The share of uncompacted bytes at which compaction starts; without effect \
            until there is compaction.",
        synonyms: &["log.cleaner.min.cleanable.ratio"],
    },
    Definition {
        name: "min.compaction.lag.ms",
        kind: Kind::Long,
        default: "0",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "The least time a record stays uncompacted; without effect until there is \
            compaction.",
        synonyms: &["log.cleaner.min.compaction.lag.ms"],
    },
    Definition {
        name: "min.insync.replicas",
        kind: Kind::Int,
        default: "1",
        valid: Valid::AtLeast(1),
        effect: Effect::Accepted,
        documentation: "How many replicas must have a record. Every topic has one replica, on stable \
            storage; no value makes a producer fail.",
        synonyms: &["min.insync.replicas"],
    },
    Definition {
        name: "preallocate",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Whether segments are preallocated; the log's files always are.",
        synonyms: &["log.preallocate"],
    },
    Definition {
        name: "remote.copy.lag.bytes",
        kind: Kind::Long,
        default: "-1",
        valid: Valid::AtLeast(-1),
        effect: Effect::Accepted,
        documentation: "Bytes that may wait to be tiered; there is no tiered storage.",
        synonyms: &["log.remote.copy.lag.bytes"],
    },
    Definition {
        name: "remote.copy.lag.ms",
        kind: Kind::Long,
        default: "0",
        valid: Valid::AtLeast(-1),
        effect: Effect::Accepted,
        documentation: "Time that records may wait to be tiered; there is no tiered storage.",
        synonyms: &["log.remote.copy.lag.ms"],
    },
    Definition {
        name: "remote.log.copy.disable",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Stops tiering; there is no tiered storage.",
        synonyms: &[],
    },
    Definition {
        name: "remote.log.delete.on.disable",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Deletes tiered data when tiering is switched off; there is no tiered storage.",
        synonyms: &[],
    },
    Definition {
        name: "remote.storage.enable",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Switches tiering on; there is no tiered storage, and `true` is refused.",
        synonyms: &[],
    },
    Definition {
        name: "retention.bytes",
        kind: Kind::Long,
        default: "-1",
        valid: Valid::Any,
        effect: Effect::Honoured,
        documentation: "How many bytes each partition keeps; -1, as any negative number, is \
            without limit.",
        synonyms: &["log.retention.bytes"],
    },
    Definition {
        name: "retention.ms",
        kind: Kind::Long,
        default: "604800000",
        valid: Valid::AtLeast(-1),
        effect: Effect::Honoured,
        documentation: "How long records are kept, by their timestamps; -1 is for ever.",
        synonyms: &[
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ],
    },
    Definition {
        name: "segment.bytes",
        kind: Kind::Int,
        default: "1073741824",
        valid: Valid::AtLeast(1_048_576),
        effect: Effect::Honoured,
        documentation: "The most bytes of records that one request may bring for a partition. \
            Retention works on the pieces in which records were committed, which are finer than \
            any segment.",
        synonyms: &["log.segment.bytes"],
    },
    Definition {
        name: "segment.index.bytes",
        kind: Kind::Int,
        default: "10485760",
        valid: Valid::AtLeast(4),
        effect: Effect::Accepted,
        documentation: "The size of a segment's index; indexes are as large as they must be.",
        synonyms: &["log.index.size.max.bytes"],
    },
    Definition {
        name: "segment.jitter.ms",
        kind: Kind::Long,
        default: "0",
        valid: Valid::AtLeast(0),
        effect: Effect::Accepted,
        documentation: "Spreads the rolling of segments; there is none per partition.",
        synonyms: &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    },
    Definition {
        name: "segment.ms",
        kind: Kind::Long,
        default: "604800000",
        valid: Valid::AtLeast(1),
        effect: Effect::Accepted,
        documentation: "How long a segment stays open. Retention doesn't wait for a segment to close, \
            so the newest records leave, too, as soon as they are too old.",
        synonyms: &["log.roll.ms", "log.roll.hours"],
    },
    Definition {
        name: "unclean.leader.election.enable",
        kind: Kind::Boolean,
        default: "false",
        valid: Valid::Any,
        effect: Effect::Accepted,
        documentation: "Whether a replica that lags may lead; there is one replica.",
        synonyms: &["unclean.leader.election.enable"],
    },
];
