//! Every API about groups against every kind of policy: a group is seen and touched by those who may
//! listen to all that it reads.

use hub::settings::{EventHubSettings, PolicySettings};
use kafka::KafkaLimits;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetDeleteRequest,
    OffsetFetchRequest,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
};
use model::TopicName;

use crate::{
    metadata::name,
    requests::{
        all_leaving, beating, committing, group, join, joining, leaving, settle_alone, syncing,
    },
    world::{Client, ROOT, World},
};

const OK: i16 = 0;
const UNKNOWN_MEMBER: i16 = 25;
const TOPIC_DENIED: i16 = 29;
const DENIED: i16 = 30;
const NON_EMPTY: i16 = 68;
const ID_REQUIRED: i16 = 79;

/// What a caller is told of the group `g`, whose one member reads `orders` and has committed there.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// DescribeGroups: the error, and how many members are shown.
    described: (i16, usize),
    listed: usize,
    beat: i16,
    synced: i16,
    /// A commit from outside, for the caller's own event hub.
    committed: i16,
    /// How many topics OffsetFetch shows.
    fetched: (i16, usize),
    offset_deleted: i16,
    deleted: i16,
    joined: i16,
    /// The member, by another than itself.
    removed: i16,
    /// Whether the member is still there after all that.
    survives: bool,
}

const NOTHING: Told = Told {
    described: (DENIED, 0),
    listed: 0,
    beat: DENIED,
    synced: DENIED,
    committed: DENIED,
    fetched: (DENIED, 0),
    offset_deleted: DENIED,
    deleted: DENIED,
    joined: DENIED,
    removed: DENIED,
    survives: true,
};

/// Who may listen, but to something else: of offsets such a caller is shown its own.
const STRANGER: Told = Told {
    fetched: (OK, 0),
    ..NOTHING
};

const READER: Told = Told {
    described: (OK, 1),
    listed: 1,
    beat: OK,
    synced: OK,
    committed: UNKNOWN_MEMBER,
    fetched: (OK, 1),
    joined: ID_REQUIRED,
    removed: OK,
    survives: false,
    ..NOTHING
};

const MANAGER: Told = Told {
    // The group is there, its member is subscribed to the topic.
    offset_deleted: OK,
    deleted: NON_EMPTY,
    ..READER
};

fn policies() -> Vec<PolicySettings> {
    [
        ("send", true, false),
        ("listen", false, true),
        ("manage", true, true),
    ]
    .map(|(name, send, listen)| PolicySettings {
        name: name.to_owned(),
        send,
        listen,
        manage: name == "manage",
        primary_key: format!("{name}key"),
        secondary_key: None,
    })
    .to_vec()
}

/// The event hubs `orders` and `other`, each with a policy for each right, as the namespace has.
fn world() -> World {
    World::with(KafkaLimits::default(), |namespace| {
        namespace.policies.extend(policies());
        namespace.event_hubs = ["orders", "other"]
            .map(|hub| EventHubSettings {
                name: TopicName::try_from(hub).unwrap(),
                partition_count: Some(1),
                retention_ms: None,
                cleanup_policy: None,
                configs: std::collections::BTreeMap::new(),
                policies: policies(),
            })
            .to_vec();
    })
}

async fn told(world: &World, caller: &str, own: &str) -> Told {
    let mut member = world.connect();
    let id = settle_alone(&mut member, "g").await;
    let mut commit = committing("g", &[("orders", &[(0, 1)])]);
    commit.generation_id_or_member_epoch = 1;
    commit.member_id = id.clone().into();
    member.call(8, &commit).await;
    let mut client = world.login(caller).await;
    let looks = looks(&mut client).await;
    let acts = acts(&mut client, &id, own).await;
    let joined = client.call(9, &joining("g", "")).await.error_code;
    let leaving = all_leaving("g", &[(&id, None)]);
    let left = client.call(5, &leaving).await;
    let removed = left
        .members
        .first()
        .map_or(left.error_code, |each| each.error_code);
    let beat = member.call(4, &beating("g", &id, 1)).await.error_code;
    let (described, listed, fetched) = looks;
    let [beaten, synced, committed, offset_deleted, deleted] = acts;
    Told {
        described,
        listed,
        beat: beaten,
        synced,
        committed,
        fetched,
        offset_deleted,
        deleted,
        joined,
        removed,
        survives: beat == OK,
    }
}

async fn looks(client: &mut Client<'_>) -> ((i16, usize), usize, (i16, usize)) {
    let request = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    let described = client.call(6, &request).await.groups.remove(0);
    let listed = client.call(5, &ListGroupsRequest::default()).await.groups;
    let request = OffsetFetchRequest::default()
        .with_group_id(group("g"))
        .with_topics(None);
    let fetched = client.call(7, &request).await;
    (
        (described.error_code, described.members.len()),
        listed.len(),
        (fetched.error_code, fetched.topics.len()),
    )
}

/// Heartbeat, SyncGroup, OffsetCommit, OffsetDelete, DeleteGroups.
async fn acts(client: &mut Client<'_>, member: &str, own: &str) -> [i16; 5] {
    let beat = client.call(4, &beating("g", member, 1)).await.error_code;
    let synced = client.call(5, &syncing("g", member, 1)).await.error_code;
    let commit = committing("g", &[(own, &[(0, 7)])]);
    let committed = client.call(8, &commit).await.topics.remove(0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(name("orders"))
        .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(group("g"))
        .with_topics(vec![topic]);
    let forgotten = client.call(0, &request).await.error_code;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group("g")]);
    let deleted = client.call(2, &request).await.results.remove(0);
    let committed = committed.partitions.first().unwrap().error_code;
    [beat, synced, committed, forgotten, deleted.error_code]
}

