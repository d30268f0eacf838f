//! Keys of what clients see: listeners, namespaces, policies, event hubs.

use super::{Default, Key, Kind, LIVE, START, Table, count, key, literal};

const RIGHTS: &[&str] = &["send", "listen", "manage"];

pub(super) const LISTENER: Table = Table {
    name: "listener",
    many: true,
    help: "An address that clients connect to. Without any, there is a plaintext one on \
           127.0.0.1:9092 without login and one with TLS and login on 0.0.0.0:9093.",
    keys: &[
        key(
            "name",
            Kind::Text,
            Default::Required("\"kafka-tls\""),
            START,
            "Names the listener in logs and metrics.",
        ),
        literal(
            "protocol",
            Kind::OneOf(&["kafka"]),
            "\"kafka\"",
            START,
            "What is spoken there.",
        ),
        key(
            "address",
            Kind::Address,
            Default::Required("\"0.0.0.0:9093\""),
            START,
            "Where to listen.",
        ),
        literal(
            "security",
            Kind::OneOf(&["plaintext", "tls", "sasl_plaintext", "sasl_tls"]),
            "\"sasl_tls\"",
            START,
            "Whether the connection is encrypted (tls) and whether clients log in (sasl). \
             Without login a client has all rights in the listener's namespace.",
        ),
        key(
            "advertised",
            Kind::Endpoint,
            Default::Absent("\"broker.example.com:9093\""),
            START,
            "Host, or host and port, told to clients. Without it, each client is told the name \
             that it used itself.",
        ),
        key(
            "namespace",
            Kind::Text,
            Default::Absent("\"dev\""),
            START,
            "The namespace of clients whose connection string and TLS server name belong to \
             none. Without it, the only namespace, if there is only one.",
        ),
    ],
    tables: &[],
};

pub(super) const NAMESPACE: Table = Table {
    name: "namespace",
    many: true,
    help: "What a Kafka client sees as one cluster. Without any, there is one named `dev`.",
    keys: &[
        key(
            "name",
            Kind::Text,
            Default::Required("\"dev\""),
            START,
            "Names the namespace; every host name whose first label is this name belongs to it.",
        ),
        literal(
            "hosts",
            Kind::Texts,
            "[]",
            LIVE,
            "Further host names that belong to the namespace.",
        ),
        literal(
            "throughput_units",
            Kind::CountOrUnlimited,
            "\"unlimited\"",
            LIVE,
            "One unit is 1 MB/s or 1000 events/s in, 2 MB/s or 4096 events/s out.",
        ),
        literal(
            "auto_inflate",
            Kind::Boolean,
            "false",
            LIVE,
            "Whether units rise by themselves under sustained excess.",
        ),
        key(
            "maximum_throughput_units",
            count(1, 100_000),
            Default::Absent("20"),
            LIVE,
            "How far auto-inflate may go.",
        ),
        literal(
            "auto_deflate",
            Kind::Boolean,
            "false",
            LIVE,
            "Whether inflated units fall again when they are no longer used.",
        ),
        literal(
            "over_quota",
            Kind::OneOf(&["delay", "refuse"]),
            "\"delay\"",
            LIVE,
            "Beyond the units, delay clients only, or answer POLICY_VIOLATION as Event Hubs does \
             once the delay passes the request's timeout.",
        ),
        literal(
            "auto_create_event_hubs",
            Kind::Boolean,
            "true",
            LIVE,
            "Whether producing to, or asking for, an event hub that does not exist creates it.",
        ),
        literal(
            "default_partition_count",
            count(1, 10_000),
            "4",
            LIVE,
            "Partitions of an event hub created without a count.",
        ),
        literal(
            "default_retention",
            Kind::DurationOrUnlimited,
            "\"7d\"",
            LIVE,
            "How long an event hub created without a retention keeps its events.",
        ),
        literal(
            "disconnect_revoked",
            Kind::Boolean,
            "false",
            LIVE,
            "Whether a reload that withdraws a key, a policy or a right ends the connections that \
             logged in with it: at once where replies are owed to them, else at their next \
             request. Else they keep what they have until they end, as at Event Hubs.",
        ),
    ],
    tables: &[POLICY, EVENT_HUB],
};

const POLICY: Table = Table {
    name: "policy",
    many: true,
    help: "A shared access policy: a name, rights, two keys. Without any, the namespace has \
           RootManageSharedAccessKey with all rights. Keys that are not given are made at first \
           start and kept in <data dir>/secrets.toml.",
    keys: POLICY_KEYS,
    tables: &[],
};

const POLICY_KEYS: &[Key] = &[
    key(
        "name",
        Kind::Text,
        Default::Required("\"RootManageSharedAccessKey\""),
        LIVE,
        "Names the policy: `SharedAccessKeyName` in a connection string.",
    ),
    literal(
        "rights",
        Kind::ManyOf(RIGHTS),
        "[\"send\", \"listen\", \"manage\"]",
        LIVE,
        "What its holder may do; manage includes the others.",
    ),
    key(
        "primary_key",
        Kind::Secret,
        Default::Absent("\"<44 characters of base64>\""),
        LIVE,
        "The key itself; better kept in a file.",
    ),
    key(
        "primary_key_file",
        Kind::Path,
        Default::Absent("\"/run/secrets/primary\""),
        LIVE,
        "File that holds the primary key.",
    ),
    key(
        "secondary_key",
        Kind::Secret,
        Default::Absent("\"<44 characters of base64>\""),
        LIVE,
        "A second key, valid as well, for rotation.",
    ),
    key(
        "secondary_key_file",
        Kind::Path,
        Default::Absent("\"/run/secrets/secondary\""),
        LIVE,
        "File that holds the secondary key.",
    ),
];

const EVENT_HUB: Table = Table {
    name: "event_hub",
    many: true,
    help: "An event hub (topic) that must exist. It is created or grown at start; nothing is \
           deleted when it is removed from the file.",
    keys: &[
        key(
            "name",
            Kind::Text,
            Default::Required("\"orders\""),
            START,
            "The event hub's name: the topic's name for Kafka clients.",
        ),
        key(
            "partition_count",
            count(1, 10_000),
            Default::Absent("10"),
            START,
            "Partitions; a larger number grows the event hub, a smaller one only warns.",
        ),
        key(
            "retention",
            Kind::DurationOrUnlimited,
            Default::Absent("\"7d\""),
            START,
            "How long events are kept.",
        ),
        key(
            "retention_bytes",
            Kind::SizeOrUnlimited,
            Default::Absent("\"unlimited\""),
            START,
            "How many bytes each partition keeps.",
        ),
        key(
            "cleanup_policy",
            Kind::OneOf(&["delete", "compact", "compact,delete"]),
            Default::Absent("\"delete\""),
            START,
            "What happens to old events.",
        ),
    ],
    tables: &[EVENT_HUB_POLICY],
};

const EVENT_HUB_POLICY: Table = Table {
    name: "policy",
    many: true,
    help: "A policy for this event hub only.",
    keys: POLICY_KEYS,
    tables: &[],
};
