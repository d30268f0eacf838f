//! The table of API keys: which versions of each API this implementation names, offers and reads.
//!
//! Facts only. Which of these APIs a listener really serves is decided by the front end's
//! registry; whether a version has a body we can check is decided by `shape`'s tables, and a test
//! holds the two against each other.

/// Kafka's number of a request type, for every API this implementation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ApiKey {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    SaslHandshake = 17,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeConfigs = 32,
    AlterConfigs = 33,
    DescribeLogDirs = 35,
    SaslAuthenticate = 36,
    CreatePartitions = 37,
    DeleteGroups = 42,
    IncrementalAlterConfigs = 44,
    ListPartitionReassignments = 46,
    OffsetDelete = 47,
    DescribeCluster = 60,
    ListConfigResources = 74,
    DescribeTopicPartitions = 75,
}

/// An inclusive range of versions of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` lies in the range.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// What is known about one API before any of its bytes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiFacts {
    pub key: ApiKey,
    pub name: &'static str,
    /// What ApiVersions says.
    pub advertised: VersionRange,
    /// What is decoded; narrower than `advertised` for Produce only.
    pub accepted: VersionRange,
    /// The first version with compact strings and tagged fields, if there is one.
    pub first_flexible: Option<i16>,
}

use ApiKey as K;

/// Every API, ascending by key. The newest version is the newest that Kafka 4.4 calls stable:
/// InitProducerId 6 is marked unstable there and therefore missing.
const FACTS: [ApiFacts; 32] = [
    // librdkafka switches compression off unless Produce 0 is offered (KAFKA-18659); Kafka
    // offers 0 to 2 and refuses them, so this table does too.
    facts(K::Produce, "Produce", 0, 13, Some(9)).accepting_from(3),
    facts(K::Fetch, "Fetch", 4, 18, Some(12)),
    facts(K::ListOffsets, "ListOffsets", 1, 11, Some(6)),
    facts(K::Metadata, "Metadata", 0, 13, Some(9)),
    facts(K::OffsetCommit, "OffsetCommit", 2, 10, Some(8)),
    facts(K::OffsetFetch, "OffsetFetch", 1, 10, Some(6)),
    facts(K::FindCoordinator, "FindCoordinator", 0, 6, Some(3)),
    facts(K::JoinGroup, "JoinGroup", 0, 9, Some(6)),
    facts(K::Heartbeat, "Heartbeat", 0, 4, Some(4)),
    facts(K::LeaveGroup, "LeaveGroup", 0, 5, Some(4)),
    facts(K::SyncGroup, "SyncGroup", 0, 5, Some(4)),
    facts(K::DescribeGroups, "DescribeGroups", 0, 6, Some(5)),
    facts(K::ListGroups, "ListGroups", 0, 5, Some(3)),
    facts(K::SaslHandshake, "SaslHandshake", 0, 1, None),
    facts(K::ApiVersions, "ApiVersions", 0, 5, Some(3)),
    facts(K::CreateTopics, "CreateTopics", 2, 7, Some(5)),
    facts(K::DeleteTopics, "DeleteTopics", 1, 6, Some(4)),
    facts(K::DeleteRecords, "DeleteRecords", 0, 2, Some(2)),
    facts(K::InitProducerId, "InitProducerId", 0, 5, Some(2)),
    facts(
        K::OffsetForLeaderEpoch,
        "OffsetForLeaderEpoch",
        2,
        4,
        Some(4),
    ),
    facts(K::DescribeConfigs, "DescribeConfigs", 1, 4, Some(4)),
    facts(K::AlterConfigs, "AlterConfigs", 0, 2, Some(2)),
    facts(K::DescribeLogDirs, "DescribeLogDirs", 1, 5, Some(2)),
    facts(K::SaslAuthenticate, "SaslAuthenticate", 0, 2, Some(2)),
    facts(K::CreatePartitions, "CreatePartitions", 0, 3, Some(2)),
    facts(K::DeleteGroups, "DeleteGroups", 0, 3, Some(2)),
    facts(
        K::IncrementalAlterConfigs,
        "IncrementalAlterConfigs",
        0,
        1,
        Some(1),
    ),
    facts(
        K::ListPartitionReassignments,
        "ListPartitionReassignments",
        0,
        0,
        Some(0),
    ),
    facts(K::OffsetDelete, "OffsetDelete", 0, 0, None),
    facts(K::DescribeCluster, "DescribeCluster", 0, 2, Some(0)),
    facts(K::ListConfigResources, "ListConfigResources", 0, 1, Some(0)),
    facts(
        K::DescribeTopicPartitions,
        "DescribeTopicPartitions",
        0,
        0,
        Some(0),
    ),
];

