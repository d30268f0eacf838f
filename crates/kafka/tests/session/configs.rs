//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs, version by version.

use kafka_protocol::messages::{
    DescribeConfigsRequest, describe_configs_response::DescribeConfigsResourceResult,
    incremental_alter_configs_request::AlterConfigsResource,
};

use crate::{
    admin_requests::{
        APPEND, BROKER, DELETE, SET, SUBTRACT, TOPIC, change, changing, configured, creating,
        describing, replacement, replacing, resource, topic,
    },
    requests::text,
    world::{Client, World},
};

const LOGGER: i8 = 8;

/// Where a value comes from.
const SET_ON_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;

/// A world with the topic `orders`, whose records are kept for a minute.
async fn prepare(world: &World) -> Client<'_> {
    let mut client = world.connect();
    let wish = configured(topic("orders", 1, 1), &[("retention.ms", Some("60000"))]);
    let made = client.call(7, &creating(vec![wish])).await;
    assert_eq!(made.topics[0].error_code, 0);
    client
}

/// What the only resource of a request has.
async fn describe(
    client: &mut Client<'_>,
    version: i16,
    request: &DescribeConfigsRequest,
) -> Vec<DescribeConfigsResourceResult> {
    let mut described = client.call(version, request).await.results;
    assert_eq!(described.len(), 1);
    let only = described.remove(0);
    assert_eq!((only.error_code, only.error_message), (0, None));
    only.configs
}

/// Value and source of a topic's configuration.
async fn value(client: &mut Client<'_>, key: &str) -> (String, i8) {
    let request = describing(vec![resource(TOPIC, "orders", Some(&[key]))]);
    let configs = describe(client, 4, &request).await;
    let only = &configs[0];
    assert_eq!((configs.len(), &*only.name), (1, key));
    (only.value.clone().unwrap().to_string(), only.config_source)
}

fn valued(text: &str, source: i8) -> (String, i8) {
    (text.to_owned(), source)
}

#[tokio::test]
async fn the_keys_that_are_asked_for_are_described_and_unknown_ones_left_out() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 1..=4 {
        for (keys, expected) in [
            (&["retention.ms", "no.such", "cleanup.policy"][..], 2),
            (&["no.such"], 0),
        ] {
            let request = describing(vec![resource(TOPIC, "orders", Some(keys))]);
            let configs = describe(&mut client, version, &request).await;
            assert_eq!(configs.len(), expected, "version {version}");
        }
        // Neither null nor an empty list leaves anything out.
        for keys in [None, Some(&[][..])] {
            let request = describing(vec![resource(TOPIC, "orders", keys)]);
            let configs = describe(&mut client, version, &request).await;
            assert!(configs.len() > 30, "version {version}: {}", configs.len());
        }
    }
}

#[tokio::test]
async fn synonyms_are_told_where_asked_for_and_types_and_words_from_version_3() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 1..=4 {
        let plain = describing(vec![resource(TOPIC, "orders", Some(&["retention.ms"]))]);
        let configs = describe(&mut client, version, &plain).await;
        let config = &configs[0];
        assert_eq!(config.value.as_deref(), Some("60000"));
        assert_eq!(
            (config.config_source, config.read_only),
            (SET_ON_TOPIC, false)
        );
        assert!(!config.is_sensitive && config.synonyms.is_empty());
        // The type is a long; the version before has no field for it.
        assert_eq!(config.config_type, if version >= 3 { 5 } else { 0 });
        let words = config.documentation.as_deref().unwrap_or_default();
        assert_eq!(words, "", "version {version}");

        let mut full = plain.clone().with_include_synonyms(true);
        full.include_documentation = version >= 3;
        let configs = describe(&mut client, version, &full).await;
        let synonyms = configs[0].synonyms.iter();
        let synonyms: Vec<_> = synonyms
            .map(|each| (&*each.name, each.value.as_deref(), each.source))
            .collect();
        let expected = [
            ("retention.ms", Some("60000"), SET_ON_TOPIC),
            ("log.retention.ms", Some("604800000"), DEFAULT),
        ];
        assert_eq!(synonyms, expected, "version {version}");
        let words = configs[0].documentation.as_deref().unwrap_or_default();
        assert_eq!(words.is_empty(), version < 3);
    }
}

