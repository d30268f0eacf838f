//! `tidegate group`: list, show, reset, delete.

use std::collections::{BTreeMap, BTreeSet};

use client::{Client, CommittedOffset, GroupDescription, TimestampSpec};
use serde_json::json;

use super::{block_on, table::columns, target::connect};
use crate::{
    arguments::{GroupCommand, ResetArguments},
    output,
};

pub(crate) fn run(command: GroupCommand) -> anyhow::Result<()> {
    block_on(async {
        match command {
            GroupCommand::List { target, json } => list(&mut connect(&target).await?, json).await,
            GroupCommand::Show {
                group,
                json,
                target,
            } => show(&mut connect(&target).await?, &group, json).await,
            GroupCommand::Reset(arguments) => reset(&arguments).await,
            GroupCommand::Delete { group, target } => {
                connect(&target).await?.delete_group(&group).await?;
                output::line(&format!("deleted {group}"))
            }
        }
    })
}

async fn list(client: &mut Client, json: bool) -> anyhow::Result<()> {
    let mut groups = client.list_groups().await?;
    groups.sort_by(|a, b| a.group.cmp(&b.group));
    if json {
        for group in &groups {
            let line = json!({
                "group": group.group,
                "state": group.state,
                "protocol_type": group.protocol_type,
            });
            output::line(&line.to_string())?;
        }
        return Ok(());
    }
    let rows: Vec<_> = groups
        .into_iter()
        .map(|group| vec![group.group, group.state])
        .collect();
    output::text(&columns(&["GROUP", "STATE"], &rows))
}

/// A committed offset beside the end of its partition.
struct Standing {
    committed: CommittedOffset,
    end: i64,
}

impl Standing {
    fn lag(&self) -> i64 {
        self.end.saturating_sub(self.committed.offset).max(0)
    }
}

async fn show(client: &mut Client, group: &str, json: bool) -> anyhow::Result<()> {
    let description = client.describe_group(group).await?;
    let committed = client.committed_offsets(group).await?;
    anyhow::ensure!(
        description.state != "Dead" || !committed.is_empty(),
        "there is no group {group}"
    );
    let ends = ends(client, &committed).await?;
    let standings: Vec<Standing> = committed
        .into_iter()
        .map(|committed| {
            let place = (committed.topic.clone(), committed.partition);
            let end = ends.get(&place).copied().unwrap_or(committed.offset);
            Standing { committed, end }
        })
        .collect();
    if json {
        return show_json(&description, &standings);
    }
    output::line(&format!(
        "{group}: {}{}",
        description.state,
        match description.protocol.as_str() {
            "" => String::new(),
            protocol => format!(", {protocol}"),
        }
    ))?;
    if !standings.is_empty() {
        output::text("\n")?;
        let row = |standing: &Standing| {
            vec![
                standing.committed.topic.clone(),
                standing.committed.partition.to_string(),
                standing.committed.offset.to_string(),
                standing.end.to_string(),
                standing.lag().to_string(),
            ]
        };
        let heads = ["EVENT HUB", "PARTITION", "COMMITTED", "END", "LAG"];
        let rows: Vec<_> = standings.iter().map(row).collect();
        output::text(&columns(&heads, &rows))?;
    }
    if !description.members.is_empty() {
        output::text("\n")?;
        let rows: Vec<_> = description
            .members
            .into_iter()
            .map(|member| {
                let instance = member.instance_id.unwrap_or_default();
                vec![
                    member.member_id,
                    instance,
                    member.client_id,
                    member.client_host,
                ]
            })
            .collect();
        output::text(&columns(&["MEMBER", "INSTANCE", "CLIENT", "HOST"], &rows))?;
    }
    Ok(())
}

fn show_json(description: &GroupDescription, standings: &[Standing]) -> anyhow::Result<()> {
    let offsets: Vec<_> = standings
        .iter()
        .map(|standing| {
            json!({
                "event_hub": standing.committed.topic,
                "partition": standing.committed.partition,
                "committed": standing.committed.offset,
                "end": standing.end,
                "lag": standing.lag(),
            })
        })
        .collect();
    let members: Vec<_> = description
        .members
        .iter()
        .map(|member| {
            json!({
                "member": member.member_id,
                "instance": member.instance_id,
                "client": member.client_id,
                "host": member.client_host,
            })
        })
        .collect();
    let shown = json!({
        "group": description.group,
        "state": description.state,
        "protocol": description.protocol,
        "offsets": offsets,
        "members": members,
    });
    output::line(&shown.to_string())
}

/// The end of every partition that has a committed offset.
async fn ends(
    client: &mut Client,
    committed: &[CommittedOffset],
) -> anyhow::Result<BTreeMap<(String, i32), i64>> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for offset in committed {
        let partitions = by_topic.entry(&offset.topic).or_default();
        partitions.push(offset.partition);
    }
    let mut ends = BTreeMap::new();
    for (topic, partitions) in by_topic {
        let found = client
            .list_offsets(topic, &partitions, TimestampSpec::Latest)
            .await?;
        for found in found {
            if let Some(offset) = found.offset {
                ends.insert((topic.to_owned(), found.partition), offset);
            }
        }
    }
    Ok(ends)
}

async fn reset(arguments: &ResetArguments) -> anyhow::Result<()> {
    let client = &mut connect(&arguments.target).await?;
    let topics: BTreeSet<String> = if arguments.event_hubs.is_empty() {
        let committed = client.committed_offsets(&arguments.group).await?;
        committed.into_iter().map(|offset| offset.topic).collect()
    } else {
        arguments.event_hubs.iter().cloned().collect()
    };
    anyhow::ensure!(
        !topics.is_empty(),
        "group {} has no offsets: name an event hub with --event-hub",
        arguments.group
    );
    let mut rows = Vec::new();
    for name in topics {
        let topic = client.topic(&name, false).await?;
        let partitions: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
        let offsets = arguments.to.resolve(client, &name, &partitions).await?;
        if !arguments.dry_run {
            client
                .commit_offsets(&arguments.group, &name, &offsets)
                .await?;
        }
        let row = |(partition, offset): (i32, i64)| {
            vec![name.clone(), partition.to_string(), offset.to_string()]
        };
        rows.extend(offsets.into_iter().map(row));
    }
    output::text(&columns(&["EVENT HUB", "PARTITION", "OFFSET"], &rows))
}
