//! Where a client finds the broker and how it logs in, in the words of each kind of client.

use std::path::PathBuf;
use std::process::Command;

/// The user name that goes with a connection string.
const USER: &str = "$ConnectionString";

/// What a client is told of the broker.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// `host:port`.
    pub(crate) bootstrap: String,
    /// None where the listener is plaintext and asks for no login.
    pub(crate) login: Option<Login>,
}

/// SASL_SSL with PLAIN and a connection string.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) ca_file: PathBuf,
    pub(crate) truststore: PathBuf,
    pub(crate) truststore_password: String,
    pub(crate) connection_string: String,
}

impl Endpoint {
    /// Tells one of our own client programs, by its environment, where to go and what to use.
    pub(crate) fn equip(&self, mut command: Command, topic: &str, group: &str) -> Command {
        command
            .env("BOOTSTRAP", &self.bootstrap)
            .env("TOPIC", topic)
            .env("GROUP", group);
        if let Some(login) = &self.login {
            command.env("CA_FILE", &login.ca_file);
            command.env("CONNECTION_STRING", &login.connection_string);
        }
        command
    }

    /// The properties of a Java client, each as key and value.
    pub(crate) fn java_properties(&self) -> Vec<(&'static str, String)> {
        let Some(login) = &self.login else {
            return Vec::new();
        };
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
        let password = &login.connection_string;
        vec![
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", "PLAIN".to_owned()),
            (
                "sasl.jaas.config",
                format!("{module} required username=\"{USER}\" password=\"{password}\";"),
            ),
            ("ssl.truststore.type", "PKCS12".to_owned()),
            (
                "ssl.truststore.location",
                login.truststore.display().to_string(),
            ),
            ("ssl.truststore.password", login.truststore_password.clone()),
        ]
    }

    /// The same as a properties file, once for each prefix of the keys.
    pub(crate) fn java_file(&self, prefixes: &[&str]) -> String {
        let properties = self.java_properties();
        let mut text = String::new();
        for prefix in prefixes {
            for (key, value) in &properties {
                text += &format!("{prefix}{key}={value}\n");
            }
        }
        text
    }

    /// The arguments of kcat, each one a `-X key=value`.
    pub(crate) fn librdkafka_arguments(&self) -> Vec<String> {
        let mut settings = vec![format!("bootstrap.servers={}", self.bootstrap)];
        if let Some(login) = &self.login {
            settings.push("security.protocol=SASL_SSL".to_owned());
            settings.push("sasl.mechanism=PLAIN".to_owned());
            settings.push(format!("sasl.username={USER}"));
            settings.push(format!("sasl.password={}", login.connection_string));
            settings.push(format!("ssl.ca.location={}", login.ca_file.display()));
        }
        settings
            .into_iter()
            .flat_map(|setting| ["-X".to_owned(), setting])
            .collect()
    }
}