fn namespaces(policy: &str) -> String {
    format!("Endpoint=sb://dev.example/;SharedAccessKeyName={policy};SharedAccessKey={policy}key")
}

fn hubs(policy: &str, hub: &str) -> String {
    format!("{};EntityPath={hub}", namespaces(policy))
}

#[tokio::test]
async fn each_api_shows_and_touches_a_group_for_who_may_listen_to_all_of_it() {
    let rows = [
        (namespaces("send"), "orders", NOTHING),
        (namespaces("listen"), "orders", READER),
        (namespaces("manage"), "orders", MANAGER),
        (hubs("send", "orders"), "orders", NOTHING),
        (hubs("listen", "orders"), "orders", READER),
        (hubs("manage", "orders"), "orders", READER),
        (hubs("send", "other"), "other", NOTHING),
        (hubs("listen", "other"), "other", STRANGER),
        (hubs("manage", "other"), "other", STRANGER),
        // The namespace's policy, narrowed.
        (format!("{ROOT};EntityPath=Orders"), "orders", READER),
        (format!("{ROOT};EntityPath=Other"), "other", STRANGER),
    ];
    for (caller, own, expected) in rows {
        assert_eq!(told(&world(), &caller, own).await, expected, "{caller}");
    }
}

#[tokio::test]
async fn commits_and_joins_of_a_stranger_do_not_take_a_group_from_who_reads_it() {
    let world = world();
    let mut owner = world.login(&hubs("listen", "orders")).await;
    let mine = committing("g", &[("orders", &[(0, 1)])]);
    let committed = owner.call(8, &mine).await.topics.remove(0);
    assert_eq!(committed.partitions[0].error_code, OK);
    let mut stranger = world.login(&hubs("listen", "other")).await;
    for (topic, code) in [("other", DENIED), ("orders", DENIED)] {
        let commit = committing("g", &[(topic, &[(0, 7)])]);
        let refused = stranger.call(8, &commit).await.topics.remove(0);
        assert_eq!(refused.partitions[0].error_code, code, "{topic}");
    }
    let absent = committing("h", &[("orders", &[(0, 7)])]);
    let refused = stranger.call(8, &absent).await.topics.remove(0);
    assert_eq!(refused.partitions[0].error_code, TOPIC_DENIED);
    let joined = stranger.call(3, &joining("h", "")).await;
    assert_eq!(joined.error_code, DENIED, "for what it may not listen to");
    let member = settle_alone(&mut owner, "g").await;
    let left = owner.call(2, &leaving("g", &member)).await;
    assert_eq!(left.error_code, OK);
}

#[tokio::test]
async fn a_member_may_leave_whoever_else_has_come_to_read_more() {
    let world = world();
    let mut member = world.login(&hubs("listen", "orders")).await;
    let id = settle_alone(&mut member, "g").await;
    let both = b"\0\0\0\0\0\x02\0\x06orders\0\x05other\xff\xff\xff\xff";
    let mut request = joining("g", "");
    for protocol in &mut request.protocols {
        protocol.metadata = bytes::Bytes::from_static(both);
    }
    let mut more = world.connect();
    let joining = more.send(3, &request);
    let beat = member.call(4, &beating("g", &id, 1)).await;
    assert_eq!(beat.error_code, DENIED);
    let mut again = world.login(&hubs("listen", "orders")).await;
    let by_another = again.call(2, &leaving("g", &id)).await;
    assert_eq!(by_another.error_code, DENIED);
    assert_eq!(member.call(2, &leaving("g", &id)).await.error_code, OK);
    let joined = crate::world::settle(joining).await;
    let joined = more.decode::<kafka_protocol::messages::JoinGroupRequest>(3, &joined);
    assert_eq!((joined.error_code, joined.members.len()), (OK, 1));
}

#[tokio::test]
async fn a_member_that_never_synced_goes_with_its_connection() {
    let world = World::new();
    let mut first = world.connect();
    let id = settle_alone(&mut first, "g").await;
    let mut second = world.connect();
    let introduced = second.call(9, &joining("h", "")).await;
    assert_eq!(introduced.error_code, ID_REQUIRED);
    let joined = join(&mut second, 9, &joining("h", &introduced.member_id)).await;
    assert_eq!(joined.error_code, OK);
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("g"), group("h")]);
    let mut watcher = world.connect();
    let members = async |client: &mut Client<'_>| {
        let groups = client.call(5, &describe).await.groups;
        groups
            .iter()
            .map(|group| group.members.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(members(&mut watcher).await, [1, 1]);
    drop(second);
    assert_eq!(
        members(&mut watcher).await,
        [1, 1],
        "it may come over another"
    );
    world.clock.advance(std::time::Duration::from_secs(5));
    while members(&mut watcher).await != [1, 0] {
        tokio::task::yield_now().await;
    }
    drop(first);
    assert_eq!(members(&mut watcher).await, [1, 0], "it may come back");
    assert_eq!(watcher.call(4, &beating("g", &id, 1)).await.error_code, OK);
}
