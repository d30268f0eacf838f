//! `[limits]`: what one client, and all of them together, may take.

use std::time::Duration;

use super::{refusal::Refusals, refuse, section::Section};

/// What stands around the batch in a request with one: names above all.
pub(crate) const PRODUCE_HEADER_BYTES: u64 = 1024;

#[derive(Clone, Debug)]
pub(crate) struct LimitSettings {
    pub(crate) batch_bytes_max: u64,
    pub(crate) produce_request_bytes_max: u64,
    pub(crate) request_bytes_max: u64,
    pub(crate) login_request_bytes_max: u64,
    pub(crate) connections_max: u32,
    /// `None` is unlimited.
    pub(crate) connections_per_address_max: Option<u32>,
    pub(crate) requests_in_flight_max: u32,
    pub(crate) idle_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) login_timeout: Duration,
    pub(crate) frame_stall_timeout: Duration,
    pub(crate) frame_timeout: Duration,
    pub(crate) transfer_rate_min: u64,
    pub(crate) memory_timeout: Duration,
    pub(crate) write_stall_timeout: Duration,
    pub(crate) session_timeout_min: Duration,
    pub(crate) session_timeout_max: Duration,
    pub(crate) group_id_bytes_max: u32,
    pub(crate) offset_metadata_bytes_max: u64,
    pub(crate) groups_max: u32,
    pub(crate) group_members_max: u32,
    pub(crate) group_members_bytes_max: u64,
    pub(crate) group_offsets_bytes_max: u64,
    pub(crate) rebalance_delay: Duration,
    pub(crate) partitions_max: u32,
    pub(crate) partitions_per_event_hub_max: u32,
    pub(crate) fetch_bytes_max: u64,
    pub(crate) waiting_fetches_max: u32,
    pub(crate) fetch_sessions_max: u32,
    pub(crate) fetch_session_partitions_max: u32,
    pub(crate) verify_records: bool,
    pub(crate) producers_per_partition_max: u32,
    pub(crate) producers_max: u32,
    pub(crate) producer_expiry: Duration,
    pub(crate) incoming_bytes_max: u64,
    pub(crate) outgoing_bytes_max: u64,
    pub(crate) outgoing_bytes_per_connection_max: u64,
    pub(crate) reply_bytes_max: u64,
    /// `None` is the system's own sizing.
    pub(crate) socket_send_buffer_bytes: Option<u64>,
    pub(crate) shutdown_timeout: Duration,
}

pub(super) fn read(section: &Section<'_>, refusals: &mut Refusals) -> LimitSettings {
    let limits = read_values(section);
    if limits.session_timeout_min > limits.session_timeout_max {
        let problem = "is longer than limits.session_timeout_max";
        refuse(
            section,
            "session_timeout_min",
            problem,
            "swap or mend them",
            refusals,
        );
    }
    let whole = limits.batch_bytes_max.saturating_add(PRODUCE_HEADER_BYTES);
    if limits.produce_request_bytes_max < whole {
        let problem = &format!(
            "is {}, and a request with a batch of limits.batch_bytes_max ({}) may have {whole}",
            limits.produce_request_bytes_max, limits.batch_bytes_max
        );
        refuse(
            section,
            "produce_request_bytes_max",
            problem,
            "raise it",
            refusals,
        );
    }
    if limits.incoming_bytes_max < limits.produce_request_bytes_max {
        let problem = "is smaller than limits.produce_request_bytes_max";
        refuse(section, "incoming_bytes_max", problem, "raise it", refusals);
    }
    limits
}

fn read_values(section: &Section<'_>) -> LimitSettings {
    LimitSettings {
        batch_bytes_max: section.size("batch_bytes_max"),
        produce_request_bytes_max: section.size("produce_request_bytes_max"),
        request_bytes_max: section.size("request_bytes_max"),
        login_request_bytes_max: section.size("login_request_bytes_max"),
        connections_max: section.count("connections_max"),
        connections_per_address_max: section.optional_count("connections_per_address_max"),
        requests_in_flight_max: section.count("requests_in_flight_max"),
        idle_timeout: section.duration("idle_timeout"),
        handshake_timeout: section.duration("handshake_timeout"),
        login_timeout: section.duration("login_timeout"),
        frame_stall_timeout: section.duration("frame_stall_timeout"),
        frame_timeout: section.duration("frame_timeout"),
        transfer_rate_min: section.size("transfer_rate_min"),
        memory_timeout: section.duration("memory_timeout"),
        write_stall_timeout: section.duration("write_stall_timeout"),
        session_timeout_min: section.duration("session_timeout_min"),
        session_timeout_max: section.duration("session_timeout_max"),
        group_id_bytes_max: section.count("group_id_bytes_max"),
        offset_metadata_bytes_max: section.size("offset_metadata_bytes_max"),
        groups_max: section.count("groups_max"),
        group_members_max: section.count("group_members_max"),
        group_members_bytes_max: section.size("group_members_bytes_max"),
        group_offsets_bytes_max: section.size("group_offsets_bytes_max"),
        rebalance_delay: section.duration("rebalance_delay"),
        partitions_max: section.count("partitions_max"),
        partitions_per_event_hub_max: section.count("partitions_per_event_hub_max"),
        fetch_bytes_max: section.size("fetch_bytes_max"),
        waiting_fetches_max: section.count("waiting_fetches_max"),
        fetch_sessions_max: section.count("fetch_sessions_max"),
        fetch_session_partitions_max: section.count("fetch_session_partitions_max"),
        verify_records: section.boolean("verify_records"),
        producers_per_partition_max: section.count("producers_per_partition_max"),
        producers_max: section.count("producers_max"),
        producer_expiry: section.duration("producer_expiry"),
        incoming_bytes_max: section.size("incoming_bytes_max"),
        outgoing_bytes_max: section.size("outgoing_bytes_max"),
        outgoing_bytes_per_connection_max: section.size("outgoing_bytes_per_connection_max"),
        // Whoever sets the one need not know of the other.
        reply_bytes_max: section
            .size("reply_bytes_max")
            .min(section.size("outgoing_bytes_max")),
        socket_send_buffer_bytes: section.optional_size("socket_send_buffer_bytes"),
        shutdown_timeout: section.duration("shutdown_timeout"),
    }
}
