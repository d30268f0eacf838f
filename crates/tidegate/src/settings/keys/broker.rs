//! Keys of the broker as a whole: log, admin listener, storage, certificates.

use super::{Default, Kind, LIVE, START, Table, count, key, literal};

pub(super) const LOG: Table = Table {
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

pub(super) const ADMIN: Table = Table {
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

pub(super) const STORAGE: Table = Table {
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
            "on_disk_error",
            Kind::OneOf(&["exit", "serve-reads"]),
            "\"exit\"",
            START,
            "What follows when a write or a sync of the log fails: the process ends with status 74, \
             so that a supervisor starts it anew, or it goes on to serve reads and refuses writes.",
        ),
        literal(
            "descriptors_max",
            count(16, 4_000),
            "256",
            START,
            "Descriptors of data files held open at once, two for a file that is read past the \
             system's page cache; the least recently used are closed first.",
        ),
        literal(
            "extent_size",
            Kind::Size,
            "\"64MiB\"",
            START,
            "Size of one data file of the shared log.",
        ),
        literal(
            "reused_extents_max",
            count(0, 1_024),
            "4",
            START,
            "Data files that retention or deletion freed, kept to become the next ones, at most: \
             overwriting is quicker than writing a new file. None with `direct_writes = false`.",
        ),
        literal(
            "direct_writes",
            Kind::Boolean,
            "true",
            START,
            "Whether events are written past the system's page cache, where the file system can. \
             Then a reader further back than `tail_cache_bytes` reads from the disk.",
        ),
        literal(
            "queue_bytes_max",
            Kind::Size,
            "\"384MiB\"",
            START,
            "Bytes appended and not yet durable, at most; more are refused. Not less than one and a \
             half times `limits.incoming_bytes_max`, which holds most producers back before that.",
        ),
        literal(
            "tail_cache_bytes",
            Kind::Size,
            "\"32MiB\"",
            START,
            "Memory that keeps recent events for readers at the end of the log.",
        ),
        literal(
            "catch_up_bytes",
            Kind::Size,
            "\"1GiB\"",
            START,
            "A reader further back than `tail_cache_bytes`, but not than this, has new events put \
             into the system's page cache while the disk is kept busy, so that it can catch up: \
             that costs whoever writes half of the throughput or more. `0` never does.",
        ),
        literal(
            "cold_cache_bytes",
            Kind::Size,
            "\"24MiB\"",
            START,
            "Memory for old events on their way from the disk to their first reader, past the \
             system's page cache; whoever reads them again brings them into that. `0` reads all \
             through the page cache.",
        ),
        literal(
            "cold_reads_beside_writers",
            count(1, 64),
            "1",
            START,
            "Pieces of 128 KiB that all readers of old events together have under way from the \
             disk while somebody writes. More is quicker for them where the disk answers slowly, \
             and slower for whoever writes.",
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

pub(super) const TLS: Table = Table {
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