#[tokio::test]
async fn what_cannot_be_described_says_why_and_the_others_are_described() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let cases = [
        (TOPIC, "orders", 0, ""),
        (
            TOPIC,
            "nope",
            3,
            "This server does not host this topic-partition.",
        ),
        (TOPIC, "a/b", 17, "Topic name is invalid: "),
        (TOPIC, "", 17, "Topic name is invalid: the empty string"),
        (BROKER, "0", 0, ""),
        (BROKER, "", 0, ""),
        (BROKER, "7", 42, "Unexpected broker id, expected 0"),
        (
            BROKER,
            "x",
            42,
            "Broker id must be an integer, but it is: x",
        ),
        (LOGGER, "0", 0, ""),
        (LOGGER, "5", 42, "Unexpected broker id, expected 0"),
        (0, "x", 42, "Unsupported resource type: 0"),
        (99, "x", 42, "Unsupported resource type: 99"),
    ];
    for version in 1..=4 {
        let resources = cases.map(|(kind, of, _, _)| resource(kind, of, None));
        let described = client.call(version, &describing(resources.to_vec())).await;
        assert_eq!(described.results.len(), cases.len());
        for (result, (kind, of, code, words)) in described.results.iter().zip(&cases) {
            assert_eq!((result.resource_type, &*result.resource_name), (*kind, *of));
            assert_eq!(result.error_code, *code, "{kind} {of}");
            let message = result.error_message.as_deref().unwrap_or_default();
            assert!(message.starts_with(words), "{message}");
            assert!(*code == 0 || result.configs.is_empty());
        }
    }
    assert_eq!(client.call(4, &describing(vec![])).await.results, vec![]);
}

#[tokio::test]
async fn the_broker_tells_its_limits_and_lets_nobody_change_them() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 1..=4 {
        let keys: &[&str] = &["num.partitions", "broker.id"];
        let request = describing(vec![resource(BROKER, "0", Some(keys))]);
        for config in describe(&mut client, version, &request).await {
            let expected = if &*config.name == "broker.id" {
                "0"
            } else {
                "4"
            };
            assert_eq!(config.value.as_deref(), Some(expected), "{}", &*config.name);
            assert!(config.read_only && config.synonyms.is_empty());
        }
        let mut full = describing(vec![resource(BROKER, "0", None)]).with_include_synonyms(true);
        full.include_documentation = version >= 3;
        let configs = describe(&mut client, version, &full).await;
        assert!(configs.is_sorted_by(|a, b| a.name < b.name));
        for config in configs {
            let [only] = &config.synonyms[..] else {
                panic!("{config:?}");
            };
            assert_eq!((&only.name, &only.value), (&config.name, &config.value));
            let words = config.documentation.as_deref().unwrap_or_default();
            assert_eq!(words.is_empty(), version < 3, "{}", &*config.name);
        }
    }
    // The empty name stands for what was set for all brokers: nothing can be.
    let request = describing(vec![resource(BROKER, "", None)]);
    assert_eq!(describe(&mut client, 4, &request).await, vec![]);
    for of in ["0", "", "7", "x"] {
        let wish = change(BROKER, of, &[("num.partitions", SET, Some("9"))]);
        let altered = client.call(1, &changing(vec![wish])).await;
        assert_eq!(altered.responses[0].error_code, 42, "{of}");
        let wish = replacement(BROKER, of, &[("num.partitions", Some("9"))]);
        let altered = client.call(2, &replacing(vec![wish])).await;
        assert_eq!(altered.responses[0].error_code, 42, "{of}");
    }
}

async fn alter(
    client: &mut Client<'_>,
    version: i16,
    wish: AlterConfigsResource,
) -> (i16, Option<String>) {
    let mut altered = client.call(version, &changing(vec![wish])).await.responses;
    assert_eq!(altered.len(), 1);
    let only = altered.remove(0);
    (
        only.error_code,
        only.error_message.map(|words| words.to_string()),
    )
}

