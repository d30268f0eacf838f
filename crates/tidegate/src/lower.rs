//! Settings in the terms of the crates below.

use std::collections::BTreeMap;

use hub::settings::BatchCeiling;
use model::NamespaceName;

use crate::{
    secrets::{PolicyPlace, Secrets},
    settings::{
        ByteLimit, EventHubSettings, ListenerSettings, NamespaceSettings, OverQuota,
        PRODUCE_HEADER_BYTES, PolicySettings, Retention, Security, Settings,
    },
};

/// What the hub takes, keys included.
pub(crate) fn hub_settings(
    settings: &Settings,
    secrets: &Secrets,
) -> anyhow::Result<hub::HubSettings> {
    let namespaces = settings.namespaces.iter();
    Ok(hub::HubSettings {
        storage: storage(settings),
        limits: hub_limits(settings),
        namespaces: namespaces
            .map(|namespace| lower_namespace(namespace, secrets))
            .collect::<anyhow::Result<_>>()?,
    })
}

fn storage(settings: &Settings) -> hub::settings::StorageSettings {
    let storage = &settings.storage;
    hub::settings::StorageSettings {
        extent_bytes: storage.extent_bytes,
        reused_extents_max: size(storage.reused_extents_max),
        direct_writes: storage.direct_writes,
        free_space_floor_bytes: storage.free_space_bytes_min,
        queue_bytes_max: storage.queue_bytes_max,
        tail_cache_bytes: storage.tail_cache_bytes,
        catch_up_bytes: storage.catch_up_bytes,
        descriptors_max: size(storage.descriptors_max),
        cold_cache_bytes: storage.cold_cache_bytes,
        cold_reads_beside_writers: storage.cold_reads_beside_writers,
        cold_reads_max: size(storage.cold_reads_max),
        retention_interval: storage.retention_check_interval,
    }
}

fn hub_limits(settings: &Settings) -> hub::settings::Limits {
    let limits = &settings.limits;
    hub::settings::Limits {
        batch_bytes_max: u32::try_from(limits.batch_bytes_max).unwrap_or(u32::MAX),
        batch_ceilings: batch_ceilings(settings),
        session_timeout_min: limits.session_timeout_min,
        session_timeout_max: limits.session_timeout_max,
        group_id_bytes_max: size(limits.group_id_bytes_max),
        offset_metadata_bytes_max: bytes(limits.offset_metadata_bytes_max),
        group_members_max: size(limits.group_members_max),
        groups_max: size(limits.groups_max),
        group_members_bytes_max: bytes(limits.group_members_bytes_max),
        group_offsets_bytes_max: bytes(limits.group_offsets_bytes_max),
        rebalance_delay: limits.rebalance_delay,
        partitions_max: size(limits.partitions_max),
        partitions_per_topic_max: number(limits.partitions_per_event_hub_max),
        fetch_bytes_max: bytes(limits.fetch_bytes_max),
        waiting_fetches_max: size(limits.waiting_fetches_max),
        verify_records: limits.verify_records,
        producers_per_partition_max: size(limits.producers_per_partition_max),
        producers_max: size(limits.producers_max),
        producer_expiry: limits.producer_expiry,
    }
}

/// What comes in and is stored bounds what a topic may ask for.
fn batch_ceilings(settings: &Settings) -> Vec<BatchCeiling> {
    let request = settings.limits.produce_request_bytes_max;
    let extent = settings.storage.extent_bytes;
    vec![
        BatchCeiling {
            setting: "limits.produce_request_bytes_max",
            setting_bytes: request,
            batch_bytes_max: request.saturating_sub(PRODUCE_HEADER_BYTES),
        },
        BatchCeiling {
            setting: "storage.extent_size",
            setting_bytes: extent,
            batch_bytes_max: hub::settings::batch_bytes_max(extent),
        },
    ]
}

/// The server's limits.
pub(crate) fn server_limits(settings: &Settings) -> server::Limits {
    let limits = &settings.limits;
    server::Limits {
        connection_count_max: size(limits.connections_max),
        connections_per_ip_max: limits.connections_per_address_max.map(size),
        requests_in_flight_max: size(limits.requests_in_flight_max),
        incoming_bytes_max: bytes(limits.incoming_bytes_max),
        outgoing_bytes_max: bytes(limits.outgoing_bytes_max),
        outgoing_bytes_per_connection_max: bytes(limits.outgoing_bytes_per_connection_max),
        socket_send_buffer_bytes: limits.socket_send_buffer_bytes.map(bytes),
        idle_timeout: limits.idle_timeout,
        handshake_timeout: limits.handshake_timeout,
        login_timeout: limits.login_timeout,
        frame_stall_timeout: limits.frame_stall_timeout,
        frame_timeout: limits.frame_timeout,
        transfer_rate_min: limits.transfer_rate_min,
        memory_timeout: limits.memory_timeout,
        write_stall_timeout: limits.write_stall_timeout,
        ..server::Limits::default()
    }
}

