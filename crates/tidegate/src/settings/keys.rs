//! Every configuration key, once: its type, default, effect on reload and one sentence of help.
//!
//! The loader checks files against these tables, `tidegate config show` walks them, and
//! `docs/configuration.md` and `config/complete.toml` are printed from them.

/// What a key's value must look like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    Secret,
    Path,
    /// `ip:port`, to listen on; port 0 lets the system choose.
    Address,
    /// `host` or `host:port`, to be told to clients.
    Endpoint,
    Boolean,
    Count {
        min: i64,
        max: i64,
    },
    Size,
    Duration,
    SizeOrUnlimited,
    DurationOrUnlimited,
    /// A whole number from 1 on, or `"unlimited"`.
    CountOrUnlimited,
    OneOf(&'static [&'static str]),
    ManyOf(&'static [&'static str]),
    Texts,
}

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    /// Whether SIGHUP applies a change.
    pub(crate) live: bool,
    pub(crate) help: &'static str,
}

/// What holds where the key is absent. Literals are TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    Required(&'static str),
    Absent(&'static str),
    Literal(&'static str),
    /// The second holds under `profile = "event-hubs"`.
    ByProfile(&'static str, &'static str),
}

/// A table of keys; `many` tables are written `[[name]]`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) many: bool,
    pub(crate) help: &'static str,
    pub(crate) keys: &'static [Key],
    pub(crate) tables: &'static [Self],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn table(&self, name: &str) -> Option<&'static Self> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Names of the keys and tables that may stand in this table.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let keys = self.keys.iter().map(|key| key.name);
        keys.chain(self.tables.iter().map(|table| table.name))
    }
}

const fn literal(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    live: bool,
    help: &'static str,
) -> Key {
    let default = Default::Literal(default);
    Key {
        name,
        kind,
        default,
        live,
        help,
    }
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Default,
    live: bool,
    help: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        live,
        help,
    }
}

/// Applied at start only.
const START: bool = false;
/// Applied by SIGHUP too.
const LIVE: bool = true;

const fn count(min: i64, max: i64) -> Kind {
    Kind::Count { min, max }
}

const RIGHTS: &[&str] = &["send", "listen", "manage"];

/// The whole file.
pub(crate) const ROOT: Table = Table {
    name: "",
    many: false,
    help: "",
    keys: &[literal(
        "profile",
        Kind::OneOf(&["kafka", "event-hubs"]),
        "\"kafka\"",
        START,
        "Whose limits hold where a key is absent: Kafka's, or those of Azure Event Hubs.",
    )],
    tables: &[LOG, ADMIN, STORAGE, TLS, LIMITS, LISTENER, NAMESPACE],
};

const LOG: Table = Table {
    name: "log",
    many: false,
    help: "What the broker writes to standard error.",
    keys: &[
        literal(
            "format",
            Kind::OneOf(&["text", "json"]),
            "\"text\"",
            START,
            "Lines for people, or one JSON object per line.",
        ),
        literal(
            "filter",
            Kind::Text,
            "\"info\"",
            START,
            "Least level shown, overall or per module: `info`, or `warn,server=debug`.",
        ),
    ],
    tables: &[],
};

const ADMIN: Table = Table {
    name: "admin",
    many: false,
    help: "Metrics and health over plain HTTP, without login: keep it off public networks.",
    keys: &[
        literal(
            "address",
            Kind::Address,
            "\"127.0.0.1:9600\"",
            START,
            "Where /metrics, /healthz and /readyz are served.",
        ),
        literal(
            "metrics_per_partition",
            Kind::Boolean,
            "false",
            START,
            "Whether metrics carry one series per partition instead of one per event hub.",
        ),
    ],
    tables: &[],
};

const STORAGE: Table = Table {
    name: "storage",
    many: false,
    help: "Where and how events are kept.",
    keys: &[
        literal(
            "data_dir",
            Kind::Path,
            "\"tidegate-data\"",
            START,
            "The data directory: events, certificates and generated keys. One broker at a time.",
        ),
        literal(
            "free_space_min",
            Kind::Size,
            "\"256MiB\"",
            START,
            "Writes are refused while the disk has less free space than this; reads go on.",
        ),
        literal(
            "descriptors_max",
            count(16, 4_000),
            "256",
            START,
            "Data files held open at once; the least recently used are closed first.",
        ),
        literal(
            "extent_size",
            Kind::Size,
            "\"64MiB\"",
            START,
            "Size of one data file of the shared log.",
        ),
        literal(
            "queue_bytes_max",
            Kind::Size,
            "\"256MiB\"",
            START,
            "Bytes written and not yet durable, at most.",
        ),
        literal(
            "tail_cache_bytes",
            Kind::Size,
            "\"32MiB\"",
            START,
            "Memory that keeps recent events for readers at the end of the log.",
        ),
        literal(
            "cold_reads_max",
            count(1, 1_024),
            "32",
            START,
            "Reads from disk that may run at once.",
        ),
        literal(
            "retention_check_interval",
            Kind::Duration,
            "\"5m\"",
            START,
            "How often expired events are looked for.",
        ),
    ],
    tables: &[],
};

