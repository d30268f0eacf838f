//! `tidegate produce`: sends events from arguments or from standard input, line by line.

use std::{
    collections::BTreeMap,
    io::{BufRead, IsTerminal},
};

use client::{Acks, Client, partition_for_key};
use indicatif::{ProgressBar, ProgressStyle};
use model::batch::{BatchBuilder, NewRecord};

use super::{block_on, target::connect};
use crate::{arguments::ProduceArguments, output};

/// A batch is sent when it is this large, whatever its number of events.
const BATCH_BYTES: usize = 900_000;

pub(crate) fn run(arguments: &ProduceArguments) -> anyhow::Result<()> {
    block_on(async {
        let client = connect(&arguments.target).await?;
        let mut sender = Sender::new(client, arguments).await?;
        if arguments.events.is_empty() {
            // Reading blocks, which nothing else minds: this process has one thing to do.
            for line in std::io::stdin().lock().lines() {
                sender.add(&line?).await?;
            }
        } else {
            for event in &arguments.events {
                sender.add(event).await?;
            }
        }
        sender.finish().await
    })
}

struct Sender<'a> {
    client: Client,
    arguments: &'a ProduceArguments,
    acks: Acks,
    partitions: i32,
    /// Keyless events go to one partition per batch, and to the next with the next batch.
    keyless: i32,
    batches: BTreeMap<i32, (BatchBuilder, usize)>,
    sent: u64,
    progress: ProgressBar,
}

impl<'a> Sender<'a> {
    async fn new(mut client: Client, arguments: &'a ProduceArguments) -> anyhow::Result<Self> {
        let topic = topic_ready(&mut client, &arguments.event_hub).await?;
        let partitions = i32::try_from(topic).unwrap_or(i32::MAX);
        Ok(Self {
            client,
            arguments,
            acks: match arguments.acks.as_str() {
                "0" => Acks::None,
                "1" => Acks::Leader,
                _ => Acks::All,
            },
            partitions,
            keyless: 0,
            batches: BTreeMap::new(),
            sent: 0,
            progress: progress("sent"),
        })
    }

    async fn add(&mut self, line: &str) -> anyhow::Result<()> {
        let (key, value) = match &self.arguments.key_separator {
            None => (self.arguments.key.as_deref(), line),
            Some(separator) => match line.split_once(separator.as_str()) {
                Some((key, value)) => (Some(key), value),
                None => (None, line),
            },
        };
        let partition = match (self.arguments.partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key.as_bytes(), self.partitions),
            (None, None) => self.keyless,
        };
        let headers: Vec<(&str, Option<&[u8]>)> = self
            .arguments
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_bytes())))
            .collect();
        let (batch, count) = self.batches.entry(partition).or_default();
        batch.push(NewRecord {
            timestamp: server::clock::now().wall,
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            headers: &headers,
        });
        *count += 1;
        if *count >= self.arguments.batch.max(1) || batch.total_bytes() >= BATCH_BYTES {
            self.send(partition).await?;
        }
        Ok(())
    }

    async fn send(&mut self, partition: i32) -> anyhow::Result<()> {
        let Some((batch, count)) = self.batches.remove(&partition) else {
            return Ok(());
        };
        self.client
            .produce(
                &self.arguments.event_hub,
                partition,
                batch.build(),
                self.acks,
            )
            .await?;
        self.sent += u64::try_from(count).unwrap_or_default();
        self.progress.set_position(self.sent);
        if partition == self.keyless {
            self.keyless = (self.keyless + 1).checked_rem(self.partitions).unwrap_or(0);
        }
        Ok(())
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        let partitions: Vec<i32> = self.batches.keys().copied().collect();
        for partition in partitions {
            self.send(partition).await?;
        }
        if self.acks == Acks::None {
            // Without answers, only a later request on the same connection proves the arrival.
            self.client
                .metadata(Some(&[&self.arguments.event_hub]), false)
                .await?;
        }
        self.progress.finish_and_clear();
        let (sent, hub) = (self.sent, &self.arguments.event_hub);
        output::note(&format!("sent {sent} events to {hub}"));
        Ok(())
    }
}

/// The number of partitions; asking for an event hub may have to create it first.
async fn topic_ready(client: &mut Client, name: &str) -> anyhow::Result<usize> {
    const ATTEMPTS: usize = 20;
    for _ in 0..ATTEMPTS {
        match client.topic(name, true).await {
            Ok(topic) if !topic.partitions.is_empty() => return Ok(topic.partitions.len()),
            Ok(_) => {}
            Err(error)
                if error
                    .broker()
                    .is_some_and(client::BrokerError::is_retriable) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("event hub {name} does not exist and is not created on demand")
}

/// A counter on a terminal, for runs whose end is not in sight; nothing elsewhere.
pub(super) fn progress(verb: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() || std::io::stdin().is_terminal() && verb == "sent" {
        return ProgressBar::hidden();
    }
    let template = format!("{{spinner}} {verb} {{human_pos}} events, {{per_sec}}");
    let bar = ProgressBar::new_spinner();
    match ProgressStyle::with_template(&template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
