//! The keys that Tidegate made itself, in `<data dir>/secrets.toml`, mode 0600.

use std::path::{Path, PathBuf};

use anyhow::Context;
use auth::Key;
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::{
    files::{self, Readers},
    settings::{KeySource, PolicySettings, Settings},
};

const HEAD: &str = "\
# Keys that Tidegate made, because the configuration gives none. Keep this file secret.
# To exchange a key, replace it here and reload the broker (SIGHUP).

";

/// Where a policy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyPlace<'a> {
    pub(crate) namespace: &'a str,
    /// Of an event hub's own policy.
    pub(crate) event_hub: Option<&'a str>,
}

/// The file's content.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    #[serde(default)]
    policy: Vec<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_hub: Option<String>,
    name: String,
    primary_key: String,
    secondary_key: String,
}

/// A policy's keys.
#[derive(Clone, Debug)]
pub(crate) struct PolicyKeys {
    pub(crate) primary: Key,
    pub(crate) secondary: Option<Key>,
}

impl Secrets {
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("secrets.toml")
    }

    /// What is there; empty before the first start.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Self> {
        let path = Self::path(data_dir);
        match files::read_if_there(&path)? {
            None => Ok(Self::default()),
            // The parser's error quotes the line, which may be a key.
            Some(text) => toml::from_str(&text)
                .map_err(|_| anyhow::anyhow!("{} is not as Tidegate writes it", path.display())),
        }
    }

    /// Makes the keys that the settings leave to Tidegate and that are not there yet.
    pub(crate) fn ensure(data_dir: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let mut secrets = Self::load(data_dir)?;
        let before = secrets.policy.len();
        for (place, policy) in every_policy(settings) {
            let generated = [&policy.primary, &policy.secondary]
                .into_iter()
                .any(|source| matches!(source, KeySource::Generated));
            if generated && secrets.find(place, &policy.name).is_none() {
                secrets.policy.push(Entry {
                    namespace: place.namespace.to_owned(),
                    event_hub: place.event_hub.map(str::to_owned),
                    name: policy.name.clone(),
                    primary_key: new_key()?.reveal().to_owned(),
                    secondary_key: new_key()?.reveal().to_owned(),
                });
            }
        }
        if secrets.policy.len() > before {
            let text = toml::to_string(&secrets).context("write secrets.toml")?;
            let text = format!("{HEAD}{text}");
            files::write(&Self::path(data_dir), text.as_bytes(), Readers::Owner)?;
        }
        Ok(secrets)
    }

    /// The keys of a policy, wherever they come from.
    pub(crate) fn keys(
        &self,
        place: PolicyPlace<'_>,
        policy: &PolicySettings,
    ) -> anyhow::Result<PolicyKeys> {
        let entry = self.find(place, &policy.name);
        let key = |source: &KeySource, generated: fn(&Entry) -> &str| match source {
            KeySource::Absent => anyhow::Ok(None),
            KeySource::Given(key) => Ok(Some(Key::from(key.as_str()))),
            KeySource::File(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("read the key file {}", path.display()))?;
                anyhow::ensure!(!text.trim().is_empty(), "{} is empty", path.display());
                Ok(Some(Key::from(text.trim())))
            }
            KeySource::Generated => {
                let entry = entry.with_context(|| {
                    format!(
                        "policy {} of namespace {} has no key yet: its broker makes one when it \
                         starts",
                        policy.name, place.namespace
                    )
                })?;
                Ok(Some(Key::from(generated(entry))))
            }
        };
        Ok(PolicyKeys {
            primary: key(&policy.primary, |entry| &entry.primary_key)?
                .with_context(|| format!("policy {} has no key", policy.name))?,
            secondary: key(&policy.secondary, |entry| &entry.secondary_key)?,
        })
    }

    fn find(&self, place: PolicyPlace<'_>, name: &str) -> Option<&Entry> {
        self.policy.iter().find(|entry| {
            entry.namespace == place.namespace
                && entry.event_hub.as_deref() == place.event_hub
                && entry.name == name
        })
    }
}

/// Every policy of the settings, with its place.
fn every_policy(settings: &Settings) -> Vec<(PolicyPlace<'_>, &PolicySettings)> {
    let mut all = Vec::new();
    for namespace in &settings.namespaces {
        for policy in &namespace.policies {
            let place = PolicyPlace {
                namespace: &namespace.name,
                event_hub: None,
            };
            all.push((place, policy));
        }
        for hub in &namespace.event_hubs {
            for policy in &hub.policies {
                let place = PolicyPlace {
                    namespace: &namespace.name,
                    event_hub: Some(hub.name.as_str()),
                };
                all.push((place, policy));
            }
        }
    }
    all
}

fn new_key() -> anyhow::Result<Key> {
    let mut bits = [0; 32];
    ring::rand::SystemRandom::new()
        .fill(&mut bits)
        .map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(Key::from_random(bits))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::settings::Sources;

    const DEV: PolicyPlace<'_> = PolicyPlace {
        namespace: "dev",
        event_hub: None,
    };

    #[test]
    fn generated_keys_are_kept_secret_and_stay_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::load(&Sources::default()).unwrap();
        let policy = &settings.namespaces[0].policies[0];
        let first = Secrets::ensure(dir.path(), &settings).unwrap();
        let first = first.keys(DEV, policy).unwrap();
        assert_eq!(first.primary.reveal().len(), 44);
        assert!(!first.primary.matches(&first.secondary.unwrap()));
        let mode = std::fs::metadata(Secrets::path(dir.path())).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let again = Secrets::ensure(dir.path(), &settings).unwrap();
        assert!(
            again
                .keys(DEV, policy)
                .unwrap()
                .primary
                .matches(&first.primary)
        );
    }

    #[test]
    fn given_and_file_keys_are_taken_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, "from-file\n").unwrap();
        let namespace = format!(
            r#"[{{name = "dev", policy = [{{name = "p", primary_key = "given",
            secondary_key_file = "{}"}}]}}]"#,
            file.display()
        )
        .replace('\n', " ");
        let sources = Sources {
            environment: vec![("TIDEGATE__NAMESPACE".to_owned(), namespace)],
            ..Sources::default()
        };
        let settings = Settings::load(&sources).unwrap();
        let secrets = Secrets::ensure(dir.path(), &settings).unwrap();
        assert!(
            !Secrets::path(dir.path()).exists(),
            "nothing had to be made"
        );
        let keys = secrets
            .keys(DEV, &settings.namespaces[0].policies[0])
            .unwrap();
        assert_eq!(keys.primary.reveal(), "given");
        assert_eq!(keys.secondary.unwrap().reveal(), "from-file");
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(Secrets::path(dir.path()), "policy = \"s3cret\"").unwrap();
        let error = Secrets::load(dir.path()).err().unwrap();
        assert!(!format!("{error:?}").contains("s3cret"));
    }
}
