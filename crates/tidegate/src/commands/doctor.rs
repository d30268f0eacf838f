//! `tidegate doctor`: does what a client would do, listener by listener, and says in plain words
//! what is wrong.

mod probe;
mod report;
mod surroundings;
mod words;

use std::time::Duration;

use client::{Client, ConnectError, Target};

use self::report::Report;
use super::{
    block_on, health,
    target::{data_dir, find, of_listener},
};
use crate::{
    arguments::{DoctorArguments, TargetArguments},
    runtime::Runtime,
};

/// Whether everything is well.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<bool> {
    let mut report = Report::new();
    block_on(async {
        match &arguments.target {
            target if target.server.is_some() || target.connection_string.is_some() => {
                let found = find(target)?;
                report.head(&found.address())?;
                examine(&found, &mut report).await?;
                let words = "only a broker of this machine is asked for its free space";
                report.unchecked("disk", words)
            }
            target => examine_running(target, &mut report).await,
        }
    })?;
    report.end()
}

/// Every listener of the broker that runs on the data directory, and its admin listener.
async fn examine_running(arguments: &TargetArguments, report: &mut Report) -> anyhow::Result<()> {
    let data_dir = data_dir(arguments)?;
    let Some(runtime) = Runtime::read(&data_dir)? else {
        report.head(&data_dir.display().to_string())?;
        let words = "no broker runs on this data directory: start one, or name another with \
                     --data-dir or --server";
        return report.bad("process", words);
    };
    report.head(&format!("process {}", runtime.pid))?;
    examine_admin(&runtime, report)?;
    surroundings::examine_disk(&data_dir, report)?;
    for listener in &runtime.listener {
        report.head(&format!(
            "\nlistener {} ({}, {})",
            listener.name, listener.address, listener.security
        ))?;
        match of_listener(arguments, listener, &data_dir) {
            Err(error) => report.bad("settings", &format!("{error:#}"))?,
            Ok(target) => {
                let timeout = Duration::from_secs(arguments.timeout.max(1));
                examine(&Target { timeout, ..target }, report).await?;
            }
        }
    }
    Ok(())
}

fn examine_admin(runtime: &Runtime, report: &mut Report) -> anyhow::Result<()> {
    let address = runtime.admin.parse()?;
    match health::get(address, "/readyz") {
        Ok(answer) if answer.status == 200 => report.good("ready", "")?,
        Ok(answer) => report.bad("ready", &format!("it says: {}", answer.body.trim()))?,
        Err(error) => report.bad("ready", &format!("{error:#}"))?,
    }
    match health::get(address, "/metrics") {
        Ok(answer) if answer.body.contains("tidegate_build_info") => {
            report.good("metrics", &format!("http://{address}/metrics"))
        }
        Ok(answer) => {
            let words = format!("/metrics answers {} without our numbers", answer.status);
            report.bad("metrics", &words)
        }
        Err(error) => report.bad("metrics", &format!("{error:#}")),
    }
}

/// One listener, as a client would use it.
async fn examine(target: &Target, report: &mut Report) -> anyhow::Result<()> {
    let client = match Client::connect(target).await {
        Ok(client) => client,
        Err(error) => return report_connect(target, &error, report),
    };
    for (check, detail) in words::steps(target) {
        report.good(check, &detail)?;
    }
    if let Some(der) = client.certificate() {
        surroundings::examine_certificate(der, report)?;
    }
    examine_kafka(client, target, report).await
}

/// The steps before the failed one went well.
fn report_connect(
    target: &Target,
    error: &ConnectError,
    report: &mut Report,
) -> anyhow::Result<()> {
    let failed = words::failed_step(error);
    for (check, detail) in words::steps(target) {
        if check == failed {
            break;
        }
        report.good(check, &detail)?;
    }
    report.bad(failed, &words::explain(target, error))
}

async fn examine_kafka(
    mut client: Client,
    target: &Target,
    report: &mut Report,
) -> anyhow::Result<()> {
    let cluster = match client.metadata(None, false).await {
        Ok(cluster) => cluster,
        Err(error) => return report.bad("metadata", &error.to_string()),
    };
    let count = cluster.topics.len();
    report.good("metadata", &format!("{count} event hubs"))?;
    for broker in &cluster.brokers {
        let address = format!("{}:{}", broker.host, broker.port);
        let port = u16::try_from(broker.port).unwrap_or(0);
        let reached = tokio::time::timeout(
            target.timeout,
            tokio::net::TcpStream::connect((broker.host.as_str(), port)),
        )
        .await;
        match reached {
            Ok(Ok(_)) => report.good("advertised", &address)?,
            Ok(Err(error)) => report.bad("advertised", &words::advertised(&address, &error))?,
            Err(_) => report.bad("advertised", &format!("{address} does not answer"))?,
        }
    }
    probe::examine(&mut client, &cluster, report).await
}
