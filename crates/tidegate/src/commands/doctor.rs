//! `tidegate doctor`: does what a client would do, listener by listener, and says in plain words
//! what is wrong.

mod words;

use std::time::Duration;

use client::{Acks, Client, ConnectError, FetchFrom, FetchLimits, NewTopic, Target};
use model::{
    Timestamp,
    batch::{BatchBuilder, NewRecord},
};
use wire::error_code::ErrorCode;

use super::{
    block_on, health,
    target::{data_dir, find, of_listener},
};
use crate::{
    arguments::{DoctorArguments, TargetArguments},
    output::{self, Style, paint},
    runtime::Runtime,
};

/// An event hub of its own, so that nobody's events are touched; removed afterwards.
const PROBE: &str = "tidegate-doctor-probe";
/// A new event hub may take a moment to be known.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Whether everything is well.
pub(crate) fn run(arguments: &DoctorArguments) -> anyhow::Result<bool> {
    let mut report = Report {
        failed: 0,
        colours: output::colours(),
    };
    block_on(async {
        match &arguments.target {
            target if target.server.is_some() || target.connection_string.is_some() => {
                let found = find(target)?;
                report.head(&found.address())?;
                examine(&found, &mut report).await
            }
            target => examine_running(target, &mut report).await,
        }
    })?;
    match report.failed {
        0 => output::line("\nall is well")?,
        1 => output::line("\n1 check failed")?,
        many => output::line(&format!("\n{many} checks failed"))?,
    }
    Ok(report.failed == 0)
}

/// The lines of the examination.
struct Report {
    failed: usize,
    colours: bool,
}

impl Report {
    fn head(&self, text: &str) -> anyhow::Result<()> {
        output::line(&paint(Style::Title, text, self.colours))
    }

    fn good(&self, check: &str, detail: &str) -> anyhow::Result<()> {
        let mark = paint(Style::Good, "ok    ", self.colours);
        output::line(
            &format!("  {mark} {check:<14} {detail}")
                .trim_end()
                .replace('\n', " "),
        )
    }

    /// `words` say what is wrong and what to do.
    fn bad(&mut self, check: &str, words: &str) -> anyhow::Result<()> {
        self.failed += 1;
        let mark = paint(Style::Bad, "FAILED", self.colours);
        output::line(&format!("  {mark} {check:<14} {words}"))
    }
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
    match probe(&mut client).await {
        Ok(offset) => report.good("events", &format!("sent one and read it back, at {offset}")),
        Err(error) => report.bad("events", &words::probe(&error)),
    }
}

/// Sends an event to an event hub of its own and reads it back.
async fn probe(client: &mut Client) -> anyhow::Result<i64> {
    let topic = NewTopic {
        name: PROBE.to_owned(),
        partitions: Some(1),
        configs: Vec::new(),
    };
    let created = match client.create_topic(&topic).await {
        Ok(()) => true,
        Err(error) => match error.broker() {
            Some(broker) if broker.is(ErrorCode::TopicAlreadyExists) => false,
            _ => return Err(error.into()),
        },
    };
    let outcome = send_and_read(client).await;
    if created {
        client.delete_topic(PROBE).await?;
    }
    outcome
}

async fn send_and_read(client: &mut Client) -> anyhow::Result<i64> {
    let now = server::clock::now().wall;
    let value = format!("doctor at {now}");
    let offset = send(client, now, &value).await?;
    let from = FetchFrom {
        partition: 0,
        offset,
    };
    for _ in 0..ATTEMPTS {
        let fetched = client.fetch(PROBE, &[from], FetchLimits::default()).await?;
        for partition in fetched {
            if let Some(error) = partition.error {
                anyhow::bail!("reading the event back: {error}");
            }
            if let Some(record) = partition.records.first() {
                let same = record.value.as_deref() == Some(value.as_bytes());
                anyhow::ensure!(same, "the event read back is not the one that was sent");
                return Ok(offset);
            }
        }
    }
    anyhow::bail!("the event was accepted and cannot be read")
}

async fn send(client: &mut Client, now: Timestamp, value: &str) -> anyhow::Result<i64> {
    for _ in 0..ATTEMPTS {
        let mut batch = BatchBuilder::default();
        batch.push(NewRecord {
            timestamp: now,
            key: None,
            value: Some(value.as_bytes()),
            headers: &[],
        });
        match client.produce(PROBE, 0, batch.build(), Acks::All).await {
            Ok(produced) => return Ok(produced.base_offset.unwrap_or(0)),
            Err(error) => match error.broker() {
                Some(broker) if broker.is_retriable() => tokio::time::sleep(PAUSE).await,
                _ => return Err(error.into()),
            },
        }
    }
    anyhow::bail!("the new event hub {PROBE} does not become known")
}