#[tokio::test]
async fn single_settings_are_set_and_go_back_to_their_default() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 0..=1 {
        let set = change(TOPIC, "orders", &[("retention.ms", SET, Some("70000"))]);
        let dry = changing(vec![set.clone()]).with_validate_only(true);
        let validated = client.call(version, &dry).await.responses.remove(0);
        assert_eq!((validated.error_code, validated.error_message), (0, None));
        assert_ne!(value(&mut client, "retention.ms").await.0, "70000");
        assert_eq!(alter(&mut client, version, set).await, (0, None));
        let kept = value(&mut client, "retention.ms").await;
        assert_eq!(kept, valued("70000", SET_ON_TOPIC));
        let delete = change(TOPIC, "orders", &[("retention.ms", DELETE, None)]);
        assert_eq!(alter(&mut client, version, delete).await, (0, None));
        let back = value(&mut client, "retention.ms").await;
        assert_eq!(back, valued("604800000", DEFAULT));
        let nothing = change(TOPIC, "orders", &[]);
        assert_eq!(alter(&mut client, version, nothing).await, (0, None));
    }
}

#[tokio::test]
async fn lists_are_appended_to_and_subtracted_from() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 0..=1 {
        for (operation, items, expected) in [
            (APPEND, "compact", "delete,compact"),
            (APPEND, "compact", "delete,compact"),
            (SUBTRACT, "delete", "compact"),
            (SUBTRACT, "delete", "compact"),
            (APPEND, "delete", "compact,delete"),
            (SUBTRACT, "compact", "delete"),
        ] {
            let wish = change(
                TOPIC,
                "orders",
                &[("cleanup.policy", operation, Some(items))],
            );
            assert_eq!(alter(&mut client, version, wish).await, (0, None));
            let kept = value(&mut client, "cleanup.policy").await;
            assert_eq!(kept, valued(expected, SET_ON_TOPIC));
        }
    }
}

/// Asks for each change in both versions: it is refused in these words, and nothing changes.
async fn check_refused(client: &mut Client<'_>, cases: &[(AlterConfigsResource, i16, &str)]) {
    for version in 0..=1 {
        for validate_only in [true, false] {
            for (wish, code, words) in cases {
                let request = changing(vec![wish.clone()]).with_validate_only(validate_only);
                let refused = client.call(version, &request).await.responses.remove(0);
                let message = refused.error_message.unwrap();
                assert_eq!(refused.error_code, *code, "{message}");
                assert!(message.starts_with(words), "{message}");
            }
        }
        let kept = value(client, "retention.ms").await;
        assert_eq!(kept, valued("60000", SET_ON_TOPIC));
    }
}

#[tokio::test]
async fn changes_that_cannot_be_made_say_why_and_change_nothing() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let on = |configs: &[(&str, i8, Option<&str>)]| change(TOPIC, "orders", configs);
    let only = |key, operation, value| on(&[(key, operation, value)]);
    let first = ("retention.ms", SET, Some("1"));
    let unknown = "Unknown topic config name: no.such";
    let null = "Null value not supported for : ";
    let cases = [
        (
            only("retention.ms", APPEND, Some("1")),
            40,
            "Can't APPEND to key",
        ),
        (
            only("retention.ms", SUBTRACT, Some("1")),
            40,
            "Can't SUBTRACT to key",
        ),
        (
            only("cleanup.policy", APPEND, Some("x")),
            40,
            "Invalid value ",
        ),
        (only("retention.ms", SET, None), 42, null),
        (only("cleanup.policy", APPEND, None), 42, null),
        (only("no.such", SET, Some("1")), 40, unknown),
        (only("no.such", APPEND, Some("1")), 40, unknown),
        (only("no.such", DELETE, None), 40, unknown),
        (
            only("retention.ms", 9, Some("1")),
            42,
            "Unknown operation 9",
        ),
        (
            only("retention.ms", SET, Some("soon")),
            40,
            "Invalid value soon for",
        ),
        (
            only("segment.bytes", SET, Some("1")),
            40,
            "Invalid value 1 for",
        ),
        (
            on(&[first, ("retention.ms", DELETE, None)]),
            42,
            "Error due to duplicate",
        ),
        (on(&[first, ("no.such", SET, Some("1"))]), 40, unknown),
    ];
    check_refused(&mut client, &cases).await;
}