const fn facts(
    key: ApiKey,
    name: &'static str,
    min: i16,
    max: i16,
    first_flexible: Option<i16>,
) -> ApiFacts {
    let range = VersionRange { min, max };
    ApiFacts {
        key,
        name,
        advertised: range,
        accepted: range,
        first_flexible,
    }
}

impl ApiFacts {
    const fn accepting_from(mut self, min: i16) -> Self {
        self.accepted.min = min;
        self
    }
}

impl ApiKey {
    /// Every API, ascending by key.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.key)
    }

    /// The API of this number, unless it is one we do not know.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        FACTS
            .iter()
            .map(|facts| facts.key)
            .find(|key| key.code() == code)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// All that is known about this API.
    #[must_use]
    pub fn facts(self) -> &'static ApiFacts {
        let found = FACTS.binary_search_by_key(&self, |facts| facts.key);
        let facts = found.ok().and_then(|index| FACTS.get(index));
        facts.expect("a test proves that every key has its facts")
    }

    /// Kafka's name of the API, as logs and metrics print it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Whether a request of this version can be decoded.
    #[must_use]
    pub fn accepts(self, version: i16) -> bool {
        self.facts().accepted.contains(version)
    }

    /// Whether this version uses compact strings and tagged fields. Defined for versions beyond
    /// the newest too: the header of an unsupported ApiVersions request has to be read.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        self.facts()
            .first_flexible
            .is_some_and(|first| version >= first)
    }

    /// The version of the header in front of a request.
    #[must_use]
    pub fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header in front of a response. That of ApiVersions is always 0: a
    /// client must be able to read it before it knows what the server speaks (KIP-511).
    #[must_use]
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && self.is_flexible(version))
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_facts_and_is_found_by_its_number() {
        for key in ApiKey::all() {
            assert_eq!(key.facts().key, key);
            assert_eq!(ApiKey::from_code(key.code()), Some(key));
            assert_eq!(format!("{key:?}"), key.name());
        }
        let codes: Vec<i16> = ApiKey::all().map(ApiKey::code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b));
        for code in i16::MIN..=i16::MAX {
            assert_eq!(ApiKey::from_code(code).is_some(), codes.contains(&code));
        }
    }

    #[test]
    fn produce_is_offered_from_zero_but_read_from_three() {
        let produce = ApiKey::Produce.facts();
        assert_eq!(produce.advertised, VersionRange { min: 0, max: 13 });
        assert_eq!(produce.accepted, VersionRange { min: 3, max: 13 });
        for key in ApiKey::all().filter(|key| *key != ApiKey::Produce) {
            assert_eq!(key.facts().advertised, key.facts().accepted, "{key}");
        }
    }

    #[test]
    fn the_header_of_an_api_versions_response_never_changes() {
        for version in 0..=99 {
            assert_eq!(ApiKey::ApiVersions.response_header_version(version), 0);
        }
        assert_eq!(ApiKey::ApiVersions.request_header_version(2), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(99), 2);
        assert_eq!(ApiKey::Metadata.response_header_version(8), 0);
        assert_eq!(ApiKey::Metadata.response_header_version(9), 1);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    }
}