/// The Kafka front end's limits.
pub(crate) fn kafka_limits(settings: &Settings) -> kafka::KafkaLimits {
    let limits = &settings.limits;
    kafka::KafkaLimits {
        frames: wire::frame::FrameLimits {
            before_login_bytes_max: bytes(limits.login_request_bytes_max),
            produce_bytes_max: bytes(limits.produce_request_bytes_max),
            other_bytes_max: bytes(limits.request_bytes_max),
        },
        fetch_session_count_max: size(limits.fetch_sessions_max),
        fetch_session_partition_count_max: size(limits.fetch_session_partitions_max),
        reply_bytes_max: bytes(limits.reply_bytes_max),
        login_reasons: login_reasons(settings),
    }
}

/// A broker that lets callers on this machine do all without a login is for development, and hides
/// from them no reason of a refused login either.
fn login_reasons(settings: &Settings) -> kafka::LoginReasons {
    let is_open_here = settings
        .listeners
        .iter()
        .any(|listener| !listener.security.sasl && listener.address.ip().is_loopback());
    if is_open_here {
        kafka::LoginReasons::ToldOnLoopback
    } else {
        kafka::LoginReasons::Logged
    }
}

/// A listener, as the server takes it.
pub(crate) fn listener(listener: &ListenerSettings) -> server::ListenerSettings {
    server::ListenerSettings {
        name: listener.name.clone(),
        address: listener.address.to_string(),
        security: match listener.security {
            Security {
                tls: false,
                sasl: false,
            } => server::Security::Plaintext,
            Security {
                tls: true,
                sasl: false,
            } => server::Security::Tls,
            Security {
                tls: false,
                sasl: true,
            } => server::Security::SaslPlaintext,
            Security {
                tls: true,
                sasl: true,
            } => server::Security::SaslTls,
        },
        advertised: listener
            .advertised
            .as_ref()
            .map(|endpoint| server::Advertised {
                host: endpoint.host.clone(),
                port: endpoint.port,
            }),
        namespace: listener.namespace.as_deref().map(NamespaceName::from),
    }
}

fn lower_namespace(
    namespace: &NamespaceSettings,
    secrets: &Secrets,
) -> anyhow::Result<hub::settings::NamespaceSettings> {
    let place = PolicyPlace {
        namespace: &namespace.name,
        event_hub: None,
    };
    Ok(hub::settings::NamespaceSettings {
        name: NamespaceName::from(namespace.name.as_str()),
        hosts: namespace.hosts.clone(),
        units: hub::settings::UnitSettings {
            throughput_units: namespace.throughput_units,
            auto_inflate: namespace.maximum_throughput_units,
            auto_deflate: namespace.auto_deflate,
            refuse_beyond_timeout: namespace.over_quota == OverQuota::Refuse,
        },
        auto_create: namespace.auto_create_event_hubs,
        partition_count: number(namespace.default_partition_count),
        retention: match namespace.default_retention {
            Retention::For(span) => Some(span),
            Retention::Unlimited => None,
        },
        disconnect_revoked: namespace.disconnect_revoked,
        policies: policies(&namespace.policies, place, secrets)?,
        event_hubs: namespace
            .event_hubs
            .iter()
            .map(|hub| lower_event_hub(&namespace.name, hub, secrets))
            .collect::<anyhow::Result<_>>()?,
    })
}

fn lower_event_hub(
    namespace: &str,
    event_hub: &EventHubSettings,
    secrets: &Secrets,
) -> anyhow::Result<hub::settings::EventHubSettings> {
    let place = PolicyPlace {
        namespace,
        event_hub: Some(event_hub.name.as_str()),
    };
    let mut configs = BTreeMap::new();
    if let Some(limit) = event_hub.retention_bytes {
        let value = match limit {
            ByteLimit::Limited(bytes) => bytes.to_string(),
            ByteLimit::Unlimited => "-1".to_owned(),
        };
        configs.insert("retention.bytes".to_owned(), value);
    }
    Ok(hub::settings::EventHubSettings {
        name: event_hub.name.clone(),
        partition_count: event_hub.partition_count.map(number),
        retention_ms: event_hub.retention.map(|retention| match retention {
            Retention::For(span) => i64::try_from(span.as_millis()).unwrap_or(i64::MAX),
            Retention::Unlimited => -1,
        }),
        cleanup_policy: event_hub
            .cleanup_policy
            .map(|policy| policy.word().to_owned()),
        configs,
        policies: policies(&event_hub.policies, place, secrets)?,
    })
}

fn policies(
    policies: &[PolicySettings],
    place: PolicyPlace<'_>,
    secrets: &Secrets,
) -> anyhow::Result<Vec<hub::settings::PolicySettings>> {
    let lower = |policy: &PolicySettings| {
        let keys = secrets.keys(place, policy)?;
        Ok(hub::settings::PolicySettings {
            name: policy.name.clone(),
            send: policy.rights.send,
            listen: policy.rights.listen,
            manage: policy.rights.manage,
            primary_key: keys.primary.reveal().to_owned(),
            secondary_key: keys.secondary.map(|key| key.reveal().to_owned()),
        })
    };
    policies.iter().map(lower).collect()
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
