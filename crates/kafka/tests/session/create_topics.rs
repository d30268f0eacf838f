//! CreateTopics, version by version.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use uuid::Uuid;

use crate::{
    admin_requests::{assigned, configured, creating, topic},
    metadata::name,
    requests::text,
    topics::{create, partitions, prepare},
    world::{Client, World},
};

#[tokio::test]
async fn every_version_creates_and_tells_what_it_can() {
    let world = World::new();
    let mut client = world.connect();
    for version in 2..=7 {
        let wanted = format!("t{version}");
        let made = create(&mut client, version, topic(&wanted, 3, 3)).await;
        assert_eq!((made.error_code, &made.error_message), (0, &None));
        assert_eq!(made.name, name(&wanted));
        if version >= 5 {
            assert_eq!((made.num_partitions, made.replication_factor), (3, 1));
            let configs = made.configs.unwrap();
            let config = |key| configs.iter().find(|config| &*config.name == key).unwrap();
            let cleanup = config("cleanup.policy");
            assert_eq!(cleanup.value.as_deref(), Some("delete"));
            assert_eq!((cleanup.config_source, cleanup.read_only), (5, false));
        }
        assert_eq!(made.topic_id == Uuid::nil(), version < 7);
        assert_eq!(partitions(&mut client, &wanted).await, 3);
    }
    assert_eq!(client.call(7, &creating(vec![])).await.topics, vec![]);
}

#[tokio::test]
async fn a_count_or_factor_of_minus_one_is_the_default_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    for version in 2..=7 {
        let wanted = format!("t{version}");
        let made = create(&mut client, version, topic(&wanted, -1, -1)).await;
        assert_eq!(made.error_code, 0, "version {version}");
        assert_eq!(partitions(&mut client, &wanted).await, 4);
        let wanted = format!("u{version}");
        let assignments: &[(i32, &[i32])] = &[(1, &[0]), (0, &[0])];
        let wish = assigned(topic(&wanted, -1, -1), assignments);
        assert_eq!(create(&mut client, version, wish).await.error_code, 0);
        assert_eq!(partitions(&mut client, &wanted).await, 2);
    }
}

/// Makes each wish in every version: none is made, and the message begins as said.
async fn check_refused(client: &mut Client<'_>, cases: &[(CreatableTopic, i16, &str)]) {
    for version in 2..=7 {
        for (wish, code, words) in cases {
            let made = create(client, version, wish.clone()).await;
            let message = made.error_message.unwrap();
            assert_eq!(made.error_code, *code, "{message}");
            assert!(message.starts_with(words), "{message}");
            assert_eq!(made.topic_id, Uuid::nil());
        }
    }
    assert_eq!(partitions(client, "x").await, 0);
}

#[tokio::test]
async fn names_and_numbers_that_cannot_be_are_refused_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    prepare(&mut client, &["a.b"]).await;
    let long = "x".repeat(250);
    let factor = "Replication factor must be larger than 0, or -1";
    let cases = [
        (topic("a.b", 1, 1), 36, "Topic 'a.b' already exists."),
        (
            topic("a_b", 1, 1),
            17,
            "Topic 'a_b' collides with existing topic: a.b",
        ),
        (topic("a/b", 1, 1), 17, "Topic name is invalid: "),
        (topic("caf\u{e9}", 1, 1), 17, "Topic name is invalid: "),
        (
            topic("", 1, 1),
            17,
            "Topic name is invalid: the empty string",
        ),
        (topic(".", 1, 1), 17, "Topic name is invalid: "),
        (topic("..", 1, 1), 17, "Topic name is invalid: "),
        (topic(&long, 1, 1), 17, "Topic name is invalid: the length"),
        (topic("x", 0, 1), 37, "Number of partitions was set"),
        (topic("x", -2, 1), 37, "Number of partitions was set"),
        (topic("x", 1, 0), 38, factor),
        (topic("x", 1, -2), 38, factor),
        (topic("x", 0, 0), 38, factor),
    ];
    check_refused(&mut client, &cases).await;
}

#[tokio::test]
async fn configurations_and_assignments_that_cannot_be_are_refused_in_every_version() {
    let world = World::new();
    let mut client = world.connect();
    let config = |key, value| configured(topic("x", 1, 1), &[(key, value)]);
    let on = |brokers: &[(i32, &[i32])]| assigned(topic("x", -1, -1), brokers);
    let both = |count, factor| assigned(topic("x", count, factor), &[(0, &[0])]);
    let cases = [
        (
            config("no.such", Some("1")),
            40,
            "Unknown topic config name: no.such",
        ),
        (
            config("retention.ms", Some("soon")),
            40,
            "Invalid value soon for",
        ),
        (
            config("retention.ms", Some("-5")),
            40,
            "Invalid value -5 for",
        ),
        (
            config("cleanup.policy", Some("x")),
            40,
            "Invalid value x for",
        ),
        (
            config("retention.ms", None),
            40,
            "Null value not supported for",
        ),
        (both(2, 1), 42, "A manual partition assignment was"),
        (both(-1, 1), 42, "A manual partition assignment was"),
        (on(&[(0, &[0]), (2, &[0])]), 39, "partitions should be"),
        (on(&[(0, &[0]), (0, &[0])]), 39, "Found multiple manual"),
        (on(&[(0, &[9])]), 39, "a partition is assigned to"),
        (on(&[(0, &[0, 0])]), 39, "a partition is assigned to"),
        (on(&[(0, &[])]), 39, "a partition is assigned to"),
    ];
    check_refused(&mut client, &cases).await;
}

#[tokio::test]
async fn a_wish_that_is_only_validated_is_answered_and_not_carried_out() {
    let world = World::new();
    let mut client = world.connect();
    prepare(&mut client, &["orders"]).await;
    for version in 2..=7 {
        let wishes = vec![
            configured(topic("new", -1, -1), &[("retention.ms", Some("1000"))]),
            topic("orders", 1, 1),
            topic("a/b", 1, 1),
        ];
        let request = creating(wishes).with_validate_only(true);
        let made = client.call(version, &request).await.topics;
        let codes: Vec<i16> = made.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [0, 36, 17], "version {version}");
        if version >= 5 {
            assert_eq!((made[0].num_partitions, made[0].replication_factor), (4, 1));
            let configs = made[0].configs.as_ref().unwrap();
            let retention = configs
                .iter()
                .find(|config| &*config.name == "retention.ms");
            let retention = retention.unwrap();
            let told = (retention.value.as_deref(), retention.config_source);
            assert_eq!(told, (Some("1000"), 1));
        }
        assert_eq!(partitions(&mut client, "new").await, 0);
    }
}

#[tokio::test]
async fn a_topic_that_is_named_twice_is_refused_once_and_the_others_are_made() {
    let world = World::new();
    let mut client = world.connect();
    for version in 2..=7 {
        let single = format!("single{version}");
        let wishes = vec![topic("x", 1, 1), topic(&single, 1, 1), topic("x", 2, 1)];
        let made = client.call(version, &creating(wishes)).await.topics;
        let told: Vec<_> = made
            .iter()
            .map(|result| (&*result.name.0, result.error_code))
            .collect();
        assert_eq!(told, [("x", 42), (&*single, 0)], "version {version}");
        assert_eq!(made[0].error_message, Some(text("Duplicate topic name.")));
        assert_eq!(partitions(&mut client, "x").await, 0);
    }
}
