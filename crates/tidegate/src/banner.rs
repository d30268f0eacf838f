//! What a person needs next, printed when the broker is ready.

use std::path::Path;

use crate::{
    certificates::TRUSTSTORE_PASSWORD,
    output::{Style, paint},
    runtime::{RunningListener, Runtime},
};

/// Everything the banner says.
#[derive(Clone, Debug)]
pub(crate) struct Banner<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) data_dir: &'a Path,
    /// Absent where the operator's own certificate is in use.
    pub(crate) ca: Option<&'a Path>,
    pub(crate) truststore: Option<&'a Path>,
    pub(crate) namespace: &'a str,
    /// The host that clients on this machine use.
    pub(crate) host: &'a str,
    /// Absent where printing it would put a secret into somebody's logs.
    pub(crate) connection_string: Option<&'a str>,
    /// Whether clients' settings are shown: to somebody who is likely to need them.
    pub(crate) explains: bool,
}

/// Stands in clients' settings for a connection string that is not shown.
const PLACEHOLDER: &str = "<connection string>";

impl Banner<'_> {
    /// The whole text; `colours` for a terminal.
    pub(crate) fn text(&self, colours: bool) -> String {
        let title = |text: &str| paint(Style::Title, text, colours);
        let version = env!("CARGO_PKG_VERSION");
        let mut out = format!("{}\n\n", title(&format!("Tidegate {version} is ready")));
        for listener in &self.runtime.listener {
            let address = paint(Style::Name, &format!("{:<22}", listener.address), colours);
            out.push_str(&row("Kafka", &format!("{address} {}", describe(listener))));
        }
        let metrics = format!("http://{}/metrics", self.runtime.admin);
        out.push_str(&row("Metrics", &paint(Style::Name, &metrics, colours)));
        out.push_str(&row("Data", &self.data_dir.display().to_string()));
        if let Some(ca) = self.ca {
            out.push_str(&row("CA certificate", &ca.display().to_string()));
        }
        if let Some(truststore) = self.truststore {
            let text = format!("{} (password {TRUSTSTORE_PASSWORD})", truststore.display());
            out.push_str(&row("Java truststore", &text));
        }
        out.push('\n');
        match self.connection_string {
            Some(string) => {
                let head = format!("Connection string of namespace {}", self.namespace);
                out.push_str(&format!("{}\n{string}\n\n", title(&head)));
            }
            None => out.push_str(&format!(
                "Connection string: tidegate connection-string --data-dir {}\n\n",
                self.data_dir.display()
            )),
        }
        if self.explains {
            let string = self.connection_string.unwrap_or(PLACEHOLDER);
            out.push_str(&self.snippets(string, colours));
        }
        out
    }

    /// Ready to paste, for the listener with TLS and login, if there is one.
    fn snippets(&self, string: &str, colours: bool) -> String {
        let mut listeners = self.runtime.listener.iter();
        let Some(listener) = listeners.find(|listener| listener.security == "sasl_tls") else {
            return String::new();
        };
        let port = listener.address.rsplit(':').next().unwrap_or("9093");
        let server = format!("{}:{port}", self.host);
        let (ca_line, java_ca, kcat_ca) = match (self.ca, self.truststore) {
            (Some(ca), Some(truststore)) => (
                format!("    \"ssl.ca.location\": \"{}\",\n", ca.display()),
                format!(
                    "ssl.truststore.location={}\nssl.truststore.type=PKCS12\n\
                     ssl.truststore.password={TRUSTSTORE_PASSWORD}\n",
                    truststore.display()
                ),
                format!(" -X ssl.ca.location={}", ca.display()),
            ),
            _ => (String::new(), String::new(), String::new()),
        };
        let title = |text: &str| paint(Style::Title, text, colours);
        format!(
            "{python}\nconf = {{\n    \"bootstrap.servers\": \"{server}\",\n    \
             \"security.protocol\": \"SASL_SSL\",\n{ca_line}    \"sasl.mechanism\": \"PLAIN\",\n    \
             \"sasl.username\": \"$ConnectionString\",\n    \"sasl.password\": \"{string}\",\n}}\n\n\
             {java}\nbootstrap.servers={server}\nsecurity.protocol=SASL_SSL\n{java_ca}\
             sasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.\
             PlainLoginModule required username=\"$ConnectionString\" password=\"{string}\";\n\n\
             {kcat}\nkcat -L -b {server} -X security.protocol=SASL_SSL{kcat_ca} \
             -X sasl.mechanism=PLAIN -X 'sasl.username=$ConnectionString' \
             -X 'sasl.password={string}'\n\n",
            python = title("Python (confluent-kafka)"),
            java = title("Java (client.properties)"),
            kcat = title("kcat"),
        )
    }
}

fn row(name: &str, value: &str) -> String {
    format!("  {name:<16} {value}\n")
}

/// What a listener asks of clients, in words.
fn describe(listener: &RunningListener) -> String {
    let security = match listener.security.as_str() {
        "plaintext" => "plaintext, no login",
        "tls" => "TLS, no login",
        "sasl_plaintext" => "plaintext, login with a connection string",
        _ => "TLS, login with a connection string",
    };
    match &listener.namespace {
        Some(namespace) => format!("{security}, namespace {namespace}"),
        None => security.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(connection_string: Option<&str>, colours: bool) -> String {
        let runtime = Runtime {
            pid: 1,
            admin: "127.0.0.1:9600".to_owned(),
            config: None,
            listener: vec![RunningListener {
                name: "kafka-tls".to_owned(),
                security: "sasl_tls".to_owned(),
                address: "0.0.0.0:9093".to_owned(),
                namespace: Some("dev".to_owned()),
            }],
        };
        let banner = Banner {
            runtime: &runtime,
            data_dir: Path::new("/data"),
            ca: Some(Path::new("/data/tls/ca.pem")),
            truststore: Some(Path::new("/data/tls/truststore.p12")),
            namespace: "dev",
            host: "localhost",
            connection_string,
            explains: true,
        };
        banner.text(colours)
    }

    #[test]
    fn plain_lines_hold_everything_to_paste() {
        let shown = text(Some("Endpoint=sb://x/;SharedAccessKey=k"), false);
        assert!(!shown.contains('\x1b'));
        for part in [
            "\nEndpoint=sb://x/;SharedAccessKey=k\n",
            "\"bootstrap.servers\": \"localhost:9093\"",
            "\"ssl.ca.location\": \"/data/tls/ca.pem\"",
            "ssl.truststore.location=/data/tls/truststore.p12",
            "password=\"Endpoint=sb://x/;SharedAccessKey=k\";",
            "kcat -L -b localhost:9093",
            "http://127.0.0.1:9600/metrics",
        ] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
    }

    #[test]
    fn a_terminal_gets_colours() {
        assert!(text(None, true).contains("\x1b["));
    }

    #[test]
    fn without_the_string_the_command_that_prints_it_is_named() {
        let shown = text(None, false);
        assert!(
            shown.contains("tidegate connection-string --data-dir /data"),
            "{shown}"
        );
        assert!(
            shown.contains("password=\"<connection string>\";"),
            "{shown}"
        );
    }
}
