//! The door: what one caller may do in one namespace.
//!
//! A front end holds an [`Access`] and nothing else. Each method names the resource it touches and
//! passes through `Access::authorise` before anything is given out or done:
//!
//! | Right needed | Acts |
//! |---|---|
//! | Send | append, producer ids |
//! | Listen | fetch, list offsets, groups: those of which the caller may listen to all that they read |
//! | Manage | create, delete, grow, alter configurations, delete groups, offsets and records |
//! | any | describe |

mod groups;
mod handles;
mod standing;

use std::sync::Arc;

use auth::{Caller, Resource, Right};
use model::{LeaderEpoch, NamespaceId, NamespaceName, TopicId, TopicName};
use quota::Direction;
use thiserror::Error;
use tracing::{info, warn};

pub(crate) use self::standing::Standing;
pub use self::{
    handles::{ListenPartition, ListenTopic, SendPartition, SendTopic},
    standing::Lapse,
};
use crate::{
    connection::Connection,
    core::Core,
    metadata::{Command as MetadataCommand, UnitsRecord},
    namespace::Namespace,
    observe::RequestResult,
    settings::{Limits, NamespaceSettings},
    sync::lock,
    topic::Topic,
    utc,
};

/// A caller in its namespace. Cheap to clone; a connection keeps one.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    namespace: Arc<Namespace>,
    caller: Caller,
    endpoint_host: Option<String>,
    standing: Standing,
    connection: Arc<Connection>,
}

/// How a request names a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicRef<'a> {
    Name(&'a str),
    Id(TopicId),
}

/// Why a handle was not given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// The caller lacks the right. Told before it is looked up whether a *name* exists; of an *id*
    /// only when it exists.
    #[error("not authorized")]
    Denied,
    /// No such topic (or group) in this namespace.
    #[error("unknown in this namespace")]
    Unknown,
}

/// What a caller may do with a resource, for the `authorized_operations` fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub send: bool,
    pub listen: bool,
    pub manage: bool,
}

/// What an act demands of its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    Right(Right),
    /// To see that the resource is there.
    Any,
}

/// The caller lacks the right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Denied;

