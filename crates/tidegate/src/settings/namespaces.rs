//! Reads `[[namespace]]` with its policies and event hubs.

use std::{path::PathBuf, time::Duration};

use model::TopicName;

use super::{refusal::Refusals, refuse, section::Section};

/// The policy of a namespace that configures none.
pub(crate) const ROOT_POLICY: &str = "RootManageSharedAccessKey";

#[derive(Clone, Debug)]
pub(crate) struct NamespaceSettings {
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    /// `None` is unlimited.
    pub(crate) throughput_units: Option<u32>,
    /// How far auto-inflate may go; `None` where it is off.
    pub(crate) maximum_throughput_units: Option<u32>,
    pub(crate) auto_deflate: bool,
    pub(crate) over_quota: OverQuota,
    pub(crate) auto_create_event_hubs: bool,
    pub(crate) default_partition_count: u32,
    pub(crate) default_retention: Retention,
    pub(crate) disconnect_revoked: bool,
    pub(crate) policies: Vec<PolicySettings>,
    pub(crate) event_hubs: Vec<EventHubSettings>,
}

/// What a client beyond its namespace's units sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverQuota {
    Delay,
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retention {
    For(Duration),
    Unlimited,
}

#[derive(Clone, Debug)]
pub(crate) struct PolicySettings {
    pub(crate) name: String,
    pub(crate) rights: Rights,
    pub(crate) primary: KeySource,
    pub(crate) secondary: KeySource,
}

/// What a policy's holder may do; manage includes the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) send: bool,
    pub(crate) listen: bool,
    pub(crate) manage: bool,
}

impl Rights {
    const ALL: Self = Self {
        send: true,
        listen: true,
        manage: true,
    };
}

/// Where a policy's key comes from.
#[derive(Clone)]
pub(crate) enum KeySource {
    /// There is none: a second key beside a given first one.
    Absent,
    /// Made at first start, kept in `secrets.toml`.
    Generated,
    Given(String),
    File(PathBuf),
}

impl std::fmt::Debug for KeySource {
    /// Never shows key material.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Generated => f.write_str("Generated"),
            Self::Given(_) => f.write_str("Given(********)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct EventHubSettings {
    pub(crate) name: TopicName,
    pub(crate) partition_count: Option<u32>,
    pub(crate) retention: Option<Retention>,
    pub(crate) retention_bytes: Option<ByteLimit>,
    pub(crate) cleanup_policy: Option<CleanupPolicy>,
    pub(crate) policies: Vec<PolicySettings>,
}

/// A limit in bytes, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteLimit {
    Limited(u64),
    Unlimited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CleanupPolicy {
    Delete,
    Compact,
    CompactAndDelete,
}

impl CleanupPolicy {
    /// Kafka's word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
        }
    }
}

/// Reads every namespace, or makes the default one.
pub(super) fn read(root: &Section<'_>, refusals: &mut Refusals) -> Vec<NamespaceSettings> {
    let mut namespaces: Vec<NamespaceSettings> = Vec::new();
    for section in root.sections("namespace") {
        let namespace = namespace(&section, refusals);
        check_names(&section, &namespace, &namespaces, refusals);
        namespaces.push(namespace);
    }
    namespaces
}

fn root_policy() -> PolicySettings {
    PolicySettings {
        name: ROOT_POLICY.to_owned(),
        rights: Rights::ALL,
        primary: KeySource::Generated,
        secondary: KeySource::Generated,
    }
}

fn namespace(section: &Section<'_>, refusals: &mut Refusals) -> NamespaceSettings {
    let mut policies = policies(section, refusals);
    if policies.is_empty() {
        policies.push(root_policy());
    }
    NamespaceSettings {
        name: section.text("name"),
        hosts: section.texts("hosts"),
        throughput_units: section.optional_count("throughput_units"),
        maximum_throughput_units: maximum_units(section, refusals),
        auto_deflate: section.boolean("auto_deflate"),
        over_quota: match section.text("over_quota").as_str() {
            "refuse" => OverQuota::Refuse,
            _ => OverQuota::Delay,
        },
        auto_create_event_hubs: section.boolean("auto_create_event_hubs"),
        default_partition_count: section.count("default_partition_count"),
        default_retention: retention(section, "default_retention").unwrap_or(Retention::Unlimited),
        disconnect_revoked: section.boolean("disconnect_revoked"),
        policies,
        event_hubs: event_hubs(section, refusals),
    }
}

/// Auto-inflate needs units to start from and a maximum to end at.
fn maximum_units(section: &Section<'_>, refusals: &mut Refusals) -> Option<u32> {
    let units = section.optional_count("throughput_units");
    let maximum = section.optional_count("maximum_throughput_units");
    if !section.boolean("auto_inflate") {
        return None;
    }
    let Some(units) = units else {
        let remedy = "set throughput_units to a number, or auto_inflate to false";
        refuse(
            section,
            "auto_inflate",
            "has nothing to inflate",
            remedy,
            refusals,
        );
        return None;
    };
    match maximum {
        Some(maximum) if maximum >= units => Some(maximum),
        Some(_) => {
            let problem = "is less than throughput_units";
            refuse(
                section,
                "maximum_throughput_units",
                problem,
                "raise it",
                refusals,
            );
            None
        }
        None => {
            let remedy = "say how far units may rise";
            refuse(
                section,
                "maximum_throughput_units",
                "is missing beside auto_inflate",
                remedy,
                refusals,
            );
            None
        }
    }
}

