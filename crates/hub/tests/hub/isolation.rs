//! Namespaces, rights, logins.

use hub::{
    AccessError, Clock,
    access::{Lapse, TopicRef},
    admin::{CreateTopicError, NewTopic},
    groups::{Command, GroupCallError, ListGroups, Reply},
    login::{LoginError, LoginStep, Origin},
    settings::{EventHubSettings, NamespaceSettings, PolicySettings},
};
use model::{NamespaceName, TopicName};

use crate::support::{World, batch, create, send, values};

fn policy(name: &str, rights: &str) -> PolicySettings {
    PolicySettings {
        name: name.to_owned(),
        send: rights.contains('s'),
        listen: rights.contains('l'),
        manage: rights.contains('m'),
        primary_key: format!("{name}-key"),
        secondary_key: None,
    }
}

fn two_namespaces() -> World {
    World::with(|settings| {
        let dev = &mut settings.namespaces[0];
        dev.policies = vec![
            policy("all", "m"),
            policy("sender", "s"),
            policy("listener", "l"),
        ];
        dev.event_hubs = vec![EventHubSettings {
            name: TopicName::try_from("orders").unwrap(),
            partition_count: Some(2),
            retention_ms: None,
            cleanup_policy: None,
            configs: Default::default(),
            policies: vec![policy("of-orders", "m")],
        }];
        let mut prod = NamespaceSettings::new(NamespaceName::from("prod"));
        prod.hosts = vec!["Hub.example".to_owned()];
        prod.policies = vec![policy("all", "m")];
        settings.namespaces.push(prod);
    })
}

fn login(world: &World, host: &str, policy: &str) -> Result<hub::Access, LoginError> {
    login_with(
        world,
        host,
        policy,
        &format!("{policy}-key"),
        Origin::default(),
    )
}

fn login_with(
    world: &World,
    host: &str,
    policy: &str,
    key: &str,
    origin: Origin,
) -> Result<hub::Access, LoginError> {
    let token = format!(
        "\0$ConnectionString\0Endpoint=sb://{host}/;SharedAccessKeyName={policy};SharedAccessKey={key}"
    );
    let login = world.hub.login("PLAIN", origin, None).unwrap();
    match login.step(token.as_bytes())? {
        LoginStep::Done(access, _) => Ok(*access),
        LoginStep::Continue(..) => panic!("PLAIN has one step"),
    }
}

#[tokio::test]
async fn nothing_of_one_namespace_is_seen_from_another() {
    let world = two_namespaces();
    let (dev, prod) = (world.access("dev"), world.access("prod"));
    create(&dev, "mine").await;
    create(&prod, "mine").await;
    send(&dev, "mine", batch(&["secret"])).await;
    assert_eq!(values(&prod, "mine", 0).await, Vec::<String>::new());
    let names = |access: &hub::Access| -> Vec<String> {
        let topics = access.topics().into_iter();
        topics.map(|topic| topic.name.to_string()).collect()
    };
    assert_eq!(names(&dev), ["mine", "orders"]);
    assert_eq!(names(&prod), ["mine"]);
    let foreign = dev.topic_to_describe(TopicRef::Name("mine")).unwrap().id;
    assert_eq!(
        prod.topic_to_describe(TopicRef::Id(foreign)),
        Err(AccessError::Unknown)
    );
    assert_ne!(dev.cluster_id(), prod.cluster_id());
    assert_eq!(dev.cluster_id().len(), 22);
    let id = dev.cluster_id().to_owned();
    drop((dev, prod));
    let world = world.restart().await;
    assert_eq!(world.access("dev").cluster_id(), id);
}

#[tokio::test]
async fn the_connection_string_leads_to_the_namespace_and_its_policies_only() {
    let world = two_namespaces();
    let by_label = login(&world, "dev.servicebus.windows.net", "all").unwrap();
    assert_eq!(by_label.namespace().as_str(), "dev");
    assert_eq!(by_label.endpoint_host(), Some("dev.servicebus.windows.net"));
    let by_host = login(&world, "HUB.example", "all").unwrap();
    assert_eq!(by_host.namespace().as_str(), "prod");

    let refused = login(&world, "hub.example", "sender").unwrap_err();
    assert_eq!(refused.reason, "no policy \"sender\" in namespace prod");
    let wrong = login_with(&world, "dev", "all", "guess", Origin::default()).unwrap_err();
    assert_eq!(
        wrong.reason,
        "the key does not match policy \"all\" in namespace dev"
    );
    assert_eq!(wrong.message, refused.message, "strangers learn nothing");
    assert!(!wrong.delay.is_zero());

    let azure = "contoso.servicebus.windows.net";
    let nowhere = login(&world, azure, "all").unwrap_err();
    assert_eq!(nowhere.message, wrong.message);
    let origin = Origin {
        server_name: Some("dev.local".to_owned()),
        listener_namespace: Some(NamespaceName::from("prod")),
        ..Origin::default()
    };
    let by_server_name = login_with(&world, azure, "all", "all-key", origin).unwrap();
    assert_eq!(by_server_name.namespace().as_str(), "dev");
    assert_eq!(by_server_name.endpoint_host(), None);
}

/// Of policy `all` with key `all-key` for hub.example, which is prod, until the year 2286.
const PROD_TOKEN: &str = "SharedAccessSignature sr=sb%3A%2F%2Fhub.example%2F\
    &sig=b1E%2BK2bngXiv5h24CjHKQaldXQspxiN%2BVZgLJan8S44%3D&se=9999999999&skn=all";

