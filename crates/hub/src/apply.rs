//! The file against what is there: absent event hubs are created, larger counts grow, smaller ones
//! warn, named settings win, removal deletes nothing.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use auth::{Key, Policy, PolicySet, PolicySetError, Right, Rights};
use model::{NamespaceId, NamespaceName};
use quota::Units;
use tracing::{error, info, warn};

use crate::{
    admin::{AlterConfigsError, CreateTopicError, GrowTopicError, MetadataError, NewTopic},
    configs::ConfigChange,
    core::Core,
    groups::Groups,
    metadata::{Command, NamespaceState, Record, UnitsRecord},
    namespace::{Namespace, NamespaceTable, auto_inflate, meter},
    observe::RequestCounters,
    settings::{EventHubSettings, HubSettings, NamespaceSettings, PolicySettings},
    sync::lock,
    topic::{TopicSettings, TopicTable},
};

/// Why settings cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error(transparent)]
    Policies(#[from] PolicySetError),
    #[error("two namespaces own the name {0:?}")]
    SharedName(String),
    #[error("namespace {namespace}: {value} throughput units, where there are 1 or more")]
    Units {
        namespace: NamespaceName,
        value: u32,
    },
}

/// What is done where there is no room to keep what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    Refuse,
    /// What is there is served, the rest is tried again.
    LeaveOut,
}

/// What came of settings.
pub(crate) struct Applied {
    pub(crate) new: Vec<Arc<Namespace>>,
    /// For want of room something that they name is not there.
    pub(crate) left_out: bool,
}

/// What came of one event hub of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HubApplied {
    /// It is there, or was refused for a reason that stays.
    AsFarAsItGoes,
    NoRoom,
}

/// What the settings ask for, checked as a whole before any of it is put in force.
pub(crate) struct CheckedSettings {
    pub(crate) namespaces: Vec<(Arc<NamespaceSettings>, PolicySet)>,
}

/// Checks everything that can be wrong with settings by themselves.
pub(crate) fn check(settings: &HubSettings) -> Result<CheckedSettings, SettingsError> {
    let mut names = BTreeMap::new();
    let mut namespaces = Vec::new();
    for namespace in &settings.namespaces {
        let own = std::iter::once(namespace.name.as_str());
        for name in own.chain(namespace.hosts.iter().map(String::as_str)) {
            let name = name.to_ascii_lowercase();
            let owner = names.insert(name.clone(), &namespace.name);
            if owner.is_some_and(|owner| *owner != namespace.name) {
                return Err(SettingsError::SharedName(name));
            }
        }
        for value in [
            namespace.units.throughput_units,
            namespace.units.auto_inflate,
        ] {
            if let Some(value @ 0) = value {
                return Err(SettingsError::Units {
                    namespace: namespace.name.clone(),
                    value,
                });
            }
        }
        namespaces.push((Arc::new(namespace.clone()), policies(namespace)?));
    }
    Ok(CheckedSettings { namespaces })
}

fn policies(namespace: &NamespaceSettings) -> Result<PolicySet, PolicySetError> {
    let of_hubs = namespace.event_hubs.iter();
    let of_hubs = of_hubs
        .filter(|hub| !hub.policies.is_empty())
        .map(|hub| (hub.name.clone(), hub.policies.iter().map(policy).collect()));
    PolicySet::new(
        namespace.name.clone(),
        namespace.policies.iter().map(policy).collect(),
        of_hubs.collect(),
    )
}

fn policy(settings: &PolicySettings) -> Policy {
    let rights = [
        (settings.send, Right::Send),
        (settings.listen, Right::Listen),
        (settings.manage, Right::Manage),
    ];
    let granted = rights.into_iter().filter(|(granted, _)| *granted);
    Policy {
        name: settings.name.clone(),
        rights: granted.map(|(_, right)| right).collect::<Rights>(),
        primary: Key::from(settings.primary_key.as_str()),
        secondary: settings.secondary_key.as_deref().map(Key::from),
    }
}

impl Core {
    /// Builds every namespace that exists: for the start.
    pub(crate) fn restore_namespaces(&self) -> Result<(), crate::OpenError> {
        let known: Vec<(NamespaceId, NamespaceState)> = self.registry.read(|machine| {
            let known = machine.namespaces.iter();
            known.map(|(id, state)| (*id, state.clone())).collect()
        });
        let mut table = NamespaceTable::default();
        for (id, state) in known {
            table.all.insert(id, Arc::new(self.restore(id, &state)?));
        }
        self.namespaces.store(Arc::new(table));
        Ok(())
    }

