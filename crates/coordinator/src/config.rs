//! What an operator may set about groups and offsets, and the source of new member ids.

use std::time::Duration;

/// Where the unguessable half of a member id comes from: 128 random bits per call. Given at
/// construction, because a pure crate has no randomness; a test gives a counter.
pub type IdSource = Box<dyn FnMut() -> u128 + Send>;

/// The limits and delays of one namespace's coordinator; the defaults are Kafka's where it has one.
#[derive(Clone, Debug)]
pub struct Config {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before
    /// its first rebalance; each wait that saw a newcomer is followed by another, up to the
    /// rebalance timeout. Zero is allowed.
    pub initial_rebalance_delay: Duration,
    /// How long a new member's JoinGroup may stay parked before the member is given up.
    pub new_member_join_timeout: Duration,
    /// `group.max.size`: members of one group, and separately ids given out but not yet joined.
    pub group_members_max: usize,
    /// Groups in the namespace.
    pub groups_max: usize,
    /// The longest group id; 256 in the Event Hubs profile.
    pub group_id_bytes_max: usize,
    /// Bytes of protocol metadata that one member may bring in all its protocols together.
    pub member_metadata_bytes_max: usize,
    /// Bytes that all members of one group together may bring in ids and protocol metadata.
    pub group_metadata_bytes_max: usize,
    /// Bytes that all groups and their members together may hold.
    pub members_bytes_max: usize,
    /// Bytes that all committed offsets together may hold.
    pub offsets_bytes_max: usize,
    /// `offset.metadata.max.bytes`; 1024 in the Event Hubs profile.
    pub offset_metadata_bytes_max: usize,
    /// Committed partitions of one group.
    pub group_offsets_max: usize,
    /// `offsets.retention.minutes`, counted from the moment the group became empty (from the commit
    /// for groups that never had members). `None` keeps offsets for ever.
    pub offsets_retention: Option<Duration>,
    /// `offsets.retention.check.interval.ms`: how often expired offsets are looked for, and how
    /// long an empty group without offsets stays listed.
    pub retention_check_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_mins(30),
            initial_rebalance_delay: Duration::from_secs(3),
            new_member_join_timeout: Duration::from_mins(5),
            group_members_max: 10_000,
            groups_max: 100_000,
            group_id_bytes_max: 32_767,
            member_metadata_bytes_max: 1 << 20,
            group_metadata_bytes_max: 32 << 20,
            members_bytes_max: 64 << 20,
            offsets_bytes_max: 128 << 20,
            offset_metadata_bytes_max: 4096,
            group_offsets_max: 1_000_000,
            offsets_retention: None,
            retention_check_interval: Duration::from_mins(10),
        }
    }
}