#[tokio::test]
async fn a_token_of_one_namespace_opens_no_other_even_where_the_keys_are_the_same() {
    let world = two_namespaces();
    let shown = |endpoint: &str| {
        let token = format!(
            "\0$ConnectionString\0Endpoint=sb://{endpoint}/;SharedAccessSignature={PROD_TOKEN}"
        );
        let login = world.hub.login("PLAIN", Origin::default(), None).unwrap();
        login.step(token.as_bytes())
    };
    assert!(shown("hub.example").is_ok());
    let reason = shown("dev").err().unwrap().reason;
    assert!(reason.contains("another namespace"), "{reason}");
}

#[tokio::test]
async fn each_right_opens_its_own_doors() {
    let world = two_namespaces();
    let listing = || Command::ListGroups(ListGroups::default());
    let orders = TopicRef::Name("orders");
    // Policy, then whether it may send, listen, create, list groups, get a producer id.
    let cases = [
        ("all", [true, true, true, true, true]),
        ("sender", [true, false, false, false, true]),
        ("listener", [false, true, false, true, false]),
    ];
    for (policy, expected) in cases {
        let access = login(&world, "dev", policy).unwrap();
        let topic = NewTopic {
            name: format!("by-{policy}"),
            ..NewTopic::default()
        };
        let may = [
            access.topic_to_send(orders).is_ok(),
            access.topic_to_listen(orders).is_ok(),
            access.create_topic(topic).await.is_ok(),
            access.group(listing()).is_ok(),
            access.new_producer().await.is_ok(),
        ];
        assert_eq!(may, expected, "{policy}");
        let denied = access.topic_to_send(TopicRef::Name("nowhere")).err();
        let unknown = if expected[0] {
            AccessError::Unknown
        } else {
            AccessError::Denied
        };
        assert_eq!(denied, Some(unknown), "{policy}");
    }
}

#[tokio::test]
async fn a_policy_of_one_hub_reaches_that_hub_and_every_group() {
    let world = two_namespaces();
    create(&world.access("dev"), "other").await;
    let access = login_to(&world, "of-orders");
    let names: Vec<_> = access.topics().into_iter().map(|one| one.name).collect();
    assert_eq!(names, [TopicName::try_from("orders").unwrap()]);
    assert!(access.topic_to_send(TopicRef::Name("orders")).is_ok());
    let other = access.topic_to_listen(TopicRef::Name("other"));
    assert_eq!(other.err(), Some(AccessError::Denied));
    let listing = access.group(Command::ListGroups(ListGroups::default()));
    assert_eq!(listing.unwrap().await, Ok(Reply::ListGroups(Vec::new())));
    let deleting = access.group(Command::DeleteGroups(Vec::new()));
    assert!(matches!(deleting, Err(GroupCallError::Denied)));
    let topic = NewTopic {
        name: "new".to_owned(),
        ..NewTopic::default()
    };
    let creating = access.create_topic(topic).await;
    assert!(matches!(creating, Err(CreateTopicError::Denied)));
}

#[tokio::test]
async fn a_reload_changes_keys_and_grows_hubs_and_deletes_nothing() {
    let world = two_namespaces();
    let old = login(&world, "dev", "all").unwrap();
    let mut settings = world.settings.clone();
    settings.namespaces[0].policies[0].primary_key = "new".to_owned();
    settings.namespaces[0].event_hubs[0].partition_count = Some(3);
    settings.namespaces.truncate(1);
    world.hub.reload(settings.clone()).await.unwrap();
    assert!(login(&world, "dev", "all").is_err());
    assert!(login_with(&world, "dev", "all", "new", Origin::default()).is_ok());
    let orders = old.topic_to_describe(TopicRef::Name("orders")).unwrap();
    assert_eq!(orders.partition_count, 3);
    assert!(login(&world, "hub.example", "all").is_err());

    settings.namespaces[0].event_hubs.clear();
    world.hub.reload(settings).await.unwrap();
    assert!(old.topic_to_describe(TopicRef::Name("orders")).is_ok());
}

#[tokio::test]
async fn a_withdrawn_key_ends_live_logins_only_where_asked() {
    for disconnects in [false, true] {
        let world = two_namespaces();
        let now = world.clock.now().monotonic;
        let [root, sender, of_hub] =
            ["all", "sender", "of-orders"].map(|policy| login_to(&world, policy));
        let lapses = || [&root, &sender, &of_hub].map(|access| access.lapse(now));
        let mut settings = world.settings.clone();
        let dev = &mut settings.namespaces[0];
        dev.disconnect_revoked = disconnects;
        // First half of a rotation: the key in use becomes the second.
        let old = std::mem::replace(&mut dev.policies[0].primary_key, "new".to_owned());
        dev.policies[0].secondary_key = Some(old);
        world.hub.reload(settings.clone()).await.unwrap();
        assert_eq!(lapses(), [None; 3], "the old key is still good");

        let dev = &mut settings.namespaces[0];
        dev.policies[0].secondary_key = None;
        dev.event_hubs[0].policies[0].manage = false;
        dev.event_hubs[0].policies[0].send = true;
        world.hub.reload(settings).await.unwrap();
        let revoked = disconnects.then_some(Lapse::Revoked);
        assert_eq!(lapses(), [revoked, None, revoked]);
    }
}

fn login_to(world: &World, policy: &str) -> hub::Access {
    let token = format!(
        "\0$ConnectionString\0Endpoint=sb://dev/;SharedAccessKeyName={policy};\
         SharedAccessKey={policy}-key;EntityPath=orders"
    );
    let login = world.hub.login("PLAIN", Origin::default(), None).unwrap();
    match login.step(token.as_bytes()).unwrap() {
        LoginStep::Done(access, _) => *access,
        LoginStep::Continue(..) => panic!("PLAIN has one step"),
    }
}
