//! Finds the broker that a command is meant for, and how to log in there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use auth::ConnectionString;
use client::{Client, Login, Target, Trust};

use super::connection_string::broker_settings;
use crate::{
    arguments::{SettingsArguments, TargetArguments},
    certificates::TlsPaths,
    reach::{self, Wanted},
    runtime::{RunningListener, Runtime},
    secrets::Secrets,
    settings::{Security, Settings, Sources},
};

/// The port of a connection string that names none.
const KAFKA_TLS_PORT: u16 = 9093;

/// Connects as the arguments say.
pub(crate) async fn connect(arguments: &TargetArguments) -> anyhow::Result<Client> {
    let target = find(arguments)?;
    Ok(Client::connect(&target).await?)
}

/// Where to connect: `--server`, else the connection string's endpoint, else the broker that runs
/// on the data directory.
pub(crate) fn find(arguments: &TargetArguments) -> anyhow::Result<Target> {
    let data_dir = data_dir(arguments)?;
    let string = arguments.connection_string.as_deref();
    let target = match (&arguments.server, string) {
        (Some((host, port)), _) => given(arguments, host.clone(), *port, &data_dir)?,
        (None, Some(text)) => {
            let parsed = ConnectionString::parse(text).context("the connection string")?;
            let port = parsed.endpoint.port.unwrap_or(KAFKA_TLS_PORT);
            given(arguments, parsed.endpoint.host, port, &data_dir)?
        }
        (None, None) => running(arguments, &data_dir)?,
    };
    Ok(Target {
        timeout: Duration::from_secs(arguments.timeout.max(1)),
        ..target
    })
}

/// The flag's, else what the environment or the default says.
pub(crate) fn data_dir(arguments: &TargetArguments) -> anyhow::Result<PathBuf> {
    match &arguments.data_dir {
        Some(dir) => Ok(dir.clone()),
        None => {
            let sources = Sources::from_process(None, Vec::new());
            Ok(Settings::load(&sources)?.storage.data_dir)
        }
    }
}

/// A broker that the user named.
fn given(
    arguments: &TargetArguments,
    host: String,
    port: u16,
    data_dir: &Path,
) -> anyhow::Result<Target> {
    let login = arguments.connection_string.as_deref();
    let word = arguments.security.as_deref();
    let security = match word.and_then(Security::from_word) {
        Some(security) => security,
        None => Security {
            tls: login.is_some(),
            sasl: login.is_some(),
        },
    };
    if security.sasl && login.is_none() {
        anyhow::bail!(
            "--security {} needs --connection-string or TIDEGATE_CONNECTION_STRING",
            security.word()
        );
    }
    let tls = match security.tls {
        true => Some(trust(arguments, data_dir)?),
        false => None,
    };
    Ok(Target {
        tls,
        login: login
            .filter(|_| security.sasl)
            .map(Login::connection_string),
        ..Target::plaintext(&host, port)
    })
}

fn trust(arguments: &TargetArguments, data_dir: &Path) -> anyhow::Result<Trust> {
    let ca = match &arguments.ca {
        Some(ca) => ca.clone(),
        None => TlsPaths::of(data_dir).ca,
    };
    anyhow::ensure!(
        ca.exists(),
        "no CA certificate at {}: name it with --ca, or the broker's data directory with \
         --data-dir",
        ca.display()
    );
    Ok(Trust {
        ca,
        server_name: None,
    })
}

/// The broker that runs on the data directory, by its first listener that serves the namespace.
fn running(arguments: &TargetArguments, data_dir: &Path) -> anyhow::Result<Target> {
    let runtime = Runtime::read(data_dir)?.with_context(|| {
        format!(
            "no broker runs on {}: start one, or name one with --server or --connection-string",
            data_dir.display()
        )
    })?;
    let fits = |listener: &&RunningListener| {
        let security = listener.security().is_some_and(|security| !security.sasl);
        let namespace = arguments.namespace.is_none() || listener.namespace == arguments.namespace;
        security && namespace
    };
    let with_login =
        |listener: &&RunningListener| listener.security().is_some_and(|security| security.sasl);
    let mut listeners = runtime.listener.iter();
    let listener = listeners
        .find(fits)
        .or_else(|| runtime.listener.iter().find(with_login))
        .context("the broker has no listener that this command can use")?;
    of_listener(arguments, listener, data_dir)
}

/// The target for one listener of the broker that runs on the data directory.
pub(crate) fn of_listener(
    arguments: &TargetArguments,
    listener: &RunningListener,
    data_dir: &Path,
) -> anyhow::Result<Target> {
    let address: SocketAddr = listener
        .address
        .parse()
        .with_context(|| format!("listener {} in runtime.toml", listener.name))?;
    let security = listener
        .security()
        .with_context(|| format!("listener {} in runtime.toml", listener.name))?;
    let login = match security.sasl {
        true => Some(own_login(arguments, data_dir)?),
        false => None,
    };
    let tls = match security.tls {
        // The certificate names this machine in several ways; this is the one that always holds.
        true => Some(Trust {
            server_name: Some("localhost".to_owned()),
            ..trust(arguments, data_dir)?
        }),
        false => None,
    };
    Ok(Target {
        tls,
        login,
        ..Target::plaintext(&reachable(address.ip()).to_string(), address.port())
    })
}

/// The namespace's own first policy, out of the data directory.
fn own_login(arguments: &TargetArguments, data_dir: &Path) -> anyhow::Result<Login> {
    if let Some(string) = &arguments.connection_string {
        return Ok(Login::connection_string(string));
    }
    let settings = broker_settings(&SettingsArguments {
        data_dir: Some(data_dir.to_owned()),
        ..SettingsArguments::default()
    })?;
    let wanted = Wanted {
        namespace: arguments.namespace.as_deref(),
        ..Wanted::default()
    };
    let string = reach::connection_string(&settings, &Secrets::load(data_dir)?, wanted)?;
    Ok(Login::connection_string(&string.to_string()))
}

/// Where to connect for an address that is listened on.
pub(crate) fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRING: &str = "Endpoint=sb://a.example/;SharedAccessKeyName=p;SharedAccessKey=k";

    #[test]
    fn a_server_without_a_login_is_plaintext() {
        let arguments = TargetArguments {
            server: Some(("a.example".to_owned(), 9092)),
            ..TargetArguments::default()
        };
        let target = find(&arguments).unwrap();
        assert_eq!(target.address(), "a.example:9092");
        assert!(target.tls.is_none() && target.login.is_none());
    }

    #[test]
    fn a_connection_string_alone_leads_to_its_endpoint_over_tls() {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, "").unwrap();
        let arguments = TargetArguments {
            connection_string: Some(STRING.to_owned()),
            ca: Some(ca),
            ..TargetArguments::default()
        };
        let target = find(&arguments).unwrap();
        assert_eq!(target.address(), "a.example:9093");
        assert!(target.tls.is_some() && target.login.is_some());
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let arguments = TargetArguments {
            data_dir: Some(dir.path().to_owned()),
            ..TargetArguments::default()
        };
        let error = find(&arguments).unwrap_err().to_string();
        assert!(error.contains("no broker runs on"), "{error}");
        let arguments = TargetArguments {
            connection_string: Some(STRING.to_owned()),
            ..arguments
        };
        let error = find(&arguments).unwrap_err().to_string();
        assert!(error.contains("name it with --ca"), "{error}");
    }
}
