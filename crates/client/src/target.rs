//! What to connect to, and how.

use std::{fmt, path::PathBuf, time::Duration};

/// A broker and the way to talk to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    pub port: u16,
    /// `None` is plaintext.
    pub tls: Option<Trust>,
    /// `None` is a listener without login.
    pub login: Option<Login>,
    /// How the client names itself in the broker's log.
    pub client_id: String,
    /// For connecting, and for each request on top of what the request itself may take.
    pub timeout: Duration,
}

impl Target {
    /// A plaintext target without login.
    #[must_use]
    pub fn plaintext(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
            tls: None,
            login: None,
            client_id: "tidegate-cli".to_owned(),
            timeout: Duration::from_secs(30),
        }
    }

    /// Reads `host:port` or `[v6]:port`.
    #[must_use]
    pub fn parse_server(text: &str) -> Option<(String, u16)> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        // An IPv6 address without brackets cannot be told from its port.
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return None;
        }
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some((host.to_owned(), port))
    }

    /// The address for messages.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whom to believe, and who the server should be.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Certificates (PEM) of the authorities to trust.
    pub ca: PathBuf,
    /// The name to ask for and to check; the target's host if absent.
    pub server_name: Option<String>,
}

/// User and password for SASL PLAIN.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

impl Login {
    /// The user that Event Hubs expects beside a connection string.
    pub const CONNECTION_STRING_USER: &'static str = "$ConnectionString";

    /// A login with a connection string.
    #[must_use]
    pub fn connection_string(text: &str) -> Self {
        Self {
            user: Self::CONNECTION_STRING_USER.to_owned(),
            password: text.to_owned(),
        }
    }
}

impl fmt::Debug for Login {
    /// Never shows the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_with_their_port() {
        let parse = Target::parse_server;
        assert_eq!(parse("a.b:9093"), Some(("a.b".to_owned(), 9093)));
        assert_eq!(parse("[::1]:9093"), Some(("::1".to_owned(), 9093)));
        for text in ["a.b", "a.b:", "a.b:x", ":9", "::1:9093", "a:0", "a:70000"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_login_never_shows_its_password() {
        let login = Login::connection_string("SharedAccessKey=s3cret");
        assert!(!format!("{login:?}").contains("s3cret"));
    }
}