    /// A namespace as it was kept, with default settings until the file names it.
    fn restore(
        &self,
        id: NamespaceId,
        state: &NamespaceState,
    ) -> Result<Namespace, crate::OpenError> {
        let name = state.record.name.clone();
        let settings = NamespaceSettings::new(name.clone());
        let mut topics = TopicTable::default();
        for (topic_id, record) in &state.topics {
            topics.insert(self.topic(*topic_id, record, &settings));
        }
        let partition = self.partition(state.record.groups_log, model::PartitionIndex(0));
        let groups = Groups::open(partition, Arc::clone(&self.clock), &self.limits.load())?;
        let now = self.clock.now().monotonic;
        let no_policies = PolicySet::new(name.clone(), Vec::new(), BTreeMap::new());
        let no_policies = no_policies.map_err(SettingsError::from)?;
        Ok(Namespace {
            id,
            name,
            cluster_id: state.record.cluster_id.clone(),
            meter: std::sync::Mutex::new(meter(&settings.units, None, now)),
            settings: arc_swap::ArcSwap::from_pointee(settings),
            policies: arc_swap::ArcSwap::from_pointee(no_policies),
            policies_version: AtomicU64::new(0),
            topics: std::sync::RwLock::new(topics),
            groups,
            requests: RequestCounters::default(),
        })
    }