#[tokio::test]
async fn resources_that_cannot_be_changed_say_why() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let of = |kind, name| change(kind, name, &[("retention.ms", SET, Some("1"))]);
    let cases = [
        (of(TOPIC, "nope"), 3, "The topic 'nope' does not exist."),
        (of(TOPIC, "a/b"), 17, "Topic name is invalid: "),
        (
            of(TOPIC, ""),
            42,
            "Default topic resources are not allowed.",
        ),
        (of(LOGGER, "0"), 42, "Unknown resource type 8"),
        (of(0, "0"), 42, "Unknown resource type 0"),
    ];
    check_refused(&mut client, &cases).await;
}

#[tokio::test]
async fn a_resource_that_is_named_twice_is_refused_each_time() {
    let world = World::new();
    let mut client = prepare(&world).await;
    let other = client.call(7, &creating(vec![topic("bills", 1, 1)])).await;
    assert_eq!(other.topics[0].error_code, 0);
    let of = |topic| change(TOPIC, topic, &[("retention.ms", SET, Some("1"))]);
    let request = changing(vec![of("orders"), of("bills"), of("orders")]);
    let altered = client.call(1, &request).await.responses;
    let codes: Vec<i16> = altered.iter().map(|response| response.error_code).collect();
    assert_eq!(codes, [42, 0, 42]);
    let words = Some(text("Each resource must appear at most once."));
    assert_eq!(
        (&altered[0].error_message, &altered[2].error_message),
        (&words, &words)
    );
    let of = |topic| replacement(TOPIC, topic, &[("retention.ms", Some("2"))]);
    let request = replacing(vec![of("orders"), of("bills"), of("orders")]);
    let altered = client.call(2, &request).await.responses;
    let codes: Vec<i16> = altered.iter().map(|response| response.error_code).collect();
    assert_eq!(codes, [42, 0, 42]);
    let kept = value(&mut client, "retention.ms").await;
    assert_eq!(kept, valued("60000", SET_ON_TOPIC));
}

#[tokio::test]
async fn alter_configs_replaces_whatever_was_set() {
    let world = World::new();
    let mut client = prepare(&world).await;
    for version in 0..=2 {
        let set = change(TOPIC, "orders", &[("retention.ms", SET, Some("60000"))]);
        assert_eq!(alter(&mut client, 1, set).await, (0, None));
        let wish = replacement(TOPIC, "orders", &[("segment.bytes", Some("1048576"))]);
        let dry = replacing(vec![wish.clone()]).with_validate_only(true);
        assert_eq!(client.call(version, &dry).await.responses[0].error_code, 0);
        let kept = value(&mut client, "retention.ms").await;
        assert_eq!(kept, valued("60000", SET_ON_TOPIC));

        let altered = client
            .call(version, &replacing(vec![wish]))
            .await
            .responses
            .remove(0);
        assert_eq!((altered.error_code, altered.error_message), (0, None));
        assert_eq!(
            (altered.resource_type, &*altered.resource_name),
            (TOPIC, "orders")
        );
        let segment = value(&mut client, "segment.bytes").await;
        assert_eq!(segment, valued("1048576", SET_ON_TOPIC));
        let gone = value(&mut client, "retention.ms").await;
        assert_eq!(gone, valued("604800000", DEFAULT));

        for (of, configs, code) in [
            ("orders", &[("retention.ms", None)][..], 42),
            ("orders", &[("no.such", Some("1"))], 40),
            ("orders", &[("retention.ms", Some("soon"))], 40),
            (
                "orders",
                &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
                42,
            ),
            ("nope", &[("retention.ms", Some("1"))], 3),
            ("a/b", &[("retention.ms", Some("1"))], 17),
            ("", &[("retention.ms", Some("1"))], 42),
        ] {
            let request = replacing(vec![replacement(TOPIC, of, configs)]);
            let refused = client.call(version, &request).await.responses.remove(0);
            assert_eq!(refused.error_code, code, "{of} {configs:?}");
            assert!(refused.error_message.is_some());
        }
        let kept = value(&mut client, "segment.bytes").await;
        assert_eq!(kept, valued("1048576", SET_ON_TOPIC));
    }
}
