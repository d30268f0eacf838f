//! `tidegate health`: asks the admin listener whether the broker is ready, for container images
//! that hold nothing else that could ask.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::Context;

use super::{connection_string::broker_settings, target::reachable};
use crate::{arguments::HealthArguments, runtime::Runtime};

const TIMEOUT: Duration = Duration::from_secs(5);
/// More than a health page has.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn run(arguments: &HealthArguments) -> anyhow::Result<()> {
    let address = match arguments.admin {
        Some(address) => address,
        None => find(arguments)?,
    };
    let answer = get(address, "/readyz")?;
    anyhow::ensure!(answer.status == 200, "not ready: {}", answer.body.trim());
    Ok(())
}

fn find(arguments: &HealthArguments) -> anyhow::Result<SocketAddr> {
    let settings = broker_settings(&arguments.settings)?;
    let data_dir = &settings.storage.data_dir;
    // Written once the broker is ready: without it there is nobody to ask.
    let runtime = Runtime::read(data_dir)?
        .with_context(|| format!("no broker is ready on {}", data_dir.display()))?;
    runtime.admin.parse().context("admin in runtime.toml")
}

/// An answer of the admin listener.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks the admin listener for a page.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let address = SocketAddr::new(reachable(address.ip()), address.port());
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)
        .with_context(|| format!("connect to the admin listener at {address}"))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    socket.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).context("the admin listener does not speak HTTP")
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    Some(Answer {
        status: status.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\nA: b\r\n\r\nrecovering").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (503, "recovering"));
        assert!(parse("SSH-2.0-OpenSSH").is_none());
    }
}