    /// Puts checked settings in force.
    pub(crate) fn apply(
        &self,
        settings: CheckedSettings,
        when_full: WhenFull,
    ) -> Result<Applied, crate::OpenError> {
        let before = self.namespaces.load_full();
        let mut table = NamespaceTable {
            all: before.all.clone(),
            ..NamespaceTable::default()
        };
        let mut applied = Applied {
            new: Vec::new(),
            left_out: false,
        };
        for (settings, policies) in settings.namespaces {
            let namespace = match self.find(&table, &settings.name) {
                Some(namespace) => namespace,
                None => match self.create_namespace(&settings.name) {
                    Ok(namespace) => {
                        table.all.insert(namespace.id, Arc::clone(&namespace));
                        applied.new.push(Arc::clone(&namespace));
                        namespace
                    }
                    Err(crate::OpenError::DiskFull) if when_full == WhenFull::LeaveOut => {
                        error!(namespace = %settings.name, "namespace is not created: the disk is full");
                        applied.left_out = true;
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            self.configure_namespace(&namespace, &settings, policies);
            for hub in &settings.event_hubs {
                applied.left_out |= self.apply_event_hub(&namespace, hub) == HubApplied::NoRoom;
            }
            let lower = |name: &str| name.to_ascii_lowercase();
            for host in &settings.hosts {
                table.hosts.insert(lower(host), Arc::clone(&namespace));
            }
            table
                .served
                .insert(lower(settings.name.as_str()), namespace);
        }
        for dropped in before
            .served
            .iter()
            .filter(|(name, _)| !table.served.contains_key(*name))
        {
            warn!(namespace = %dropped.1.name, "namespace is no longer configured: kept, not served");
        }
        self.namespaces.store(Arc::new(table));
        Ok(applied)
    }

    fn find(&self, table: &NamespaceTable, name: &NamespaceName) -> Option<Arc<Namespace>> {
        let id = self
            .registry
            .read(|machine| machine.namespace_named(name))?;
        table.all.get(&id).map(Arc::clone)
    }

    fn create_namespace(&self, name: &NamespaceName) -> Result<Arc<Namespace>, crate::OpenError> {
        let command = Command::CreateNamespace {
            name: name.clone(),
            cluster_id: cluster_id(),
        };
        let records = self.registry.turn().submit(command)?;
        let id = records.iter().find_map(|record| match record {
            Record::Namespace(id, _) => Some(*id),
            _ => None,
        });
        let state = self
            .registry
            .read(|machine| machine.namespaces.get(&id?).cloned());
        let (Some(id), Some(state)) = (id, state) else {
            unreachable!("a creation without its record");
        };
        info!(namespace = %name, "created namespace");
        Ok(Arc::new(self.restore(id, &state)?))
    }

    fn configure_namespace(
        &self,
        namespace: &Namespace,
        settings: &Arc<NamespaceSettings>,
        policies: PolicySet,
    ) {
        let before = namespace.settings.swap(Arc::clone(settings));
        namespace.policies.store(Arc::new(policies));
        // Last, so that whoever sees the new number sees what it stands for.
        namespace.policies_version.fetch_add(1, Ordering::Release);
        self.configure_units(namespace, settings, before.units != settings.units);
        let limits = self.limits.load();
        for topic in namespace.topics() {
            let given = topic.settings.load().given.clone();
            let anew = TopicSettings::new(given, settings, &limits);
            topic.settings.store(Arc::new(anew));
        }
    }

    /// At start the kept units go on if they grew from what is configured; live, a changed
    /// configuration wins.
    fn configure_units(&self, namespace: &Namespace, settings: &NamespaceSettings, changed: bool) {
        if !changed {
            return;
        }
        let now = self.clock.now().monotonic;
        let configured = settings.units.throughput_units.unwrap_or(0);
        let kept = self.registry.read(|machine| {
            let state = machine.namespaces.get(&namespace.id)?;
            state.units
        });
        let in_force = match kept {
            Some(UnitsRecord {
                configured: grown_from,
                in_force,
            }) if grown_from == configured => in_force,
            _ => configured,
        };
        let units = NonZeroU32::new(in_force).map_or(Units::Unlimited, Units::Limited);
        let mut meter = lock(&namespace.meter);
        if meter.units() != units {
            info!(namespace = %namespace.name, %units, "throughput units in force");
            meter.set_units(units, now);
        }
        meter.set_auto_inflate(auto_inflate(&settings.units), now);
    }

    /// What cannot be done is said and left: an event hub must not keep the others from serving.
    fn apply_event_hub(&self, namespace: &Arc<Namespace>, hub: &EventHubSettings) -> HubApplied {
        let changes = changes(hub);
        let Some(topic) = namespace.topic_named(hub.name.as_str()) else {
            return self.create_event_hub(namespace, hub, &changes);
        };
        let mut applied = HubApplied::AsFarAsItGoes;
        let present = topic.partition_count();
        match hub.partition_count {
            Some(wanted) if wanted > present => {
                if let Err(error) = self.grow_topic(namespace, &topic, wanted, None) {
                    error!(event_hub = %hub.name, %error, "event hub does not grow");
                    if matches!(error, GrowTopicError::Metadata(MetadataError::DiskFull)) {
                        applied = HubApplied::NoRoom;
                    }
                }
            }
            Some(wanted) if wanted < present => {
                warn!(event_hub = %hub.name, wanted, present, "partitions cannot be taken away");
            }
            _ => {}
        }
        if let Err(error) = self.configure(namespace, &topic, &changes) {
            error!(event_hub = %hub.name, %error, "event hub is not configured as the file says");
            if matches!(error, AlterConfigsError::Metadata(MetadataError::DiskFull)) {
                applied = HubApplied::NoRoom;
            }
        }
        applied
    }

    fn create_event_hub(
        &self,
        namespace: &Namespace,
        hub: &EventHubSettings,
        changes: &[ConfigChange],
    ) -> HubApplied {
        let configs = changes.iter().filter_map(|change| match change {
            ConfigChange::Set(name, value) => Some((name.clone(), Some(value.clone()))),
            _ => None,
        });
        let topic = NewTopic {
            name: hub.name.as_str().to_owned(),
            partition_count: hub.partition_count,
            configs: configs.collect(),
            ..NewTopic::default()
        };
        let Err(error) = self.create_configured(namespace, &topic) else {
            return HubApplied::AsFarAsItGoes;
        };
        error!(event_hub = %hub.name, %error, "event hub of the file is not created");
        match error {
            CreateTopicError::Metadata(MetadataError::DiskFull) => HubApplied::NoRoom,
            _ => HubApplied::AsFarAsItGoes,
        }
    }
}

/// What the file names, under Kafka's names.
fn changes(hub: &EventHubSettings) -> Vec<ConfigChange> {
    let named = [
        ("retention.ms", hub.retention_ms.map(|ms| ms.to_string())),
        ("cleanup.policy", hub.cleanup_policy.clone()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let others = hub.configs.clone().into_iter();
    named
        .chain(others)
        .map(|(name, value)| ConfigChange::Set(name, value))
        .collect()
}

/// 22 characters of base64, as Kafka makes its cluster ids.
pub(crate) fn cluster_id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = uuid::Uuid::new_v4().as_u128();
    let digits = (0..22_u32).map(|index| {
        // 128 bits are 21 digits of six and one of two, which stands in the upper bits.
        let shift = 122_u32.checked_sub(6 * index);
        let digit = shift.map_or(bits << 4, |shift| bits >> shift) & 63;
        let index = usize::try_from(digit).unwrap_or(0);
        char::from(ALPHABET.get(index).copied().unwrap_or(b'A'))
    });
    digits.collect()
}
