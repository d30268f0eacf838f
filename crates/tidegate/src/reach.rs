//! How clients reach a namespace: its host, its connection string, the listener to use.

use auth::{ConnectionString, Credential, Endpoint};
use model::TopicName;

use crate::{
    secrets::{PolicyPlace, Secrets},
    settings::{ListenerSettings, NamespaceSettings, PolicySettings, Settings},
};

/// The host that a connection string of the namespace names.
///
/// Any host that the namespace owns, or that nobody owns where the listener already leads to it.
pub(crate) fn public_host(settings: &Settings, namespace: &NamespaceSettings) -> String {
    if let Some(host) = namespace.hosts.first() {
        return host.clone();
    }
    let leads_here = |listener: &&ListenerSettings| {
        listener.security.sasl && listener.namespace.as_ref() == Some(&namespace.name)
    };
    match settings.listeners.iter().find(leads_here) {
        Some(listener) => listener
            .advertised
            .as_ref()
            .map_or_else(|| "localhost".to_owned(), |endpoint| endpoint.host.clone()),
        // Owned by its first label, and every name under localhost is this machine.
        None => format!("{}.localhost", namespace.name),
    }
}

/// The host that clients connect to: the string's, unless it only stands for the namespace there.
///
/// Names under localhost are this machine by convention, but not every resolver knows them.
pub(crate) fn bootstrap_host(settings: &Settings, namespace: &NamespaceSettings) -> String {
    let host = public_host(settings, namespace);
    if namespace.hosts.is_empty() && host.ends_with(".localhost") {
        return "localhost".to_owned();
    }
    host
}

/// Which policy's connection string is wanted, and for what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) namespace: Option<&'a str>,
    pub(crate) event_hub: Option<&'a str>,
    pub(crate) policy: Option<&'a str>,
    pub(crate) secondary: bool,
}

/// The connection string of a policy.
pub(crate) fn connection_string(
    settings: &Settings,
    secrets: &Secrets,
    wanted: Wanted<'_>,
) -> anyhow::Result<ConnectionString> {
    let namespace = pick_namespace(settings, wanted.namespace)?;
    let entity_path = wanted
        .event_hub
        .map(TopicName::try_from)
        .transpose()
        .map_err(|error| anyhow::anyhow!("--event-hub: {error}"))?;
    let (place, policy) = pick_policy(namespace, entity_path.as_ref(), wanted.policy)?;
    let keys = secrets.keys(place, policy)?;
    let key = match wanted.secondary {
        true => keys
            .secondary
            .ok_or_else(|| anyhow::anyhow!("policy {} has no secondary key", policy.name))?,
        false => keys.primary,
    };
    Ok(ConnectionString {
        endpoint: Endpoint {
            host: public_host(settings, namespace),
            port: None,
        },
        credential: Credential::Key {
            policy: policy.name.clone(),
            key,
        },
        entity_path,
        development_emulator: false,
    })
}