fn check_names(
    section: &Section<'_>,
    namespace: &NamespaceSettings,
    earlier: &[NamespaceSettings],
    refusals: &mut Refusals,
) {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = &namespace.name;
    if name.len() > 63 || !name.chars().all(allowed) || name.starts_with('-') {
        let remedy = "use a host label: up to 63 of a-z, 0-9 and -";
        refuse(section, "name", "is no host label", remedy, refusals);
    }
    if earlier.iter().any(|other| other.name == *name) {
        refuse(
            section,
            "name",
            "is used twice",
            "give each namespace its own name",
            refusals,
        );
    }
    let owned = |host: &String| {
        let label = host.split('.').next().unwrap_or(host);
        earlier.iter().any(|other| {
            other.name == label || other.hosts.iter().any(|o| o.eq_ignore_ascii_case(host))
        })
    };
    if let Some(host) = namespace.hosts.iter().find(|host| owned(host)) {
        let problem = format!("holds {host}, which belongs to an earlier namespace");
        refuse(
            section,
            "hosts",
            &problem,
            "let each host belong to one",
            refusals,
        );
    }
}

fn policies(section: &Section<'_>, refusals: &mut Refusals) -> Vec<PolicySettings> {
    let mut policies: Vec<PolicySettings> = Vec::new();
    for section in section.sections("policy") {
        let name = section.text("name");
        if policies.iter().any(|other| other.name == name) {
            refuse(
                &section,
                "name",
                "is used twice",
                "give each policy its own name",
                refusals,
            );
        }
        let words = section.texts("rights");
        let has = |word: &str| words.iter().any(|right| right == word);
        let manage = has("manage");
        let primary = key_source(&section, "primary_key", "primary_key_file", refusals);
        let secondary = key_source(&section, "secondary_key", "secondary_key_file", refusals);
        let secondary = match (&primary, secondary) {
            (KeySource::Given(_) | KeySource::File(_), KeySource::Generated) => KeySource::Absent,
            (_, secondary) => secondary,
        };
        policies.push(PolicySettings {
            name,
            rights: Rights {
                send: manage || has("send"),
                listen: manage || has("listen"),
                manage,
            },
            primary,
            secondary,
        });
    }
    policies
}

fn key_source(
    section: &Section<'_>,
    inline: &str,
    file: &str,
    refusals: &mut Refusals,
) -> KeySource {
    match (section.optional_text(inline), section.optional_path(file)) {
        (None, None) => KeySource::Generated,
        (Some(key), None) => KeySource::Given(key),
        (None, Some(path)) => KeySource::File(path),
        (Some(_), Some(path)) => {
            let problem = format!("is given beside {}", section.path(file));
            refuse(section, inline, &problem, "keep one of them", refusals);
            KeySource::File(path)
        }
    }
}

fn event_hubs(section: &Section<'_>, refusals: &mut Refusals) -> Vec<EventHubSettings> {
    let mut hubs: Vec<EventHubSettings> = Vec::new();
    for section in section.sections("event_hub") {
        let name = match TopicName::try_from(section.text("name").as_str()) {
            Ok(name) => name,
            Err(error) => {
                let remedy = "choose another name";
                refuse(&section, "name", &error.to_string(), remedy, refusals);
                continue;
            }
        };
        if hubs.iter().any(|other| other.name == name) {
            let remedy = "give each event hub its own name";
            refuse(&section, "name", "is used twice", remedy, refusals);
        }
        hubs.push(EventHubSettings {
            name,
            partition_count: section.optional_count("partition_count"),
            retention: retention(&section, "retention"),
            retention_bytes: bytes(&section, "retention_bytes"),
            cleanup_policy: section.optional_text("cleanup_policy").map(|word| {
                match word.as_str() {
                    "compact" => CleanupPolicy::Compact,
                    "compact,delete" => CleanupPolicy::CompactAndDelete,
                    _ => CleanupPolicy::Delete,
                }
            }),
            policies: policies(&section, refusals),
        });
    }
    hubs
}

fn retention(section: &Section<'_>, name: &str) -> Option<Retention> {
    if section.is_unlimited(name) {
        return Some(Retention::Unlimited);
    }
    section.optional_duration(name).map(Retention::For)
}

fn bytes(section: &Section<'_>, name: &str) -> Option<ByteLimit> {
    if section.is_unlimited(name) {
        return Some(ByteLimit::Unlimited);
    }
    section.optional_size(name).map(ByteLimit::Limited)
}
