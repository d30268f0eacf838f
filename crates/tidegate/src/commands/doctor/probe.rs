//! Events: sent to an event hub of doctor's own and read back, or as much of it as the policy may.

use std::time::Duration;

use client::{
    Acks, BrokerError, CallError, Client, ClusterListing, FetchFrom, FetchLimits, NewTopic,
    TimestampSpec,
};
use model::{
    Timestamp,
    batch::{BatchBuilder, NewRecord},
};
use wire::error_code::ErrorCode;

use super::{report::Report, words};

/// An event hub of its own, so that nobody's events are touched; removed afterwards.
const PROBE: &str = "tidegate-doctor-probe";
/// A new event hub may take a moment to be known.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Sends and reads an event; with fewer rights than that takes, tries each right by itself.
pub(super) async fn examine(
    client: &mut Client,
    cluster: &ClusterListing,
    report: &mut Report,
) -> anyhow::Result<()> {
    match probe(client).await {
        Ok(Some(offset)) => {
            report.good("events", &format!("sent one and read it back, at {offset}"))
        }
        Ok(None) => {
            let readable = examine_listen(client, cluster, report).await?;
            let sendable = examine_send(client, report).await?;
            if !readable && !sendable {
                let words = "this policy may neither send nor listen here: compare its rights and \
                             its event hub with what you need";
                return report.bad("events", words);
            }
            let words = "no event was sent: the policy may not manage, and doctor sends to an \
                         event hub of its own only";
            report.unchecked("events", words)
        }
        Err(error) => report.bad("events", &words::probe(&error)),
    }
}

/// The offset of the event; `None` where the policy may not make an event hub for it.
async fn probe(client: &mut Client) -> anyhow::Result<Option<i64>> {
    let topic = NewTopic {
        name: PROBE.to_owned(),
        partitions: Some(1),
        configs: Vec::new(),
    };
    let created = match client.create_topic(&topic).await {
        Ok(()) => true,
        Err(error) => match error.broker() {
            Some(broker) if broker.is(ErrorCode::TopicAlreadyExists) => false,
            Some(broker) if is_denial(broker) => return Ok(None),
            _ => return Err(error.into()),
        },
    };
    let outcome = send_and_read(client).await;
    if created {
        client.delete_topic(PROBE).await?;
    }
    outcome.map(Some)
}

fn is_denial(error: &BrokerError) -> bool {
    error.is(ErrorCode::TopicAuthorizationFailed) || error.is(ErrorCode::ClusterAuthorizationFailed)
}

/// Reads from what the caller sees, without a group and without waiting; whether it may.
async fn examine_listen(
    client: &mut Client,
    cluster: &ClusterListing,
    report: &mut Report,
) -> anyhow::Result<bool> {
    let check = "listen";
    let Some(hub) = cluster.topics.first() else {
        report.unchecked(check, "there is no event hub to read from")?;
        return Ok(true);
    };
    let name = hub.name.as_str();
    match read_at_end(client, name).await {
        Ok(()) => report.good(check, &format!("read at the end of {name}, partition 0"))?,
        Err(Refused::Denied) => {
            report.unchecked(check, &format!("the policy may not listen to {name}"))?;
            return Ok(false);
        }
        Err(Refused::Failed(error)) => report.bad(check, &words::probe(&error))?,
    }
    Ok(true)
}

/// Why a right could not be used.
enum Refused {
    Denied,
    Failed(anyhow::Error),
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Self {
        match error.broker() {
            Some(broker) if is_denial(broker) => Self::Denied,
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<BrokerError> for Refused {
    fn from(error: BrokerError) -> Self {
        if is_denial(&error) {
            Self::Denied
        } else {
            Self::Failed(error.into())
        }
    }
}

async fn read_at_end(client: &mut Client, name: &str) -> Result<(), Refused> {
    let ends = client
        .list_offsets(name, &[0], TimestampSpec::Latest)
        .await?;
    let mut offset = 0;
    for end in ends {
        if let Some(error) = end.error {
            return Err(error.into());
        }
        offset = end.offset.unwrap_or(0);
    }
    let from = FetchFrom {
        partition: 0,
        offset,
    };
    let limits = FetchLimits {
        wait: Duration::ZERO,
        ..FetchLimits::default()
    };
    for partition in client.fetch(name, &[from], limits).await? {
        if let Some(error) = partition.error {
            return Err(error.into());
        }
        if let Some(trouble) = partition.trouble(name) {
            return Err(trouble.into());
        }
    }
    Ok(())
}

/// Asks for a producer id, which takes the right to send and writes no event; whether it may.
async fn examine_send(client: &mut Client, report: &mut Report) -> anyhow::Result<bool> {
    let check = "send";
    match client.init_producer_id().await.map_err(Refused::from) {
        Ok(id) => report.good(check, &format!("was given producer id {id}"))?,
        Err(Refused::Denied) => {
            report.unchecked(check, "the policy may not send")?;
            return Ok(false);
        }
        Err(Refused::Failed(error)) => report.bad(check, &words::probe(&error))?,
    }
    Ok(true)
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
            if let Some(trouble) = partition.trouble(PROBE) {
                anyhow::bail!("reading the event back: {trouble}");
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