fn pick_namespace<'a>(
    settings: &'a Settings,
    wanted: Option<&str>,
) -> anyhow::Result<&'a NamespaceSettings> {
    let known = || {
        let names = settings.namespaces.iter().map(|n| n.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    match (wanted, settings.namespaces.as_slice()) {
        (Some(name), _) => settings.namespace(name).ok_or_else(|| {
            anyhow::anyhow!("no namespace {name} is configured; there are: {}", known())
        }),
        (None, [first, ..]) => Ok(first),
        (None, []) => anyhow::bail!("no namespace is configured"),
    }
}

/// A policy of the event hub itself, if one is meant or nothing says otherwise and it has the
/// name; else one of the namespace.
fn pick_policy<'a>(
    namespace: &'a NamespaceSettings,
    event_hub: Option<&TopicName>,
    wanted: Option<&str>,
) -> anyhow::Result<(PolicyPlace<'a>, &'a PolicySettings)> {
    let hub = namespace
        .event_hubs
        .iter()
        .find(|hub| Some(&hub.name) == event_hub);
    let of_hub = hub.into_iter().flat_map(|hub| {
        let place = PolicyPlace {
            namespace: &namespace.name,
            event_hub: Some(hub.name.as_str()),
        };
        hub.policies.iter().map(move |policy| (place, policy))
    });
    let of_namespace = namespace.policies.iter().map(|policy| {
        let place = PolicyPlace {
            namespace: &namespace.name,
            event_hub: None,
        };
        (place, policy)
    });
    let Some(wanted) = wanted else {
        let mut policies = of_namespace;
        return policies
            .next()
            .ok_or_else(|| anyhow::anyhow!("namespace {} has no policy", namespace.name));
    };
    let mut all = of_hub.chain(of_namespace);
    all.find(|(_, policy)| policy.name == wanted)
        .ok_or_else(|| {
            let names = namespace.policies.iter().map(|policy| policy.name.as_str());
            anyhow::anyhow!(
                "no policy {wanted} in namespace {}; there are: {}",
                namespace.name,
                names.collect::<Vec<_>>().join(", ")
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;

    fn settings(namespace: &str) -> Settings {
        let sources = Sources {
            environment: vec![("TIDEGATE__NAMESPACE".to_owned(), namespace.to_owned())],
            ..Sources::default()
        };
        Settings::load(&sources).unwrap()
    }

    fn string(settings: &Settings, wanted: Wanted<'_>) -> anyhow::Result<String> {
        let secrets = Secrets::default();
        connection_string(settings, &secrets, wanted).map(|string| string.to_string())
    }

    const TWO: &str = r#"[{name = "a", hosts = ["a.example"], policy = [{name = "p",
        primary_key = "one", secondary_key = "two"}], event_hub = [{name = "orders", policy =
        [{name = "p", primary_key = "hub", secondary_key = "hub2"}]}]}, {name = "b", policy =
        [{name = "p", primary_key = "three", secondary_key = "four"}]}]"#;

    #[test]
    fn the_string_names_host_policy_key_and_event_hub() {
        let settings = settings(&TWO.replace('\n', " "));
        assert_eq!(
            string(&settings, Wanted::default()).unwrap(),
            "Endpoint=sb://a.example/;SharedAccessKeyName=p;SharedAccessKey=one"
        );
        let wanted = Wanted {
            event_hub: Some("orders"),
            secondary: true,
            ..Wanted::default()
        };
        assert_eq!(
            string(&settings, wanted).unwrap(),
            "Endpoint=sb://a.example/;SharedAccessKeyName=p;SharedAccessKey=two;EntityPath=orders"
        );
        let wanted = Wanted {
            event_hub: Some("orders"),
            policy: Some("p"),
            ..Wanted::default()
        };
        assert!(
            string(&settings, wanted)
                .unwrap()
                .contains("SharedAccessKey=hub;")
        );
        let wanted = Wanted {
            namespace: Some("b"),
            ..Wanted::default()
        };
        assert!(
            string(&settings, wanted)
                .unwrap()
                .starts_with("Endpoint=sb://b.localhost/;")
        );
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let settings = settings(&TWO.replace('\n', " "));
        let wanted = Wanted {
            namespace: Some("c"),
            ..Wanted::default()
        };
        let error = string(&settings, wanted).unwrap_err().to_string();
        assert!(error.contains("there are: a, b"), "{error}");
        let wanted = Wanted {
            policy: Some("q"),
            ..Wanted::default()
        };
        let error = string(&settings, wanted).unwrap_err().to_string();
        assert!(
            error.contains("no policy q in namespace a; there are: p"),
            "{error}"
        );
    }

    #[test]
    fn without_a_configuration_the_host_is_this_machine() {
        let settings = Settings::load(&Sources::default()).unwrap();
        assert_eq!(public_host(&settings, &settings.namespaces[0]), "localhost");
        let settings = self::settings(r#"[{name = "a"}, {name = "b"}]"#);
        let second = &settings.namespaces[1];
        assert_eq!(public_host(&settings, second), "b.localhost");
        assert_eq!(bootstrap_host(&settings, second), "localhost");
    }
}
