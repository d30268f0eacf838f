//! DeleteTopics, CreatePartitions and DeleteRecords, version by version.

use kafka_protocol::messages::{
    CreatePartitionsRequest, DeleteRecordsResponse, DescribeTopicPartitionsRequest,
    MetadataRequest, create_topics_request::CreatableTopic,
    create_topics_response::CreatableTopicResult,
};
use uuid::Uuid;

use crate::{
    admin_requests::{
        APPEND, SET, TOPIC, change, changing, configured, creating, deleting, deleting_records,
        deleting_states, growing, growing_on, topic,
    },
    metadata::name,
    produce::produce,
    requests::text,
    world::{Client, World},
};

const NOBODYS: Uuid = Uuid::from_u128(7);

pub(crate) async fn create(
    client: &mut Client<'_>,
    version: i16,
    topic: CreatableTopic,
) -> CreatableTopicResult {
    let mut made = client.call(version, &creating(vec![topic])).await.topics;
    assert_eq!(made.len(), 1);
    made.remove(0)
}

/// Makes topics of two partitions.
pub(crate) async fn prepare(client: &mut Client<'_>, topics: &[&str]) {
    for wish in topics {
        assert_eq!(create(client, 7, topic(wish, 2, 1)).await.error_code, 0);
    }
}

/// How many partitions a topic has; 0 where there is none.
pub(crate) async fn partitions(client: &mut Client<'_>, of: &str) -> usize {
    let all = MetadataRequest::default().with_topics(None);
    let topics = client.call(12, &all).await.topics.into_iter();
    let mut found = topics.filter(|topic| topic.name == Some(name(of)));
    found.next().map_or(0, |topic| topic.partitions.len())
}

#[tokio::test]
async fn topics_are_deleted_by_name_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    for version in 1..=6 {
        prepare(&mut client, &["a", "b", "twice"]).await;
        let names = ["a", "nope", "a/b", "twice", "b", "twice"];
        let request = match version {
            6 => deleting_states(&names.map(|topic| (Some(topic), Uuid::nil()))),
            _ => deleting(&names),
        };
        let deleted = client.call(version, &request).await.responses;
        let told: Vec<_> = deleted
            .iter()
            .map(|result| (result.name.as_ref().map(|name| &*name.0), result.error_code))
            .collect();
        let expected = [
            (Some("a"), 0),
            (Some("nope"), 3),
            (Some("a/b"), 3),
            (Some("twice"), 42),
            (Some("b"), 0),
        ];
        assert_eq!(told, expected, "version {version}");
        // A message comes with version 5, the id of what was deleted with 6.
        let words = (version >= 5).then(|| text("Duplicate topic name."));
        assert_eq!(deleted[3].error_message, words);
        assert_eq!(deleted[0].topic_id == Uuid::nil(), version < 6);
        assert_eq!(partitions(&mut client, "a").await, 0);
        assert_eq!(partitions(&mut client, "twice").await, 2);
        client.call(5, &deleting(&["twice"])).await;
    }
}

#[tokio::test]
async fn topics_are_deleted_by_id_too_but_not_by_both() {
    let world = World::new();
    let mut client = world.connect();
    let made = create(&mut client, 7, topic("orders", 2, 1)).await;
    let id = made.topic_id;
    for (asked, code, words) in [
        (
            (None, NOBODYS),
            100,
            "This server does not host this topic ID.",
        ),
        (
            (None, Uuid::nil()),
            42,
            "Neither topic name nor id were specified.",
        ),
        (
            (Some("orders"), id),
            42,
            "You may not specify both topic name and topic id.",
        ),
    ] {
        let refused = client
            .call(6, &deleting_states(&[asked]))
            .await
            .responses
            .remove(0);
        assert_eq!(
            (refused.error_code, refused.error_message),
            (code, Some(text(words)))
        );
        assert_eq!(
            (refused.name, refused.topic_id),
            (asked.0.map(name), asked.1)
        );
    }
    // A name and an id of one topic are that topic named twice.
    let twice = deleting_states(&[(Some("orders"), Uuid::nil()), (None, id)]);
    let refused = client.call(6, &twice).await.responses;
    assert_eq!((refused.len(), refused[0].error_code), (1, 42));
    assert_eq!(partitions(&mut client, "orders").await, 2);

    let deleted = client
        .call(6, &deleting_states(&[(None, id)]))
        .await
        .responses
        .remove(0);
    assert_eq!((deleted.error_code, deleted.error_message), (0, None));
    assert_eq!((deleted.name, deleted.topic_id), (Some(name("orders")), id));
    let again = create(&mut client, 7, topic("orders", 2, 1)).await;
    assert_ne!(again.topic_id, id);
}

/// Codes and messages of a growth.
async fn grow(
    client: &mut Client<'_>,
    version: i16,
    request: &CreatePartitionsRequest,
) -> Vec<(i16, Option<String>)> {
    let results = client.call(version, request).await.results.into_iter();
    let told = results.map(|result| (result.error_code, result.error_message));
    told.map(|(code, words)| (code, words.map(|words| words.to_string())))
        .collect()
}

