//! Keys of `[limits]`.

use super::{Default, Kind, START, Table, count, key, literal};

pub(super) const LIMITS: Table = Table {
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
            "Largest produce request, of one or several batches. A larger one of up to twice this and \
             16 MiB is answered with MESSAGE_TOO_LARGE; beyond that it closes the connection.",
        ),
        literal(
            "request_bytes_max",
            Kind::Size,
            "\"8MiB\"",
            START,
            "Largest request of any other kind.",
        ),
        literal(
            "login_request_bytes_max",
            Kind::Size,
            "\"64KiB\"",
            START,
            "Largest request of a client that has not logged in yet.",
        ),
        literal(
            "connections_max",
            count(1, 1_000_000),
            "20000",
            START,
            "Connections open at once; further ones are closed when they arrive.",
        ),
        literal(
            "connections_per_address_max",
            Kind::CountOrUnlimited,
            "\"unlimited\"",
            START,
            "Connections open at once from one address.",
        ),
        literal(
            "requests_in_flight_max",
            count(1, 10_000),
            "100",
            START,
            "Requests of one connection that may wait for their replies at once.",
        ),
        key(
            "idle_timeout",
            Kind::Duration,
            Default::ByProfile("\"600s\"", "\"240s\""),
            START,
            "A connection silent for this long is closed.",
        ),
        literal(
            "handshake_timeout",
            Kind::Duration,
            "\"10s\"",
            START,
            "How long a TLS handshake may take.",
        ),
        literal(
            "login_timeout",
            Kind::Duration,
            "\"30s\"",
            START,
            "How long a client may take to log in, its TLS handshake included, on a listener that \
             asks for a login.",
        ),
        literal(
            "frame_stall_timeout",
            Kind::Duration,
            "\"30s\"",
            START,
            "A request that stops arriving for this long closes its connection.",
        ),
        literal(
            "frame_timeout",
            Kind::Duration,
            "\"10m\"",
            START,
            "A request that has not arrived whole after this long closes its connection.",
        ),
        literal(
            "transfer_rate_min",
            Kind::Size,
            "\"4KiB\"",
            START,
            "A request that arrives, or replies that are taken in, at fewer bytes a second than \
             this on average closes its connection, once `frame_stall_timeout` or \
             `write_stall_timeout` have passed. `0` asks for no pace.",
        ),
        literal(
            "memory_timeout",
            Kind::Duration,
            "\"30s\"",
            START,
            "A request or a reply that waits for memory of `incoming_bytes_max` or \
             `outgoing_bytes_max` for this long closes its connection.",
        ),
        literal(
            "write_stall_timeout",
            Kind::Duration,
            "\"60s\"",
            START,
            "A client that takes in nothing of its replies for this long is closed.",
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
            "group_id_bytes_max",
            count(1, 32_767),
            Default::ByProfile("32767", "256"),
            START,
            "Longest consumer group name.",
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
            "group_members_bytes_max",
            Kind::Size,
            "\"64MiB\"",
            START,
            "Memory for the consumer groups of one namespace and their members: names, subscriptions, \
             assignments. Beyond it joins are refused; whoever is in stays.",
        ),
        literal(
            "group_offsets_bytes_max",
            Kind::Size,
            "\"128MiB\"",
            START,
            "Memory for the committed offsets of one namespace with their texts. Beyond it commits \
             are refused that add to it.",
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
            "fetch_sessions_max",
            count(0, 1_000_000),
            "1000",
            START,
            "Incremental fetch sessions over all connections.",
        ),
        literal(
            "fetch_session_partitions_max",
            count(0, 10_000_000),
            "200000",
            START,
            "Partitions over all fetch sessions together.",
        ),
        literal(
            "verify_records",
            Kind::Boolean,
            "true",
            START,
            "Whether every record of a compressed batch is looked at before the batch is stored, as Kafka does. Without, a faulty producer can write what no consumer gets past.",
        ),
        literal(
            "producers_per_partition_max",
            count(1, 1_000_000),
            "10000",
            START,
            "Idempotent producers remembered per partition.",
        ),
        literal(
            "producers_max",
            count(1, 100_000_000),
            "300000",
            START,
            "Idempotent producers remembered over all partitions, each in every one it writes to: \
             beyond it those idle longest are forgotten.",
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
            "Memory for requests being read and handled, with acks 0 and all until their events are \
             on the disk; when it is used up, sockets wait.",
        ),
        literal(
            "outgoing_bytes_max",
            Kind::Size,
            "\"512MiB\"",
            START,
            "Memory for replies not yet taken by their clients; apart from the incoming pool, so \
             that slow readers cannot starve producers.",
        ),
        literal(
            "outgoing_bytes_per_connection_max",
            Kind::Size,
            "\"1MiB\"",
            START,
            "Bytes of replies waiting on one connection before it is not read any more.",
        ),
        literal(
            "reply_bytes_max",
            Kind::Size,
            "\"256MiB\"",
            START,
            "Memory that making one reply may take, a fetch's events apart; a request whose reply would \
             take more is refused. It is taken out of `outgoing_bytes_max` before the reply is made, and is \
             never more than that.",
        ),
        literal(
            "socket_send_buffer_bytes",
            Kind::SizeOrUnlimited,
            "\"1MiB\"",
            START,
            "What the system holds of one connection's replies, as far as its `net.core.wmem_max` \
             allows it. While that fits into the processor's cache a fetch costs less. A distant \
             client gets about twice this much in a round trip: for those raise both, or say \
             \"unlimited\" to leave the size to the system.",
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