const TLS: Table = Table {
    name: "tls",
    many: false,
    help: "Certificates. Without files of your own, a CA and a server certificate are made at \
           first start and kept in the data directory under tls/.",
    keys: &[
        key(
            "certificate",
            Kind::Path,
            Default::Absent("\"/etc/tidegate/tls/server.pem\""),
            LIVE,
            "Certificate chain (PEM), leaf first. Needs `key`.",
        ),
        key(
            "key",
            Kind::Path,
            Default::Absent("\"/etc/tidegate/tls/server.key\""),
            LIVE,
            "Private key of `certificate` (PEM).",
        ),
        literal(
            "names",
            Kind::Texts,
            "[]",
            LIVE,
            "Further host names and addresses for the generated certificate, beside localhost, \
             the loopback addresses, this host's name, advertised hosts and namespaces' hosts.",
        ),
        literal(
            "validity",
            Kind::Duration,
            "\"825d\"",
            LIVE,
            "How long a generated server certificate is valid, at most 825 days.",
        ),
        literal(
            "renew_before",
            Kind::Duration,
            "\"30d\"",
            LIVE,
            "A generated server certificate nearer to its end than this is renewed at start.",
        ),
    ],
    tables: &[],
};

const LIMITS: Table = Table {
    name: "limits",
    many: false,
    help: "What one client, and all of them together, may take.",
    keys: &[
        key(
            "batch_bytes_max",
            Kind::Size,
            Default::ByProfile("1048588", "1046528"),
            START,
            "Largest record batch, unless the event hub's `max.message.bytes` says otherwise.",
        ),
        literal(
            "produce_request_bytes_max",
            Kind::Size,
            "\"100MiB\"",
            START,
            "Largest produce request; a larger frame closes the connection.",
        ),
        literal(
            "connections_max",
            count(1, 1_000_000),
            "10000",
            START,
            "Connections open at once; further ones are closed when they arrive.",
        ),
        key(
            "idle_timeout",
            Kind::Duration,
            Default::ByProfile("\"600s\"", "\"240s\""),
            START,
            "A connection silent for this long is closed.",
        ),
        literal(
            "login_timeout",
            Kind::Duration,
            "\"30s\"",
            START,
            "A connection must have finished TLS and login after this long.",
        ),
        literal(
            "session_timeout_min",
            Kind::Duration,
            "\"6s\"",
            START,
            "Shortest session timeout that a group member may ask for.",
        ),
        key(
            "session_timeout_max",
            Kind::Duration,
            Default::ByProfile("\"30m\"", "\"5m\""),
            START,
            "Longest session timeout that a group member may ask for.",
        ),
        key(
            "offset_metadata_bytes_max",
            Kind::Size,
            Default::ByProfile("4096", "1024"),
            START,
            "Longest text that may be committed with an offset.",
        ),
        literal(
            "groups_max",
            count(1, 1_000_000),
            "100000",
            START,
            "Consumer groups per namespace.",
        ),
        literal(
            "group_members_max",
            count(1, 100_000),
            "10000",
            START,
            "Members per consumer group.",
        ),
        literal(
            "rebalance_delay",
            Kind::Duration,
            "\"3s\"",
            START,
            "How long the first rebalance of an empty group waits for more members.",
        ),
        literal(
            "partitions_max",
            count(1, 1_000_000),
            "200000",
            START,
            "Partitions of the whole broker.",
        ),
        literal(
            "partitions_per_event_hub_max",
            count(1, 1_000_000),
            "100000",
            START,
            "Partitions of one event hub.",
        ),
        literal(
            "fetch_bytes_max",
            Kind::Size,
            "\"55MiB\"",
            START,
            "Most bytes of events in one fetch response, whatever the client asks for.",
        ),
        literal(
            "waiting_fetches_max",
            count(1, 10_000_000),
            "100000",
            START,
            "Fetches that may wait for events at once.",
        ),
        literal(
            "producers_per_partition_max",
            count(1, 1_000_000),
            "10000",
            START,
            "Idempotent producers remembered per partition.",
        ),
        literal(
            "producer_expiry",
            Kind::Duration,
            "\"24h\"",
            START,
            "How long an idle idempotent producer is remembered.",
        ),
        literal(
            "incoming_bytes_max",
            Kind::Size,
            "\"256MiB\"",
            START,
            "Memory for requests being read and handled; when it is used up, sockets wait.",
        ),
        literal(
            "outgoing_bytes_max",
            Kind::Size,
            "\"256MiB\"",
            START,
            "Memory for replies not yet taken by their clients; apart from the incoming pool, so \
             that slow readers cannot starve producers.",
        ),
        literal(
            "shutdown_timeout",
            Kind::Duration,
            "\"30s\"",
            START,
            "After SIGTERM, requests in flight have this long to end.",
        ),
    ],
    tables: &[],
};

const LISTENER: Table = Table {
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

const NAMESPACE: Table = Table {
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