#[tokio::test]
async fn partitions_grow_and_never_shrink() {
    let world = World::new();
    let mut client = world.connect();
    prepare(&mut client, &["orders"]).await;
    for version in 0..=3 {
        let current = i32::from(version) + 2;
        let refused =
            |request: CreatePartitionsRequest, code, words: String| (request, (code, Some(words)));
        let less = |count| {
            let words = format!(
                "The topic orders currently has {current} partition(s); \
                 {count} would not be an increase."
            );
            refused(growing(&[("orders", count)]), 37, words)
        };
        let same = format!("Topic already has {current} partition(s).");
        let unknown = "This server does not host this topic-partition.";
        for (request, expected) in [
            less(1),
            less(0),
            less(-1),
            refused(growing(&[("orders", current)]), 37, same),
            refused(growing(&[("nope", 9)]), 3, unknown.to_owned()),
            refused(growing(&[("a/b", 9)]), 3, unknown.to_owned()),
            (
                growing(&[("orders", current + 1)]).with_validate_only(true),
                (0, None),
            ),
        ] {
            assert_eq!(grow(&mut client, version, &request).await, [expected]);
        }
        let current = usize::try_from(current).unwrap();
        assert_eq!(partitions(&mut client, "orders").await, current);
        let more = growing(&[("orders", i32::from(version) + 3)]);
        assert_eq!(grow(&mut client, version, &more).await, [(0, None)]);
        assert_eq!(partitions(&mut client, "orders").await, current + 1);
    }
    let twice = growing(&[("orders", 8), ("orders", 9)]);
    let refused = (42, Some("Duplicate topic name.".to_owned()));
    assert_eq!(grow(&mut client, 3, &twice).await, [refused]);
    assert_eq!(grow(&mut client, 3, &growing(&[])).await, []);
}

#[tokio::test]
async fn new_partitions_may_be_assigned_to_the_one_broker() {
    let world = World::new();
    let mut client = world.connect();
    prepare(&mut client, &["orders"]).await;
    let cases: [(i32, &[&[i32]], i16); 6] = [
        (4, &[&[0]], 39),
        (3, &[], 39),
        (3, &[&[]], 39),
        (3, &[&[7]], 39),
        (3, &[&[0, 0]], 39),
        (4, &[&[0], &[0]], 0),
    ];
    for (count, assignments, code) in cases {
        let request = growing_on("orders", count, assignments);
        let grown = grow(&mut client, 3, &request).await;
        assert_eq!(grown[0].0, code, "{count} on {assignments:?}");
    }
    assert_eq!(partitions(&mut client, "orders").await, 4);
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    for version in 0..=2 {
        let of = format!("orders{version}");
        prepare(&mut client, &[&of]).await;
        for value in ["a", "b", "c"] {
            produce(&mut client, &of, 0, &[value]).await;
        }
        for (partition, offset, expected) in [
            (0, 0, (0, 0)),
            (0, 1, (0, 1)),
            // What is gone already is no error.
            (0, 0, (0, 1)),
            (0, 4, (1, -1)),
            (0, -2, (1, -1)),
            (0, -1, (0, 3)),
            (0, 2, (0, 3)),
            (1, -1, (0, 0)),
            (1, 1, (1, -1)),
            (9, 0, (3, -1)),
            (-1, 0, (3, -1)),
        ] {
            let request = deleting_records(&of, &[(partition, offset)]);
            let topic = client.call(version, &request).await.topics.remove(0);
            let answer = &topic.partitions[0];
            let told = (answer.error_code, answer.low_watermark);
            assert_eq!(told, expected, "before {offset} of {partition}");
            assert_eq!((topic.name, answer.partition_index), (name(&of), partition));
        }
        for unknown in ["nope", "a/b", ""] {
            let request = deleting_records(unknown, &[(0, 0)]);
            let topic = client.call(version, &request).await.topics.remove(0);
            assert_eq!(topic.partitions[0].error_code, 3, "{unknown}");
        }
    }
}

#[tokio::test]
async fn records_of_a_topic_that_is_only_compacted_are_not_deleted() {
    let world = World::new();
    let mut client = world.connect();
    let wish = configured(
        topic("orders", 1, 1),
        &[("cleanup.policy", Some("compact"))],
    );
    assert_eq!(create(&mut client, 7, wish).await.error_code, 0);
    let request = deleting_records("orders", &[(0, -1)]);
    let code = |response: DeleteRecordsResponse| response.topics[0].partitions[0].error_code;
    assert_eq!(code(client.call(2, &request).await), 44);
    let both = change(
        TOPIC,
        "orders",
        &[("cleanup.policy", APPEND, Some("delete"))],
    );
    assert_eq!(
        client.call(1, &changing(vec![both])).await.responses[0].error_code,
        0
    );
    assert_eq!(code(client.call(2, &request).await), 0);
    let back = change(TOPIC, "orders", &[("cleanup.policy", SET, Some("compact"))]);
    assert_eq!(
        client.call(1, &changing(vec![back])).await.responses[0].error_code,
        0
    );
    assert_eq!(code(client.call(2, &request).await), 44);
}

#[tokio::test]
async fn a_grown_topic_takes_records_in_its_new_partitions_at_once() {
    let world = World::new();
    let mut client = world.connect();
    prepare(&mut client, &["orders"]).await;
    let more = growing(&[("orders", 3)]);
    assert_eq!(grow(&mut client, 3, &more).await, [(0, None)]);
    assert_eq!(produce(&mut client, "orders", 2, &["a"]).await, 0);
    let all = DescribeTopicPartitionsRequest::default()
        .with_response_partition_limit(100)
        .with_cursor(None);
    let described = client.call(0, &all).await.topics.remove(0);
    assert_eq!(described.partitions.len(), 3);
}
