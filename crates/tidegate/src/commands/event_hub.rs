//! `tidegate event-hub`: list, create, show, grow, delete.

use client::{Client, NewTopic, TimestampSpec, TopicListing};
use serde_json::json;

use super::{block_on, table::columns, target::connect};
use crate::{arguments::EventHubCommand, output};

pub(crate) fn run(command: EventHubCommand) -> anyhow::Result<()> {
    block_on(async {
        match command {
            EventHubCommand::List { target, json } => {
                list(&mut connect(&target).await?, json).await
            }
            EventHubCommand::Create {
                name,
                partitions,
                retention,
                mut configs,
                target,
            } => {
                if let Some(retention_ms) = retention {
                    configs.push(("retention.ms".to_owned(), retention_ms.to_string()));
                }
                let topic = NewTopic {
                    name: name.clone(),
                    partitions,
                    configs,
                };
                connect(&target).await?.create_topic(&topic).await?;
                output::line(&format!("created {name}"))
            }
            EventHubCommand::Show { name, json, target } => {
                show(&mut connect(&target).await?, &name, json).await
            }
            EventHubCommand::Grow {
                name,
                partitions,
                target,
            } => {
                connect(&target)
                    .await?
                    .grow_topic(&name, partitions)
                    .await?;
                output::line(&format!("{name} has {partitions} partitions"))
            }
            EventHubCommand::Delete { name, target } => {
                connect(&target).await?.delete_topic(&name).await?;
                output::line(&format!("deleted {name}"))
            }
        }
    })
}

async fn list(client: &mut Client, json: bool) -> anyhow::Result<()> {
    let mut topics = client.metadata(None, false).await?.topics;
    topics.retain(|topic| !topic.is_internal);
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    if json {
        for topic in &topics {
            let line = json!({"name": topic.name, "partitions": topic.partitions.len()});
            output::line(&line.to_string())?;
        }
        return Ok(());
    }
    let row = |topic: &TopicListing| vec![topic.name.clone(), topic.partitions.len().to_string()];
    let rows: Vec<_> = topics.iter().map(row).collect();
    output::text(&columns(&["EVENT HUB", "PARTITIONS"], &rows))
}

async fn show(client: &mut Client, name: &str, json: bool) -> anyhow::Result<()> {
    let topic = client.topic(name, false).await?;
    let indexes: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
    let first = client
        .list_offsets(name, &indexes, TimestampSpec::Earliest)
        .await?;
    let next = client
        .list_offsets(name, &indexes, TimestampSpec::Latest)
        .await?;
    let configs = client.topic_configs(name).await?;
    let own = configs.iter().filter(|config| config.is_own);
    let offset = |offset: Option<i64>| offset.unwrap_or(0);
    if json {
        let partitions: Vec<_> = first
            .iter()
            .zip(&next)
            .map(|(first, next)| {
                json!({
                    "partition": first.partition,
                    "first_offset": offset(first.offset),
                    "next_offset": offset(next.offset),
                })
            })
            .collect();
        let configs: serde_json::Map<_, _> = own
            .map(|config| (config.name.clone(), json!(config.value)))
            .collect();
        let shown = json!({"name": name, "partitions": partitions, "configs": configs});
        return output::line(&shown.to_string());
    }
    let rows: Vec<_> = first
        .iter()
        .zip(&next)
        .map(|(first, next)| {
            let (from, to) = (offset(first.offset), offset(next.offset));
            [i64::from(first.partition), from, to, to - from]
                .map(|number| number.to_string())
                .to_vec()
        })
        .collect();
    let heads = ["PARTITION", "FIRST OFFSET", "NEXT OFFSET", "EVENTS"];
    output::text(&columns(&heads, &rows))?;
    let rows: Vec<_> = own
        .map(|config| {
            vec![
                config.name.clone(),
                config.value.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    output::text("\n")?;
    output::text(&columns(&["CONFIGURATION", "VALUE"], &rows))
}