impl Access {
    pub(crate) fn new(
        core: Arc<Core>,
        namespace: Arc<Namespace>,
        caller: Caller,
        endpoint_host: Option<String>,
        standing: Standing,
        connection: Arc<Connection>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                core,
                namespace,
                caller,
                endpoint_host,
                standing,
                connection,
            }),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// The namespace itself: for the acts of this crate, each of which authorises first.
    pub(crate) fn inside(&self) -> &Arc<Namespace> {
        &self.inner.namespace
    }

    /// The one question that every act asks before anything is given out or done.
    pub(crate) fn authorise(&self, resource: Resource<'_>, need: Need) -> Result<(), Denied> {
        let caller = &self.inner.caller;
        let allowed = match need {
            Need::Right(right) => caller.allows(resource, right),
            Need::Any => caller.sees(resource),
        };
        if allowed { Ok(()) } else { Err(Denied) }
    }

    /// Finds a topic and authorises the need on it. A name is judged before it is looked up, so
    /// that a denial does not tell whether the topic exists.
    pub(crate) fn topic(&self, topic: TopicRef<'_>, need: Need) -> Result<Arc<Topic>, AccessError> {
        let namespace = &self.inner.namespace;
        let found = match topic {
            TopicRef::Name(name) => namespace.topic_named(name),
            TopicRef::Id(id) => namespace.topic_with_id(id),
        };
        match (found, topic) {
            (Some(found), _) => {
                self.authorise(Resource::Topic(&found.name), need)?;
                Ok(found)
            }
            (None, TopicRef::Name(name)) => {
                // No topic can have a name that is none: there is nothing to hide.
                let name = TopicName::try_from(name).map_err(|_| AccessError::Unknown)?;
                self.authorise(Resource::Topic(&name), need)?;
                Err(AccessError::Unknown)
            }
            (None, TopicRef::Id(_)) => Err(AccessError::Unknown),
        }
    }

    /// The namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &NamespaceName {
        &self.inner.namespace.name
    }

    /// The number of the namespace in this data directory.
    #[must_use]
    pub fn namespace_id(&self) -> NamespaceId {
        self.inner.namespace.id
    }

    /// Whether the caller may send anywhere at all.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.authorise(Resource::Namespace, Need::Right(Right::Send))
            .is_ok()
    }

    /// The namespace's persistent cluster id: 22 characters of base64.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.inner.namespace.cluster_id
    }

    /// The host of the connection string's endpoint, if this namespace owns it.
    #[must_use]
    pub fn endpoint_host(&self) -> Option<&str> {
        self.inner.endpoint_host.as_deref()
    }

    /// A name for logs: the policy, or `anonymous`.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.inner.caller.name()
    }

    /// The bounds in force.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        self.inner.core.limits.load_full()
    }

    /// The namespace's settings in force (defaults, automatic creation).
    #[must_use]
    pub fn settings(&self) -> Arc<NamespaceSettings> {
        self.inner.namespace.settings.load_full()
    }

    /// The rights on the namespace as a whole (Kafka: the cluster).
    #[must_use]
    pub fn cluster_rights(&self) -> Rights {
        self.rights(Resource::Namespace)
    }

    /// The rights on the topic of that name, whether it exists or not.
    #[must_use]
    pub fn topic_rights(&self, name: &str) -> Rights {
        TopicName::try_from(name)
            .map(|name| self.rights(Resource::Topic(&name)))
            .unwrap_or_default()
    }

    fn rights(&self, resource: Resource<'_>) -> Rights {
        let has = |right| self.authorise(resource, Need::Right(right)).is_ok();
        Rights {
            send: has(Right::Send),
            listen: has(Right::Listen),
            manage: has(Right::Manage),
        }
    }

    /// A topic to append to (Send).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_send(&self, topic: TopicRef<'_>) -> Result<SendTopic, AccessError> {
        let topic = self.topic(topic, Need::Right(Right::Send))?;
        Ok(SendTopic {
            access: self.clone(),
            topic,
        })
    }

    /// A topic to read from (Listen).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_listen(&self, topic: TopicRef<'_>) -> Result<ListenTopic, AccessError> {
        let topic = self.topic(topic, Need::Right(Right::Listen))?;
        Ok(ListenTopic { topic })
    }

    /// What a topic is (any right on it).
    ///
    /// # Errors
    /// Denied before unknown.
    pub fn topic_to_describe(&self, topic: TopicRef<'_>) -> Result<TopicView, AccessError> {
        let topic = self.topic(topic, Need::Any)?;
        Ok(self.view(&topic))
    }

    /// Every topic on which the caller has any right, in the order of names.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicView> {
        let topics = self.inner.namespace.topics();
        let seen = topics.iter().filter(|topic| {
            self.authorise(Resource::Topic(&topic.name), Need::Any)
                .is_ok()
        });
        seen.map(|topic| self.view(topic)).collect()
    }

    fn view(&self, topic: &Topic) -> TopicView {
        TopicView {
            name: topic.name.clone(),
            id: topic.id,
            partition_count: topic.partition_count(),
            leader_epoch: self.inner.core.epoch,
            rights: self.rights(Resource::Topic(&topic.name)),
        }
    }

    /// Counts a request for the metrics. The spine calls it once per request.
    pub fn count_request(&self, result: RequestResult) {
        self.inner.namespace.requests.count(result);
    }

    /// Whether `bytes` and `events` more would wait longer than `timeout`, where the namespace is
    /// configured to refuse (Kafka: POLICY_VIOLATION) instead of delaying beyond it.
    #[must_use]
    pub fn overruns(&self, bytes: u64, events: u64, timeout: std::time::Duration) -> bool {
        let namespace = &self.inner.namespace;
        if !namespace.settings.load().units.refuse_beyond_timeout {
            return false;
        }
        let now = self.inner.core.clock.now().monotonic;
        // Asked of a copy: what is refused is not charged.
        let mut meter = lock(&namespace.meter).clone();
        meter.charge(Direction::Ingress, bytes, events, now).wait > timeout
    }

    /// Charges an act of management, as Event Hubs does: one event in. It is never refused or held
    /// back itself; what it owes is waited for by the next sender.
    pub(crate) fn charge_management(&self) {
        let _owed = self.charge(Direction::Ingress, 0, 1);
    }

    /// Charges the units; says how long the connection should be left alone.
    pub(crate) fn charge(
        &self,
        direction: Direction,
        bytes: u64,
        events: u64,
    ) -> std::time::Duration {
        let Inner {
            core, namespace, ..
        } = &*self.inner;
        let now = core.clock.now().monotonic;
        let (wait, change) = namespace.charge(direction, bytes, events, now);
        if let Some(change) = change {
            core.units_changed(namespace, change);
        }
        wait
    }
}

impl Core {
    /// The units changed by themselves: said in Event Hubs' words, and kept.
    pub(crate) fn units_changed(&self, namespace: &Namespace, change: quota::UnitsChange) {
        info!(
            namespace = %namespace.name,
            "Scaled-{} EventHub TUs (UpdateStartTimeUTC: {}, PreviousValue: {}, \
             UpdatedThroughputUnitValue: {}, AutoScaleReason: '{}')",
            if change.to > change.from { "up" } else { "down" },
            utc::iso(self.clock.now().wall),
            change.from,
            change.to,
            change.reason,
        );
        let configured = namespace.settings.load().units.throughput_units;
        let record = UnitsRecord {
            configured: configured.unwrap_or(0),
            in_force: change.to,
        };
        let command = MetadataCommand::SetUnits(namespace.id, record);
        if let Err(error) = self.registry.submit(command) {
            warn!(namespace = %namespace.name, %error, "units in force were not kept");
        }
    }
}

impl From<Denied> for AccessError {
    fn from(_: Denied) -> Self {
        Self::Denied
    }
}

/// What Metadata and its kin say about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    pub name: TopicName,
    pub id: TopicId,
    /// Partitions are 0 to `partition_count - 1`.
    pub partition_count: i32,
    /// The epoch in force: the same for every partition of the process.
    pub leader_epoch: LeaderEpoch,
    pub rights: Rights,
}
