//! What a failure means, and what to do about it.

use std::io::{self, ErrorKind};

use client::{CallError, ConnectError, RequestError, Target};
use wire::error_code::ErrorCode;

const TCP: &str = "TCP";
const TLS: &str = "TLS";
const KAFKA: &str = "Kafka";
const LOGIN: &str = "login";

/// The steps of connecting, with what is worth saying when they went well.
pub(super) fn steps(target: &Target) -> Vec<(&'static str, String)> {
    let mut steps = vec![(TCP, target.address())];
    if let Some(trust) = &target.tls {
        steps.push((TLS, format!("trusted by {}", trust.ca.display())));
    }
    steps.push((KAFKA, String::new()));
    if let Some(login) = &target.login {
        steps.push((LOGIN, format!("as {}", login.user)));
    }
    steps
}

/// The step that an error belongs to.
pub(super) fn failed_step(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Resolve { .. }
        | ConnectError::Connect { .. }
        | ConnectError::Timeout { .. } => TCP,
        ConnectError::Trust(_) | ConnectError::Tls { .. } => TLS,
        ConnectError::Versions { .. } => KAFKA,
        ConnectError::LoginRequest { .. } | ConnectError::LoginRefused { .. } => LOGIN,
    }
}

/// The error and, where there is one, the remedy.
pub(super) fn explain(target: &Target, error: &ConnectError) -> String {
    let whole = chain(error);
    match remedy(target, error) {
        Some(remedy) => format!("{whole}: {remedy}"),
        None => whole,
    }
}

fn remedy(target: &Target, error: &ConnectError) -> Option<&'static str> {
    match error {
        ConnectError::Resolve { .. } => {
            Some("the name is unknown here: check it, or your DNS or hosts file")
        }
        ConnectError::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            Some("nothing listens there: check the port, and that the broker runs")
        }
        ConnectError::Connect { .. } | ConnectError::Timeout { .. } => {
            Some("nothing answers there: check the address, and firewalls on the way")
        }
        ConnectError::Trust(_) => None,
        ConnectError::Tls { source, .. } => tls_remedy(source),
        ConnectError::Versions { source, .. } => match source {
            RequestError::Closed | RequestError::Io(_) if target.tls.is_none() => Some(
                "the listener probably wants TLS: use its port without, or --security sasl_tls",
            ),
            RequestError::Frame(_) => Some("that is no Kafka listener"),
            _ => None,
        },
        ConnectError::LoginRequest { source, .. } => match source {
            RequestError::Unsupported { .. } => {
                Some("this listener asks for no login: leave the connection string out")
            }
            _ => None,
        },
        ConnectError::LoginRefused { .. } => {
            Some("compare with what `tidegate connection-string` prints")
        }
    }
}

fn tls_remedy(error: &io::Error) -> Option<&'static str> {
    let text = error.to_string();
    let known = [
        (
            "UnknownIssuer",
            "the broker's certificate is not from this CA: use the ca.pem of its data directory",
        ),
        (
            "NotValidForName",
            "the certificate does not carry this name: add it to tls.names and restart the broker",
        ),
        (
            "Expired",
            "restart the broker: it renews its own certificate at start",
        ),
        (
            "NotValidYet",
            "this machine's clock is behind the broker's: set it",
        ),
        (
            "InvalidContentType",
            "the listener speaks no TLS: use --security sasl_plaintext or plaintext",
        ),
    ];
    let mut known = known.into_iter();
    known
        .find(|(part, _)| text.contains(part))
        .map(|(_, remedy)| remedy)
}

/// A client follows this address, whatever it connected to first.
pub(super) fn advertised(address: &str, error: &io::Error) -> String {
    format!(
        "clients are sent to {address}, which this machine cannot reach ({error}): set \
         `advertised` of the listener to a name that clients can reach"
    )
}

/// Why no event could be sent or read.
pub(super) fn probe(error: &anyhow::Error) -> String {
    let broker = error
        .downcast_ref::<CallError>()
        .and_then(CallError::broker);
    let refused = [
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::ClusterAuthorizationFailed,
    ];
    let remedy = match broker.and_then(|broker| broker.error) {
        Some(code) if refused.contains(&code) => {
            ": the policy lacks a right; doctor needs manage to make its probe event hub"
        }
        Some(ErrorCode::KafkaStorageError) => {
            ": the broker cannot write: look for a full disk in its log"
        }
        _ => "",
    };
    format!("{error:#}{remedy}")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_is_explained() {
        let target = Target::plaintext("localhost", 9092);
        let error = ConnectError::Connect {
            address: target.address(),
            source: io::Error::from(ErrorKind::ConnectionRefused),
        };
        let words = explain(&target, &error);
        assert!(
            words.contains("cannot connect to localhost:9092"),
            "{words}"
        );
        assert!(words.contains("nothing listens there"), "{words}");
        assert_eq!(failed_step(&error), "TCP");
    }

    #[test]
    fn a_foreign_certificate_is_explained() {
        let target = Target::plaintext("localhost", 9093);
        let error = ConnectError::Tls {
            address: target.address(),
            source: io::Error::other("invalid peer certificate: UnknownIssuer"),
        };
        assert!(explain(&target, &error).contains("use the ca.pem"));
    }
}
