//! A namespace: what a Kafka client sees as the cluster. Nothing of it is visible from another.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::{Arc, Mutex, RwLock, atomic::AtomicU64},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use auth::PolicySet;
use model::{NamespaceId, NamespaceName, TopicId};
use quota::{AutoInflate, Direction, Meter, Units, UnitsChange};

use crate::{
    groups::Groups,
    metadata::UnitsRecord,
    observe::RequestCounters,
    settings::{NamespaceSettings, UnitSettings},
    sync::{lock, read},
    topic::{Topic, TopicTable},
};

/// The longest a caller is held at a time; the rest of its debt stays for the next.
const THROTTLE_MAX: Duration = Duration::from_secs(10);

/// One namespace, served or (where the file no longer names it) merely kept.
pub(crate) struct Namespace {
    pub(crate) id: NamespaceId,
    pub(crate) name: NamespaceName,
    pub(crate) cluster_id: String,
    pub(crate) settings: ArcSwap<NamespaceSettings>,
    pub(crate) policies: ArcSwap<PolicySet>,
    /// Rises after policies or settings were replaced.
    pub(crate) policies_version: AtomicU64,
    pub(crate) topics: RwLock<TopicTable>,
    pub(crate) groups: Groups,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) requests: RequestCounters,
}

impl Namespace {
    pub(crate) fn topic_named(&self, name: &str) -> Option<Arc<Topic>> {
        read(&self.topics).named(name).map(Arc::clone)
    }

    pub(crate) fn topic_with_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        read(&self.topics).with_id(id).map(Arc::clone)
    }

    /// Every topic, in the order of names.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        read(&self.topics).iter().map(Arc::clone).collect()
    }

    /// Takes what went through; says how long to wait, and whether the units have changed.
    pub(crate) fn charge(
        &self,
        direction: Direction,
        bytes: u64,
        events: u64,
        now: Instant,
    ) -> (Duration, Option<UnitsChange>) {
        let charge = lock(&self.meter).charge(direction, bytes, events, now);
        (charge.wait.min(THROTTLE_MAX), charge.change)
    }
}

/// The meter of a namespace: the kept units, if they grew from what is configured now.
pub(crate) fn meter(settings: &UnitSettings, kept: Option<UnitsRecord>, now: Instant) -> Meter {
    let configured = settings.throughput_units.unwrap_or(0);
    let in_force = match kept {
        Some(kept) if kept.configured == configured => kept.in_force,
        _ => configured,
    };
    let units = Units::limited(in_force).unwrap_or(Units::Unlimited);
    Meter::new(units, auto_inflate(settings), now)
}

/// The leave that the settings give the meter to change the units.
pub(crate) fn auto_inflate(settings: &UnitSettings) -> Option<AutoInflate> {
    let maximum = NonZeroU32::new(settings.auto_inflate?)?;
    let configured = settings.throughput_units.and_then(NonZeroU32::new);
    Some(AutoInflate {
        maximum,
        deflate_to: configured.filter(|_| settings.auto_deflate),
    })
}

/// The namespaces of the process.
#[derive(Default)]
pub(crate) struct NamespaceTable {
    /// All that exist, also those that the file no longer names.
    pub(crate) all: BTreeMap<NamespaceId, Arc<Namespace>>,
    /// Those of the file, by name in lower case.
    pub(crate) served: BTreeMap<String, Arc<Namespace>>,
    /// By configured host name in lower case.
    pub(crate) hosts: HashMap<String, Arc<Namespace>>,
}

impl NamespaceTable {
    /// The namespace that owns a host name (in lower case).
    pub(crate) fn owner(&self, host: &str) -> Option<&Arc<Namespace>> {
        self.hosts
            .get(host)
            .or_else(|| self.served.get(auth::first_label(host)?))
    }

    /// The first owned of the candidates, in their order.
    pub(crate) fn resolve<'a>(
        &self,
        candidates: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Option<Arc<Namespace>> {
        let owner = |host: &str| Some(self.owner(host)?.name.clone());
        let name = auth::resolve_namespace(candidates, owner)?;
        self.served
            .get(&name.as_str().to_ascii_lowercase())
            .map(Arc::clone)
    }
}
